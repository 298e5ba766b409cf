# Every mohs command in README.md's shell blocks runs as it stands there.
. "$SOURCE/tests/docs/run_example.bash"
command -v curl > /dev/null || skip_curl=1
while IFS= read -r line; do
  case "$line" in
    mohs\ *) try "$line" ;;
    curl\ *) [ -n "${skip_curl:-}" ] || try "$line" ;;
    scripts/*) [ -x "$SOURCE/${line%% *}" ] || { echo "FAILED: ${line%% *} is not there"; failed=$((failed + 1)); } ;;
  esac
done < <(awk '/^```/ { inside = ($0 == "```sh"); next } inside' "$SOURCE/README.md")
finish 10
