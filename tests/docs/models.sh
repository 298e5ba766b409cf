# docs/models.md and docs/knowledge.md: their files are taken by a mock and do what the pages say; a file with a mistake is
# refused with the place of it.
work=$(mktemp -d)
trap 'kill $mock 2>/dev/null; wait 2>/dev/null; rm -rf "$work"' EXIT
cd "$work" || exit 1
count=0 failed=0
block() { awk '/^```json/ { inside = 1; next } /^```/ { inside = 0 } inside' "$SOURCE/docs/$1.md"; }
block models > models.json
block knowledge > knowledge.json
"$MOHS" mock --port 0 --admin-port 0 --auth none --models models.json --knowledge knowledge.json 2> log & mock=$!
for _ in $(seq 1200); do grep -q listening log && break; sleep 0.05; done
base=$(sed -nE 's/.*:([0-9]+), admin.*/\1/p' log)

# asks STATUS 'WORDS' METHOD PATH [BODY]
asks() {
  local LC_ALL=C body=${5-} got
  count=$((count + 1))
  exec 3<> "/dev/tcp/127.0.0.1/$base"
  printf '%s %s HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s' \
    "$3" "$4" "${#body}" "$body" >&3
  timeout $((10 * ${PATIENCE:-1})) cat <&3 > raw
  exec 3>&-
  got=$(awk 'NR == 1 { print $2 }' raw)
  if [ "$got" != "$1" ] || ! grep -qE -- "$2" raw; then
    failed=$((failed + 1)); echo "FAILED: $3 $4: $got, expected $1 with /$2/: $(tail -c 300 raw)"
  fi
}
hello='{"messages":[{"role":"user","content":[{"text":"hi"}]}]}'
asks 404 'reached the end of its life' POST /model/anthropic.claude-v2%3A1/converse "$hello"
asks 403 'have access to the model' POST /model/amazon.nova-pro-v1%3A0/converse "$hello"
asks 200 'Giant' POST /model/acme.giant-v1/converse "$hello"
asks 400 'identifier is invalid' POST /model/acme.dwarf-v1/converse "$hello"
asks 400 'identifier is invalid' POST /model/mars.acme.giant-v1/converse "$hello"
asks 200 '"providerName":"Acme Inc"' GET /foundation-models/acme.giant-v1
asks 200 '"modelSummaries":\[\]' GET /imported-models
asks 200 'holds two litres' POST /knowledgebases/KBPRODUCT1/retrieve '{"retrievalQuery":{"text":"kettle"}}'

asks 201 'provisioned-model/' POST /provisioned-model-throughput '{"provisionedModelName":"fast","modelUnits":1,"modelId":"anthropic.claude-3-haiku-20240307-v1:0"}'
asks 200 '"status":"Creating"' GET /provisioned-model-throughput/fast

# the page counts the operations, and names the resources
count=$((count + 1))
served=$(grep -c '"method":' "$SOURCE/fixtures/api/bedrock.json")
grep -q "All $served operations" "$SOURCE/docs/models.md" || { failed=$((failed + 1)); echo "FAILED: docs/models.md does not say $served operations"; }
grep -q "control plane ($served operations" "$SOURCE/CHANGELOG.md" || { failed=$((failed + 1)); echo "FAILED: CHANGELOG.md does not say $served operations"; }

# the pages name every member a file may have
for key in $(grep -oE '"(unknown|retire_by_date|defaults|providers|geographies|models|remove|resources)"' "$SOURCE/mock/model/models.c" | tr -d '"' | sort -u) \
  $(sed -nE 's/^ *FLAG_AT\(([a-z_]+)\).*/\1/p; s/^ *\{"([a-z_]+)", (TEXT|NUMBER|WORDS|LIFE).*/\1/p' "$SOURCE/mock/model/models.c"); do
  count=$((count + 1))
  grep -q -- "\`$key\`" "$SOURCE/docs/models.md" || { failed=$((failed + 1)); echo "FAILED: docs/models.md does not name $key"; }
done

# refused VERBS... WORDS
refused() {
  count=$((count + 1))
  if "$MOHS" mock --port 0 --admin-port 0 "$1" "$2" 2> said < /dev/null || ! grep -qE -- "$3" said; then
    failed=$((failed + 1)); echo "FAILED: $1 $2: $(cat said)"
  fi
}
echo '{"models":[{"id":"a.b","contxt":1}]}' > wrong.json
refused --models wrong.json 'wrong.json: .*/models/0.*context'
refused --models nowhere.json 'neither any nor known'
echo '{"knowledge_bases":[{"id":"x","documents":[]}]}' > wrong.json
refused --knowledge wrong.json 'wrong.json: /knowledge_bases/0/id'
echo "$count claims, $failed failed"
[ "$failed" = 0 ] && [ "$count" -gt 40 ]
