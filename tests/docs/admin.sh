# docs/mock-admin.md against a running mock: its json blocks are sent as they stand, each row of its tables is a path that is
# served, and each member it names for a reply is taken.
work=$(mktemp -d)
trap 'kill $mock 2>/dev/null; wait 2>/dev/null; rm -rf "$work"' EXIT
cd "$work" || exit 1
"$MOHS" mock --port 0 --admin-port 0 --auth none 2> log & mock=$!
for _ in $(seq 1200); do grep -q listening log && break; sleep 0.05; done
base=$(sed -nE 's/.*:([0-9]+), admin.*/\1/p' log) admin=$(sed -nE 's/.*admin on .*:([0-9]+).*/\1/p' log)
count=0 failed=0 document=$SOURCE/docs/mock-admin.md

# http METHOD PORT PATH [BODY]: one exchange, without curl, which a small system may lack; leaves `status` and `answer`
http() {
  local LC_ALL=C body=${4-}
  exec 3<> "/dev/tcp/127.0.0.1/$2"
  printf '%s %s HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s' \
    "$1" "$3" "${#body}" "$body" >&3
  timeout $((10 * ${PATIENCE:-1})) cat <&3 > raw
  exec 3>&-
  awk 'NR == 1 { print $2 }' raw > status
  sed '1,/^\r$/d' raw > answer
}

# asks STATUS 'WORDS' METHOD PATH [BODY]: the answer has that status and those words (an extended regular expression)
asks() {
  local status=$1 words=$2 got; shift 2
  count=$((count + 1))
  http "$1" "$admin" "$2" "${3-}"
  got=$(cat status)
  if [ "$got" != "$status" ] || ! grep -qE -- "$words" answer; then
    failed=$((failed + 1)); echo "FAILED: $1 $2 ${3:-}: $got, expected $status with /$words/: $(head -c 300 answer)"
  fi
}
converse() { http POST "$base" "/model/anthropic.claude-3-haiku-20240307-v1%3A0/$1" '{"messages":[{"role":"user","content":[{"text":"hi sk-client-123"}]}]}'; }
holds() { count=$((count + 1)); grep -qE -- "$1" answer || { failed=$((failed + 1)); echo "FAILED: no /$1/: $(head -c 300 answer)"; }; }

# ---- the fenced json blocks, one after the other, each below the heading that says where it goes ----
awk '/^## / { split($3, part, "`"); where = $2 " " $3 } /^```json/ { n++; inside = 1; print where > ("block." n ".where"); next }
     /^```/ { inside = 0 } inside { print > ("block." n) }' "$document"
for where in block.*.where; do
  read -r method path < "$where"
  if [ "$path" = /verify ]; then verify=${where%.where}; continue; fi
  asks 200 '"queued":1' "$method" "$path" "$(cat "${where%.where}")"
done
converse converse
holds '"text":"hello"'
asks 200 '^{"ok":true,"count":1,"entries":\[1\],"last":1,"dropped":0}$' POST /verify "$(cat "$verify")"
asks 200 'expected exactly 1 matching request, found 0; the nearest other is entry 1, whose user does not hold: at /user expected .{1,3}hi.{1,3}, got' \
  POST /verify '{"match":{"user":"hi"},"times":1}'
asks 200 '"seq":1' GET /journal/1
asks 404 'no entry 17' GET /journal/17
asks 200 '"name":"client-key","where":"body' GET /journal

# ---- the table of requests: every path of it, every method of it ----
while read -r method path; do
  case "$method $path" in
    "POST /script") body='{"replies":[]}' ;;
    "POST /gate") body='{"open":"g"}' ;;
    "POST /faults") body='{"faults":[]}' ;;
    "POST /quotas") body='{"quotas":[]}' ;;
    "POST /verify") body='{"times":0,"match":{"user":"nobody"}}' ;;
    "POST /clock") body='{"advance_ms":0}' ;;
    *) body='{}' ;;
  esac
  if [ "$path" = /metrics ]; then asks 200 '^mohs_build_info' GET "$path"
  elif [ "$method" = GET ]; then asks 200 '^\{' GET "$path"; else asks 200 '^\{' "$method" "$path" "$body"; fi
done < <(grep -oE '`(GET|POST) /[a-z/]+`' "$document" | tr -d '`' | sort -u)
asks 404 message GET /nowhere
asks 405 message POST /health '{}'
asks 400 message POST /script '{"replies":[{"reply":{"txt":"x"}}]}'
asks 200 '"now":"2026-01-02T03:04:0[5-9]Z"' POST /clock '{"set":"2026-01-02T03:04:05Z"}'
asks 200 '"offset_ms":-600000' POST /clock '{"offset_ms":-600000}'
asks 200 '"offset_ms":-300000' POST /clock '{"advance_ms":300000}'
asks 400 '/advance: nobody knows' POST /clock '{"advance":1}'
asks 200 '"ok":true' POST /reset '{"keep":["journal","script"]}'
asks 200 '"offset_ms":0' GET /clock
asks 200 '"ok":true' POST /reset '{}'

# ---- the members of a reply, each as it is spelled in the document ----
# takes REPLY 'STATUS' 'WORDS' [OPERATION]: the mock takes that reply, and gives it
takes() {
  asks 200 '"queued":1' POST /script "{\"replies\":[{\"reply\":$1}]}"
  converse "${4:-converse}"
  holds "$3"
  [ "$(cat status)" = "$2" ] || { failed=$((failed + 1)); echo "FAILED: $1: status $(cat status), expected $2"; }
}
error=$(sed -nE 's/^\| `error` \| `(\{.*\})`; only.*/\1/p' "$document")
[ -n "$error" ] || { failed=$((failed + 1)); echo "FAILED: the example of error is not found"; }
takes "{\"error\":$error}" 429 '"message":"…"'
takes '{"error":{"type":"ThrottlingException"}}' 429 message
takes '{"error":{"type":"ThrottlingException","style":"type"}}' 429 '"__type"'
takes '{"error":{"type":"ThrottlingException","style":"code"}}' 429 '"code"'
takes '{"error":{"type":"AccessDeniedException","Message":"no"}}' 403 '"Message":"no"'
takes '{"text":"hello"}' 200 hello
takes '{"content":[{"text":"one two","$deltas":["one"," two"]}]}' 200 ' two' converse-stream
takes '{"raw":{"status":503,"headers":[["Content-Type","text/html"]],"body":"<html>"}}' 503 '<html>'
takes '{"raw":{"status":500,"body_json":{"a":1}}}' 500 '"a":1'
takes '{"raw":{"status":500,"body_base64":"aGVsbG8="}}' 500 hello
takes '{"frames":[{"event":"messageStart","payload":{"role":"assistant"}},{"exception":"throttlingException","payload":{"message":"slow"}}]}' 200 slow converse-stream
takes '{"frames":[{"error_code":"Bad","error_message":"news"}]}' 200 news converse-stream
takes '{"frames":[{"raw_hex":"68656c6c6f","after_ms":1}]}' 200 hello converse-stream
takes '{"text":"x","stop_reason":"max_tokens","usage":{"inputTokens":3,"outputTokens":4},"metrics":{"latencyMs":5},"extra":{"mark":true}}' 200 '"totalTokens":7'
holds '"mark":true'
takes '{"text":"x","latency_ms":1,"ttft_ms":1,"itl_ms":1}' 200 messageStop converse-stream
takes '{"faults":[{"id":"ThrottlingException"}]}' 429 message
takes '{"template":true,"text":"{{operation}}, {{user}}"}' 200 'Converse, hi sk-client'
asks 200 '"id":"cut-fin"' GET /faults
asks 200 '"queued":1' POST /script '{"replies":[{"reply":{"faults":[{"id":"cut-fin","at_event":3}],"head_gate":"a","gates":[{"before_event":3,"name":"g"}]}}]}'
asks 200 '"ok":true' POST /reset '{}'

# ---- sessions: what is said of one is not heard in another ----
asks 200 '"queued":1' POST /script '{"session":"a","replies":[{"reply":{"text":"for a"}}]}'
asks 200 '"name":"a","queued":1' GET /sessions
asks 200 '"entries":\[\]' GET '/journal?session=a'
asks 200 '"ok":true' POST /reset '{"session":"a"}'
asks 400 'there is no session a' GET '/faults?session=a'

# ---- metrics: every name that the table has is there, and no other ----
http GET "$admin" /metrics
grep -oE '^# TYPE [a-z_]+' answer | cut -d' ' -f3 | sort > served
awk '/^## GET \/metrics/ { inside = 1; next } /^## / { inside = 0 } inside && /^\| `/ { split($0, cell, "|"); print cell[2] }' "$document" |
  grep -oE 'mohs_[a-z_]+' | sort > told
count=$((count + 1))
cmp -s served told || { failed=$((failed + 1)); echo "FAILED: metrics served and told differ: $(diff served told)"; }

# ---- the journal's filters, each as the table spells it ----
for filter in $(awk '/^\| filter/ { inside = 1 } inside && /^\| `/ { split($0, cell, "|"); print cell[2] } inside && !/^\|/ { exit }' "$document" | grep -oE '[a-z]+='); do
  case $filter in status=) value=4xx ;; limit=) value=10 ;; session=) value= ;; *) value='x*' ;; esac
  asks 200 '"next"' GET "/journal?$filter$value"
  filters=$((${filters:-0} + 1))
done
[ "${filters:-0}" -eq 8 ] || { failed=$((failed + 1)); echo "FAILED: ${filters:-0} filters found in the document"; }

# ---- the journal: every member that the table names is there ----
converse converse
asks 200 '"next"' GET '/journal?since=0&count=1&timeout_ms=2000'
for member in $(awk '/^\| member \| meaning/ { table++ } /^## POST \/verify/ { exit } table == 2 && /^\| `/ { split($0, cell, "|"); print cell[2] }' "$document" | tr -d '`,/' | sed 's/body_base64//'); do
  holds "\"$member\":"
done

# ---- a token ----
kill $mock; wait $mock 2>/dev/null
MOHS_ADMIN_TOKEN=s3same-token "$MOHS" mock --port 0 --admin-port 0 2> token.log & mock=$!
for _ in $(seq 1200); do grep -q listening token.log && break; sleep 0.05; done
admin=$(sed -nE 's/.*admin on .*:([0-9]+).*/\1/p' token.log)
asks 401 'Authorization: Bearer TOKEN' GET /metrics
grep -q s3same token.log && { failed=$((failed + 1)); echo "FAILED: the token is in the log"; }
echo "$count claims, $failed failed"
[ "$failed" -eq 0 ] && [ "$count" -ge 60 ]
