#!/usr/bin/env bash
# How the load engine compares with wrk: the same nginx, the same 300 bytes, the same connections, one thread each, turn and
# turn about. To reach: 1.0 times wrk's requests per second, with full histograms.
#
#   bench/engine-vs-wrk.sh          MOHS=..., ROUNDS=5, SECONDS_EACH=3, CONNECTIONS=32
. "$(dirname "$0")/common.sh"
need wrk nginx

head -c 300 /dev/zero | tr '\0' x >"$work/body.txt"
start_nginx "$work/body.txt" text/plain

# Both also cost CPU time per request, which other work on the machine disturbs less than it does the rate.
TIMEFORMAT='%U %S'

cost() { # cost REQUESTS: microseconds of user and system time per request, from the last `time`
    awk -v n="$1" '{ print ($1 + $2) * 1e6 / n }' "$work/time"
}

run_mohs() {
    # 5 is "the generator was the limit": here it is meant to be.
    { time "$mohs" bench --target "$nginx_url/" --dialect get -c "$connections" -t 1 -z "${seconds}s" --warmup 0ms --no-calibrate --ui none -o - \
        >"$work/mohs.out" 2>"$work/mohs.err" || [ $? = 5 ]; } 2>"$work/time"
    awk -F '[:,]' '/"failed"/ && $2 + 0 > 0 { exit 1 } /"achieved_rate_per_s"/ { print $2 + 0; exit }' "$work/mohs.out" >>"$work/mohs"
    cost "$(awk -F '[:,]' '/"completed"/ { print $2 + 0; exit }' "$work/mohs.out")" >>"$work/mohs.cost"
}

run_wrk() {
    { time rate_of_wrk "$nginx_url/" >>"$work/wrk"; } 2>"$work/time"
    cost "$(awk '/requests in/ { print $1 }' "$work/wrk.out")" >>"$work/wrk.cost"
}

for round in $(seq "$rounds"); do
    if [ $((round % 2)) = 1 ]; then
        run_wrk
        run_mohs
    else
        run_mohs
        run_wrk
    fi
    echo "round $round: mohs $(tail -n 1 "$work/mohs"), wrk $(tail -n 1 "$work/wrk") requests/s, ratio $(ratio "$(tail -n 1 "$work/mohs")" "$(tail -n 1 "$work/wrk")")"
done
echo "spread: mohs $(spread <"$work/mohs"), wrk $(spread <"$work/wrk") requests/s (this machine, this minute: not a claim)"
echo "CPU time per request, medians: mohs $(median <"$work/mohs.cost") us, wrk $(median <"$work/wrk.cost") us, ratio mohs / wrk $(ratio "$(median <"$work/mohs.cost")" "$(median <"$work/wrk.cost")")"
echo "ratio of medians, mohs bench / wrk: $(ratio "$(median <"$work/mohs")" "$(median <"$work/wrk")")"
