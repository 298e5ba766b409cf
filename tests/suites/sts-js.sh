# The AWS SDK for JavaScript gets its credentials from the mock's STS by itself (a profile with a role, a pod's token) and calls
# Bedrock with them over its default HTTP/2 handler, in strict mode.
for folder in "${MOHS_INTEROP:-}" "$BUILD/interop" "$SOURCE/build/interop" "$BUILD/../interop"; do
  [ -n "$folder" ] && [ -d "$folder/js/node_modules/@aws-sdk/credential-provider-node" ] && interop=$folder && break
done
[ -n "${interop:-}" ] && command -v node > /dev/null || { echo "the AWS SDK for JavaScript is not here: tests/interop/setup.sh brings it"; exit 77; }
work=$(mktemp -d)
trap 'kill $mock 2>/dev/null; wait 2>/dev/null; rm -rf "$work"' EXIT
"$MOHS" mock --port 0 --admin-port off --auth strict 2> "$work/log" & mock=$!
for _ in $(seq 1200); do grep -q listening "$work/log" && break; sleep 0.05; done
port=$(sed -nE 's/.*:([0-9]+), no admin.*/\1/p' "$work/log")
INTEROP=$interop MOCK=http://127.0.0.1:$port WORK=$work timeout $((60 * ${PATIENCE:-1})) node "$SOURCE/tests/suites/sts-js.mjs" > "$work/out" 2>&1
code=$?
cat "$work/out"
[ $code -eq 0 ] && [ "$(grep -c '^ok ' "$work/out")" -eq 4 ]
