#!/usr/bin/env bash
# How many paced streams one worker of the mock carries: how late their frames are, and what memory a stream takes.
# To reach, for 10,000 streams of 64 deltas: 5 ms late at the 99th percentile of frames, 40 KB a stream.
#
# "sent" is the mock's own lateness: the instant it stamps into a frame just before the socket gets it, less the instant the
# frame was due by the schedule (request received + ttft + i * itl). "read" is that of the same frame in the reader's hands: the
# reader is one thread on the same machine, so it is an upper bound that holds the reader's own queue. Memory is the growth of
# the mock's resident set from before the first stream until all are open and no frame of text is sent, over the number of
# streams: what the kernel keeps for sockets is not in it. The machine's other work is in all of them.
#
#   bench/mock-streams.sh [STREAMS]     MOHS=..., DELTAS=64, ITL_MS=1000, RAMP_MS=4000 (streams open so long; 0: all in step)
. "$(dirname "$0")/common.sh"
need cc awk
streams=${1:-10000} deltas=${DELTAS:-64} itl=${ITL_MS:-1000} ramp=${RAMP_MS:-4000}
ttft=$((ramp + 6000))
[ "$(ulimit -n)" -gt $((streams + 200)) ] || ulimit -n $((streams + 200)) || { echo "a process may not open $streams files here" >&2; exit 77; }

cc -O2 -D_GNU_SOURCE -o "$work/streams" "$top/bench/mock-streams.c"
start_mock --auth none --ttft "$ttft" --itl "$itl" --probe-deltas "$deltas"
mock=${children[0]}
resident() { awk '/^VmRSS/ { print $2 }' "/proc/$mock/status"; }

before=$(resident) cpu=$(cpu_us "$mock")
"$work/streams" "${mock_url##*:}" "$streams" "$deltas" "$ttft" "$itl" "$ramp" >"$work/out" &
reader=$!
for _ in $(seq $((ramp / 100 + 600))); do grep -q open "$work/out" && break; kill -0 "$reader" 2>/dev/null || break; sleep 0.1; done
open=$(resident)
wait "$reader" || { cat "$work/out"; echo "some streams did not come whole" >&2; exit 1; }
used=$(($(cpu_us "$mock") - cpu))
awk -v kb=$((open - before)) -v n="$streams" -v d="$deltas" -v itl="$itl" -v used="$used" '/^streams/ {
    for (i = 1; i < NF; i += 2) v[$i] = $(i + 1)
    printf "%d streams of %d deltas, one each %d ms, on one worker: %d frames, none lost\n", n, d, itl, v["frames"]
    printf "late when sent:  p50 %8.3f ms, p99 %8.3f ms, max %8.3f ms\n", v["sent_p50_us"] / 1e3, v["sent_p99_us"] / 1e3, v["sent_max_us"] / 1e3
    printf "late when read:  p50 %8.3f ms, p99 %8.3f ms, max %8.3f ms\n", v["read_p50_us"] / 1e3, v["read_p99_us"] / 1e3, v["read_max_us"] / 1e3
    printf "memory: %.1f KB (of 1,024 bytes) a stream; %.1f us of CPU time a frame, opening included\n", kb / n, used / v["frames"]
}' "$work/out"
