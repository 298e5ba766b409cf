#!/bin/bash
# watched.sh FOLDER COMMAND...: runs a test of a sanitized build; it passes only if no process that it started made a report.
#
# The scripts under suites/ and docs/ start mocks and gateways, stop them, and look at what these did, not at how they ended. A leak
# found at the exit of such a child would go by unseen. So each sanitizer writes its reports into FOLDER, whoever the process is, and
# a report there fails the test, whatever the test itself says.
folder=$1; shift
rm -rf "$folder"
mkdir -p "$folder" || exit 1
export ASAN_OPTIONS="detect_leaks=1:detect_stack_use_after_return=1:strict_string_checks=1${ASAN_OPTIONS:+:$ASAN_OPTIONS}:log_path=$folder/address"
export UBSAN_OPTIONS="print_stacktrace=1${UBSAN_OPTIONS:+:$UBSAN_OPTIONS}:log_path=$folder/undefined"
# A second signal ends a server in the middle of its stop, with threads that nobody joined; that is what it is for.
export TSAN_OPTIONS="second_deadlock_stack=1:report_thread_leaks=0${TSAN_OPTIONS:+:$TSAN_OPTIONS}:log_path=$folder/thread"
"$@"
code=$?
reports=0
for report in "$folder"/*; do
  [ -e "$report" ] || continue
  reports=$((reports + 1))
  echo "SANITIZER REPORT $(basename "$report")"
  head -n 60 "$report"
done
[ $reports -eq 0 ] || exit 99
exit $code
