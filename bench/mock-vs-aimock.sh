#!/usr/bin/env bash
# What the mock can carry beside aimock (npm, @copilotkit/aimock, at the version that tests/interop pins), the mock of
# model APIs that most people know: the same scripted answer from both, one fixture file of aimock's that `mohs mock
# import` turned into ours; `mohs bench` is the load for both, turn and turn about.
#   start-up    milliseconds from exec to the first answer
#   closed loop requests a second, and the server's CPU time for each: Converse, ConverseStream, InvokeModel (Claude's body)
#   open loop   latency at a rate that both carry, in interleaved blocks, the difference with its interval
#   paced       streams that leave a gap between frames: how late the frames come
#   memory      resident, before the first request and after the last
# To reach: ConverseStream of 20 deltas, not paced, 5 times aimock's streams a second. Before anything is measured both must give the
# scripted text, whole, in frames whose checksums are right; else this ends with 1 and a sentence.
#
# Fairness: aimock is one thread of JavaScript, so the mock is measured with --workers 1 (its default, and the figure to
# quote), and beside it with a worker for each core, which share those cores with the load. Neither writes a log; both keep their journal as they do by default; both are warmed up before the closed loops.
# aimock looks at no signature, so ours runs with --auth none. Ours validates every request, aimock does not. aimock sends one frame more a stream
# (an empty contentBlockStart, which Bedrock does not send for text).
#
#   tests/interop/setup.sh aimock      once; it needs Node.js 20 and a way to npm's packages
#   bench/mock-vs-aimock.sh            MOHS=..., ROUNDS=5, SECONDS_EACH=3, CONNECTIONS=32, FRAMES=20, STREAMS=100, GAP_MS=20,
#                                      AIMOCK=the package's folder (default: build/interop/aimock/node_modules/@copilotkit/aimock)
# Exit 77: node or the package is not here.
case ${1:-} in
    '') ;;
    -h | --help) sed -n '2,/^$/{ /^#/!q; s/^# \{0,1\}//; /^case/q; p; }' "$0"; exit 0 ;;
    *) echo "mock-vs-aimock.sh takes no arguments; --help tells of its settings" >&2; exit 2 ;;
esac
. "$(dirname "$0")/common.sh"
need node curl
aimock=${AIMOCK:-$top/build/interop/aimock/node_modules/@copilotkit/aimock}
[ -r "$aimock/dist/cli.js" ] || { echo "no aimock at $aimock; tests/interop/setup.sh aimock installs it, or AIMOCK= says where it is" >&2; exit 77; }
frames=${FRAMES:-20} streams=${STREAMS:-100} gap=${GAP_MS:-20}
model=anthropic.claude-3-haiku-20240307-v1
invoke_body='{"anthropic_version":"bedrock-2023-05-31","max_tokens":64,"messages":[{"role":"user","content":"Count to ten."}]}'
converse_body='{"messages":[{"role":"user","content":[{"text":"Count to ten."}]}]}'
workers=$(nproc)
sides="aimock one all"
declare -A title=([aimock]="aimock" [one]="mohs, --workers 1" [all]="mohs, $workers workers") url pid

# get FILE EXPRESSION: of a JSON file, called d.
get() { node -p "const d = JSON.parse(require('fs').readFileSync('$1')); $2"; }

# ---- the scripted answer, for both ----

text=$(awk -v n="$frames" 'BEGIN { for (i = 0; i < n; i++) printf "%04d ", i }')
fixture() { # fixture PROMPT [MORE]: in aimock's form
    echo "{\"match\":{\"userMessage\":\"$1\"},\"response\":{\"content\":\"$text\",\"usage\":{\"prompt_tokens\":10,\"completion_tokens\":$frames}},\"chunkSize\":5${2:-}}"
}
echo "{\"fixtures\":[$(fixture Count),$(fixture Paced ",\"latency\":$gap")]}" >"$work/theirs.json"
"$mohs" mock import --quiet -o "$work/ours.json" "$work/theirs.json" 2>"$work/import.err" || { cat "$work/import.err" >&2; exit 1; }

# ---- the servers ----

mkfifo "$work/never"
exec 9<>"$work/never"
pause() { read -r -t "$1" -u 9 _ || true; }
now_us() { echo "${EPOCHREALTIME/[.,]/}"; }

# answers PORT: one request, one connection, no other process: does a 200 come?
answers() {
    local line=
    { exec 3<>"/dev/tcp/127.0.0.1/$1"; } 2>/dev/null || return 1
    printf 'POST /model/%s%%3A0/converse HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s' \
        "$model" "${#converse_body}" "$converse_body" >&3
    read -r -t 10 line <&3 || true
    exec 3>&-
    [[ $line == "HTTP/1.1 200"* ]]
}

free_port() {
    local port
    for port in $(shuf -i 20000-29999 -n 20); do
        { exec 3<>"/dev/tcp/127.0.0.1/$port"; } 2>/dev/null || { echo "$port"; return; }
        exec 3>&-
    done
    return 1
}

# start SIDE: sets pid and url of it, and took_us: from exec to the first answer.
start() {
    local port command began
    port=$(free_port)
    case $1 in
        aimock) command=(node "$aimock/dist/cli.js" --port "$port" --fixtures "$work/theirs.json" --log-level silent) ;;
        one) command=("$mohs" mock --port "$port" --admin-port off --auth none --fixtures "$work/ours.json" --workers 1) ;;
        all) command=("$mohs" mock --port "$port" --admin-port off --auth none --fixtures "$work/ours.json" --workers "$workers") ;;
    esac
    began=$(now_us)
    "${command[@]}" >"$work/$1.log" 2>&1 &
    pid[$1]=$!
    children+=("$!")
    until answers "$port"; do
        kill -0 "${pid[$1]}" 2>/dev/null && [ $(($(now_us) - began)) -lt 30000000 ] || {
            echo "${title[$1]} did not start:" >&2
            cat "$work/$1.log" >&2
            exit 1
        }
        pause 0.002
    done
    took_us=$(($(now_us) - began))
    url[$1]=http://127.0.0.1:$port
}

finish() {
    kill "${pid[$1]}"
    wait "${pid[$1]}" 2>/dev/null || true
}

resident_mb() { awk '/^VmRSS/ { printf "%.1f\n", $2 / 1024 }' "/proc/${pid[$1]}/status"; }

# ---- is the answer the scripted one? ----

wrong() { echo "${title[$1]}: the answer to $2 is not the scripted one: $3; nothing was measured" >&2; exit 1; }

# ask SIDE OPERATION BODY: into $work/answer.
ask() {
    local status
    status=$(curl -sS -o "$work/answer" -w '%{http_code}' -H 'Content-Type: application/json' -d "$3" "${url[$1]}/model/$model%3A0/$2")
    [ "$status" = 200 ] || wrong "$1" "$2" "status $status, $(head -c 200 "$work/answer")"
}

same_text() { [ "$3" = "$text" ] || wrong "$1" "$2" "its text is '$3'"; }

verify() {
    ask "$1" converse "$converse_body"
    same_text "$1" converse "$(get "$work/answer" 'd.output.message.content.map(b => b.text).join("")')"
    ask "$1" invoke "$invoke_body"
    same_text "$1" invoke "$(get "$work/answer" 'd.content.map(b => b.text).join("")')"
    ask "$1" converse-stream "$converse_body"
    "$mohs" frames "$work/answer" >"$work/frames" 2>"$work/frames.err" || wrong "$1" converse-stream "$(tail -n 1 "$work/frames.err")"
    [ "$(grep -c '^event contentBlockDelta' "$work/frames")" = "$frames" ] || wrong "$1" converse-stream "it has not $frames deltas"
    same_text "$1" converse-stream "$(sed -n 's/^event contentBlockDelta[^{]*//p' "$work/frames" |
        node -e 'console.log(require("fs").readFileSync(0, "utf8").trim().split("\n").map(l => JSON.parse(l).delta.text).join(""))')"
}

# ---- one run ----

# load SIDE WORKLOAD SECONDS OPTIONS...: result in $work/result.json. Every answer must be good and every stream whole.
load() {
    local side=$1 workload=$2 length=$3 target=${url[$1]} options=()
    shift 3
    case $workload in
        stream) options=(--stream --prompt "Count to ten.") ;;
        paced) options=(--stream --prompt "Paced, please.") ;;
        invoke) target=$target/model/$model%3A0/invoke options=(--body "$invoke_body") ;;
        *) options=(--prompt "Count to ten.") ;;
    esac
    # 5 is "the generator was the limit": its word is kept, and shown below the table.
    "$mohs" bench --target "$target" --dialect bedrock.converse --model "$model:0" --no-probe "${options[@]}" -z "${length}s" \
        --warmup 0ms --no-calibrate --ui none -o "$work/result.json" "$@" >"$work/bench.out" 2>"$work/bench.err" || [ $? = 5 ] || {
        cat "$work/bench.err" >&2
        exit 1
    }
}

note_verdict() { get "$work/result.json" "d.verdict === 'inconclusive' || d.rig.verdict === 'inconclusive' || d.rig.verdict === 'saturated' ? '$1: ' + d.rig.reason : ''" | sed '/^$/d' >>"$work/reserves"; }

# closed SIDE WORKLOAD: a line of rate, CPU time, good and failed to the list.
closed() {
    local before after row
    before=$(cpu_us "${pid[$1]}")
    load "$1" "$2" "$seconds" -c "$connections"
    after=$(cpu_us "${pid[$1]}")
    row=$(get "$work/result.json" "[d.load.achieved_rate_per_s, $((after - before)) / (d.load.completed + d.load.failed), d.load.completed, d.load.failed].join('\t')")
    [ "$2" != stream ] || [ "$(get "$work/result.json" "d.metrics.itl.n === (d.load.completed + d.load.failed) * ($frames - 1)")" = true ] ||
        { echo "${title[$1]}: under load some streams had not $frames deltas: no figures" >&2; exit 1; }
    printf '%s\t%s\t%s\n' "$2" "$1" "$row" >>"$work/closed.tsv"
}

# in_turn ROUND: the sides, forwards and backwards.
in_turn() { [ $(($1 % 2)) = 1 ] && echo "$sides" || echo "all one aimock"; }

# ---- the table ----

# The ratio of two lists measured in turn: the geometric mean of the rounds' ratios, and its 95 % interval by Student's t on
# their logarithms.
ratios='
function ratio_of(a, b, n,    i, x, s, q, m, d) {
    split("12.706 4.303 3.182 2.776 2.571 2.447 2.365 2.306 2.262 2.228 2.201 2.179 2.160 2.145", t, " ")
    for (i = 1; i <= n; i++) { x = log(a[i] / b[i]); s += x; q += x * x }
    m = s / n
    if (n < 2) return sprintf("%.2f", exp(m))
    d = (n - 1 <= 14 ? t[n - 1] : 2.1) * sqrt((q - n * m * m > 0 ? q - n * m * m : 0) / (n - 1) / n)
    return sprintf("%.2f [%.2f, %.2f]", exp(m), exp(m - d), exp(m + d))
}
function middle(a, n,    i, j, v, x) {
    for (i = 1; i <= n; i++) v[i] = a[i]
    for (i = 2; i <= n; i++) for (j = i; j > 1 && v[j] < v[j - 1]; j--) { x = v[j]; v[j] = v[j - 1]; v[j - 1] = x }
    return n % 2 ? v[(n + 1) / 2] : (v[n / 2] + v[n / 2 + 1]) / 2
}'

closed_table() {
    printf '%-16s %-18s %11s %9s %10s %7s  %-20s %s\n' "closed loop" side "req/s" "us CPU" requests errors "req/s / aimock's" "us CPU / aimock's"
    awk -F '\t' -v one="${title[one]}" -v all="${title[all]}" "$ratios"'
        { if (!($1 in seen)) { seen[$1] = 1; order[++works] = $1 }
          n = ++count[$1, $2]; rate[$1, $2, n] = $3; cost[$1, $2, n] = $4; good[$1, $2] += $5; bad[$1, $2] += $6 }
        function take(from, w, s, to,    i) { for (i = 1; i <= count[w, s]; i++) to[i] = from[w, s, i]; return count[w, s] }
        END {
            split("aimock one all", sides, " "); name["aimock"] = "aimock"; name["one"] = one; name["all"] = all
            label["converse"] = "Converse"; label["stream"] = "ConverseStream"; label["invoke"] = "InvokeModel"
            for (w = 1; w <= works; w++) for (s = 1; s <= 3; s++) {
                side = sides[s]; work = order[w]; n = take(rate, work, side, a); take(cost, work, side, c)
                take(rate, work, "aimock", b); take(cost, work, "aimock", d)
                printf "%-16s %-18s %11.0f %9.1f %10d %7d  %-20s %s\n", s == 1 ? label[work] : "", name[side], middle(a, n), middle(c, n), good[work, side],
                    bad[work, side], s == 1 ? "" : ratio_of(a, b, n), s == 1 ? "" : ratio_of(c, d, n)
            }
        }' "$work/closed.tsv"
}

# open_row WORKLOAD: aimock and the mock of one worker in interleaved blocks of one open load, at 0.4 of what the slower carries.
open_row() {
    local rate direct=${url[one]}
    rate=$(awk -F '\t' -v w="$1" '$1 == w && (!low || $3 < low) { low = $3 } END { print int(low * 0.4) }' "$work/closed.tsv")
    [ "$1" != invoke ] || direct=$direct/model/$model%3A0/invoke
    load aimock "$1" "$((seconds * rounds))" --direct "$direct" --direct-dialect bedrock.converse -R "$rate" -c 256
    note_verdict "open loop, $1"
    get "$work/result.json" "
        const rows = d.paired.filter(r => r.metric === 'e2e'), us = x => x.toFixed(0).padStart(9);
        rows.slice(0, 3).map((r, i) => (i ? '' : '$2').padEnd(16) + (' p' + r.quantile * 100).padEnd(5) + (i ? '' : '$rate/s').padStart(9) + ' ' +
            (r.diff === undefined ? '   (too few requests for it)' :
             us(r.direct) + us(r.gateway) + '   ' + (r.direct / r.gateway).toFixed(2).padEnd(12) + r.diff.toFixed(0) + ' [' + r.ci95.map(x => x.toFixed(0)).join(', ') + ']')).join('\n') +
        '\n' + ' '.repeat(17) + 'requests ' + (d.direct.load.completed + d.gateway.load.completed) + ', errors ' + (d.direct.load.failed + d.gateway.load.failed) +
        ', not sent in time ' + (d.direct.load.dropped + d.gateway.load.dropped)"
}

# paced SIDE: a line of lateness in ms: of a gap, p50 and p99; of the last delta after the first, p50 and p90; CPU per stream in us.
paced() {
    local before after
    before=$(cpu_us "${pid[$1]}")
    load "$1" paced "$seconds" -c "$streams"
    after=$(cpu_us "${pid[$1]}")
    note_verdict "paced, ${title[$1]}"
    get "$work/result.json" "
        const m = d.metrics, late = (x, k) => ((x / 1000 - $gap) * k).toFixed(2);
        [ '$1', late(m.itl.p50, 1), late(m.itl.p99, 1), late(m.tpot.p50, $frames - 1), late(m.tpot.p90, $frames - 1),
          $((after - before)) / d.load.completed, d.load.completed, d.load.failed ].join('\t')" >>"$work/paced.tsv"
}

paced_table() {
    printf '%-35s %10s %10s %12s %12s %9s %8s %7s\n' "paced: $streams streams, $gap ms apart" "gap p50" "gap p99" "last p50" "last p90" "us CPU" streams errors
    awk -F '\t' -v one="${title[one]}" -v all="${title[all]}" "$ratios"'
        { n = ++count[$1]; for (i = 2; i <= 6; i++) v[$1, i, n] = $i; good[$1] += $7; bad[$1] += $8 }
        function take(s, i, to,    k) { for (k = 1; k <= count[s]; k++) to[k] = v[s, i, k]; return count[s] }
        function mid(s, i,    x) { return middle(x, take(s, i, x)) }
        END {
            split("aimock one all", sides, " "); name["aimock"] = "aimock"; name["one"] = one; name["all"] = all
            for (k = 1; k <= 3; k++) {
                s = sides[k]
                printf "  %-33s %+7.2f ms %+7.2f ms %+9.2f ms %+9.2f ms %9.0f %8d %7d\n", name[s], mid(s, 2), mid(s, 3), mid(s, 4), mid(s, 5), mid(s, 6), good[s], bad[s]
            }
            n = take("one", 6, a); take("aimock", 6, b)
            printf "  CPU time per stream, %s / aimock: %s\n", one, ratio_of(a, b, n)
        }' "$work/paced.tsv"
}

# ---- the run ----

echo "mohs $("$mohs" --version | awk '{ print $NF; exit }'), aimock $(get "$aimock/package.json" d.version), node $(node --version), $(nproc) cores; $rounds rounds of $seconds s, $connections connections, $frames deltas a stream"
load_average() { cut -d ' ' -f 1-3 /proc/loadavg 2>/dev/null || echo unknown; }
echo "load average when it began: $(load_average)"
echo

for round in $(seq 5); do
    for side in $(in_turn "$round"); do
        start "$side"
        echo "$took_us" >>"$work/start.$side"
        finish "$side"
    done
done
printf 'start-up to the first answer, median of 5: '
for side in $sides; do
    printf '%s %s ms%s' "${title[$side]}" "$(median <"$work/start.$side" | awk '{ printf "%.1f", $1 / 1000 }')" "$([ "$side" = all ] || echo '; ')"
done
echo "; ratio $(awk -v a="$(median <"$work/start.one")" -v b="$(median <"$work/start.aimock")" 'BEGIN { printf "%.4f", a / b }')"

for side in $sides; do
    start "$side"
    pause 1
    resident_mb "$side" >"$work/idle.$side"
    verify "$side"
    load "$side" converse 1 -c "$connections"
    load "$side" stream 1 -c "$connections"
    load "$side" invoke 1 -c "$connections"
done
: >"$work/reserves"
for round in $(seq "$rounds"); do
    for workload in converse stream invoke; do
        for side in $(in_turn "$round"); do
            closed "$side" "$workload"
        done
    done
done
echo
closed_table
echo "to reach: ConverseStream of 20 deltas, --workers 1, 5 times aimock's"
echo
printf '%-16s %-5s %8s %9s %9s   %-11s %s\n' "open loop" "" rate "mohs us" "aimock us" "mohs/aimock" "aimock - mohs, us, with 95 % interval"
open_row converse Converse
open_row stream ConverseStream
open_row invoke InvokeModel
echo
for round in 1 2 3; do
    for side in $(in_turn "$round"); do
        paced "$side"
    done
done
paced_table
echo
for side in $sides; do
    printf 'resident, %s: %s MB idle, %s MB at the end\n' "${title[$side]}" "$(cat "$work/idle.$side")" "$(resident_mb "$side")"
done
echo "(the journals are in it: up to 64 MB of whole requests here, the last 1000 requests there)"
echo "resident at the end, mohs --workers 1 / aimock: $(ratio "$(resident_mb one)" "$(resident_mb aimock)")"
echo "load average when it ended: $(load_average)"
if [ -s "$work/reserves" ]; then
    echo
    echo "the load engine's own reserves (this machine was busy, or too small):"
    sort "$work/reserves" | uniq -c | sed 's/^ *\([0-9]*\) /  \1 x /'
fi
