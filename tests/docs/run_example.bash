# run_example.bash: sourced by the documentation tests: runs a command of a document as it stands there, in a folder of its own.
#
# What is changed, and nothing else: `mohs` is the program under test, the ports 9555, 9556, 4000 and 4001 become free ones, load runs are
# cut to three seconds, because a test proves that an example works, not what it measures, and the check of a target to the cases of
# $target_only when that is set.

work=$(mktemp -d)
servers=""
cleanup() { for p in $servers; do kill "$p" 2>/dev/null; done; wait 2>/dev/null; rm -rf "$work"; }
trap cleanup EXIT
cd "$work" || exit 1
mkdir bin && ln -s "$MOHS" bin/mohs && PATH="$work/bin:$PATH"

# Three free ports, below those that the kernel gives to whoever asks for any: other tests run beside this one and ask for them.
free_port() {
  local port
  for _ in $(seq 100); do
    port=$((10000 + ${SRANDOM:-$RANDOM} % 20000))
    (exec 3<> "/dev/tcp/127.0.0.1/$port") 2> /dev/null || { echo $port; return; }
  done
}
bedrock=$(free_port) admin=$(free_port) target=$(free_port) control=$(free_port)

# A captured request and a captured stream, for the commands that read one.
{ echo "POST /model/amazon.nova-lite-v1%3A0/converse HTTP/1.1"
  mohs sign "http://127.0.0.1:9555/model/amazon.nova-lite-v1%3A0/converse" -d '{}' --key AKIAIOSFODNN7EXAMPLE:secret
  echo; printf '{}'; } > request.txt
printf '\x00\x00\x00\x10\x00\x00\x00\x00\x05\xc2\x48\xeb\x7d\x98\xc8\xff' > capture.bin
printf '00000010 00000000 05c248eb 7d98c8ff' > capture.hex
mohs check --run 'openai.chat/params/*' --ui none -o result.json > /dev/null 2>&1
cp "$SOURCE/suites/cases/openai.chat/params/stop.json" my-case.json

# A server is left running for the lines that follow, until the next server of its kind. A target and a direct line that a command
# names are started for it. A load run may say that this machine is too busy to measure (5): the example works all the same.
declare -A running
serve() {
  local kind=$1 command=$2
  [ -z "${running[$kind]:-}" ] || { kill "${running[$kind]}"; wait "${running[$kind]}"; } 2>/dev/null
  eval "exec $command" > "$kind.log" 2>&1 & running[$kind]=$!; servers="$servers $!"
  for _ in $(seq 100); do grep -q listening "$kind.log" && return 0; kill -0 $! 2>/dev/null || break; sleep 0.05; done
  cat "$kind.log"; return 1
}

run_example() {
  local line=$1 code=0
  local command; command=$(echo "$line" | sed -E "s/ +# .*//; s/9555/$bedrock/g; s/9556/$admin/g; s/127\.0\.0\.1:4000/127.0.0.1:$target/g; s/\b4001\b/$control/g; s/-z [0-9]+s/-z 3s/")
  case "$command" in
    "mohs mock"*) serve mock "$command --port $bedrock --admin-port $admin"; return ;;
    "mohs gateway"*) serve gateway "$command --port $target"; return ;;
    *"127.0.0.1:$target"*) serve gateway "mohs gateway --port $target --upstream http://127.0.0.1:$bedrock" || return ;;
  esac
  case "$command" in
    *"| man "*) command -v man > /dev/null || command=${command%%|*} ;; # a small system may have no man
  esac
  case "$command" in
    "mohs check --target"*) command="$command ${target_only:+'$target_only'}" ;;
  esac
  case "$command" in
    *--mock-port*) [ -z "${running[mock]:-}" ] || { kill "${running[mock]}"; wait "${running[mock]}"; running[mock]=; } 2>/dev/null ;;
    *--direct*) serve mock "mohs mock --auth none --port $bedrock --admin-port $admin" || return ;;
  esac
  timeout $((250 * ${PATIENCE:-1})) bash -c "$command" > out.log 2>&1 || code=$?
  case "$code:$command" in
    0:* | 5:"mohs bench"*) ;;
    *) echo "exit $code"; tail -n 15 out.log; return 1 ;;
  esac
}

failed=0 ran=0
try() {
  local began=$SECONDS
  ran=$((ran + 1))
  if run_example "$1" > why.log 2>&1; then echo "ok in $((SECONDS - began)) s: $1"; else echo "FAILED: $1"; sed 's/^/    /' why.log; failed=$((failed + 1)); fi
}
finish() { echo "$ran examples, $failed failed"; [ "$failed" -eq 0 ] && [ "$ran" -ge "$1" ]; exit $?; }
