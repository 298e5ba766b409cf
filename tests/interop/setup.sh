#!/usr/bin/env bash
# setup.sh: the SDKs that tests/interop drives the mock with, into $BUILD/interop (BUILD: a build folder; default: build/).
#
# Real clients are worth their price in bytes, but not in hurdles: what cannot be had here (no Python, an old Node, no
# way to a package registry) is one line `SKIP what: reason`, and the script still ends well. Versions are pinned with
# their hashes, in requirements*.txt and package-lock.json; no install script of any package is run; where packages come
# from is the business of pip's and npm's own settings. A second run compares a file and is done.
#
# System packages (python3-venv, nodejs, npm) are installed by itself only in CI (CI=true); elsewhere it says what to install.
# The compilers of Go, Java and Rust are never installed: systems that have no use for them skip their SDKs.
#
# Arguments: the clients that are wanted (boto3, compat, js, go, java, rust, aimock; default: all).
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

# python_part NAME FOLDER REQUIREMENTS MINOR: a virtual environment of its own, for Python 3.MINOR and newer.
python_part() {
  local of=$into/$2 list=$here/$3
  cmp -s "$list" "$of/installed.txt" && return
  venv_works || system python3 python3-venv
  venv_works || { skip "$1" "python3 with its venv module is not here (Debian: apt-get install python3-venv)"; return; }
  python3 -c "import sys; sys.exit(sys.version_info < (3, $4))" || { skip "$1" "it needs Python 3.$4 or newer"; return; }
  rm -rf "$of"
  { python3 -m venv "$of" &&
    "$of/bin/python" -m pip install --quiet --disable-pip-version-check --no-input --no-deps --only-binary :all: \
      --require-hashes -r "$list"; } >> "$into/setup.log" 2>&1 || {
    skip "$1" "its packages could not be installed: $(last_words)"; rm -rf "$of"; return; }
  cp "$list" "$of/installed.txt"
}

node_works() { command -v node >/dev/null && command -v npm >/dev/null; }

# npm_part NAME FOLDER LOCKS WHAT: the packages of LOCKS/package-lock.json, for Node.js 20 and newer; WHAT needs them.
npm_part() {
  local of=$into/$2 from=$3 major
  cmp -s "$from/package-lock.json" "$of/installed.json" && return
  if ! node_works; then
    local offered # Debian's npm brings hundreds of packages: not for a Node.js that is too old anyway
    offered=$(apt-cache policy nodejs 2>/dev/null | sed -nE 's/^ *Candidate: ([0-9]+).*/\1/p')
    [ "${offered:-20}" -ge 20 ] || { skip "$1" "node is not here, and $4 needs Node.js 20 or newer; this system offers $offered"; return; }
    system nodejs npm
  fi
  node_works || { skip "$1" "node and npm are not here (Debian: apt-get install nodejs npm)"; return; }
  major=$(node -p 'process.versions.node.split(".")[0]' 2>/dev/null)
  [ "${major:-0}" -ge 20 ] || { skip "$1" "$4 needs Node.js 20 or newer, this is $(node --version 2>&1 | head -n 1)"; return; }
  rm -rf "$of"
  mkdir -p "$of" && cp "$from/package.json" "$from/package-lock.json" "$of/" || return
  (cd "$of" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error) >> "$into/setup.log" 2>&1 || {
    skip "$1" "its packages could not be installed: $(last_words)"; rm -rf "$of"; return; }
  cp "$from/package-lock.json" "$of/installed.json"
}

# stamp FILE...: what a driver is made from; when nothing of it changed it is not made again.
stamp() { cat "$@" | cksum; }
made() { [ "$(cat "$into/$1/installed.txt" 2>/dev/null)" = "$2" ]; }

# python3 runs the table for the drivers; it needs no package for that.
harness_works() { command -v python3 >/dev/null || { skip "$1" "python3 is not here, which runs the table for it"; return 1; }; }

# log COMMAND...: a step that may take some minutes and says nothing.
log() { timeout 900 "$@" >> "$into/setup.log" 2>&1; }

# Caches in build/, too: a second setup needs no network, and removing build/ removes everything.
go_part() {
  local of=$into/go stamp
  stamp=$(stamp "$here"/go/*)
  made go "$stamp" && return
  command -v go >/dev/null || { skip go "go is not here"; return; }
  harness_works go || return
  mkdir -p "$of" && cp "$here"/go/*.go "$here"/go/go.mod "$here"/go/go.sum "$of/" || return
  export GOTOOLCHAIN=local GOFLAGS=-modcacherw GOMODCACHE="$of/modules" GOCACHE="$of/cache" CGO_ENABLED=0
  { (cd "$of" && log go mod download) && sh "$here/go/unions.sh" "$of" > "$of/unions.go" 2>> "$into/setup.log" &&
    (cd "$of" && log go build -p 2 -ldflags=-s -o driver .); } ||
    { skip go "the SDK could not be built: $(last_words)"; rm -f "$of/driver"; return; }
  echo "$stamp" > "$of/installed.txt"
}

java_part() {
  local of=$into/java stamp
  stamp=$(stamp "$here"/java/*)
  made java "$stamp" && return
  command -v javac >/dev/null && command -v mvn >/dev/null || { skip java "javac and mvn are not both here"; return; }
  harness_works java || return
  rm -rf "$of/lib" "$of/classes"
  mkdir -p "$of/classes" && cp "$here"/java/pom.xml "$of/" || return
  { log mvn -B -q -f "$of/pom.xml" -Dmaven.repo.local="$of/repository" dependency:copy-dependencies -DincludeScope=runtime \
      -DoutputDirectory="$of/lib" && log javac -nowarn -d "$of/classes" -cp "$of/lib/*" "$here"/java/*.java; } ||
    { skip java "the SDK could not be built: $(grep -m 1 ERROR "$into/setup.log" | sed 's,[a-z]*://[^ ]*,…,g' | cut -c 1-200)"; rm -rf "$of/classes"; return; }
  echo "$stamp" > "$of/installed.txt"
}

# The lock file is kept without the address of the registry, which cargo's own settings know: it is put back here.
rust_lock() {
  rm -f Cargo.lock
  log cargo generate-lockfile || return
  local source
  source=$(grep -m 1 '^source = ' Cargo.lock)
  awk -v source="$source" '/^checksum = / { print source } { print }' "$here/rust/versions.lock" > Cargo.lock
}

rust_part() {
  local of=$into/rust stamp
  stamp=$(stamp "$here"/rust/*.* "$here"/rust/src/*)
  made rust "$stamp" && return
  command -v cargo >/dev/null || { skip rust "cargo is not here"; return; }
  harness_works rust || return
  mkdir -p "$of/src" && cp "$here/rust/Cargo.toml" "$of/" && cp "$here"/rust/src/*.rs "$of/src/" || return
  { cd "$of" && rust_lock && log cargo fetch --locked &&
    cargo metadata --locked --offline --format-version 1 2>> "$into/setup.log" > metadata.json &&
    python3 "$here/rust/shapes.py" < metadata.json > src/shapes.rs 2>> "$into/setup.log" &&
    log cargo build --locked --offline -q -j 2 && cp target/debug/mohs-interop driver; } ||
    { skip rust "the SDK could not be built: $(last_words)"; rm -f "$of/driver"; return; }
  echo "$stamp" > "$of/installed.txt"
}

: > "$into/setup.log"
for part in "${@:-boto3 compat js go java rust aimock}"; do
  for name in $part; do
    case $name in
      boto3) python_part boto3 py requirements.txt 10 ;;
      compat) python_part compat compat requirements-compat.txt 11 ;;
      js | js-h2) npm_part js js "$here" "the SDK" ;;
      aimock) npm_part aimock aimock "$here/aimock" aimock ;; # no SDK: the mock that ours is compared with
      go | java | rust) (${name}_part) ;;
      *) echo "setup.sh: no client is called $name" >&2; exit 2 ;;
    esac
  done
done
exit 0
