# Bad input of every kind: each is answered with a sentence and the documented exit code or status, and no server falls over.
work=$(mktemp -d)
pids=""
cleanup() { for p in $pids; do kill "$p" 2>/dev/null; done; wait 2>/dev/null; rm -rf "$work"; }
trap cleanup EXIT
cd "$work" || exit 1
count=0 failed=0
fail() { failed=$((failed + 1)); echo "FAILED: $*"; }

# cli CODE 'WORDS' ARGS...: mohs ARGS ends with CODE, within ten seconds (times PATIENCE), and says WORDS (an extended regular expression)
cli() {
  local code=$1 words=$2; shift 2
  count=$((count + 1))
  timeout $((10 * ${PATIENCE:-1})) "$MOHS" "$@" > out 2> err < /dev/null; local got=$?
  [ $got -eq "$code" ] || fail "mohs $*: exit $got, expected $code: $(head -c 300 err)"
  grep -qE -- "$words" err out || fail "mohs $*: does not say /$words/: $(head -c 300 err)"
}

# ---- flags and operands ----
cli 2 "there is no verb 'frobnicate'" frobnicate
cli 2 "did you mean 'mock'" mokc
cli 2 "did you mean .--port" mock --prot 1
cli 2 "port" mock --port 99999
cli 2 "port" mock --port -1
cli 2 "strict" mock --auth maybe
cli 2 "admin-port" mock --admin-port x
cli 2 "--journal 0 switches that off" mock --port 0 --journal 0 --journal-file x
cli 2 "--journal-file no/such/folder: No such file" mock --port 0 --journal-file no/such/folder
cli 2 "ACCESS_KEY:SECRET" mock --port 0 --key nocolon
cli 2 "--tls-cert needs --tls-key" mock --port 0 --tls-cert cert.pem
cli 2 "--tls-key needs --tls-cert" mock --port 0 --tls-key key.pem
cli 2 "choose one" mock --port 0 --tls-cert c.pem --tls-key k.pem --tls-self-signed
cli 2 "without --tls-self-signed" mock --port 0 --tls-ca-out ca.pem
cli 2 "c.pem cannot be read: No such file" mock --port 0 --tls-cert c.pem --tls-key k.pem
cli 2 "cannot be written to /proc/none/ca.pem: No such file" mock --port 0 --tls-self-signed --tls-ca-out /proc/none/ca.pem
cli 2 "rule" mock --port 0 --admin-port 0 --rule no-such-rule
cli 2 "clock-offset: 'soon' is no offset" mock --port 0 --clock-offset soon
cli 2 "at least a second" mock --port 0 --skew 10ms
cli 2 "short" mock --port 0 --mismatch wide
cli 2 "AKIANOBODY=arn.*expected ACCESS_KEY=ARN" mock --port 0 --principal AKIANOBODY=arn:aws:iam::123456789012:user/x
cli 2 "is no principal" mock --port 0 --principal AKIAIOSFODNN7EXAMPLE=bob
cli 2 "no time: expected one like" mock --port 0 --bearer-key ABSKx@tomorrow
cli 2 "/nonexistent.json: No such file" mock --port 0 --policy /nonexistent.json
printf '{"statements":[{"effect":"Allow","actions":["InvokeModel"]}]}' > policy.json
cli 2 "policy.json: /statements/0/actions/0: .* did you mean 'bedrock:InvokeModel'" mock --port 0 --policy policy.json
cli 2 "not-a-url" gateway --port 0 --upstream not-a-url
cli 2 "duration" bench -z 10
cli 2 "must lie between 1" bench -c 0
cli 2 "at least 0" bench -R -5
cli 2 "--direct without --target" bench --direct http://127.0.0.1:1
cli 6 "127.0.0.1:1" bench --target http://127.0.0.1:1 --no-calibrate -z 1s
cli 2 "--model" cost --input 5
cli 2 "nearest id is amazon.nova-lite-v1:0" cost --model amazon.nova-lit-v1:0 --input 5
cli 2 "not a URL" sign nonsense --key a:b
cli 2 "config" cost --config /nonexistent.json --model x --input 1
printf '{"cost":{"imput":3}}' > config.json
cli 2 "imput" cost --config config.json --model x --input 1

# ---- where reports go is asked before a run, not after ----
cli 2 "no report has that ending" check -o result.pdf
cli 2 "no report has that ending" bench -o result.pdf
cli 2 "no report has that ending" selftest -o result.pdf
cli 2 "No such file" check -o not/there.json
cli 2 "not-a-folder" demo -o /dev/null/not-a-folder
cli 2 "must be a URL" check --target localhost:4000
cli 2 "must be a URL" check --mock-url 127.0.0.1:9555 --admin-url http://127.0.0.1:9556
cli 2 "did you mean '--target'" check --tarket x

# ---- files ----
printf '{"a":01}' > bad.json
cli 2 "line 1, column" report bad.json
printf '{"schema_version":"1.0.0"}' > short.json
cli 2 "required" report short.json
cli 2 "No such file" report missing.json
cli 2 "METHOD TARGET" verify bad.json --key a:b
cli 2 "hexadecimal" frames --hex bad.json
printf '\x00\x00\x00\x10\x00\x00\x00\x00\x05\xc2\x48\xea\x7d\x98\xc8\xff' > prelude.bin
cli 1 "prelude_crc" frames prelude.bin
printf '\x00\x00\x00\x10\x00\x00\x00\x00\x05\xc2\x48\xeb\x7d\x98\xc8\xfe' > message.bin
cli 1 "message_crc" frames message.bin
printf '\x00\x00\x00\x10\x00\x00' > short.bin
cli 1 "truncated" frames short.bin
printf '\x7f\xff\xff\xff\x00\x00\x00\x00\x00\x00\x00\x00' > huge.bin
cli 1 "prelude_crc" frames huge.bin

# ---- cases and profiles ----
cli 2 "nope" check --profile nope
cli 2 "bad.json" check --profile ./bad.json
cli 2 "no case is called" check no/such/case
cli 4 "no case was selected" check --skip '*' 
cli 6 "127.0.0.1:1" check --target http://127.0.0.1:1 --profile generic-openai --run 'openai.chat/params/*' --ui none
cli 2 "missing.json" check --expected-failures missing.json
# case_says 'WORDS' CONTENT: a case file with that content is refused
case_says() {
  printf '%s' "$2" > bad-case.json
  cli 2 "$1" check ./bad-case.json
}
good='"title":"a case that is sound","requirements":["params.max-tokens"],"needs":["openai.chat"],"steps":[{"send":{"dialect":"openai.chat","body":{}},"upstream":[],"receive":{"status":400}}],"mutations":[{"on":"client.status","value":500,"caught":"steps[0].receive.status"}]'
case_says "line 1" '{"title":'
case_says "did you mean .?\"?title" "{\"titel\":\"t\"}"
case_says "steps" '{"title":"t","requirements":["params.max-tokens"],"needs":[]}'
case_says "no-such-requirement" "$(echo "{$good}" | sed 's/params.max-tokens/no-such-requirement.x/')"
case_says "client.statsu|did you mean" "$(echo "{$good}" | sed 's/client.status/client.statsu/')"
case_says "regx|did you mean" "$(echo "{$good}" | sed 's/"status":400/"status":{"$regx":"4.."}/')"
case_says "openai.chta|dialect" "$(echo "{$good}" | sed 's/"dialect":"openai.chat"/"dialect":"openai.chta"/')"

# ---- servers ----
"$MOHS" mock --port 0 --admin-port 0 --auth strict 2> mock.log & mock=$!; pids="$pids $mock"
for _ in $(seq 1200); do grep -q listening mock.log && break; sleep 0.05; done
port=$(sed -nE 's/.*:([0-9]+), admin.*/\1/p' mock.log); admin=$(sed -nE 's/.*admin on .*:([0-9]+)$/\1/p' mock.log)
cli 2 "$port" mock --port "$port"

# raw PORT 'STATUS' 'WORDS' BYTES: the answer to BYTES (printf format) begins with that status (a regular expression; empty: the connection is closed)
raw() {
  local to=$1 status=$2 words=$3 bytes=$4 answer
  count=$((count + 1))
  answer=$(timeout $((10 * ${PATIENCE:-1})) bash -c "exec 3<>/dev/tcp/127.0.0.1/$to; printf '$bytes' >&3; timeout $((3 * ${PATIENCE:-1})) cat <&3" 2>/dev/null | tr -d '\0')
  [ -n "$status" ] && { echo "$answer" | head -n 1 | grep -qE "HTTP/1.1 ($status)" || fail "raw '${bytes:0:60}': $(echo "$answer" | head -c 120), expected $status"; }
  [ -z "$words" ] || echo "$answer" | grep -qE "$words" || fail "raw '${bytes:0:60}': does not say /$words/: $(echo "$answer" | tail -c 300)"
}
end='Connection: close\r\n\r\n'
path='/model/amazon.nova-lite-v1%%3A0/converse'
raw "$port" 404 "UnknownOperation" "GET /nowhere HTTP/1.1\r\nHost: x\r\n$end"
raw "$port" "400|501|405" "" "\x01\x02\x03 nonsense\r\n\r\n"
raw "$port" 400 "" "POST $path HTTP/1.1\r\nHost: x\r\nContent-Length: abc\r\n\r\n"
raw "$port" "400|413" "" "POST $path HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n"
raw "$port" "431" "larger header" "GET / HTTP/1.1\r\nHost: x\r\nX: $(head -c 17000 /dev/zero | tr '\0' a)\r\n\r\n"
# HTTP/2: a preface with garbage behind it is told off (GOAWAY, its debug text) or dropped, and closed either way
raw "$port" "" "" "PRI * HTTP/2.0\r\n\r\nXX garbage"
raw "$port" "" "SETTINGS expected" "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\ngarbage in place of a frame of settings"
# Authorization headers
auth() { raw "$port" 403 "$1" "POST $path HTTP/1.1\r\nHost: x\r\n$2Content-Length: 2\r\n$end{}"; }
auth "Authorization header is missing" ""
auth "." "Authorization: AWS4-HMAC-SHA256\r\n"
auth "." "Authorization: AWS4-HMAC-SHA256 Credential=a/b, SignedHeaders=, Signature=zz\r\n"
auth "." "Authorization: AWS4-HMAC-SHA512 Credential=a/20260101/us-east-1/bedrock/aws4_request, SignedHeaders=host, Signature=00\r\n"
auth "." "Authorization: AWS4-HMAC-SHA256 $(head -c 12000 /dev/zero | tr '\0' =)\r\n"
auth "API Key is valid" "Authorization: Bearer bedrock-api-key-!!!!\r\n"
auth "." "Authorization: Basic Zm9vOmJhcg==\r\n"
# the admin API
admin() { raw "$admin" "$1" "$2" "POST $3 HTTP/1.1\r\nHost: x\r\nContent-Length: ${#4}\r\n$end$(echo "$4" | sed 's/%/%%/g')"; }
admin 400 "line 1" /script '{"replies":'
admin 400 "/replies" /script '{"replies":3}'
admin 400 "did you mean|unknown" /script '{"replys":[]}'
admin 400 "faults|fault" /faults '{"faults":[{"id":"no-such-fault"}]}'
admin 404 "message" /nowhere '{}'

# bodies, on a mock that asks for no signature
"$MOHS" mock --port 0 --admin-port 0 --auth none 2> open.log & pids="$pids $!"
for _ in $(seq 1200); do grep -q listening open.log && break; sleep 0.05; done
open=$(sed -nE 's/.*:([0-9]+), admin.*/\1/p' open.log)
body() { raw "$open" 400 "$1" "POST $path HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${#2}\r\n$end$(echo "$2" | sed 's/%/%%/g')"; }
body "message" '{"messages":'
body "message" '[]'
body "message" '{"messages":"hi"}'
body "failed to satisfy constraint" '{"messages":[{"role":"critic","content":[{"text":"x"}]}]}'
body "failed to satisfy constraint" '{"messages":[{"role":"user","content":[{"text":"x"}]}],"inferenceConfig":{"maxTokens":0}}'
body "blank" '{"messages":[{"role":"user","content":[{"text":" "}]}]}'
body "message" "{\"messages\":$(head -c 3000 /dev/zero | tr '\0' '[')"
body "message" '{"messages":[{"role":"user","content":[{"image":{"format":"png","source":{"bytes":"!!!"}}}]}]}'

# still alive, and a clean end
raw "$open" 200 "output" "POST $path HTTP/1.1\r\nHost: x\r\nContent-Length: 60\r\n$end{\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":\"alive?\"}]}]}"
kill -0 "$mock" || fail "the mock died"
kill -TERM "$mock"; wait "$mock"; code=$?
[ $code -eq 0 ] || [ $code -eq 105 ] || fail "the mock ended with $code"
echo "$count kinds of bad input, $failed answered wrongly"
[ $failed -eq 0 ]
