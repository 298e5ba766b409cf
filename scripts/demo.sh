#!/usr/bin/env bash
# demo.sh: from a fresh clone to the first result. Installs what is missing, builds, runs `mohs demo`.
set -eu
. "$(dirname "$0")/setup.sh"
install_missing
build_release
exec "$build/mohs" demo "$@"
