#!/usr/bin/env bash
# Minutes of mixed traffic against two mocks, one in cleartext and one with TLS: nothing may grow, nothing may answer what it
# should not. HTTP/1.1 and HTTP/2 over both; Converse, its streams, every native body, control plane, STS, guardrails, prompt
# cache, quotas, fixtures, sessions; a fault by rate and any fault by header; clients that leave, read slowly or send garbage;
# and readers and writers of the admin API (soak-client.c, soak-traffic.tsv). Each second /proc tells the resident set,
# descriptors and threads of each mock, and its admin API what the journal holds.
#
# The verdict, for each mock:
#   memory       after the warm-up (a third of the time, and longer until the journal and the tables that have a bound are full:
#                sessions, STS keys, inference profiles, asynchronous invocations) the samples are cut in three; the
#                slope is from the median of the first to that of the last, so that a burst of a second does not count. What it
#                comes to from the end of the warm-up to the last sample may be 1.5 % of the heap in use and 0.75 MB, whichever
#                is more (soak-heap.c); of the resident set, which also has the holes that each new peak of load leaves, 6 % and
#                4 MB. Where the heap is not known (no glibc 2.33), the set may grow by 3 % and 1.5 MB.
#                In bytes per request, which is what a leak would be, it stands beside. Under AddressSanitizer (freed memory is
#                held back) and in less than three minutes (caches and tables still fill) the slope is only told; that nothing
#                leaks is said by LeakSanitizer, at the end.
#   descriptors  3 s after the clients have gone, as many as before they came
#   threads      always the same
#   journal      its limit, and what requests still run (1 MB) beyond it, at no time more; and it was full
#   answers      each request that asked for no fault got what its row says, whole
#   end          SIGINT ends it with 0 within ten seconds; no sanitizer said anything
#
# Left out of the faults are those that send 16 MB and more, since a second of those would hide everything else.
#
#   bench/soak.sh [-z SECONDS]     MOHS=..., SECONDS (600), RATE=150 (requests/s of each of four clients), KEEP=DIRECTORY for the samples
#   bench/soak.sh --judge FILE     only the verdict on a file of samples
soak_seconds=${SOAK_SECONDS:-600}
judge_file=
while [ $# -gt 0 ]; do
    case $1 in
    -z) soak_seconds=$2 && shift 2 ;;
    --judge) judge_file=$2 && shift 2 ;;
    *) echo "usage: soak.sh [-z SECONDS] | --judge FILE" >&2 && exit 2 ;;
    esac
done

# judge FILE MEMORY: MEMORY is judge, or tell. Columns: second, RSS in KiB, descriptors, threads, journal bytes, its limit, entries
# lost, requests, and KiB of heap in use (0 or no such column: not known); a line "before" and one "after" with the same columns behind the word, and one "filled" with the second in
# which the tables were full.
judge() {
    awk -v memory="$2" '
    function median(of, from, to,    n, i, j, v, t) {
        n = 0
        for (i = from; i <= to; i++) { # sorted as it comes
            t = of[i]
            for (j = n++; j > 0 && v[j] > t; j--) v[j + 1] = v[j]
            v[j + 1] = t
        }
        return n % 2 ? v[(n + 1) / 2] : (v[n / 2] + v[n / 2 + 1]) / 2
    }
    function say(holds, what) { printf "  %s %s\n", holds ? "ok  " : "FAIL", what; failed += !holds }
    $1 == "before" { fds_before = $4; rss_before = $3; next }
    $1 == "filled" { filled = $2; next }
    $1 == "after" { fds_after = $4; rss_after = $3; next }
    NF >= 8 {
        n++; t[n] = $1; rss[n] = $2; asked[n] = $8; heap[n] = $9 + 0
        if (heap[n] == 0) heapless = 1
        if ($3 > fds_most) fds_most = $3
        if (n == 1 || $4 < threads_least) threads_least = $4
        if ($4 > threads_most) threads_most = $4
        if ($5 > journal_most) journal_most = $5
        limit = $6
        if ($7 > 0 && !full) full = n
    }
    END {
        if (n < (memory == "judge" ? 9 : 6)) { print "  FAIL only " n + 0 " samples"; exit 1 }
        first = int(n / 3) + 1
        if (full > first) first = full
        while (first <= n && t[first] < filled) first++
        third = int((n - first + 1) / 3)
        if (!full || third < 1) { print "  FAIL the journal or the tables were not full in time: too few requests, or too short"; exit 1 }
        a = median(rss, first, first + third - 1); b = median(rss, n - third + 1, n)
        span = t[n] - t[first]; apart = (t[n] + t[n - third + 1] - t[first] - t[first + third - 1]) / 2
        slope = (b - a) / apart; grown = slope * span
        most = heapless ? (a * 0.03 > 1536 ? a * 0.03 : 1536) : a * 0.06 > 4096 ? a * 0.06 : 4096
        requests = asked[n] - asked[first]
        printf "  RSS: %d KB idle, %d KB first (second %d), %d KB last (second %d), %d KB when all had gone\n", rss_before, a, t[first], b, t[n], rss_after
        what = sprintf("memory: slope %+.1f KB/min, %+.0f KB over %d s and %d requests (%+.2f bytes a request); tolerance %d KB", slope * 60, grown, span, requests, requests ? grown * 1024 / requests : 0, most)
        if (memory == "judge") say(grown <= most, what); else print "  told " what
        if (!heapless) {
            a = median(heap, first, first + third - 1); b = median(heap, n - third + 1, n)
            grown = (b - a) / apart * span; most = a * 0.015 > 768 ? a * 0.015 : 768
            what = sprintf("heap in use: %d KB first, %d KB last, %+.0f KB (%+.2f bytes a request); tolerance %d KB", a, b, grown, requests ? grown * 1024 / requests : 0, most)
            if (memory == "judge") say(grown <= most, what); else print "  told " what
        }
        say(fds_after == fds_before, sprintf("descriptors: %d before, up to %d, %d after", fds_before, fds_most, fds_after))
        say(threads_least == threads_most, sprintf("threads: %d to %d", threads_least, threads_most))
        say(journal_most <= limit + 1048576, sprintf("journal: at most %d bytes held of %d; full from second %d on", journal_most, limit, t[full]))
        exit failed > 0
    }' "$1"
}

if [ -n "$judge_file" ]; then
    judge "$judge_file" judge
    exit
fi

. "$(dirname "$0")/common.sh"
need cc curl awk
mkdir "$work/clear" "$work/tls"
cc -O2 -g ${CLIENT_FLAGS:-} -D_GNU_SOURCE -o "$work/client" "$top/bench/soak-client.c" -lcurl -lpthread 2>"$work/cc.err" || {
    echo "soak-client.c cannot be built here (libcurl with its headers is needed): $(head -n 1 "$work/cc.err")" >&2
    exit 77
}
memory=judge journal=4M
[ "$soak_seconds" -ge 180 ] || memory=tell
[ "$soak_seconds" -ge 60 ] || journal=512K
if grep -q __asan_init "$mohs"; then
    memory=tell
    export ASAN_OPTIONS="${ASAN_OPTIONS:+$ASAN_OPTIONS:}quarantine_size_mb=16"
fi

echo '{"quotas":[{"model":"amazon.nova-micro-v1:0","rpm":600,"tpm":2000000,"per":"account"},{"model":"anthropic.*","rpm":60000000}]}' >"$work/quota.json"
echo '{"fixtures":[{"name":"soak","match":{"user":{"$contains":"soak fixture"}},"reply":{"text":"from a fixture"}}]}' >"$work/fixture.json"
grep -v '^#' "$top/bench/soak-traffic.tsv" >"$work/traffic"
if command -v jq >/dev/null; then # every native body, unary and streamed
    jq -r '.rows[] | select(.request != null) | (.request | tojson) as $body | (.model | @uri) as $model |
        (.id + "\t2\t200\tPOST\t/model/" + $model + "/invoke\t\t\t" + $body)' "$top/fixtures/native/families.json" >>"$work/traffic"
fi
"$mohs" list --faults | awk '$2 !~ /^(largest-frame|too-large-frame|total-length-huge)$/ && $1 ~ /^[A-Z]+-[0-9]+$/ { print $2 }' >"$work/faults"

heap=
if ! grep -q __asan_init "$mohs" && cc -O2 -shared -fPIC -D_GNU_SOURCE -o "$work/heap.so" "$top/bench/soak-heap.c" -lpthread 2>"$work/cc.err"; then
    heap=$work/heap.so
fi

# start NAME OPTIONS...: a mock, its ports and its process in NAME_*.
declare -A pid port admin
start() {
    local name=$1
    shift
    SOAK_HEAP="$work/$name.heap" LD_PRELOAD="$heap${LD_PRELOAD:+ $LD_PRELOAD}" "$mohs" mock --port 0 --admin-port 0 --workers 2 --journal $journal --skew 12h --quota "$work/quota.json" --fixtures "$work/fixture.json" \
        --async-duration 2s --latency lognormal:p50=0.5,p99=5 --ttft 1 --itl 0.2 --fault-headers --fault ThrottlingException@0.5% --fault shred:bytes=50@1% \
        "$@" 2>"$work/$name.err" &
    pid[$name]=$!
    children+=("$!")
    port[$name]=$(wait_for_line "$work/$name.err" 'listening on [a-z]*://127.0.0.1:[0-9]*' | grep -o '[0-9]*$')
    admin[$name]=$(wait_for_line "$work/$name.err" 'admin on http://127.0.0.1:[0-9]*' | grep -o '[0-9]*$')
}

# sign NAME ROW SERVICE: the request of a row of the traffic, whose body is always the same, into the file that the row names
sign() {
    local scheme=http type=application/json row path body file
    row=$(awk -F '\t' -v row="$2" '$1 == row' "$work/traffic")
    path=$(cut -f 5 <<<"$row") file=$(cut -f 6 <<<"$row") body=$(cut -f 8- <<<"$row")
    file=$work/$1/${file#signed:}
    [ "$1" = clear ] || scheme=https
    [ "$3" != sts ] || type=application/x-www-form-urlencoded
    "$mohs" sign "$scheme://127.0.0.1:${port[$1]}$path" -X POST -d "$body" -H "Content-Type: $type" --service "$3" --key AKIAIOSFODNN7EXAMPLE:wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY >"$file"
    grep -qi '^content-type' "$file" || echo "Content-Type: $type" >>"$file"
}

sample() {
    local files held heap_kb
    files=("/proc/${pid[$1]}/fd/"*)
    held=$(curl -s -m 5 "http://127.0.0.1:${admin[$1]}/metrics" | awk '/^mohs_journal_bytes / { bytes = $2 } /^mohs_journal_limit_bytes / { limit = $2 }
        /^mohs_journal_dropped_total / { dropped = $2 } /^mohs_requests_total\{/ { asked += $NF } END { print bytes, limit, dropped, asked + 0 }')
    heap_kb=$(cat "$work/$1.heap" 2>/dev/null || echo 0)
    awk -v t="$2" -v fds="${#files[@]}" -v held="$held" -v heap="$((heap_kb))" '/^VmRSS/ { rss = $2 } /^Threads/ { threads = $2 }
        END { print t, rss, fds, threads, held, heap }' "/proc/${pid[$1]}/status"
}

start clear
start tls --tls-self-signed --tls-ca-out "$work/ca.pem"
for name in clear tls; do
    for row in converse-signed rerank retrieve; do sign $name $row bedrock; done
    for row in sts-assume-role sts-caller; do sign $name $row sts; done
    echo "before $(sample $name 0)" >"$work/$name.samples"
done
echo "load average when it began: $(cut -d ' ' -f 1-3 /proc/loadavg)"

"$work/client" "$soak_seconds" "${RATE:-150}" "$work/traffic" "$work/faults" "${port[clear]}" "${admin[clear]}" "$work/clear" \
    "${port[tls]}" "${admin[tls]}" "$work/tls" "$work/ca.pem" >"$work/client.out" 2>&1 &
client=$!
children+=("$client")
begun=$(date +%s)
while kill -0 "$client" 2>/dev/null && now=$(($(date +%s) - begun)) && [ "$now" -lt "$soak_seconds" ]; do
    sample clear "$now" >>"$work/clear.samples"
    sample tls "$now" >>"$work/tls.samples"
    sleep 1
done
reports='ERROR: (Address|Leak)Sanitizer|runtime error:|WARNING: ThreadSanitizer'
bad=0
wait "$client" || bad=1
sleep 3 # farewells of TLS, and replies that were never to end, notice that their clients have gone
cat "$work/client.out"
filled=$(awk '$1 == "filled" { print $2 }' "$work/client.out")
if [ "$soak_seconds" -ge 180 ] && [ -z "$filled" ]; then
    echo "FAIL the tables were never full: too few requests"
    bad=1
fi
echo "load average when it ended: $(cut -d ' ' -f 1-3 /proc/loadavg)"
for name in clear tls; do
    echo "mock $name"
    echo "after $(sample $name 0)" >>"$work/$name.samples"
    echo "filled ${filled:-0}" >>"$work/$name.samples"
    judge "$work/$name.samples" $memory || bad=1
    kill -INT "${pid[$name]}" 2>/dev/null || { echo "  FAIL it was gone: $(tail -n 3 "$work/$name.err")"; bad=1; continue; }
    (sleep 10 && kill -KILL "${pid[$name]}" 2>/dev/null) &
    watchdog=$!
    wait "${pid[$name]}" && echo "  ok   it ends with 0" || { echo "  FAIL it ends with $?: $(tail -n 3 "$work/$name.err")"; bad=1; }
    kill "$watchdog" 2>/dev/null || true
    if grep -q -E "$reports" "$work/$name.err"; then
        echo "  FAIL a sanitizer spoke:"
        grep -A 12 -E "$reports" "$work/$name.err" | head -n 40
        bad=1
    fi
done
[ -z "${KEEP:-}" ] || cp "$work"/*.samples "$work"/*.err "$work/client.out" "$KEEP"
[ $bad = 0 ] && echo "verdict: nothing grew, nothing was answered that should not be" || echo "verdict: FAILED"
exit $bad
