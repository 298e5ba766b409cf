# The program over TLS: a mock with a certificate of its own passes the whole conformance suite for a mock, for a check that is told its
# CA and for nobody else; and of what it wrote to be trusted nothing stays behind.
work=$(mktemp -d)
pids=""
cleanup() { for p in $pids; do kill "$p" 2>/dev/null; done; wait 2>/dev/null; rm -rf "$work"; }
trap cleanup EXIT
cd "$work" || exit 1
failed=0
fail() { failed=$((failed + 1)); echo "FAILED: $*"; }

mkdir tmp
XDG_RUNTIME_DIR="$work/nowhere" TMPDIR="$work/tmp" "$MOHS" mock --port 0 --admin-port 0 --workers 2 --tls-self-signed 2> log & mock=$! pids=$!
for _ in $(seq 1200); do grep -q listening log && break; sleep 0.05; done
url=$(sed -nE 's/.*listening on (https:[^,]*),.*/\1/p' log) admin=$(sed -nE 's/.*admin on (.*)/\1/p' log) ca=$(sed -nE 's/.*the CA to trust is (.*)/\1/p' log)
[ -n "$url" ] && [ -n "$admin" ] || { fail "not announced: $(cat log)"; exit 1; }
case "$ca" in "$work"/tmp/*.pem) ;; *) fail "the CA is in '$ca'" ;; esac
grep -q PRIVATE "$ca" && fail "a private key is in $ca"

both=(--profile mock-direct --target "$url" --mock-url "$url" --admin-url "$admin" --ui none)
"$MOHS" check "${both[@]}" --cacert "$ca" -o check.json > out 2>&1 || fail "check --cacert: exit $?: $(tail -n 5 out)"
grep -qE '(^|[^0-9])[1-9][0-9]+ pass' out || fail "hardly a case passed: $(tail -n 3 out)"
"$MOHS" check "${both[@]}" --run 'bedrock.converse/*' > out 2>&1; got=$?
[ $got -eq 6 ] && grep -qi 'certificate' out || fail "check without the CA: exit $got: $(tail -n 3 out)"
"$MOHS" check "${both[@]}" --cacert nowhere.pem > out 2>&1; got=$?
[ $got -eq 2 ] && grep -q 'nowhere.pem cannot be read: No such file' out || fail "check with no such CA: exit $got: $(tail -n 3 out)"
grep -q 'does not trust the CA' log || fail "the mock does not say who refused it: $(tail -n 3 log)"

kill -INT $mock && wait $mock || fail "the mock ends with $?"
pids=""
[ -z "$(ls tmp)" ] || fail "left behind: $(ls tmp)"
exit $((failed > 0))
