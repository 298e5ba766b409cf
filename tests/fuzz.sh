#!/bin/bash
# fuzz.sh [SECONDS [TARGET...]]: every fuzz target (or those named) for so many seconds, 60 unless told; a line for each.
#
# Needs clang. Builds the preset `fuzz`. What a run finds new is kept in build/fuzz/corpus/TARGET, so that the next one goes on from
# there; seeds are our own files of the kind. An input that breaks something stays in build/fuzz/found/: make it a vector of the unit
# test when it is mended. Exit 0: nothing found; 1: something found; 77: no clang.
set -u
cd "$(dirname "$0")/.." || exit 1
seconds=${1:-60}
[ $# -gt 0 ] && shift
command -v clang > /dev/null || { echo "skipped: clang is not installed"; exit 77; }
log=$(mktemp) || exit 1
cmake --preset fuzz > "$log" 2>&1 && cmake --build build/fuzz -j "${JOBS:-2}" >> "$log" 2>&1 || { tail -n 20 "$log"; rm -f "$log"; exit 1; }
rm -f "$log"
build=build/fuzz
mkdir -p "$build/found"

# seeds TARGET FOLDER: what a fuzzer would not find by itself.
seeds() {
  case $1 in
    case) find suites/cases suites/profiles suites/expected-failures -name '*.json' -size -16k 2> /dev/null | shuf -n 200 --random-source=CMakeLists.txt ;;
    fixture) awk -v to="$2/doc" '/^```json/ { n++; inside = 1; next } /^```/ { inside = 0 } inside { print > (to n) }' docs/fixtures.md > /dev/null ;;
    json | shape) find fixtures suites -name '*.json' -size -4k | shuf -n 100 --random-source=CMakeLists.txt ;;
  esac | while read -r file; do cp "$file" "$2/$(echo "$file" | tr / _)"; done
  [ "$1" != http2 ] || { # behind the byte that says how to go on: HEADERS of a GET; of a POST, and its DATA; with RST_STREAM
    printf '\x01\0\0\x06\x01\x05\0\0\0\x01\x82\x86\x84\x41\x01h' > "$2/get"
    printf '\x07\0\0\x06\x01\x04\0\0\0\x01\x83\x86\x84\x41\x01h\0\0\x04\0\x01\0\0\0\x01body' > "$2/post"
    printf '\x43\0\0\x06\x01\x05\0\0\0\x01\x82\x86\x84\x41\x01h\0\0\x04\x03\0\0\0\0\x01\0\0\0\x08' > "$2/reset"
  }
  [ "$1" != guardrail ] || {
    echo '{"guardrails":[{"guardrailId":"a","name":"n","blockedInputMessaging":"i","blockedOutputsMessaging":"o","wordPolicy":{"words":[{"text":"x"}]},"sensitiveInformationPolicy":{"regexes":[{"name":"r","pattern":"[a-z]+@","action":"ANONYMIZE"}]}}]}
Mail jane@example.com, x, card 4111 1111 1111 1111' > "$2/rail"
    echo '{"lists":{"pii":{"PIN":{"near":["p"],"patterns":["[0-9]+"],"words":["w"],"check":"luhn"}},"content":{"HATE":{"LOW":["l"]}}},"settings":{"unit_characters":3}}
mohs:hate:high p 1234, darn, a stock tip in DE89 3704 0044 0532 0130 00' > "$2/lists"
  }
  [ "$1" != query ] || printf '\0Version=2011-06-15&Action=AssumeRole&RoleArn=arn%%3Aaws%%3Aiam%%3A%%3A123456789012%%3Arole%%2Fx&RoleSessionName=ab&Tags.member.1.Key=a&Tags.member.1.Value=b&DurationSeconds=900&TransitiveTagKeys.member.1=x' > "$2/role"
  [ "$1" != policy ] || awk '/^```json/ { inside = 1; next } /^```/ { inside = 0 } inside' docs/identity.md > "$2/manual"
  [ "$1" != script ] || {
    ! command -v jq > /dev/null || for file in suites/cases/*/*/*.json; do # the replies of a case are those of a script
      jq -c '{replies: [.steps[].upstream[]?.reply // empty | {reply: .}]}' "$file" > "$2/$(echo "$file" | tr / _)" 2> /dev/null
    done
    echo '{"replies":[{"match":{"operation":"Converse"},"times":2,"reply":{"text":"a"}}],"canaries":{"c":"secret"}}' > "$2/text"
    local frames='[{"event":"messageStart","payload":{"role":"assistant"}},{"event":"contentBlockDelta","payload":{"delta":{"text":"a"}}},{"event":"messageStop","payload":{}}]'
    grep -oE '^ +\{"[a-z0-9-]+", "' mock/fault/fault.c | grep -oE '[a-z0-9-]{3,}' | while read -r fault; do
      echo "{\"replies\":[{\"reply\":{\"frames\":$frames,\"faults\":[{\"id\":\"$fault\",\"at_event\":1}]}}]}" > "$2/frames-$fault"
      echo "{\"replies\":[{\"reply\":{\"frames\":$frames,\"faults\":[{\"id\":\"$fault\"}]}}]}" > "$2/whole-$fault"
      echo "{\"faults\":[{\"id\":\"$fault\",\"at_byte\":3}]}" > "$2/everywhere-$fault"
    done
  }
}

found=0
for program in "$build"/tests/fuzz_*; do
  name=${program##*/fuzz_}
  [ -x "$program" ] || continue
  [ $# -eq 0 ] || [[ " $* " == *" $name "* ]] || continue
  corpus=$build/corpus/$name
  mkdir -p "$corpus" "$build/seeds/$name"
  seeds "$name" "$build/seeds/$name"
  "$program" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=2048 -max_len=20000 -print_final_stats=1 \
    -artifact_prefix="$build/found/$name-" "$corpus" "$build/seeds/$name" > "$build/$name.log" 2>&1
  code=$?
  runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$build/$name.log")
  printf '%-22s %s runs in %s s: %s\n' "$name" "${runs:-?}" "$seconds" "$([ $code -eq 0 ] && echo nothing found || echo FOUND)"
  [ $code -eq 0 ] || { found=1; grep -E 'SUMMARY|ERROR|Test unit written' "$build/$name.log"; }
done
exit $found
