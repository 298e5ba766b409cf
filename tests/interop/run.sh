#!/usr/bin/env bash
# run.sh: real AWS SDKs against `mohs mock`. Starts the mocks, lets each client that setup.sh could install run every row of
# behaviours.json, then the gateways of gateways.sh. Prints `ok N name` or `not ok N name: why`, and alone on the last line
# `N passed, N failed, N skipped`. Exit 1 when something failed, 2 when nothing could begin.
#
# MOHS: the program (default: build/release/mohs). BUILD: where setup.sh puts the packages (default: build). ONLY: one of
# boto3, compat (OpenAI's and Anthropic's own clients), js, js-h2 (the same SDK with its own default handler, which speaks HTTP/2; with
# it js-bidi, streams both ways), go, java, rust,
# aimock (imported fixtures beside the mock that they were written for), drift (fixtures/api beside botocore's models, and requests made
# from these), gateways. Arguments are
# the beginnings of the names of rows to run; VERBOSE=1 shows what came out of a row that fails, RECORD=file all outcomes.
set -u
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top=$(cd "$here/../.." && pwd)
export BUILD=${BUILD:-$top/build} MOHS=${MOHS:-$top/build/release/mohs}
[ -x "$MOHS" ] || { echo "interop: there is no program at $MOHS; build it first, or say where it is with MOHS=" >&2; exit 2; }
mkdir -p "$BUILD/interop" || exit 2
INTEROP=$(cd "$BUILD/interop" && pwd)
export INTEROP

# No setting of the caller may lead a client elsewhere.
unset AWS_CA_BUNDLE AWS_REGION AWS_DEFAULT_REGION AWS_PROFILE AWS_BEARER_TOKEN_BEDROCK AWS_ENDPOINT_URL AWS_ENDPOINT_URL_BEDROCK_RUNTIME AWS_MAX_ATTEMPTS AWS_RETRY_MODE
export AWS_EC2_METADATA_DISABLED=true AWS_CONFIG_FILE=/dev/null AWS_SHARED_CREDENTIALS_FILE=/dev/null
export NODE_NO_WARNINGS=1 NO_PROXY=127.0.0.1 no_proxy=127.0.0.1

# start NAME ARG...: a mock; exports NAME, NAME_ADMIN (its URLs) and NAME_LOG (the file of what it says), adds to $pids.
start() {
  local name=$1 log="$work/$1.log" line=
  shift
  "$MOHS" mock --port 0 --admin-port 0 "$@" > /dev/null 2> "$log" &
  pids="$pids $!"
  for _ in $(seq 100); do
    line=$(grep -m 1 'mock: listening on' "$log") && break
    kill -0 $! 2>/dev/null || break
    sleep 0.1
  done
  [ -n "$line" ] || { echo "not ok mock: it did not start: $(tail -n 1 "$log")"; exit 1; }
  export "$name=$(sed -E 's/.*listening on ([^, ]*),?.*/\1/' <<< "$line")"
  export "${name}_ADMIN=$(sed -E 's/.*admin on ([^, ]*).*/\1/' <<< "$line")"
  export "${name}_LOG=$log"
}

# ended PID NAME: a mock told to go must go well; a sanitizer's complaint, a crash or a hang is a failure of its own.
ended() {
  local log="$work/$2.log" rc
  kill "$1" 2>/dev/null
  wait "$1"
  rc=$?
  [ $rc -eq 0 ] || { echo "not ok $name mock $2: it ended with $rc: $(grep -m 1 -E 'ERROR|runtime error' "$log" || tail -n 1 "$log")"; return; }
  ! grep -q 'runtime error' "$log" || { echo "not ok $name mock $2: $(grep -m 1 'runtime error' "$log")"; return; }
  echo "ok $name mock $2 ended well"
}

# trial NAME COMMAND...: a client with mocks of its own, since it scripts them. The keys are those that rows with
# "on": "strict" or "tls" use, in behaviours.json. Drivers trust the CA in SSL_CERT_FILE, as Go does by itself.
trial() (
  name=$1 pids=
  shift
  work=$(mktemp -d) || exit 2
  trap 'kill $pids 2>/dev/null; wait $pids 2>/dev/null; rm -rf "$work"' EXIT
  trap 'exit 130' INT TERM
  start LENIENT
  local keys=(--auth strict --key AKIAIOSFODNN7EXAMPLE:wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY
    --key ASIAIOSFODNN7EXAMPLE:wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY:a-session-token-of-the-tests
    --key AKIDEXAMPLE:wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY --bearer-key ABSK-a-long-term-key-of-the-tests)
  start STRICT "${keys[@]}"
  start TLS "${keys[@]}" --tls-self-signed --tls-ca-out "$work/ca.pem"
  export SSL_CERT_FILE="$work/ca.pem" NODE_EXTRA_CA_CERTS="$work/ca.pem"
  unset SSL_CERT_DIR
  "$@" || echo "not ok $name client: it ended with $?"
  # shellcheck disable=SC2086
  set -- $pids
  pids=
  ended "$1" LENIENT
  ended "$2" STRICT
  ended "$3" TLS
)

# lines: whole lines, each in one write: the clients run side by side, and a line glued to another's would not be counted.
lines() { awk '{ print; fflush() }'; }

# driven NAME COMMAND... -- ROW...: a client that is a driver in another language.
driven() { local name=$1; trial "$name" python3 -B "$here/client_driver.py" "$@"; }

wants() { [ "${ONLY:-$1}" = "$1" ]; }

# have NAME FILE: the client is wanted, and setup.sh could install it.
have() { wants "$1" && [ -e "$INTEROP/$2" ]; }

# suite NAME: a test of CTest's that skips itself where no client is installed; here one is.
suite() {
  local said
  said=$(SOURCE=$top MOHS_INTEROP=$INTEROP bash "$top/tests/suites/$1.sh" 2>&1) && echo "ok suite $1" ||
    echo "not ok suite $1: $(grep -m 1 '^not ok' <<< "$said" || tail -n 1 <<< "$said")"
}

# drift: a program that ends badly without a complaint has not compared anything.
drift() {
  local said rc
  said=$("$INTEROP/py/bin/python" -B "$here/drift.py" 2>&1)
  rc=$?
  echo "$said"
  [ $rc -eq 0 ] || grep -q '^not ok' <<< "$said" || echo "not ok drift: it ended with $rc: $(tail -n 1 <<< "$said")"
}

# shapes: the mock that judges shapes and no more, so that what is right in form is answered.
shapes() (
  pids=
  work=$(mktemp -d) || exit 2
  trap 'kill $pids 2>/dev/null; wait $pids 2>/dev/null; rm -rf "$work"' EXIT
  trap 'exit 130' INT TERM
  name=shapes
  start LENIENT --validation lenient
  "$INTEROP/py/bin/python" -B "$here/client_shapes.py" "$@" || echo "not ok shapes client: it ended with $?"
  # shellcheck disable=SC2086
  set -- $pids
  pids=
  ended "$1" LENIENT
)

everything() {
  case ${ONLY:-} in
    '') "$here/setup.sh" ;;
    gateways) ;;
    drift) "$here/setup.sh" boto3 ;;
    *) "$here/setup.sh" "$ONLY" ;;
  esac
  have drift py/installed.txt && drift
  have drift py/installed.txt && shapes "$@" | lines &
  have boto3 py/installed.txt && trial boto3 "$INTEROP/py/bin/python" -B "$here/client_boto3.py" "$@" | lines &
  have compat compat/installed.txt && trial compat "$INTEROP/compat/bin/python" -B "$here/client_compat.py" "$@" | lines &
  have js js/installed.json && trial js node "$here/client_js.mjs" "$@" | lines &
  have js-h2 js/installed.json && trial js-h2 node "$here/client_js.mjs" --handler h2 "$@" | lines &
  have js-h2 js/installed.json && driven js-bidi node "$here/driver_bidi.mjs" -- "$@" | lines &
  have go go/driver && driven go "$INTEROP/go/driver" -- "$@" | lines &
  have java java/installed.txt && driven java java -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Xmx256m \
    -cp "$INTEROP/java/classes:$INTEROP/java/lib/*" Driver -- "$@" | lines &
  have aimock aimock/installed.json && node "$here/client_aimock.mjs" "$@" | lines &
  have rust rust/driver && driven rust "$INTEROP/rust/driver" -- "$@" | lines &
  wait
  have boto3 py/installed.txt && suite sts-boto3
  have js js/installed.json && suite sts-js
  wants gateways && [ -x "$here/gateways.sh" ] && { "$here/gateways.sh" || echo "not ok gateways: gateways.sh ended with $?"; }
}

# Number what comes, whoever it is from; only the last summary counts. The line before it is the matrix of SDKs.
everything "$@" | awk '
  /^(not )?ok / {
    good = !/^not/; sub(/^(not )?ok +([0-9]+ +)?/, "")
    if (good) { passed++; ok[$1]++ } else { failed++; bad[$1]++ }
    print (good ? "ok " : "not ok ") (passed + failed) " " $0; fflush(); next
  }
  /^[0-9]+ passed, [0-9]+ failed, [0-9]+ skipped$/ { next }
  /^SKIP / { skipped++ }
  { print; fflush() }
  END {
    n = split("boto3 compat js js-h2 js-bidi go java rust", sdk, " ")
    for (i = 1; i <= n; i++) if (ok[sdk[i]] + bad[sdk[i]])
      matrix = matrix (matrix ? ", " : "SDKs: ") sdk[i] " " ok[sdk[i]] + 0 " passed" (bad[sdk[i]] ? " " bad[sdk[i]] " failed" : "")
    if (matrix) print matrix
    printf "%d passed, %d failed, %d skipped\n", passed, failed, skipped
    exit failed > 0
  }'
