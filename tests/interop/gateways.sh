#!/usr/bin/env bash
# gateways.sh: `mohs check` of gateways that are not ours, at pinned versions, against the lists of what is known to fail
# (suites/expected-failures). Prints `ok NAME VERSION: …` when all is as listed, `not ok NAME VERSION: why` when something
# else fails, when a listed failure is gone, or when a case could not be asked; `SKIP NAME: reason` where one cannot be had.
#
# Portkey comes from npm by its lock file, LiteLLM from PyPI by a list of exact versions, both into $BUILD/interop/gateways
# (BUILD: default build/); a second run compares a file and is done. MOHS: the program (default build/release/mohs).
# Arguments: names of gateways (default all). PUBLISH=FOLDER writes the two reports of each there, without the paths of
# this machine, which LiteLLM's errors hold. VERBOSE=1 shows what failed against the list.
set -u
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top=$(cd "$here/../.." && pwd)
MOHS=${MOHS:-$top/build/release/mohs}
[ -x "$MOHS" ] || { echo "gateways: there is no program at $MOHS; build it first, or say where it is with MOHS=" >&2; exit 2; }
mkdir -p "${BUILD:-$top/build}/interop/gateways" || exit 2
MOHS_INTEROP=$(cd "${BUILD:-$top/build}/interop/gateways" && pwd)
export MOHS_INTEROP
log=$MOHS_INTEROP/setup.log
: > "$log"

# No setting of the caller may lead a gateway elsewhere, or tell it of real keys.
unset AWS_PROFILE AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN AWS_BEARER_TOKEN_BEDROCK AWS_REGION AWS_DEFAULT_REGION \
  AWS_ENDPOINT_URL AWS_ENDPOINT_URL_BEDROCK_RUNTIME AWS_BEDROCK_RUNTIME_ENDPOINT TRUSTED_CUSTOM_HOSTS LITELLM_MASTER_KEY DATABASE_URL
export AWS_EC2_METADATA_DISABLED=true AWS_CONFIG_FILE=/dev/null AWS_SHARED_CREDENTIALS_FILE=/dev/null
export NO_PROXY=127.0.0.1 no_proxy=127.0.0.1

skip() { echo "SKIP $1: $2"; return 1; }
last_words() { grep -v -e '^[[:space:]]*$' -e 'complete log of this run' -e 'behind a proxy' "$log" | tail -n 1 | sed "s,[a-z]*://[^ ]*,…,g" | cut -c 1-160; }

setup_portkey() {
  local lock=$here/gateways/package-lock.json
  cmp -s "$lock" "$MOHS_INTEROP/portkey.installed" && return
  command -v node >/dev/null && command -v npm >/dev/null || { skip portkey "node and npm are not here (Debian: apt-get install nodejs npm)"; return 1; }
  local major
  major=$(node -p 'process.versions.node.split(".")[0]' 2>/dev/null)
  [ "${major:-0}" -ge 18 ] || { skip portkey "it needs Node.js 18 or newer, this is $(node --version 2>&1 | head -n 1)"; return 1; }
  cp "$here/gateways/package.json" "$lock" "$MOHS_INTEROP/" || return 1
  (cd "$MOHS_INTEROP" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error) >> "$log" 2>&1 || {
    skip portkey "its packages could not be installed: $(last_words)"; return 1; }
  cp "$lock" "$MOHS_INTEROP/portkey.installed"
}

setup_litellm() {
  local list=$here/gateways/litellm.requirements.txt
  cp "$here/gateways/litellm.yaml" "$MOHS_INTEROP/" || return 1
  cmp -s "$list" "$MOHS_INTEROP/litellm.installed" && return
  command -v python3 >/dev/null && python3 -c 'import venv, ensurepip' 2>/dev/null || {
    skip litellm "python3 with its venv module is not here (Debian: apt-get install python3-venv)"; return 1; }
  python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { skip litellm "it needs Python 3.10 or newer"; return 1; }
  rm -rf "$MOHS_INTEROP/litellm"
  { python3 -m venv "$MOHS_INTEROP/litellm" &&
    "$MOHS_INTEROP/litellm/bin/python" -m pip install --quiet --disable-pip-version-check --no-input --no-deps --only-binary :all: \
      -r "$list"; } >> "$log" 2>&1 || {
    skip litellm "its packages could not be installed: $(last_words)"; rm -rf "$MOHS_INTEROP/litellm"; return 1; }
  cp "$list" "$MOHS_INTEROP/litellm.installed"
}

# A port that nobody listens on, from $1 upward: what answers there must be the gateway that we start.
free_port() {
  local port=$1
  while (exec 3<> "/dev/tcp/127.0.0.1/$port") 2>/dev/null; do port=$((port + 1)); done
  echo "$port"
}

# The paths of this machine stand in the traces that LiteLLM's errors hold, some of them cut short by the report.
publish() {
  local name=$1 version=$2 ending python
  python=$("$MOHS_INTEROP/litellm/bin/python" -c 'import sys; print(sys.base_prefix)' 2>/dev/null || echo /usr)
  mkdir -p "$PUBLISH" || return
  for ending in json md; do
    sed -E -e "s,$MOHS_INTEROP,\$MOHS_INTEROP,g" -e "s,$python/lib/,\$PYTHON/lib/,g" -e "s,$MOHS,mohs,g" -e "s,$top/,,g" \
      -e 's,(File \\+")/[^"|]*,\1…,g' \
      "$MOHS_INTEROP/$name.$ending" > "$PUBLISH/$name-$version.$ending"
  done
}

# judge NAME FIRST-PORT [again]: these are other people's programs with clocks of their own, so what is not as listed is asked once more,
# and the second answer counts; that there was a second is said.
judge() {
  local name=$1 out=$MOHS_INTEROP/$1.txt version sums code
  version=$(sed -n 's/^ *"version": *"\(.*\)",*$/\1/p' "$top/suites/profiles/$name.json" | head -n 1)
  (cd "$MOHS_INTEROP" && "$MOHS" check --profile "$name" --target "http://127.0.0.1:$(free_port "$2")" --start profile \
    --expected-failures "$name" --ui none -o "$name.json" -o "$name.md") > "$out" 2>&1
  code=$?
  sums=$(grep -E '^[0-9]+ passed, ' "$out" | tail -n 1)
  [ -n "${PUBLISH:-}" ] && [ -n "$sums" ] && publish "$name" "$version"
  if [ $code -eq 0 ] && ! grep -q '"status": *"error"' "$MOHS_INTEROP/$name.json"; then
    echo "ok $name $version: $sums${3:+ (at the second run)}"
    return
  fi
  if [ $code -ne 2 ] && [ -z "${3:-}" ]; then
    judge "$1" "$2" again
    return
  fi
  [ -z "${VERBOSE:-}" ] || sed 's/^/# /' "$out"
  echo "not ok $name $version: $(tail -n 1 "$out" | cut -c 1-400)"
}

[ $# -gt 0 ] || set -- portkey litellm
for name; do
  case $name in
    portkey) setup_portkey && judge portkey 18787 ;;
    litellm) setup_litellm && judge litellm 18807 ;;
    *) echo "gateways: there is no '$name'; there are portkey and litellm" >&2; exit 2 ;;
  esac
done
exit 0
