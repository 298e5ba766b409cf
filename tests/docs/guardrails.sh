# docs/guardrails.md: its examples run as they stand there, and answer with the words of the text block that follows.
. "$SOURCE/tests/docs/run_example.bash"
command -v curl > /dev/null || { echo "no curl"; exit 77; }
document=$SOURCE/docs/guardrails.md claims=0
while IFS= read -r line; do
  case "$line" in
    "run "*) try "${line#run }" ;;
    "says "*)
      claims=$((claims + 1))
      grep -qF -- "${line#says }" out.log || { failed=$((failed + 1)); echo "FAILED: no ${line#says } in $(head -c 600 out.log)"; } ;;
  esac
done < <(awk '/^```sh/ { kind = "run "; next } /^```text/ { kind = "says "; next } /^```/ { kind = "" } kind != "" { print kind $0 }' "$document")
[ "$claims" -ge 12 ] || { echo "FAILED: $claims claims"; failed=$((failed + 1)); }
# Every guardrail and every entity of the data is named, and every setting.
for word in $(grep -oE '"guardrailId": "[a-z0-9]+"' "$SOURCE/fixtures/guardrails.json" | cut -d'"' -f4) \
  $(awk '/"pii": \{/ { inside = 1; next } /^    }/ { inside = 0 } inside { print $1 }' "$SOURCE/fixtures/guardrails.json" | tr -d '":') \
  $(grep -oE '^  "settings": .*' "$SOURCE/fixtures/guardrails.json" | grep -oE '"[a-z_]+": ' | tr -d '": ' | grep -v '^settings$'); do
  grep -qw -- "$word" "$document" || { echo "FAILED: $word is not in docs/guardrails.md"; failed=$((failed + 1)); }
done
finish 9
