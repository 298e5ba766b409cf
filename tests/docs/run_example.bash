# run_example.bash: sourced by the documentation tests: runs a command of a document as it stands there, in a folder of its own.
#
# What is changed, and nothing else: `mohs` is the program under test, the ports 9555, 9556 and 4000 become free ones, and load runs of
# seconds are cut to one second, because a test proves that an example works, not what it measures.

work=$(mktemp -d)
servers=""
cleanup() { for p in $servers; do kill "$p" 2>/dev/null; done; wait 2>/dev/null; rm -rf "$work"; }
trap cleanup EXIT
cd "$work" || exit 1
mkdir bin && ln -s "$MOHS" bin/mohs && PATH="$work/bin:$PATH"

# Three free ports: what the kernel gives a mock and a gateway that ask for any.
free_port() {
  local out=$work/port.$RANDOM
  mohs mock --port 0 --admin-port 0 2> "$out" & local pid=$!
  for _ in $(seq 100); do grep -q listening "$out" && break; sleep 0.05; done
  kill $pid 2>/dev/null; wait $pid 2>/dev/null
  sed -nE 's/.*:([0-9]+), admin.*/\1/p' "$out"
}
bedrock=$(free_port) admin=$(free_port) target=$(free_port)

# A captured request and a captured stream, for the commands that read one.
{ echo "POST /model/amazon.nova-lite-v1%3A0/converse HTTP/1.1"
  mohs sign "http://127.0.0.1:9555/model/amazon.nova-lite-v1%3A0/converse" -d '{}' --key AKIAIOSFODNN7EXAMPLE:secret
  echo; printf '{}'; } > request.txt
printf '\x00\x00\x00\x10\x00\x00\x00\x00\x05\xc2\x48\xeb\x7d\x98\xc8\xff' > capture.bin
printf '00000010 00000000 05c248eb 7d98c8ff' > capture.hex
mohs check --run 'openai.chat/params/*' --ui none -o result.json > /dev/null 2>&1

wait_for_port() { for _ in $(seq 100); do (exec 3<> "/dev/tcp/127.0.0.1/$1") 2>/dev/null && return; sleep 0.05; done; return 1; }

# Servers are left running for the lines that follow; the ones that need a target get one.
run_example() {
  local line=$1
  local command; command=$(echo "$line" | sed -E "s/ +# .*//; s/9555/$bedrock/g; s/9556/$admin/g; s/127\.0\.0\.1:4000/127.0.0.1:$target/g; s/-z [0-9]+s/-z 1s/")
  case "$command" in
    "mohs mock"*)
      command="$command --port $bedrock --admin-port $admin" ;;
  esac
  case "$command" in
    "mohs mock"*|"mohs gateway"*)
      eval "$command" > server.log 2>&1 & servers="$servers $!"
      sleep 0.3; kill -0 $! 2>/dev/null || { cat server.log; return 1; }
      return 0 ;;
    *"127.0.0.1:$target"*)
      mohs gateway -p "$target" --upstream "http://127.0.0.1:$bedrock" > gateway.log 2>&1 & local gateway=$!
      wait_for_port "$target"
      timeout 250 bash -c "$command" > out.log 2>&1; local code=$?
      kill $gateway 2>/dev/null
      [ $code -eq 0 ] || { tail -n 15 out.log gateway.log; return 1; } ;;
    *)
      timeout 250 bash -c "$command" > out.log 2>&1 || { echo "exit $?"; tail -n 15 out.log; return 1; } ;;
  esac
}

failed=0 ran=0
try() {
  ran=$((ran + 1))
  if run_example "$1" > why.log 2>&1; then echo "ok: $1"; else echo "FAILED: $1"; sed 's/^/    /' why.log; failed=$((failed + 1)); fi
}
finish() { echo "$ran examples, $failed failed"; [ "$failed" -eq 0 ] && [ "$ran" -ge "$1" ]; exit $?; }
