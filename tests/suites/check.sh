# mohs check from the outside: a target that it starts, one that is there, a failure, known and stale failures, Ctrl-C.
work=$(mktemp -d)
pids=""
cleanup() { for p in $pids; do kill "$p" 2>/dev/null; done; wait 2>/dev/null; rm -rf "$work"; }
trap cleanup EXIT
cd "$work" || exit 1
count=0 failed=0

# claim CODE 'WORDS' ARGS...: mohs check ARGS ends with CODE, and its last line holds WORDS (an extended regular expression)
claim() {
  local code=$1 words=$2; shift 2
  count=$((count + 1))
  timeout $((60 * ${PATIENCE:-1})) "$MOHS" check --ui none "$@" > out 2> err < /dev/null; local got=$?
  if [ $got -ne "$code" ] || ! tail -n 1 err | grep -qE -- "$words"; then
    failed=$((failed + 1)); echo "FAILED: mohs check $*: exit $got, expected $code with /$words/: $(tail -c 600 err)"
  fi
}
# holds 'WORDS' FILE: the file has them
holds() { count=$((count + 1)); grep -qE -- "$1" "$2" || { failed=$((failed + 1)); echo "FAILED: no /$1/ in $2: $(head -c 600 "$2")"; }; }
lacks() { count=$((count + 1)); if grep -qE -- "$1" "$2"; then failed=$((failed + 1)); echo "FAILED: /$1/ in $2"; fi; }

case_file() { # case_file NAME CONTENT: a native case that wants that text back
  cat > "$1.json" <<END
{ "title": "a case of this test", "requirements": ["stream.converse-stream-native"], "needs": ["bedrock.converse"],
  "steps": [ { "send": { "dialect": "bedrock.converse", "body": { "messages": [{ "role": "user", "content": [{ "text": "hi" }] }] } },
               "upstream": [ { "expect": { "operation": "Converse" }, "reply": { "text": "hello" } } ],
               "receive": { "message": { "content": "$2" } } } ] }
END
}
case_file good hello
case_file bad goodbye
native=bedrock.converse/native/converse

# ---- the mock alone, and a mock that runs already ----
claim 0 'exit 0: the case held' --profile mock-direct good.json -o result.json -o junit.xml -o page.md
holds '"kind": "conformance"' result.json
holds '<testsuite' junit.xml
mkfifo ready
"$MOHS" mock --port 0 --admin-port 0 --auth none --validation record --ready-fd 7 7> ready 2> mock.err & pids="$pids $!"
read -r port admin < ready; busy=$port
claim 0 'the case held' --profile mock-direct --mock-url "http://127.0.0.1:$port" --admin-url "http://127.0.0.1:$admin" $native
claim 2 'go together' --profile mock-direct --mock-url "http://127.0.0.1:$port" $native

# ---- what is an option of this verb, or of another, by the environment is none of the servers it starts ----
MOHS_LATENCY=nonsense MOHS_MODEL=nonsense MOHS_PORT=1 claim 0 'all 2 cases' openai.chat/params/stop $native

# ---- a failure: what it says, and that it keeps secrets ----
claim 1 'exit 1: 1 of 2 cases failed: bad$' --profile mock-direct good.json bad.json -o result.json
holds 'steps\[0\].receive.message' err
holds 'expected "goodbye"' err
holds 'observed "hello"' err
holds 'step 1 client request' err
holds 'step 1 upstream 1' err
holds "again +mohs check 'bad.json' --profile mock-direct" err
lacks 'Signature=[0-9a-f]' result.json
holds '"file": "bad.json"' result.json
claim 1 'failed: .*/bad$' --profile mock-direct good.json "$PWD/bad.json" -o code.sarif -o result.json
holds '"uri": "bad.json"' code.sarif
holds '"mohsCase/v1": "bad.json"' code.sarif # the same on every machine
holds '"startLine": 4' code.sarif # of its four lines the one with "message"
lacks 'Signature=[0-9a-f]' code.sarif
"$MOHS" report result.json -o later.sarif && "$MOHS" report result.json --format sarif > printed.sarif
count=$((count + 1))
cmp -s later.sarif printed.sarif && cmp -s later.sarif code.sarif || { failed=$((failed + 1)); echo "FAILED: a saved result makes another SARIF"; }
sed 's/"dialect": "bedrock.converse",/& "headers": { "x-vendor-aws-secret-access-key": "s3cret", "x-api-key": "s3cret" },/' bad.json > spoken.json
claim 1 'failed: spoken$' --profile mock-direct spoken.json -o result.json
holds 'x-vendor-aws-secret-access-key: <redacted>.*' result.json
lacks 's3cret' result.json
lacks 's3cret' err

# ---- a job of GitHub Actions: annotations, no command of a peer, the summary; the last line stays the last ----
sed 's/"goodbye"/"another"/; s/"text": "hello"/"text": "a\\n::add-mask::hello"/' bad.json > masked.json
echo before > summary.md
GITHUB_STEP_SUMMARY=summary.md claim 1 '^exit 1: 1 of 2 cases failed: masked$' --profile mock-direct good.json masked.json --ui github
holds '^::error title=masked \(fail MUST\),file=masked.json,line=4::a case of this test\. steps\[0\]\.receive\.message at /content: expected' err
holds '^::error title=mohs exit 1::1 of 2 cases failed: masked$' err
count=$((count + 1)); awk '/^::stop-commands::mohs-[0-9a-f]+$/ { token = substr($0, 18) } /::add-mask::/ && !/^::(error|warning)/ { seen++; if (token == "") bad = 1 }
  token != "" && $0 == "::" token "::" { token = ""; ended = 1 } /^::error/ && token != "" { bad = 1 } END { exit bad || !ended || seen == 0 }' err ||
  { failed=$((failed + 1)); echo "FAILED: a peer's line is a command: $(cat err)"; }
holds '^before$' summary.md
holds '^### fail `masked`$' summary.md
GITHUB_ACTIONS=true GITHUB_STEP_SUMMARY=summary.md claim 1 'failed: bad$' --profile mock-direct bad.json # --ui none is none
lacks '^::' err
lacks 'fail `bad`' summary.md
GITHUB_ACTIONS=true GITHUB_STEP_SUMMARY=summary.md claim 1 'failed: bad$' --profile mock-direct bad.json --ui auto
holds '^::error title=bad ' err
holds 'fail `bad`' summary.md
GITHUB_STEP_SUMMARY=no/such/folder claim 2 'GITHUB_STEP_SUMMARY: no/such/folder: No such file' --profile mock-direct good.json --ui github

# ---- a long body is quoted up to a whole character ----
umlauts=x$(printf 'ä%.0s' {1..99}) # the x puts the limit into the middle of one
cat > quoted.json <<END
{ "title": "a case that quotes a body", "requirements": ["stream.converse-stream-native"], "needs": ["bedrock.converse"],
  "steps": [ { "send": { "dialect": "bedrock.converse", "body": { "messages": [{ "role": "user", "content": [{ "text": "hi" }] }] } },
               "upstream": [ { "reply": { "error": { "type": "ValidationException", "message": "$umlauts" } } } ],
               "receive": { "status": 200 } } ] }
END
claim 1 'failed' --profile mock-direct quoted.json -o quoted-result.json
holds 'observed 400; with the body \{"message":"x(ä)+ \.\.\.$' <(cat out err)
holds 'with the body' quoted-result.json; iconv -f UTF-8 -t UTF-8 quoted-result.json > /dev/null || { failed=$((failed + 1)); echo "FAILED: no UTF-8"; }

# ---- known failures, and stale ones ----
claim 1 'failed' --profile mock-direct good.json bad.json --write-expected known.json
holds 'steps\[0\].receive.message' known.json
claim 0 '1 of 2 cases held, and 1 failed as expected' --profile mock-direct good.json bad.json --expected-failures ./known.json
case_file bad hello
claim 3 'stale' --profile mock-direct good.json bad.json --expected-failures ./known.json
cat out err > told; holds '^stale ' told; lacks 'client request' told # it holds: no wires
case_file bad goodbye
sed 's/"bad"/"badd"/' known.json > renamed.json
claim 2 "no case is called 'badd'; did you mean bad" --profile mock-direct bad.json --expected-failures ./renamed.json
sed 's/receive.message/upstream.count/' known.json > other.json
claim 1 'failed: bad' --profile mock-direct bad.json --expected-failures ./other.json
claim 0 'all 2 cases held' --profile mock-direct good.json --run $native
claim 1 '1 of 1 cases' --profile mock-direct bad.json good.json --fail-fast -j 1

# ---- a target that is somebody else's program: started by us, with a profile of its own ----
for _ in $(seq 100); do # below the ports that the kernel gives by itself, and nobody's
  port=$((20000 + RANDOM % 10000))
  (exec 3<> "/dev/tcp/127.0.0.1/$port") 2> /dev/null || break
done
lives=$((2 + ${PATIENCE:-1})) # seconds: enough to begin a case
sed -e 's/"self": "gateway",/"start": { "command": "exec $MOHS gateway --upstream ${mock_url} --port ${port} --key ${access_key}:${secret} --client-key ${client_key}", "health": "\/v1\/models" },/' \
    -e 's/"name": "reference"/"name": "foreign"/' "$SOURCE/suites/profiles/reference.json" > foreign.json
export MOHS
claim 0 'all [1-9]' --profile ./foreign.json --target "http://127.0.0.1:$port" --start profile 'openai.chat/stream/text' 'openai.chat/params/stop' $native
sed 's/"reply": { "text": "hello" }/"reply": { "text": "hello", "head_gate": "never" }/' good.json > held.json
claim 6 'the target has ended' --profile ./foreign.json --target "http://127.0.0.1:$port" held.json --start \
  "exec timeout $lives"' $MOHS gateway --upstream ${mock_url} --port ${port} --key ${access_key}:${secret} --client-key ${client_key}'
# a wrapper that ends late, or never: its child's sockets are closed long before
claim 6 'the target has ended' --profile ./foreign.json --target "http://127.0.0.1:$port" held.json --start \
  "timeout $lives"' $MOHS gateway --upstream ${mock_url} --port ${port} --key ${access_key}:${secret} --client-key ${client_key}; sleep 1'
claim 6 'the target has stopped to listen, though what was started still runs' --profile ./foreign.json --target "http://127.0.0.1:$port" held.json --start \
  "timeout $lives"' $MOHS gateway --upstream ${mock_url} --port ${port} --key ${access_key}:${secret} --client-key ${client_key}; cat'
claim 6 'the started target ended' --profile ./foreign.json --target "http://127.0.0.1:$port" --start 'echo cannot start; exit 3' good.json
claim 6 'cannot start' --profile ./foreign.json --target "http://127.0.0.1:$port" --start 'echo cannot start; exit 3' good.json
claim 2 'nobody knows that name' --profile ./foreign.json --target "http://127.0.0.1:$port" --start 'echo ${nonsense}' good.json
claim 2 'credentials' --target http://user:s3cret@127.0.0.1:1 good.json
lacks 's3cret' err
claim 2 'Address already in use' --profile mock-direct --mock-port "$busy" good.json
claim 4 'skipped' --profile mock-direct openai.chat/params/stop

claim 2 'not/there' --profile mock-direct good.json -o not/there.json

# ---- a gateway that calls another Bedrock than the mock: said first of all, and not 400 times ----
unheard="the mock at http://127\.0\.0\.1:[0-9]+ was not called once: is it the gateway's Bedrock endpoint\?"
rm -f ready; mkfifo ready
"$MOHS" gateway --port 0 --upstream http://127.0.0.1:9 --retries 0 --ready-fd 7 7> ready 2> gateway.err & pids="$pids $!"
read -r elsewhere _ < ready
claim 1 "exit 1: 1 of 1 cases failed: openai.chat/params/stop; $unheard" --target "http://127.0.0.1:$elsewhere" openai.chat/params/stop -o page.md
holds "$unheard" page.md
claim 2 "exit 2: $unheard Stopped after ([5-9]|1[0-9]) of [1-9][0-9]+ cases" --target "http://127.0.0.1:$elsewhere" 'openai.chat/*'
holds ' 5 failed' err
"$MOHS" gateway --port 0 --upstream http://127.0.0.1:9 --client-key another --ready-fd 7 7> ready 2> gateway.err & pids="$pids $!"
read -r elsewhere _ < ready # it refuses by 401: judged to the end
claim 1 "exit 1: [0-9]+ of [0-9]+ cases failed: ([a-z0-9./-]+, ){7}[a-z0-9./-]+ and [0-9]+ more; $unheard" --target "http://127.0.0.1:$elsewhere" 'openai.chat/params/s*' 'openai.chat/params/m*' 'openai.chat/params/t*'
claim 1 'failed: bad$' --profile mock-direct bad.json # the mock was called

# ---- a MAY that does not hold is none that was expected to fail ----
sed 's/"requirements": \[[^]]*\]/"requirements": ["params.temperature-over-range"]/' bad.json > may.json
claim 0 '1 of 2 cases held, and 1 MAY does not hold$' --profile mock-direct good.json may.json
holds '^1 passed, 0 failed, 1 MAY that does not hold$' err

# ---- what would run is what the profile does not skip ----
claim 0 '^1 cases; 1 more are skipped, as the profile mock-direct does not claim what they need$' --profile mock-direct --list good.json openai.chat/params/stop
holds '^good$' out
lacks 'params/stop' out
claim 4 '^0 cases; 1 more' --profile mock-direct -n openai.chat/params/stop

# ---- output that is lost is no success ----
if [ -w /dev/full ]; then
  for words in "check --list" "list --requirements" "help check" "--version"; do
    count=$((count + 1))
    "$MOHS" $words > /dev/full 2> err; got=$?
    [ $got -eq 2 ] && grep -q 'standard output could not be written' err || { failed=$((failed + 1)); echo "FAILED: mohs $words > /dev/full: exit $got: $(cat err)"; }
  done
  count=$((count + 1))
  "$MOHS" list --requirements 2> err | true
  [ "${PIPESTATUS[0]}" -eq 0 ] && [ ! -s err ] || { failed=$((failed + 1)); echo "FAILED: a reader that left is no failure: $(cat err)"; }
fi

# ---- Ctrl-C while a reply is held ----
count=$((count + 1))
timeout $((90 * ${PATIENCE:-1})) "$MOHS" check --ui none --profile mock-direct held.json 2> err & held=$!
child=""
for _ in $(seq 1200); do # until mohs has a mock of its own, and so catches signals
  sleep 0.05; child=$(pgrep -P "$held" | head -n 1)
  [ -n "$child" ] && pgrep -P "$child" > /dev/null && break
done
sleep 0.5
kill -INT "$child"; wait $held; got=$?
[ $got -eq 105 ] && tail -n 1 err | grep -q interrupted || { failed=$((failed + 1)); echo "FAILED: Ctrl-C: exit $got: $(cat err)"; }

echo "$count claims, $failed failed"
[ "$failed" -eq 0 ]
