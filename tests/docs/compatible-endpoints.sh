# docs/compatible-endpoints.md against a running mock: each of its requests is sent as it stands and answers with the words it names,
# every path of its table is served, and its switches exist.
work=$(mktemp -d)
trap 'kill $mock 2>/dev/null; wait 2>/dev/null; rm -rf "$work"' EXIT
cd "$work" || exit 1
document=$SOURCE/docs/compatible-endpoints.md failed=0 count=0
"$MOHS" mock --port 0 --admin-port 0 2> log & mock=$!
for _ in $(seq 1200); do grep -q listening log && break; sleep 0.05; done
base=$(sed -nE 's/.*:([0-9]+), admin.*/\1/p' log)

# http METHOD PATH HOST BODY: leaves `answer`, and its head in `head`
http() {
  local LC_ALL=C body=$4
  exec 3<> "/dev/tcp/127.0.0.1/$base"
  printf '%s %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\nAuthorization: Bearer ABSKexample\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s' \
    "$1" "$2" "$3" "${#body}" "$body" >&3
  timeout $((10 * ${PATIENCE:-1})) cat <&3 > raw
  exec 3>&-
  sed '/^\r$/q' raw > head
  sed '1,/^\r$/d' raw > answer
}
bad() { failed=$((failed + 1)); echo "FAILED: $*"; }

# ---- the examples ----
awk '/^`(POST|GET) [^ ]*` answers with `/ { split($0, part, "`"); where = part[2]; words = part[4] }
     /^```json/ { n++; inside = 1; print where > ("block." n ".where"); print words > ("block." n ".words"); next }
     /^```/ { inside = 0 } inside { print > ("block." n) }' "$document"
for where in block.*.where; do
  read -r method path < "$where"
  count=$((count + 1))
  http "$method" "$path" 127.0.0.1 "$(cat "${where%.where}")"
  grep -q '^HTTP/1.1 200' head || bad "$method $path: $(head -n 1 head) $(head -c 300 answer)"
  grep -qE -- "$(cat "${where%.where}.words")" answer || bad "$method $path: no /$(cat "${where%.where}.words")/: $(tail -c 300 answer)"
done
[ "$count" -eq 6 ] || bad "$count examples were found, not 6"

# ---- the table of paths: on its host nobody says that there is no such path or method ----
for host in bedrock-runtime bedrock-mantle; do
  while read -r method path; do
    count=$((count + 1))
    http "$method" "${path/\{id\}/openai.gpt-oss-20b}" "$host.us-east-1.api.aws" '{}'
    case $path in */responses/*) known='^HTTP/1.1 404' ;; *) known='^HTTP/1.1 (200|400)' ;; esac
    grep -qE "$known" head && ! grep -qE 'Invalid URL|Method not allowed' answer || bad "$host $method $path: $(head -n 1 head) $(cat answer)"
  done < <(grep "^| $host " "$document" | grep -oE '`(POST|GET|DELETE) [^`]*`' | tr -d '`')
done
[ "$count" -eq 18 ] || bad "$count requests were made, not 18"

# ---- the switches ----
"$MOHS" mock --help > help 2>&1
for switch in $(grep -oE '`--[a-z-]+' "$document" | tr -d '`' | sort -u); do grep -q -- "$switch" help || bad "mohs mock has no $switch"; done
exit $((failed > 0))
