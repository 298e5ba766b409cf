# Every mohs command in README.md's shell blocks runs as it stands there.
. "$SOURCE/tests/docs/run_example.bash"
command -v curl > /dev/null || skip_curl=1
echo fail > .curlrc && export CURL_HOME=$work # an answer that is an error is a failure of the example
claimed=$(sed -nE 's/.*of the ([0-9]+) requirements.*/\1/p' "$SOURCE/README.md") counted=$(mohs list --coverage | awk '$1 == "all" { print $5 }')
[ "$claimed" = "$counted" ] || { echo "FAILED: README.md speaks of $claimed requirements, there are $counted"; failed=$((failed + 1)); }
while IFS= read -r line; do
  case "$line" in
    mohs\ *) try "$line" ;;
    curl\ *) [ -n "${skip_curl:-}" ] || try "$line" ;;
    scripts/*) [ -x "$SOURCE/${line%% *}" ] || { echo "FAILED: ${line%% *} is not there"; failed=$((failed + 1)); } ;;
  esac
done < <(awk '/^```/ { inside = ($0 == "```sh"); next } inside && sub(/\\$/, "") { printf "%s", $0; next } inside' "$SOURCE/README.md")
finish 10
