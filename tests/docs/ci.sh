# Every command in docs/ci.md's shell blocks runs as it stands there, and the ones in its CI files name options that there are.
. "$SOURCE/tests/docs/run_example.bash"
target_only="openai.chat/params/*" # a whole run is asked for by README.md's example
while IFS= read -r line; do
  try "$line"
done < <(awk '/^```/ { inside = ($0 == "```sh"); next } inside' "$SOURCE/docs/ci.md")
[ -s code.sarif ] && [ -s junit.xml ] && [ -s summary.md ] || { echo "FAILED: a report is missing"; failed=$((failed + 1)); }
while IFS= read -r line; do # -n: what would run, without running it
  ran=$((ran + 1))
  bash -c "mohs ${line#*release/mohs } -n" > out.log 2>&1 || { echo "FAILED: $line"; tail -n 3 out.log; failed=$((failed + 1)); }
done < <(grep -o 'mohs/build/release/mohs check .*' "$SOURCE/docs/ci.md")
grep -q '^install_missing()' "$SOURCE/scripts/setup.sh" && grep -q '^build_release()' "$SOURCE/scripts/setup.sh" || { echo "FAILED: setup.sh has other functions"; failed=$((failed + 1)); }
finish 8
