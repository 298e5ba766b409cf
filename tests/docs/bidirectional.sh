# docs/bidirectional.md against a running mock: its json blocks are taken as they stand, and its table names the diagnoses that the program has.
work=$(mktemp -d)
trap 'kill $mock 2>/dev/null; wait 2>/dev/null; rm -rf "$work"' EXIT
cd "$work" || exit 1
"$MOHS" mock --port 0 --admin-port 0 2> log & mock=$!
for _ in $(seq 1200); do grep -q listening log && break; sleep 0.05; done
admin=$(sed -nE 's/.*admin on .*:([0-9]+).*/\1/p' log)
count=0 failed=0 document=$SOURCE/docs/bidirectional.md
fail() { failed=$((failed + 1)); echo "FAILED: $*"; }

awk '/^```json/ { n++; inside = 1; next } /^```/ { inside = 0 } inside { print > ("block." n) }' "$document"
for block in block.*; do
  count=$((count + 1))
  body=$(cat "$block")
  exec 3<> "/dev/tcp/127.0.0.1/$admin"
  LC_ALL=C
  printf 'POST /script HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s' "${#body}" "$body" >&3
  timeout 60 cat <&3 > answer
  exec 3>&-
  grep -q '"queued":' answer || fail "$block: $(cat answer)"
done
[ "$count" -eq 3 ] || fail "$count blocks"

# every id of the program is in the table, and none beside them
grep -oE '(explain\(c, |\{)"[a-z]+-?[a-z-]*"' "$SOURCE/mock/bidi/bidi_chain.c" | grep -oE '"[a-z-]+"' | tr -d '"' | sort -u > known
awk -F'|' '/^\| `/ { print $2 }' "$document" | grep -oE '`[a-z-]+`' | tr -d '`' | sort -u > documented
diff known documented > difference || fail "the diagnoses differ: $(cat difference)"
echo "$count blocks, $(wc -l < known) diagnoses, $failed failed"
[ $failed -eq 0 ]
