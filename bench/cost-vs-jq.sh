#!/bin/bash
# How many usage records a second `mohs cost --usage` prices, beside jq merely adding up one number of the same file.
# usage: bench/cost-vs-jq.sh [RECORDS]   MOHS: the program (build/release/mohs); ROUNDS: alternations (5)
. "$(dirname "$0")/common.sh"
need jq awk
records=${1:-500000}

awk -v n="$records" 'BEGIN {
    split("amazon.nova-micro-v1:0 us.anthropic.claude-sonnet-4-5-20250929-v1:0 global.anthropic.claude-haiku-4-5-20251001-v1:0 meta.llama3-1-8b-instruct-v1:0", m, " ")
    for (i = 0; i < n; i++)
        printf "{\"model\":\"%s\",\"time\":\"2026-11-%02dT10:00:00Z\",\"label\":\"team-%d\",\"usage\":{\"inputTokens\":%d,\"outputTokens\":%d,\"totalTokens\":%d}}\n",
            m[i % 4 + 1], i % 20 + 1, i % 7, i % 5000, i % 700, i % 5000 + i % 700
}' >"$work/usage.jsonl"

# Seconds of processor time, which a busy machine stretches less than the clock on the wall.
cpu() {
    local TIMEFORMAT='%U %S'
    { time "$@" >"$work/out" 2>"$work/err"; } 2>"$work/time" || { cat "$work/err" >&2; exit 1; }
    awk '{ print $1 + $2 }' "$work/time"
}

for ((i = 0; i < rounds; i++)); do
    cpu "$mohs" cost --usage "$work/usage.jsonl" --ui none --json >>"$work/mohs"
    cpu jq -n 'reduce inputs.usage.inputTokens as $n (0; . + $n)' "$work/usage.jsonl" >>"$work/jq"
done
awk -v n="$records" -v a="$(median <"$work/mohs")" -v b="$(median <"$work/jq")" -v r="$rounds" 'BEGIN {
    printf "mohs cost --usage  %8.0f records/s of processor time: priced, with three tables of exact totals\n", n / a
    printf "jq, one sum        %8.0f records/s\n", n / b
    printf "mohs is %.2f times as fast (medians of %d rounds, alternating)\n", b / a, r
}'
