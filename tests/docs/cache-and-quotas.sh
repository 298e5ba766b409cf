# docs/cache-and-quotas.md against a running mock: its quota file is taken by --quota and by POST /quotas, and the story it tells of
# three requests and a minute, and the one of a write and a read, happen.
work=$(mktemp -d)
trap 'kill $mock 2>/dev/null; wait 2>/dev/null; rm -rf "$work"' EXIT
cd "$work" || exit 1
document=$SOURCE/docs/cache-and-quotas.md
awk '/^```json/ { inside = 1; next } /^```/ { inside = 0 } inside { print }' "$document" > quotas.json
"$MOHS" mock --port 0 --admin-port 0 --auth none --quota quotas.json 2> log & mock=$!
for _ in $(seq 1200); do grep -q listening log && break; sleep 0.05; done
base=$(sed -nE 's/.*:([0-9]+), admin.*/\1/p' log) admin=$(sed -nE 's/.*admin on .*:([0-9]+).*/\1/p' log)
count=0 failed=0

# asks STATUS 'WORDS' METHOD PORT PATH [BODY]: one exchange, without curl, which a small system may lack
asks() {
  local LC_ALL=C want=$1 words=$2 body=${6-}
  count=$((count + 1))
  exec 3<> "/dev/tcp/127.0.0.1/$4"
  printf '%s %s HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s' \
    "$3" "$5" "${#body}" "$body" >&3
  timeout $((10 * ${PATIENCE:-1})) cat <&3 > raw
  exec 3>&-
  if [ "$(awk 'NR == 1 { print $2 }' raw)" != "$want" ] || ! sed '1,/^\r$/d' raw | grep -qE -- "$words"; then
    failed=$((failed + 1)); echo "FAILED: $3 $5: expected $want with /$words/: $(head -c 400 raw)"
  fi
}
hello='{"messages":[{"role":"user","content":[{"text":"hello"}]}]}'
nova=/model/amazon.nova-micro-v1%3A0/converse
for _ in 1 2; do
  asks 200 stopReason POST "$base" "$nova" "$hello"
  asks 200 stopReason POST "$base" "$nova" "$hello"
  asks 429 '"Too many requests, please wait before trying again."' POST "$base" "$nova" "$hello"
  asks 200 '"row":2,.*"rpm":\{"limit":2,"used":2,"left":0\}' GET "$admin" /quotas
  asks 200 '"now":' POST "$admin" /clock '{"advance_ms":60000}'
done
asks 200 '"ok":true' POST "$admin" /quotas "$(cat quotas.json)"
asks 400 '/quotas/0/rpmm.*did you mean' POST "$admin" /quotas '{"quotas":[{"rpmm":1}]}'
asks 200 '"quotas":\[\{"principal":"\*:user/batch-\*"' GET "$admin" /quotas

prompt='{"system":[{"text":"'$(printf 'word %.0s' $(seq 1100))'"},{"cachePoint":{"type":"default"}}],"messages":[{"role":"user","content":[{"text":"hello"}]}]}'
claude=/model/eu.anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse
asks 200 '"cacheReadInputTokens":0,.*"cacheWriteInputTokens":1[0-9]{3},' POST "$base" "$claude" "$prompt"
asks 200 '"cacheReadInputTokens":1[0-9]{3},.*"cacheWriteInputTokens":0,' POST "$base" "$claude" "$prompt"
asks 200 '"ttl":"5m","reads":1,' GET "$admin" /cache
asks 200 '"now":' POST "$admin" /clock '{"advance_ms":300001}'
asks 200 '"cacheReadInputTokens":0,.*"cacheWriteInputTokens":1[0-9]{3},' POST "$base" "$claude" "$prompt"
asks 200 '"ok":true' POST "$admin" /reset '{}'
asks 200 '"entries":\[\]' GET "$admin" /cache

kill $mock; wait $mock 2>/dev/null
echo '{"quotas":[{"tpm":-1}]}' > bad.json
"$MOHS" mock --port 0 --admin-port off --quota bad.json 2> log && failed=$((failed + 1))
grep -q 'quotas/0/tpm: expected a whole number from 0' log || { failed=$((failed + 1)); echo "FAILED: $(cat log)"; }
"$MOHS" mock --port 0 --admin-port off --quota nowhere.json 2> log && failed=$((failed + 1))
grep -q nowhere.json log || { failed=$((failed + 1)); echo "FAILED: $(cat log)"; }
echo "$count exchanges, $failed failures"
[ "$failed" = 0 ]
