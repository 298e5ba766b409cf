# Every example of every --help runs as it stands there, and every verb has help and a manual page.
. "$SOURCE/tests/docs/run_example.bash"
target_only="openai.chat/params/*" # README.md's example asks a target every case, and that is long enough once
verbs=$(mohs --help | sed -nE 's/^  ([a-z]+) {2,}.*/\1/p')
for verb in $verbs; do
  mohs help --man "$verb" | grep -q '^\.TH' || { echo "FAILED: no manual page for $verb"; failed=$((failed + 1)); }
  while IFS= read -r line; do try "$line"; done < <(mohs "$verb" --help | awk '/^Examples:/ { inside = 1; next } inside && /^  mohs / { sub(/^  /, ""); print }')
done
# What the mock serves is said at the top, and what a mode refuses as it is.
help=$("$MOHS" mock --help | tr -s ' \n' ' ')
for said in "It serves Converse, InvokeModel," "CountTokens, guardrails" "record refuses only what makes no sense"; do
  [[ $help == *"$said"* ]] || { echo "FAILED: mohs mock --help does not say: $said"; failed=$((failed + 1)); }
done
finish 8
