# docs/clients.md: what it runs with curl answers with the words of the text block that follows; the page names its versions.
. "$SOURCE/tests/docs/run_example.bash"
command -v curl > /dev/null || { echo "no curl"; exit 77; }
document=$SOURCE/docs/clients.md claims=0 said=
while IFS= read -r line; do
  case "$line" in
    "run "*) try "${line#run }"; said=1 ;;
    "says "*)
      [ -n "$said" ] || continue
      claims=$((claims + 1))
      grep -qF -- "${line#says }" out.log || { failed=$((failed + 1)); echo "FAILED: no ${line#says } in $(head -c 600 out.log)"; } ;;
  esac
done < <(awk '/^```sh/ { kind = "run "; ran = 1; next } /^```text/ { kind = ran ? "says " : ""; next } /^```/ { kind = ""; next }
              kind == "" && NF > 0 { ran = 0 } kind != "" { print kind $0 }' "$document")
[ "$claims" -eq 5 ] || { echo "FAILED: $claims claims"; failed=$((failed + 1)); }
# Every client that has a section was tried at a version.
while IFS= read -r heading; do
  echo "$heading" | grep -qE '[0-9]+\.[0-9]+\.[0-9]+' || { failed=$((failed + 1)); echo "FAILED: no version in: $heading"; }
done < <(grep '^### ' "$document")
finish 4
