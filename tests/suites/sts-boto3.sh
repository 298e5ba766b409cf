# boto3 asks the mock's STS for credentials and calls Bedrock with them, in strict mode.
for folder in "${MOHS_INTEROP:-}" "$BUILD/interop" "$SOURCE/build/interop" "$BUILD/../interop"; do
  [ -n "$folder" ] && [ -x "$folder/py/bin/python" ] && python=$folder/py/bin/python && break
done
[ -n "${python:-}" ] || { echo "boto3 is not here: tests/interop/setup.sh brings it"; exit 77; }
work=$(mktemp -d)
trap 'kill $mock 2>/dev/null; wait 2>/dev/null; rm -rf "$work"' EXIT
"$MOHS" mock --port 0 --admin-port 0 --auth strict 2> "$work/log" & mock=$!
for _ in $(seq 1200); do grep -q listening "$work/log" && break; sleep 0.05; done
port=$(sed -nE 's/.*:([0-9]+), admin.*/\1/p' "$work/log") admin=$(sed -nE 's/.*admin on .*:([0-9]+).*/\1/p' "$work/log")
timeout $((60 * ${PATIENCE:-1})) "$python" "$SOURCE/tests/suites/sts-boto3.py" "$port" "$admin" > "$work/out" 2>&1
code=$?
cat "$work/out"
[ $code -eq 0 ] && [ "$(grep -c '^ok ' "$work/out")" -eq 13 ]
