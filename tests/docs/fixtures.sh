# docs/fixtures.md against a running mock: each of its json blocks is loaded, and the conversation behind it is had; its tables name
# every placeholder and every member that the program knows.
work=$(mktemp -d)
trap 'kill $mock 2>/dev/null; wait 2>/dev/null; rm -rf "$work"' EXIT
cd "$work" || exit 1
count=0 failed=0 document=$SOURCE/docs/fixtures.md
awk '/^```json/ { n++; inside = 1; name = n ".json"; next } /^```text/ { inside = 1; name = n ".talk"; next } /^```/ { inside = 0 } inside { print > name }' "$document"

# say TEXT: asks Converse; the answer's text, or the type of its error, goes to `answer`
say() {
  local LC_ALL=C text body
  text=$(printf '%s' "$1" | sed 's/["\\]/\\&/g')
  body="{\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":\"$text\"}]}]}"
  exec 3<> "/dev/tcp/127.0.0.1/$base"
  printf 'POST /model/anthropic.claude-3-haiku-20240307-v1%%3A0/converse HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s' "${#body}" "$body" >&3
  timeout $((10 * ${PATIENCE:-1})) cat <&3 | tr -d '\r' > raw
  exec 3>&-
  sed -nE 's/^x-amzn-ErrorType: ([A-Za-z]+).*/\1/Ip' raw > answer
  [ -s answer ] || sed -nE 's/.*"content":\[\{"text":"(([^"\\]|\\.)*)".*/\1/p' raw | sed 's/\\"/"/g' > answer
}

for block in *.json; do
  : > log
  "$MOHS" mock --port 0 --admin-port off --auth none --strict --fixtures "$block" 2>> log & mock=$!
  for _ in $(seq 1200); do grep -q listening log && break; sleep 0.05; done
  base=$(sed -nE 's/.*listening on http:\/\/[^:]*:([0-9]+).*/\1/p' log)
  [ -n "$base" ] || { failed=$((failed + 1)); echo "FAILED: $block is not taken: $(cat log)"; break; }
  while IFS= read -r line; do
    case $line in
      "> "*) say "${line#> }" ;;
      "< "*) count=$((count + 1))
        [ "$(cat answer)" = "${line#< }" ] || { failed=$((failed + 1)); echo "FAILED: $block: '$(cat answer)', expected '${line#< }': $(tail -c 300 raw)"; } ;;
    esac
  done < "${block%.json}.talk"
  kill $mock; wait $mock 2>/dev/null
done

# the command that only looks, with the answer that stands behind it
cp 1.json weather.json
line=$(grep -E '^mohs mock .*--dry-run' "$document") want=${line##*# } command=${line%% \#*}
got=$(eval "timeout 60 \"$MOHS\" ${command#mohs }" 2>&1); count=$((count + 1))
[ -n "$want" ] && [ "$got" = "$want" ] || { failed=$((failed + 1)); echo "FAILED: $command says '$got', expected '$want'"; }

# every word of the tables of the program stands in the tables of the document
for word in $(sed -nE '/^static const struct row rows/,/^};/s/^    \{"([a-z_]+)", "[^"]*".*/\1/p' "$SOURCE/mock/script/template.c"); do
  count=$((count + 1)); grep -qF "{{$word" "$document" || { failed=$((failed + 1)); echo "FAILED: {{$word}} is not documented"; }
done
for word in $(sed -n '/^static const char \*const known\[\] = {"operation"/,/};/p' "$SOURCE/mock/script/subject.c" | grep -oE '"[a-z_]+"' | tr -d '"') nth call; do
  count=$((count + 1)); grep -qE "^\| .*\`$word\`" "$document" || { failed=$((failed + 1)); echo "FAILED: match's $word is not documented"; }
done
echo "$count claims, $failed failed"
[ "$failed" -eq 0 ] && [ "$count" -ge 50 ]
