#!/bin/bash
# fuzz.sh [SECONDS [TARGET...]]: every fuzz target (or those named) for so many seconds, 60 unless told; a line for each.
# fuzz.sh --replay PROGRAM: one target without libFuzzer (build/dev/tests/replay_NAME): its seeds, and some hundred changes of them.
#
# The first needs clang and builds the preset `fuzz`. What a run finds new is kept in build/fuzz/corpus/TARGET, so that the next one goes on from
# there; seeds are the target's own, and our own files of the kind. An input that breaks something stays in build/fuzz/found/: make it a vector of
# the unit test when it is mended. Exit 0: nothing found; 1: something found; 77: no clang. JOBS=2 runs two targets at a time.
#
# A mock that lives from input to input holds memory of theirs, so for the targets of rig.h leaks are looked for at the end of a run only.
set -u
cd "$(dirname "$0")/.." || exit 1

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
  [ "$1" != http2 ] || { # and the other protocol of that port, which is told by its first bytes
    printf '\0GET /a?b HTTP/1.1\r\nHost: h\r\nx: y\r\n\r\n' > "$2/http1-get"
    printf '\x0cPOST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\nGET / HTTP/1.0\r\n\r\n' > "$2/http1-chunks"
    printf '\x40POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 5000\r\n\r\nbody' > "$2/http1-expect"
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
    ! command -v jq > /dev/null || # the replies of a case are those of a script
      jq -c '{replies: [.steps[]?.upstream[]?.reply // empty | {reply: .}]}' $(printf '%s\n' suites/cases/*/*/*.json | shuf -n 40 --random-source=CMakeLists.txt) 2> /dev/null |
        awk -v to="$2/case" '{ print > (to NR) }'
    echo '{"replies":[{"match":{"operation":"Converse"},"times":2,"reply":{"text":"a"}}],"canaries":{"c":"secret"}}' > "$2/text"
    local frames='[{"event":"messageStart","payload":{"role":"assistant"}},{"event":"contentBlockDelta","payload":{"delta":{"text":"a"}}},{"event":"messageStop","payload":{}}]'
    sed -nE 's/^ *\{"[A-Z]+-[0-9]+", "([a-z0-9-]+)".*/\1/p' mock/fault/fault_table.c | while read -r fault; do
      echo "{\"replies\":[{\"reply\":{\"frames\":$frames,\"faults\":[{\"id\":\"$fault\",\"at_event\":1}]}}]}" > "$2/frames-$fault"
      echo "{\"replies\":[{\"reply\":{\"frames\":$frames,\"faults\":[{\"id\":\"$fault\"}]}}]}" > "$2/whole-$fault"
      echo "{\"faults\":[{\"id\":\"$fault\",\"at_byte\":3}]}" > "$2/everywhere-$fault"
    done
  }
}

# replay PROGRAM: see above. What ends it is left beside the seeds.
replay() {
  local name=${1##*/replay_} folder
  folder=$(mktemp -d) || exit 1
  seeds "$name" "$folder"
  "$1" -runs="${RUNS:-1000}" -seconds="${SECONDS_EACH:-3}" -found="${BUILD:-build}/fuzz-$name.found" "$folder"/* < /dev/null
  local code=$?
  rm -rf "$folder"
  exit $code
}
[ "${1:-}" != --replay ] || replay "$2"

seconds=${1:-60}
[ $# -gt 0 ] && shift
command -v clang > /dev/null || { echo "skipped: clang is not installed"; exit 77; }
log=$(mktemp) || exit 1
cmake --preset fuzz > "$log" 2>&1 && cmake --build build/fuzz -j "${JOBS:-2}" >> "$log" 2>&1 || { tail -n 20 "$log"; rm -f "$log"; exit 1; }
rm -f "$log"
build=build/fuzz
mkdir -p "$build/found"

# run PROGRAM: one target; a line on it.
run() {
  local program=$1 name=${1##*/fuzz_} corpus options=() code runs edges
  corpus=$build/corpus/$name
  mkdir -p "$corpus" "$build/seeds/$name"
  seeds "$name" "$build/seeds/$name"
  ! grep -q '^bool fuzz_seed(' "tests/fuzz/$name.c" || "$program" "-make=$build/seeds/$name" || return 1
  ! grep -qE 'include "rig/(rig|request)\.h"' "tests/fuzz/$name.c" || options=(-detect_leaks=0 -entropic=0)
  "$program" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=3000 -max_len=20000 -print_final_stats=1 "${options[@]}" \
    -artifact_prefix="$build/found/$name-" "$corpus" "$build/seeds/$name" > "$build/$name.log" 2>&1
  code=$?
  runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$build/$name.log")
  edges=$(grep -oE 'cov: [0-9]+' "$build/$name.log" | tail -n 1)
  printf '%-22s %8s runs in %s s, %6s edges: %s\n' "$name" "${runs:-?}" "$seconds" "${edges#cov: }" "$([ $code -eq 0 ] && echo nothing found || echo FOUND)"
  [ $code -eq 0 ] || grep -E 'SUMMARY|ERROR|does not hold|Test unit written' "$build/$name.log"
  return $code
}

found=0
for program in "$build"/tests/fuzz_*; do
  [ -f "$program" ] && [ -x "$program" ] || continue
  [ $# -eq 0 ] || [[ " $* " == *" ${program##*/fuzz_} "* ]] || continue
  while [ "$(jobs -rp | wc -l)" -ge "${JOBS:-1}" ]; do wait -n || found=1; done
  run "$program" &
done
while [ -n "$(jobs -p)" ]; do wait -n || found=1; [ -n "$(jobs -rp)" ] || break; done
exit $found
