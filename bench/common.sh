# Sourced by the scripts here: finding the program, a private nginx, a private mock, medians and ratios.
# All of them compare two things in one run on one machine, alternating; only the ratio means anything.

set -eu
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
mohs=${MOHS:-$top/build/release/mohs}
rounds=${ROUNDS:-5}
seconds=${SECONDS_EACH:-3}
connections=${CONNECTIONS:-32}
work=$(mktemp -d)
children=()

leave() {
    # A background subshell that is killed before it has let go of our traps runs them, too (bash 5.2): it is not ours to end all.
    [ "$BASHPID" = $$ ] || return 0
    for pid in "${children[@]:-}"; do
        [ -z "$pid" ] || kill "$pid" 2>/dev/null || true
    done
    wait 2>/dev/null || true
    rm -rf "$work"
}
trap leave EXIT

need() {
    for program in "$@"; do
        command -v "$program" >/dev/null || { echo "$program is not installed: nothing to compare with" >&2; exit 77; }
    done
    [ -x "$mohs" ] || { echo "no program at $mohs; build it (cmake --preset release && cmake --build build/release) or set MOHS" >&2; exit 2; }
}

# The stated median of the numbers on standard input.
median() {
    sort -g | awk '{ v[NR] = $1 } END { if (NR == 0) exit 1; print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'
}

spread() {
    sort -g | awk 'NR == 1 { low = $1 } { high = $1 } END { printf "%.0f to %.0f", low, high }'
}

ratio() {
    awk -v a="$1" -v b="$2" 'BEGIN { printf "%.2f", a / b }'
}

# wait_for_line FILE PATTERN: until the pattern's match is there; prints it.
wait_for_line() {
    for _ in $(seq 100); do
        grep -o -m 1 -- "$2" "$1" 2>/dev/null && return 0
        sleep 0.1
    done
    echo "nothing like '$2' came:" >&2
    cat "$1" >&2
    return 1
}

# start_nginx FILE CONTENT_TYPE: one worker that answers every request with the bytes of FILE. Sets nginx_url.
start_nginx() {
    local body
    body=$(sed -e 's/\\/\\\\/g' -e 's/"/\\"/g' -e 's/\$/${dollar}/g' "$1")
    for port in $(shuf -i 20000-29999 -n 20); do
        cat >"$work/nginx.conf" <<CONF
worker_processes 1;
daemon off;
pid $work/nginx.pid;
error_log $work/nginx.err;
events { worker_connections 4096; }
http {
    access_log off;
    client_body_temp_path $work/body;
    proxy_temp_path $work/proxy;
    fastcgi_temp_path $work/fastcgi;
    uwsgi_temp_path $work/uwsgi;
    scgi_temp_path $work/scgi;
    keepalive_requests 1000000000;
    geo \$dollar { default "\$"; }
    server {
        listen 127.0.0.1:$port;
        location / { default_type $2; return 200 "$body"; }
    }
}
CONF
        nginx -p "$work" -c "$work/nginx.conf" 2>>"$work/nginx.err" &
        local pid=$!
        sleep 0.5
        if kill -0 "$pid" 2>/dev/null; then
            children+=("$pid")
            nginx_url=http://127.0.0.1:$port
            return 0
        fi
    done
    cat "$work/nginx.err" >&2
    return 1
}

# start_mock OPTIONS...: a mock of one worker. Sets mock_url.
start_mock() {
    : >"$work/mock.err"
    "$mohs" mock --port 0 --admin-port off --workers 1 --journal 0 "$@" 2>"$work/mock.err" &
    children+=("$!")
    mock_url=$(wait_for_line "$work/mock.err" 'http://127.0.0.1:[0-9]*')
}

# cpu_us PID: microseconds of user and system time that the process has used (Linux).
cpu_us() {
    awk -v ticks="$(getconf CLK_TCK)" '{ sub(/.*\) /, ""); print int(($12 + $13) * 1000000 / ticks) }' "/proc/$1/stat"
}

# rate_of_wrk ARGUMENTS...: requests per second; fails when wrk saw an error.
rate_of_wrk() {
    wrk -t1 -c"$connections" -d"${seconds}s" "$@" >"$work/wrk.out"
    if grep -q -E 'Non-2xx|Socket errors' "$work/wrk.out"; then
        cat "$work/wrk.out" >&2
        return 1
    fi
    awk '/Requests\/sec/ { print $2 }' "$work/wrk.out"
}
