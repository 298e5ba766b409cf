# docs/identity.md against a running mock: its policy is taken as it stands and does what it says, and its switches exist.
work=$(mktemp -d)
trap 'kill $mock 2>/dev/null; wait 2>/dev/null; rm -rf "$work"' EXIT
cd "$work" || exit 1
failed=0
awk '/^```json/ { inside = 1; next } /^```/ { inside = 0 } inside' "$SOURCE/docs/identity.md" > policy.json
grep -oE '`--[a-z-]+' "$SOURCE/docs/identity.md" | tr -d '`' | sort -u > switches
[ "$(wc -l < switches)" -ge 8 ] || { failed=1; echo "FAILED: only $(wc -l < switches) switches are named"; }
"$MOHS" mock --help > help 2>&1
while read -r switch; do grep -q -- "$switch" help || { failed=1; echo "FAILED: mohs mock has no $switch"; }; done < switches
"$MOHS" mock --port 0 --admin-port 0 --auth lenient --policy policy.json 2> log & mock=$!
for _ in $(seq 1200); do grep -q listening log && break; sleep 0.05; done
base=$(sed -nE 's/.*:([0-9]+), admin.*/\1/p' log)

# asks WORDS PATH: an API key that nobody knows, which lenient lets in
asks() {
  local LC_ALL=C body='{"messages":[{"role":"user","content":[{"text":"hi"}]}]}'
  exec 3<> "/dev/tcp/127.0.0.1/$base"
  printf 'POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nAuthorization: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s' \
    "$3" "$2" "${#body}" "$body" >&3
  timeout $((10 * ${PATIENCE:-1})) cat <&3 > answer
  exec 3>&-
  grep -qE -- "$1" answer || { failed=1; echo "FAILED: no /$1/: $(tail -c 300 answer)"; }
}
key="AWS4-HMAC-SHA256 Credential=AKIAGUEST/$(date -u +%Y%m%d)/us-east-1/bedrock/aws4_request, SignedHeaders=host;x-amz-date, Signature=0
X-Amz-Date: $(date -u +%Y%m%dT%H%M%SZ)"
key=${key//$'\n'/$'\r\n'}
asks '"stopReason":"end_turn"' "$key" /model/anthropic.claude-3-haiku-20240307-v1%3A0/converse
asks '"Message":"User: arn:aws:iam::123456789012:user/AKIAGUEST is not authorized to perform: bedrock:InvokeModel on resource: arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-lite-v1:0 because no identity' \
  "$key" /model/amazon.nova-lite-v1%3A0/converse
asks 'with an explicit deny in a service control policy: arn:aws:organizations::111122223333' "$key" /model/anthropic.claude-3-haiku-20240307-v1%3A0/count-tokens
asks 'bedrock:CallWithBearerToken on resource: \* because' 'Bearer ABSKguest' /model/anthropic.claude-3-haiku-20240307-v1%3A0/converse
exit $failed
