#!/usr/bin/env bash
# What the mock can carry, as a share of nginx handing out the same bytes: Converse without signatures, and with each
# signature verified. wrk is the load for all three, one worker each, turn and turn about.
# To reach: 0.5 without, 0.3 with signatures. The servers' CPU time per request stands beside the rates: other work on the
# machine, and a load generator that is the limit itself, disturb it less.
#
# The signed request is one fixed request, made by `mohs sign` anew for each round: a signature holds for five minutes.
#
#   bench/mock-vs-nginx.sh          MOHS=..., ROUNDS=5, SECONDS_EACH=3, CONNECTIONS=32
. "$(dirname "$0")/common.sh"
need wrk nginx curl pgrep

model=amazon.nova-lite-v1%3A0
path=/model/$model/converse
body='{"messages":[{"role":"user","content":[{"text":"Count to ten."}]}],"inferenceConfig":{"maxTokens":64}}'
key=AKIAIOSFODNN7EXAMPLE:wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY

start_mock --auth none
open_url=$mock_url open_pid=${children[-1]}
start_mock --auth strict --key "$key"
strict_url=$mock_url strict_pid=${children[-1]}

curl -sS --fail -H 'Content-Type: application/json' -d "$body" "$open_url$path" -o "$work/answer.json"
start_nginx "$work/answer.json" application/json
nginx_pid=$(pgrep -P "${children[-1]}") # its one worker
echo "one answer is $(wc -c <"$work/answer.json") bytes"

# write_lua FILE [HEADER...]: a POST of the body with those header lines.
write_lua() {
    local file=$1
    shift
    {
        echo 'wrk.method = "POST"'
        printf 'wrk.body = [==[%s]==]\n' "$body"
        echo 'wrk.headers["Content-Type"] = "application/json"'
        for line in "$@"; do
            printf 'wrk.headers["%s"] = [==[%s]==]\n' "${line%%:*}" "$(echo "${line#*:}" | sed 's/^ *//')"
        done
    } >"$file"
}

# measure NAME PID ARGUMENTS...: one run of wrk; its rate goes to the list NAME, the CPU time of that process for each
# request to NAME.cost.
measure() {
    local name=$1 pid=$2 before after
    shift 2
    before=$(cpu_us "$pid")
    rate_of_wrk "$@" >>"$work/$name"
    after=$(cpu_us "$pid")
    awk -v us=$((after - before)) '/requests in/ { print us / $1 }' "$work/wrk.out" >>"$work/$name.cost"
}

measure_nginx() {
    measure nginx "$nginx_pid" -s "$work/plain.lua" "$nginx_url$path"
}

measure_open() {
    measure open "$open_pid" -s "$work/plain.lua" "$open_url$path"
}

measure_signed() {
    local host=${strict_url#http://} lines
    mapfile -t lines < <("$mohs" sign "$strict_url$path" -X POST -d "$body" -H 'Content-Type: application/json' --key "$key" | grep -v -i -E '^(host|content-type):')
    write_lua "$work/signed.lua" "Host: $host" "${lines[@]}"
    measure signed "$strict_pid" -s "$work/signed.lua" "$strict_url$path"
}

# A wrong signature must be refused, or the figure would be that of a mock that does not look.
refused=$(curl -sS -o /dev/null -w '%{http_code}' -H 'Content-Type: application/json' -d "$body" "$strict_url$path")
[ "$refused" = 403 ] || { echo "the strict mock let an unsigned request in ($refused)" >&2; exit 1; }

write_lua "$work/plain.lua"
for round in $(seq "$rounds"); do
    [ $((round % 2)) = 1 ] && order="nginx open signed" || order="signed open nginx"
    for side in $order; do
        "measure_$side"
    done
    echo "round $round: nginx $(tail -n 1 "$work/nginx"), mock $(tail -n 1 "$work/open"), mock with signatures $(tail -n 1 "$work/signed") requests/s"
done
echo "CPU time per request, medians: nginx $(median <"$work/nginx.cost") us, mock $(median <"$work/open.cost") us, with signatures $(median <"$work/signed.cost") us"
echo "ratio of medians of that, nginx / mock: $(ratio "$(median <"$work/nginx.cost")" "$(median <"$work/open.cost")"), with SigV4 verified: $(ratio "$(median <"$work/nginx.cost")" "$(median <"$work/signed.cost")")"
echo "ratio of medians, mock / nginx: $(ratio "$(median <"$work/open")" "$(median <"$work/nginx")")"
echo "ratio of medians, mock with SigV4 verified / nginx: $(ratio "$(median <"$work/signed")" "$(median <"$work/nginx")")"
