#!/usr/bin/env bash
# setup.sh: the SDKs that tests/interop drives the mock with, into $BUILD/interop (BUILD: a build folder; default: build/).
#
# Real clients are worth their price in bytes, but not in hurdles: what cannot be had here (no Python, an old Node, no
# way to a package registry) is one line `SKIP what: reason`, and the script still ends well. Versions are pinned with
# their hashes, in requirements.txt and package-lock.json; no install script of any package is run; where packages come
# from is the business of pip's and npm's own settings. A second run compares a file and is done.
#
# System packages (python3-venv, nodejs, npm) are installed by itself only in CI (CI=true); elsewhere it says what to install.
set -u
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top=$(cd "$here/../.." && pwd)
into=${BUILD:-$top/build}/interop
mkdir -p "$into" || exit 2
into=$(cd "$into" && pwd)

skip() { echo "SKIP $1: $2"; }

# system PACKAGE...: with the system's package manager, in CI only. Quiet; whether it helped is for the caller to see.
system() {
  [ "${CI:-}" = true ] && command -v apt-get >/dev/null || return 1
  local as_root=
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || return 1
    as_root=sudo
  fi
  { $as_root apt-get update -q && $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$@"; } \
    >> "$into/setup.log" 2>&1
}

# The last line of a failed tool, for the reason.
last_words() { grep -v -e '^[[:space:]]*$' -e 'complete log of this run' "$into/setup.log" | tail -n 1 | sed "s,[a-z]*://[^ ]*,…,g" | cut -c 1-160; }

venv_works() { command -v python3 >/dev/null && python3 -c 'import venv, ensurepip' 2>/dev/null; }

python_part() {
  cmp -s "$here/requirements.txt" "$into/py/installed.txt" && return
  venv_works || system python3 python3-venv
  venv_works || { skip boto3 "python3 with its venv module is not here (Debian: apt-get install python3-venv)"; return; }
  python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { skip boto3 "it needs Python 3.10 or newer"; return; }
  rm -rf "$into/py"
  { python3 -m venv "$into/py" &&
    "$into/py/bin/python" -m pip install --quiet --disable-pip-version-check --no-input --no-deps --only-binary :all: \
      --require-hashes -r "$here/requirements.txt"; } >> "$into/setup.log" 2>&1 || {
    skip boto3 "its packages could not be installed: $(last_words)"; rm -rf "$into/py"; return; }
  cp "$here/requirements.txt" "$into/py/installed.txt"
}

node_works() { command -v node >/dev/null && command -v npm >/dev/null; }

js_part() {
  cmp -s "$here/package-lock.json" "$into/js/installed.json" && return
  if ! node_works; then
    local offered # Debian's npm brings hundreds of packages: not for a Node.js that is too old anyway
    offered=$(apt-cache policy nodejs 2>/dev/null | sed -nE 's/^ *Candidate: ([0-9]+).*/\1/p')
    [ "${offered:-20}" -ge 20 ] || { skip js "node is not here, and the SDK needs Node.js 20 or newer; this system offers $offered"; return; }
    system nodejs npm
  fi
  node_works || { skip js "node and npm are not here (Debian: apt-get install nodejs npm)"; return; }
  local major
  major=$(node -p 'process.versions.node.split(".")[0]' 2>/dev/null)
  [ "${major:-0}" -ge 20 ] || { skip js "the SDK needs Node.js 20 or newer, this is $(node --version 2>&1 | head -n 1)"; return; }
  rm -rf "$into/js"
  mkdir -p "$into/js" && cp "$here/package.json" "$here/package-lock.json" "$into/js/" || return
  (cd "$into/js" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error) >> "$into/setup.log" 2>&1 || {
    skip js "its packages could not be installed: $(last_words)"; rm -rf "$into/js"; return; }
  cp "$here/package-lock.json" "$into/js/installed.json"
}

: > "$into/setup.log"
python_part
js_part
exit 0
