#!/usr/bin/env bash
# What the mock can carry, as a share of nginx handing out the same bytes: Converse without signatures, and with each
# signature verified. wrk is the load for all three, one worker each, turn and turn about.
# To reach: 0.5 without, 0.3 with signatures.
#
# The signed request is one fixed request, made by `mohs sign` anew for each round: a signature holds for five minutes.
#
#   bench/mock-vs-nginx.sh          MOHS=..., ROUNDS=5, SECONDS_EACH=3, CONNECTIONS=32
. "$(dirname "$0")/common.sh"
need wrk nginx curl

model=amazon.nova-lite-v1%3A0
path=/model/$model/converse
body='{"messages":[{"role":"user","content":[{"text":"Count to ten."}]}],"inferenceConfig":{"maxTokens":64}}'
key=AKIAIOSFODNN7EXAMPLE:wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY

start_mock --auth none
open_url=$mock_url
start_mock --auth strict --key "$key"
strict_url=$mock_url

curl -sS --fail -H 'Content-Type: application/json' -d "$body" "$open_url$path" -o "$work/answer.json"
start_nginx "$work/answer.json" application/json
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

signed_rate() {
    local host=${strict_url#http://} lines
    mapfile -t lines < <("$mohs" sign "$strict_url$path" -X POST -d "$body" -H 'Content-Type: application/json' --key "$key" | grep -v -i -E '^(host|content-type):')
    write_lua "$work/signed.lua" "Host: $host" "${lines[@]}"
    rate_of_wrk -s "$work/signed.lua" "$strict_url$path"
}

# A wrong signature must be refused, or the figure would be that of a mock that does not look.
refused=$(curl -sS -o /dev/null -w '%{http_code}' -H 'Content-Type: application/json' -d "$body" "$strict_url$path")
[ "$refused" = 403 ] || { echo "the strict mock let an unsigned request in ($refused)" >&2; exit 1; }

write_lua "$work/plain.lua"
for round in $(seq "$rounds"); do
    rate_of_wrk -s "$work/plain.lua" "$nginx_url$path" >>"$work/nginx"
    rate_of_wrk -s "$work/plain.lua" "$open_url$path" >>"$work/open"
    signed_rate >>"$work/signed"
    echo "round $round: nginx $(tail -n 1 "$work/nginx"), mock $(tail -n 1 "$work/open"), mock with signatures $(tail -n 1 "$work/signed") requests/s"
done
echo "ratio of medians, mock / nginx: $(ratio "$(median <"$work/open")" "$(median <"$work/nginx")")"
echo "ratio of medians, mock with SigV4 verified / nginx: $(ratio "$(median <"$work/signed")" "$(median <"$work/nginx")")"
