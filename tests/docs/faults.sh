# docs/faults.md against the program: its tables are the rows of `mohs list --faults`, neither more nor fewer; the ways of asking that it
# shows are taken.
work=$(mktemp -d)
trap 'kill $mock 2>/dev/null; wait 2>/dev/null; rm -rf "$work"' EXIT
cd "$work" || exit 1
document=$SOURCE/docs/faults.md failed=0
fail() { echo "FAILED: $*"; failed=$((failed + 1)); }

"$MOHS" list --faults --markdown | grep -E '^\| [A-Z]+-[0-9]' > rows
grep -E '^\| [A-Z]+-[0-9]' "$document" > documented
diff rows documented > difference || fail "docs/faults.md and mohs list --faults --markdown differ:" "$(cat difference)"
[ "$("$MOHS" list --faults | wc -l)" = "$(wc -l < rows)" ] || fail "mohs list --faults has another number of rows"
[ "$(wc -l < rows)" -ge 126 ] || fail "the catalogue lost rows: a code is for ever"

# the example of the command line, and that of the header with what it promises
options=$(sed -nE 's/.*`mohs mock (--fault [^`]*)`.*/\1/p' "$document")
header=$(sed -nE 's/.*`(x-mohs-fault: [^`]*)`.*/\1/p' "$document")
[ -n "$options" ] && [ -n "$header" ] || fail "the examples are not found"
# shellcheck disable=SC2086
"$MOHS" mock --port 0 --admin-port 0 --auth none --fault-headers $options 2> log & mock=$!
for _ in $(seq 1200); do grep -q listening log && break; sleep 0.05; done
base=$(sed -nE 's/.*:([0-9]+), admin.*/\1/p' log) admin=$(sed -nE 's/.*admin on .*:([0-9]+).*/\1/p' log)
send() { # PORT PATH BODY [HEADER]
  exec 3<> "/dev/tcp/127.0.0.1/$1"
  printf 'POST %s HTTP/1.1\r\nHost: h\r\nConnection: close\r\n%sContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s' \
    "$2" "${4:+$4$'\r\n'}" "${#3}" "$3" >&3
  timeout $((20 * ${PATIENCE:-1})) cat <&3 > answer
  exec 3>&-
}
model=/model/anthropic.claude-3-haiku-20240307-v1%3A0/converse-stream
hello='{"messages":[{"role":"user","content":[{"text":"hi"}]}]}'
send "$base" "$model" "$hello" "$header"
head -c 12 answer | grep -q '^HTTP/1.1 200' || fail "the header's example: $(head -c 200 answer | tr -d '\0')"
send "$base" "$model" "$hello" 'x-mohs-fault: EVS-99'
grep -q 'no fault is called' answer || fail "a wrong header is not told: $(head -c 200 answer | tr -d '\0')"
faults=$(sed -nE 's/^\| `POST \/faults` \| `(\{.*\})` \|.*/\1/p' "$document")
send "$admin" /faults "$faults"
grep -q '"ok":true' answer || fail "the example of POST /faults: $(head -c 300 answer)"
echo "$(wc -l < rows) rows, $failed failed"
[ "$failed" -eq 0 ]
