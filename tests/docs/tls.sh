# Every command in docs/tls.md's shell blocks runs as it stands there.
. "$SOURCE/tests/docs/run_example.bash"
command -v curl > /dev/null || { echo "no curl: skipped"; exit 77; }
echo fail > .curlrc && export CURL_HOME=$work # an answer that is an error is a failure of the example
while IFS= read -r line; do
  try "$line"
done < <(awk '/^```/ { inside = ($0 == "```sh"); next } inside' "$SOURCE/docs/tls.md")
[ -s ca.pem ] || { echo "FAILED: no ca.pem"; failed=$((failed + 1)); }
finish 2
