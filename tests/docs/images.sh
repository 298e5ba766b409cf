# docs/images.md: its json blocks are answered by a mock where the line above them says, and what they start is seen by the others.
work=$(mktemp -d)
trap 'kill $mock 2>/dev/null; wait 2>/dev/null; rm -rf "$work"' EXIT
cd "$work" || exit 1
"$MOHS" mock --port 0 --admin-port 0 --auth none --async-duration 1h 2> log & mock=$!
for _ in $(seq 1200); do grep -q listening log && break; sleep 0.05; done
base=$(sed -nE 's/.*:([0-9]+), admin.*/\1/p' log) admin=$(sed -nE 's/.*admin on .*:([0-9]+).*/\1/p' log)
count=0 failed=0

# asks STATUS 'WORDS' PORT METHOD PATH [BODY]
asks() {
  local LC_ALL=C body=${6-} got
  count=$((count + 1))
  exec 3<> "/dev/tcp/127.0.0.1/$3"
  printf '%s %s HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s' \
    "$4" "$5" "${#body}" "$body" >&3
  timeout $((10 * ${PATIENCE:-1})) cat <&3 > raw
  exec 3>&-
  got=$(awk 'NR == 1 { print $2 }' raw)
  if [ "$got" != "$1" ] || ! grep -qaE -- "$2" raw; then
    failed=$((failed + 1)); echo "FAILED: $4 $5: $got, expected $1 with /$2/: $(tail -c 300 raw)"
  fi
}

awk '/^`(admin )?POST / { gsub("`", ""); where = $0 } /^```json/ { n++; inside = 1; print where > ("block." n ".where"); next }
     /^```/ { inside = 0 } inside { print > ("block." n) }' "$SOURCE/docs/images.md"
for where in block.*.where; do
  read -r first second third < "$where"
  body=$(cat "${where%.where}")
  case "$first $second" in
    admin*) asks 200 '"ok":true' "$admin" "$second" "$third" "$body" ;;
    *nova-canvas*) asks 200 '"images":\["iVBOR[^"]*","iVBOR' "$base" "$first" "$second" "$body" ;;
    *stability*) asks 200 '"seeds":\[7\].*"images":\["/9j/' "$base" "$first" "$second" "$body" ;;
    *async-invoke*) asks 200 'async-invoke/[a-z0-9]{12}"' "$base" "$first" "$second" "$body"; start=$body ;;
    *) failed=$((failed + 1)); echo "FAILED: nobody knows $(cat "$where")" ;;
  esac
done
[ "$count" = 4 ] || { failed=$((failed + 1)); echo "FAILED: $count blocks were sent, expected 4"; }

# what the page says of them
asks 200 'async-invoke/' "$base" POST /async-invoke "$start"
asks 400 ConflictException "$base" POST /async-invoke "${start/a cat/a dog}"
asks 200 '"status":"InProgress"' "$base" GET /async-invoke
asks 200 'async-invoke/' "$base" POST /async-invoke "${start/order-17/order-18}"
asks 200 '"ok":true|"now"' "$admin" POST /clock '{"advance_ms":1000}'
asks 200 '"failureMessage":"The video could not be made."' "$base" GET '/async-invoke?statusEquals=Failed'
asks 200 '"now"' "$admin" POST /clock '{"advance_ms":3600000}'
asks 200 'order-17' "$base" GET '/async-invoke?statusEquals=Completed'
asks 200 'order-17.*order-18' "$admin" GET /async
asks 200 '"queued":1' "$admin" POST /script '{"replies":[{"reply":{"stop_reason":"content_filtered"}}]}'
asks 200 'Filter reason: prompt' "$base" POST /model/stability.sd3-5-large-v1%3A0/invoke '{"prompt":"x"}'
asks 400 'webp is not a valid enum value' "$base" POST /model/stability.sd3-5-large-v1%3A0/invoke '{"prompt":"x","output_format":"webp"}'

echo "$count checks, $failed failed"
[ "$failed" = 0 ]
