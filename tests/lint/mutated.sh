#!/usr/bin/env bash
# mutated.sh: every standard invariant of a stream, and every member of expect and receive, is what some mutation is caught at.
# A check that no mutation has ever failed at might be one that cannot fail. Members that no case uses are left alone.
set -u
cd "$SOURCE" || exit 2
bad=0

# caught FOLDER CHECK: is there a mutation caught there?
caught() {
  grep -rqE "\"caught\": *\"steps\[[0-9]+\]\.(alternatives\.[a-z-]+\.)?$2\"" "suites/cases/$1" && return
  echo "mutated: no mutation in suites/cases/$1 is caught at $2"
  bad=1
}

for pair in openai.chat:harness/dialect_openai.c bedrock.converse:harness/dialect_bedrock.c; do
  names=$(sed -n '/^static const struct invariant invariants/,/^};/s/^ *{"\([a-z-]*\)", true,.*/\1/p' "${pair#*:}")
  [ -n "$names" ] || { echo "mutated: no invariant found in ${pair#*:}"; exit 1; }
  for name in $names; do
    case $name in # seen by alternatives only: a gateway may also cut the connection or answer with a status
    nothing-after-error) [ "${pair%%:*}" = openai.chat ] && continue ;;
    esac
    caught "${pair%%:*}" "receive\.stream\.$name"
  done
done

for name in $(sed -n '/^static const char \*const receive_members/,/;/p' harness/case.c | grep -oE '"[a-z_]+"' | tr -d '"'); do
  caught . "receive\.$name"
done
for name in $(sed -n '/^static const char \*const expect_members/,/;/p' harness/case.c | grep -oE '"[a-z_]+"' | tr -d '"'); do
  grep -rqE "\"$name\":" suites/cases && grep -rqE "\"expect\": *\{[^}]*\"$name\":|^ *\"$name\":" suites/cases && caught . "upstream\[[0-9]+\]\.$name"
done
exit $bad
