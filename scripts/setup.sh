# setup.sh: what demo.sh and test.sh share; sourced, never run. Installs what is missing and builds the release preset.

packages="build-essential pkg-config cmake ninja-build libmicrohttpd-dev libcurl4-openssl-dev libssl-dev libcjson-dev libcunit1-dev libnghttp2-dev"
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
build="$top/build/release"

# Everything the build asks for is already here, whoever installed it.
have_everything() {
  for tool in cc cmake ninja pkg-config; do command -v "$tool" >/dev/null || return 1; done
  pkg-config --exists libmicrohttpd libcurl openssl libcjson cunit libnghttp2
}

install_missing() {
  have_everything && return
  if ! command -v apt-get >/dev/null; then
    echo "mohs: this system has no apt-get. Install the equivalents of these Debian packages, then run this again:" >&2
    echo "  $packages" >&2
    exit 2
  fi
  local as_root=
  if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null; then
      echo "mohs: packages are missing, and installing them needs root or sudo. Run this as root, then this script again as you like:" >&2
      echo "  apt-get update && apt-get install -y $packages" >&2
      exit 2
    fi
    as_root=sudo
  fi
  echo "installing a C compiler, CMake, Ninja and the libraries (apt-get; a minute or two)" >&2
  local log
  log=$(mktemp)
  # shellcheck disable=SC2086
  { $as_root apt-get update -q && $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $packages; } \
    > "$log" 2>&1 || { tail -n 20 "$log" >&2; rm -f "$log"; echo "mohs: installing failed" >&2; exit 2; }
  rm -f "$log"
  have_everything || { echo "mohs: after installing, one of these is still missing: $packages" >&2; exit 2; }
}

build_release() {
  cd "$top" || exit 2
  echo "building into build/release" >&2
  cmake --preset release > build.log 2>&1 && cmake --build "$build" >> build.log 2>&1 || {
    grep -E "error|Error|FAILED" build.log | head -n 20 >&2
    echo "mohs: the build failed; all of it is in build.log" >&2
    exit 1
  }
  rm -f build.log
}
