#!/usr/bin/env bash
# test.sh: installs what is missing, builds, runs every test. Arguments go to ctest: scripts/test.sh -R unit/
set -eu
. "$(dirname "$0")/setup.sh"
install_missing
build_release
exec ctest --test-dir "$build" --output-on-failure --no-tests=error -j "$(nproc)" "$@"
