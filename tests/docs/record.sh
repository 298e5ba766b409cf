# docs/record.md: the commands as a user would give them, with a second mock as the endpoint, over TLS too: where credentials are
# found, what a start says, what is kept, what replays. With boto3, when it is there, an SDK records and replays.
work=$(mktemp -d)
mkdir "$work/home"
pids=()
trap 'for p in "${pids[@]}"; do kill "$p" 2>/dev/null; done; wait 2>/dev/null; rm -rf "$work"' EXIT
cd "$work" || exit 1
unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN AWS_BEARER_TOKEN_BEDROCK AWS_PROFILE AWS_REGION AWS_DEFAULT_REGION AWS_SHARED_CREDENTIALS_FILE
export HOME=$work/home
count=0 failed=0
fails() { failed=$((failed + 1)); echo "FAILED: $*"; }
claim() { count=$((count + 1)); }

# start LOG ARGS...: a mock in the background; sets `port` and `admin`
start() {
  local log=$1; shift
  "$MOHS" mock --port 0 --admin-port 0 "$@" 2> "$log" & pids+=($!)
  for _ in $(seq 1200); do grep -q listening "$log" && break; sleep 0.05; done
  port=$(sed -nE 's/.*:([0-9]+), admin.*/\1/p' "$log") admin=$(sed -nE 's/.*admin on .*:([0-9]+).*/\1/p' "$log")
  [ -n "$port" ] || fails "$* does not start: $(cat "$log")"
}
stop() { kill "${pids[-1]}"; wait "${pids[-1]}" 2>/dev/null; unset 'pids[-1]'; }
# http METHOD PORT PATH [BODY]: leaves `raw`, `status` and `answer`; HTTP/1.0, so that bodies come without chunks
http() {
  local LC_ALL=C body=${4-}
  exec 3<> "/dev/tcp/127.0.0.1/$2"
  printf '%s %s HTTP/1.0\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Type: application/json\r\nAuthorization: Bearer key-of-the-client-123\r\nContent-Length: %d\r\n\r\n%s' \
    "$1" "$3" "${#body}" "$body" >&3
  timeout $((20 * ${PATIENCE:-1})) cat <&3 > raw
  exec 3>&-
  awk 'NR == 1 { print $2 }' raw > status
  sed '1,/^\r$/d' raw > answer
}
converse() { http POST "$port" "/model/anthropic.claude-3-haiku-20240307-v1%3A0/$1" "{\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":\"$2\"}]}]}"; }
# refuses 'WORDS' ARGS...: the mock does not start, exits with 2 and says so
refuses() {
  local words=$1; shift
  claim
  timeout 20 "$MOHS" mock --port 0 --admin-port 0 "$@" > out 2>&1
  [ $? -eq 2 ] && grep -qE -- "$words" out || fails "$*: expected /$words/, got $(cat out)"
}

# ---- nothing leaves without --record, and the mistakes are told ----
refuses 'no AWS_BEARER_TOKEN_BEDROCK.*credentials' --record http://127.0.0.1:9 --record-to x
refuses 'belong to --record URL' --record-misses
refuses 'replay-speed quick: expected a number' --replay-speed quick
mkdir -p "$HOME/.aws"
printf '# of a test\n[default]\naws_access_key_id = AKIDDEFAULT\naws_secret_access_key=default+secret/0123456789\n\n[ dev ]\r\naws_access_key_id=AKIDDEV\r\naws_secret_access_key =dev+secret/0123456789\r\nregion = eu-west-1\n[sso]\nsso_session = x\n' > "$HOME/.aws/credentials"
refuses 'has no profile \[nobody\]' --record http://127.0.0.1:9 --record-to x --record-profile nobody
refuses 'profiles of SSO and roles are not' --record http://127.0.0.1:9 --record-to x --record-profile sso
refuses 'wants --record-to' --record http://127.0.0.1:9 --record-profile dev
refuses 'in the clear' --record http://bedrock-runtime.us-east-1.amazonaws.com --record-to x
refuses 'record-cacert nowhere cannot be read' --record https://127.0.0.1:9 --record-to x --record-cacert nowhere

# ---- where credentials are found: the endpoint says whose signature it saw ----
start endpoint.log --auth strict --key AKIDDEFAULT:default+secret/0123456789 --key AKIDDEV:dev+secret/0123456789 \
  --key AKIDENV:env+secret/0123456789:env-token-0123456789 --bearer-key bearer-of-ours-0123456789
endpoint=$port endpoint_admin=$admin n=0
# bears 'WORDS' [NAME=VALUE...] -- ARGS...: a request recorded so is seen with those words in its signature
bears() {
  local words=$1 set=(); shift
  while [ "$1" != -- ]; do set+=("$1"); shift; done; shift
  claim; n=$((n + 1))
  rm -f rec.log # the last one's port must not be taken for this one's

  env "${set[@]}" "$MOHS" mock --port 0 --admin-port 0 --record "http://127.0.0.1:$endpoint" --record-to rec "$@" 2> rec.log & pids+=($!)
  for _ in $(seq 1200); do grep -q listening rec.log && break; sleep 0.05; done
  port=$(sed -nE 's/.*:([0-9]+), admin.*/\1/p' rec.log)
  converse converse "whose $n"
  grep -q 200 status || fails "$words: $(cat status answer)"
  http GET "$endpoint_admin" "/journal/$n"
  grep -qE -- "\"signature\":\{\"verdict\":\"valid\"[^}]*$words" answer || fails "expected $words: $(grep -o '"signature":{[^}]*}' answer)"
  stop
}
bears '"access_key":"AKIDDEFAULT","region":"us-east-1"' --
bears '"access_key":"AKIDDEV","region":"eu-west-1"' -- --record-profile dev
bears '"access_key":"AKIDDEV"' AWS_PROFILE=dev --
bears '"access_key":"AKIDENV"' AWS_ACCESS_KEY_ID=AKIDENV AWS_SECRET_ACCESS_KEY=env+secret/0123456789 AWS_SESSION_TOKEN=env-token-0123456789 AWS_PROFILE=dev --
bears '"form":"bearer"' AWS_BEARER_TOKEN_BEDROCK=bearer-of-ours-0123456789 AWS_PROFILE=dev --
bears '"access_key":"AKIDDEV"' AWS_BEARER_TOKEN_BEDROCK=bearer-of-ours-0123456789 -- --record-profile dev
bears '"region":"ap-south-1"' AWS_REGION=ap-south-1 --
bears '"region":"eu-north-1"' AWS_REGION=ap-south-1 -- --record-region eu-north-1
bears '"access_key":"AKIDDEV"' "AWS_SHARED_CREDENTIALS_FILE=$HOME/.aws/credentials" HOME=/nowhere AWS_PROFILE=dev --
claim; [ "$(ls rec | wc -l)" -eq "$n" ] || fails "$(ls rec | wc -l) files, expected $n"
claim; grep -rqE 'secret/0123456789|env-token|bearer-of-ours|key-of-the-client|AKID' rec && fails "a credential is in the recordings: $(grep -rlE 'secret/0|env-token|bearer-of|key-of|AKID' rec)"

# ---- record over TLS, stop, replay ----
start tls.log --auth strict --key AKIDDEFAULT:default+secret/0123456789 --itl 3 --tls-self-signed --tls-ca-out ca.pem
secure=$port
start one.log --record "https://127.0.0.1:$secure" --record-to recordings
claim; grep -qE "recording: requests go on to https://127.0.0.1:$secure, signed with access key \.\.\.AULT; answers are kept in recordings" one.log || fails "the start does not say it: $(cat one.log)"
converse converse 'over tls'
claim; grep -q 502 status && grep -q MohsUpstreamError raw && grep -qi certificate answer || fails "an endpoint nobody knows was believed: $(cat raw)"
stop
start two.log --record "https://127.0.0.1:$secure" --record-to recordings --record-cacert ca.pem
for operation in converse converse-stream; do
  converse $operation 'over tls'
  claim; grep -q 200 status || fails "$operation: $(cat raw)"
  sed '/^Date:/d' raw > "first.$operation"
done
stop
start three.log --fixtures recordings --strict --validation record --replay-speed 0
for operation in converse converse-stream; do
  converse $operation 'over tls'
  claim; sed '/^Date:/d' answer > again; sed '1,/^\r$/d' "first.$operation" | cmp -s - answer || fails "$operation replays other bytes"
done
converse converse 'never asked'
claim; grep -q 400 status && grep -q MohsFixtureMiss raw || fails "a miss: $(cat raw)"
claim; grep -q recording: three.log && fails "a replay says that it records"

# ---- the example of a file in the document is one ----
awk '/^```json/ { inside = 1; next } /^```/ { inside = 0 } inside' "$SOURCE/docs/record.md" > example.json
start four.log --fixtures example.json --strict
http GET "$admin" /fixtures
claim; grep -q '"fixtures":1' answer || fails "the example is no file of fixtures: $(cat answer)"

# ---- an SDK, if there is one ----
if python3 -c 'import boto3' 2> no-boto3; then
  cat > sdk.py <<'PY'
import sys, json, boto3
c = boto3.client('bedrock-runtime', endpoint_url='http://127.0.0.1:' + sys.argv[1], region_name='us-east-1',
                 aws_access_key_id='AKIDOFTHECLIENT', aws_secret_access_key='client')
m, q = 'anthropic.claude-3-haiku-20240307-v1:0', [{'role': 'user', 'content': [{'text': 'sdk'}]}]
out = [c.converse(modelId=m, messages=q)['output']]
out += list(c.converse_stream(modelId=m, messages=q)['stream'])
b = json.dumps({'anthropic_version': 'bedrock-2023-05-31', 'max_tokens': 9, 'messages': [{'role': 'user', 'content': 'sdk'}]})
out.append(json.loads(c.invoke_model(modelId=m, body=b)['body'].read()))
out += [json.loads(e['chunk']['bytes']) for e in c.invoke_model_with_response_stream(modelId=m, body=b)['body']]
print(json.dumps(out))
PY
  start five.log --record "http://127.0.0.1:$endpoint" --record-to sdk
  python3 sdk.py "$port" > first.json || fails "boto3 does not record"
  stop
  start six.log --fixtures sdk --strict --validation record
  python3 sdk.py "$port" > again.json || fails "boto3 does not replay"
  claim; cmp -s first.json again.json && [ "$(wc -c < again.json)" -gt 500 ] || fails "boto3 reads other things from a replay"
else
  echo "boto3 is not there: its part is left out"
fi
echo "$count claims, $failed failed"
[ "$failed" -eq 0 ] && [ "$count" -ge 25 ]
