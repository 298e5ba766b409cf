# `mohs mock --fixtures --watch --strict` as a user has it: files that change, that break, that are mended; a start with a broken one;
# and `mohs mock import` of another mock's files, whose result is served.
command -v curl > /dev/null || { echo "skipped: curl is not installed"; exit 77; }
work=$(mktemp -d)
trap 'kill $mock 2>/dev/null; wait 2>/dev/null; rm -rf "$work"' EXIT
cd "$work" || exit 1
count=0 failed=0 mock=
fail() { failed=$((failed + 1)); echo "FAILED: $*"; }
is() { count=$((count + 1)); [[ $1 == $2 ]] || fail "$3: '$1', expected '$2'"; }
serve() { # ARGS...: a mock; leaves base and admin
  : > log
  "$MOHS" mock --port 0 --admin-port 0 --auth none "$@" 2>> log & mock=$!
  for _ in $(seq 1200); do grep -q listening log && break; sleep 0.05; done
  base=$(sed -nE 's/.*on http:\/\/[^ ]*:([0-9]+), admin.*/\1/p' log) admin=$(sed -nE 's/.*admin on .*:([0-9]+).*/\1/p' log)
}
stop() { kill $mock; wait $mock 2> /dev/null; mock=; }
post() { curl -s "$@"; }
say() { # TEXT [CURL ARGS...]: the body of the answer
  local text=$1; shift
  post "http://127.0.0.1:$base/model/anthropic.claude-3-haiku-20240307-v1%3A0/converse" "$@" -d "{\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":\"$text\"}]}]}"
}
waits() { # PATTERN COMMAND...: until what the command says holds it
  local pattern=$1 got; shift
  count=$((count + 1))
  for _ in $(seq 600); do got=$("$@"); [[ $got == $pattern ]] && return; sleep 0.1; done
  fail "$*: '$got', expected '$pattern'"
}

# ---- a folder that is watched ----
mkdir -p tests/deep
echo '{"fixtures":[{"match":{"user":"a"},"reply":{"text":"first"}}]}' > tests/a.json
serve --fixtures tests --watch --strict
is "$(say a)" '*"text":"first"*' "a fixture answers"
is "$(say b)" '*nearest is tests/a.json#/fixtures/0, whose user does not hold: at /user expected ??a??, got ??b??*' "a miss says why"
is "$(say b -o /dev/null -w '%{http_code}')" 400 "the status of a miss"
grep -q 'mohs mock: No script and no fixture answers this Converse' log || fail "the log does not tell of the miss"
echo '{"fixtures":[{"match":{"user":"a"},"reply":{"text":"second"}}]}' > tests/a.json
waits '*"second"*' say a
printf '{"fixtures":[\n{"match":{"usr":"a"},"reply":{}}]}' > tests/deep/b.json
waits '*tests/deep/b.json:2: /fixtures/0/match/usr: *did you mean ?user?*' cat log
is "$(say a)" '*"second"*' "a broken file changes nothing"
is "$(post "http://127.0.0.1:$admin/fixtures")" '*"last_error":"tests/deep/b.json:2*' "the admin API tells of it"
echo '{"fixtures":[{"priority":1,"match":{"user":"a"},"sequence":[{"error":{"type":"ThrottlingException"}},{"text":"third"}]}]}' > tests/deep/b.json
waits '*"third"*' say a
is "$(say a -H 'x-mohs-session: s1')$(say a -H 'x-mohs-session: s1')" '*"message"*"third"*' "a session begins its sequences anew"
rm -r tests/deep
waits '*"second"*' say a
stop

# ---- a start with a mistake ----
echo '{"fixtures":[{"reply":{"txt":"x"}}]}' > broken.json
"$MOHS" mock --port 0 --admin-port 0 --fixtures broken.json 2> err; is $? 2 "exit with a broken file"
is "$(cat err)" 'mohs mock: broken.json:1: /fixtures/0/reply/txt: nobody knows this key; did you mean "text"?' "its sentence"
"$MOHS" mock --port 0 --admin-port 0 --fixtures nowhere 2> err; is $? 2 "exit without a file"
is "$(cat err)" '*nowhere: No such file*' "its sentence"

printf '{\n"fixtures":[,]}' > broken.json
"$MOHS" mock --port 0 --admin-port 0 --fixtures broken.json 2> err; is $? 2 "exit with what is no JSON"
is "$(cat err)" 'mohs mock: broken.json:2: column 13: expected a value' "its sentence"

# ---- a look without serving ----
echo '{"fixtures":[{"reply":{"txt":"x"}}]}' > broken.json
printf '{"fixtures":[{"reply":{"text":"x"}},\n{"reply":{"text":"hi {{user}}"}}]}' > odd.json
"$MOHS" mock --fixtures broken.json --dry-run > out 2> err; is $? 2 "the exit code of --dry-run with a broken file"
is "$(cat err)" 'mohs mock: broken.json:1: /fixtures/0/reply/txt: *' "its sentence"
timeout 60 "$MOHS" mock --fixtures odd.json --fixtures tests -n > out 2> err; is $? 0 "the exit code of --dry-run"
is "$(cat out)" '3 fixtures of 2 files are good, 1 warning' "what --dry-run says"
is "$(cat err)" 'mohs mock: odd.json:2: /fixtures/1/reply/text: holds a {{placeholder}}*' "its warning"
echo kept > ca.pem
record=(--record http://127.0.0.1:9 --record-to recordings)
AWS_ACCESS_KEY_ID=a AWS_SECRET_ACCESS_KEY=b "$MOHS" mock -n --tls-self-signed --tls-ca-out ca.pem "${record[@]}" > out 2> err; is $? 0 "--dry-run of a recorder over TLS"
is "$(cat ca.pem; ls -d recordings 2>&1)" 'kept*No such file*' "--dry-run writes no CA and makes no folder"
"$MOHS" mock -n --tls-self-signed --tls-ca-out nowhere/ca.pem > out 2> err; is $? 2 "--dry-run where the CA cannot be written"
"$MOHS" mock -n --tls-self-signed --tls-ca-out new.pem > out 2> err; is "$? $(ls new.pem 2>&1)" '0 *No such file*' "nor a CA that was not there"
"$MOHS" mock --port 0 --watch 2> err; is $? 2 "exit with --watch and nothing to watch"
is "$(cat err)" '*--watch belongs to --fixtures*' "its sentence"
"$MOHS" mock --skew 7d --dry-run > out 2>&1; is $? 0 "a week of skew in days"
serve --strict
is "$(cat log)" '*--strict without --fixtures: *' "--strict alone says what it means"
stop

# ---- import: each member of the other format, by hand ----
cat > theirs.json << 'END'
{"fixtures":[
 {"match":{"userMessage":"weather","toolName":"get_weather","hasToolResult":false,"endpoint":"chat"},"response":{"toolCalls":[{"name":"get_weather","arguments":"{\"city\":\"NYC\"}","id":"call_1"}]}},
 {"match":{"toolCallId":"call_1","toolResultContains":"rain"},"response":{"content":"umbrella"},"chunkSize":3,"latency":4,"streamingProfile":{"ttft":5,"tps":100}},
 {"match":{"userMessage":"seq","sequenceIndex":0},"response":{"error":{"message":"slow down"},"status":429,"retryAfter":7}},
 {"match":{"userMessage":"seq","sequenceIndex":1},"response":{"content":"after"}},
 {"match":{"systemMessage":["be","brief"],"turnIndex":0,"model":"claude-3-haiku","context":"c1"},"response":{"content":{"a":1},"finishReason":"length","usage":{"prompt_tokens":3,"completion_tokens":4}}},
 {"match":{"userMessage":"think"},"response":{"content":"deep","reasoning":"hmm","reasoningSignature":"c2ln"}},
 {"match":{"userMessage":"order"},"response":{"blocks":[{"type":"toolCall","name":"t","arguments":{}},{"type":"text","text":"then"}]}},
 {"match":{"userMessage":"raw"},"response":{"json":{"any":true},"status":202}},
 {"match":{"inputText":"vector","endpoint":"embedding"},"response":{"embedding":[0.5,0.25]}},
 {"match":{"userMessage":"chaos"},"response":{"content":"x"},"chaos":{"rateLimitRate":1,"latencyMs":1}},
 {"match":{"userMessage":"cut"},"response":{"content":"one two three"},"chunkSize":4,"truncateAfterChunks":4},
 {"match":{"userMessage":"which","model":"amazon.nova-lite-v1%3A0"},"response":{"content":"by its id"}},
 {"match":{"userMessage":"step","turnIndex":1},"response":{"content":"up to one"}},
 {"match":{"userMessage":"step","turnIndex":2},"response":{"content":"from two"}}
]}
END
"$MOHS" mock import theirs.json -o ours.json 2> err; is $? 0 "exit of a whole import"
is "$(tail -n 1 err)" '*14 of 14 fixtures carried over; 0 things lost' "its last line"
serve --fixtures ours.json --strict
tools='"toolConfig":{"tools":[{"toolSpec":{"name":"get_weather","inputSchema":{"json":{"type":"object"}}}}]}'
converse() { post -i "http://127.0.0.1:$base/model/anthropic.claude-3-haiku-20240307-v1%3A0/converse" -H 'x-aimock-context: c1' -d "$1"; }
ask='{"role":"user","content":[{"text":"weather in NYC"}]}'
is "$(converse "{\"messages\":[$ask],$tools}")" '*"toolUse":{"input":{"city":"NYC"},"name":"get_weather","toolUseId":"call_1"}*' "toolName"
is "$(converse "{\"messages\":[$ask,{\"role\":\"assistant\",\"content\":[{\"toolUse\":{\"toolUseId\":\"call_1\",\"name\":\"get_weather\",\"input\":{}}}]},{\"role\":\"user\",\"content\":[{\"toolResult\":{\"toolUseId\":\"call_1\",\"content\":[{\"text\":\"rain\"}]}}]}],$tools}")" '*"text":"umbrella"*' "toolCallId"
is "$(say seq -i)" '*Retry-After: 7*slow down*' "an error"
is "$(say seq)" '*"after"*' "sequenceIndex"
is "$(converse '{"system":[{"text":"be"},{"text":"brief"}],"messages":[{"role":"user","content":[{"text":"x"}]}]}')" '*{??a??:1}*"max_tokens"*"inputTokens":3,"outputTokens":4*' "systemMessage, content as JSON, usage"
is "$(say think)" '*"reasoningText":{"signature":"c2ln","text":"hmm"}*"deep"*' "reasoning"
is "$(say order)" '*"toolUse"*"text":"then"*' "blocks"
is "$(say raw -i)" 'HTTP/1.1 202*{"any":true}*' "json"
is "$(post "http://127.0.0.1:$base/model/amazon.titan-embed-text-v2%3A0/invoke" -d '{"inputText":"a vector"}')" '*0.5,0.25*' "embedding"
is "$(say chaos -i)" '*429*ThrottlingException*' "chaos"
is "$(say cut -w ' exit %{exitcode}')" '*"one two three"*exit 0' "what aimock cuts short is whole when it is not streamed"
nova() { post "http://127.0.0.1:$base/model/amazon.nova-lite-v1%3A0/$1" -d "{\"messages\":[$2]}"; }
question='{"role":"user","content":[{"text":"step"}]}' told='{"role":"user","content":[{"text":"step"}]},{"role":"assistant","content":[{"text":"a"}]},'
is "$(nova converse-stream '{"role":"user","content":[{"text":"cut"}]}' | tr -d '\0')" '*"one "*' "a stream that ends early"
is "$(nova converse-stream '{"role":"user","content":[{"text":"cut"}]}' | tr -d '\0' | grep -a -c -e 'two ' -e messageStop)" 0 "and there"
is "$(nova converse '{"role":"user","content":[{"text":"which"}]}')" '*by its id*' "an id of a model as it is in a path"
for turn in '|up to one' "$told|up to one" "$told$told|from two" "$told$told$told|from two"; do
  is "$(nova converse "${turn%|*}$question")" "*${turn#*|}*" "a turnIndex prefers, and refuses none"
done
stop
cat > lossy.json << 'END'
{"fixtures":[
 {"match":{"userMessage":"p","predicate":"f"},"response":{"content":"too much"}},
 {"match":{"userMessage":"r"},"response":{"error":{"message":"m"},"status":503,"retryAfter":7}},
 {"match":{"userMessage":"s"},"response":{"error":{"message":"m"},"status":429}},
 {"match":{"userMessage":"a","responseFormat":"json_object"},"response":{"content":"x","id":"1","usage":{"cost":3}},"disconnectAfterMs":5,"shiny":1},
 {"match":{"endpoint":"speech"},"response":{"audio":"AAAA"}},
 {"match":{"userMessage":"b"},"response":{"image":{"url":"x"}}},
 {"match":{"userMessage":"c"},"response":{"toolCalls":[{"name":"t","arguments":"nonsense"}]}}
]}
END
"$MOHS" mock import lossy.json > ours2.json 2> err; is $? 1 "exit of an import that lost something"
grep -q 'too much' ours2.json && fail "a fixture without its predicate is kept"
is "$(grep -c Retry-After ours2.json)" 1 "Retry-After stands where aimock sends it"
is "$(tr -d ' \n' < ours2.json)" '*"status":429*"Retry-After","1"*' "aimock's own Retry-After"
for word in match/responseFormat 'answers more than it did' 'match/predicate: code cannot be carried over, and without it' response/id 'cost has no like' disconnectAfterMs 'shiny: nobody knows' 'no endpoint like speech' '(image)' 'arguments of t'; do
  count=$((count + 1)); grep '^lost:' err | grep -qF -- "$word" || fail "import does not tell of $word: $(cat err)"
done
is "$(tail -n 1 err)" '*4 of 7 fixtures carried over*' "what is left"
"$MOHS" mock import broken-not-there.json 2> err; is $? 2 "exit without a file to import"
echo '{"x":1}' > other.json; "$MOHS" mock import other.json 2> err; is $? 2 "exit of another file"
"$MOHS" mock import --help | grep -q 'Usage: mohs mock import' || fail "no help of mock import"
echo "$count claims, $failed failed"
[ "$failed" -eq 0 ] && [ "$count" -ge 38 ]
