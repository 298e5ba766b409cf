# Every example of every --help runs as it stands there, and every verb has help and a manual page.
. "$SOURCE/tests/docs/run_example.bash"
target_only="openai.chat/params/*" # README.md's example asks a target every case, and that is long enough once
mapfile -t verbs < <(mohs --help | sed -nE 's/^  ([a-z]+( [a-z]+)?) {1,}.*/\1/p; /^Usage/d')
for verb in "${verbs[@]}"; do
  mohs help --man $verb | grep -q "^\.TH MOHS.-${verb// /.-} 1" || { echo "FAILED: no manual page for $verb"; failed=$((failed + 1)); }
  [ "$(mohs help $verb)" = "$(mohs $verb --help)" ] || { echo "FAILED: mohs help $verb"; failed=$((failed + 1)); }
  while IFS= read -r line; do try "$line"; done < <(mohs $verb --help | awk '/^Examples:/ { inside = 1; next } inside && /^  mohs / { sub(/^  /, ""); print }')
done
[ "${#verbs[@]}" -ge 15 ] || { echo "FAILED: only ${#verbs[@]} verbs"; failed=$((failed + 1)); }
mohs help mock imprt 2>/dev/null && { echo "FAILED: mohs help mock imprt"; failed=$((failed + 1)); }
mohs help mock import | grep -q '^Usage: mohs mock import' || { echo "FAILED: mohs help mock import"; failed=$((failed + 1)); }
# Long lists stand in groups, in the help and in the manual page.
for verb in mock check bench cost; do
  [ "$(mohs $verb --help | grep -cE '^[A-Z][a-z ]+:$')" -ge 6 ] || { echo "FAILED: mohs $verb --help has no groups"; failed=$((failed + 1)); }
  [ "$(mohs help --man $verb | grep -c '^\.SS ')" -ge 5 ] || { echo "FAILED: the page of $verb has no groups"; failed=$((failed + 1)); }
done
# What the mock serves is said at the top, and what a mode refuses as it is.
help=$("$MOHS" mock --help | tr -s ' \n' ' ')
for said in "It serves Converse, InvokeModel," "CountTokens, guardrails" "record refuses only what makes no sense"; do
  [[ $help == *"$said"* ]] || { echo "FAILED: mohs mock --help does not say: $said"; failed=$((failed + 1)); }
done
# The example of a mutation in the gateway's help works, and stays until the reset.
if command -v curl > /dev/null; then
  example=$(mohs gateway --help | grep -oE "^curl -d '[^']*' 127.0.0.1:4001/mutate" | sed "s/4001/$control/")
  serve gateway "mohs gateway --port $target --control-port $control" || failed=$((failed + 1))
  [ -n "$example" ] && bash -c "$example" | grep -q '"mutations":1' || { echo "FAILED: the gateway's help has no mutation that is taken: $example"; failed=$((failed + 1)); }
  curl -s "http://127.0.0.1:$control/mutate" | grep -q '"value":"x"' || { echo "FAILED: the mutation does not stay"; failed=$((failed + 1)); }
  curl -s -X POST "http://127.0.0.1:$control/reset" > /dev/null
  curl -s "http://127.0.0.1:$control/mutate" | grep -q client.raw && { echo "FAILED: the mutation stays after POST /reset"; failed=$((failed + 1)); }
fi
finish 8
