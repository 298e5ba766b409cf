#!/bin/bash
# valgrind.sh [BUILD [NAME...]]: every unit test (or those named) of a build under valgrind's memcheck, a line for each.
#
# The sanitizers see what our code does; memcheck also sees bytes that were never written, and inside the libraries. It is not part
# of CTest, being slow: some minutes. Tests that measure time or hold a peer to a schedule get none of it here: under memcheck one
# thread runs at a time, some thirty times slower. Their expectations are not loosened: their failures are shown, and only what
# memcheck itself reports fails this run.
#
# Exit 0: nothing found; 1: something found; 77: there is no valgrind, or no test.
set -u
source=$(cd "$(dirname "$0")/.." && pwd)
build=${1:-$source/build/dev}
[ $# -gt 0 ] && shift
command -v valgrind > /dev/null || { echo "skipped: valgrind is not installed"; exit 77; }
cd "$source" || exit 1
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
found=0 count=0
for program in "$build"/tests/unit_*; do
  name=${program##*/unit_}
  [ -x "$program" ] || continue
  [ $# -eq 0 ] || [[ " $* " == *" $name "* ]] || continue
  count=$((count + 1))
  began=$SECONDS
  timeout 1800 valgrind --quiet --error-exitcode=9 --leak-check=full --show-leak-kinds=definite,indirect,possible --track-fds=no \
    --errors-for-leak-kinds=definite,indirect,possible --trace-children=no --fair-sched=yes \
    --log-file="$work/$name.%p" "$program" > "$work/$name.out" 2>&1
  code=$?
  reports=$(grep -lE 'ERROR SUMMARY|^==[0-9]+== [A-Z0-9]' "$work/$name".[0-9]* 2> /dev/null)
  case $code:$reports in
    0:) word=clean ;;
    *:?* | 9:*) word=FOUND; found=$((found + 1)) ;;
    124:*) word='NOT FINISHED in half an hour'; found=$((found + 1)) ;;
    *) word="clean (the test itself ended with $code: see below)" ;;
  esac
  printf '%-14s %s, %d s\n' "$name" "$word" $((SECONDS - began))
  [ "$word" != FOUND ] || head -n 60 $reports
  [ $code -eq 0 ] || grep -A 4 'had failures' "$work/$name.out"
done
echo "$count unit tests, $found with findings"
[ $count -gt 0 ] || exit 77
[ $found -eq 0 ]
