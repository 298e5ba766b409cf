# The arrows of ARCHITECTURE.md: who may include whom, and the one home of each third-party library.
cd "$SOURCE" || exit 1
bad=0
complain() { echo "$1"; bad=1; }

# may FOLDER OTHERS...: the folders its files may include besides their own
may() {
  folder=$1; shift
  while IFS= read -r line; do
    [ -n "$line" ] || continue
    other=$(echo "$line" | sed -E 's/.*"([a-z]+)\/$/\1/')
    case " $folder $* " in *" $other "*) ;; *) complain "$line: $folder/ may not include $other/" ;; esac
  done < <(grep -rnoE --include='*.[ch]' '#include "[a-z]+/' "$folder")
}
may protocol
may net protocol
may mock net protocol
may gateway net protocol
may reports protocol
may harness net protocol mock gateway reports

# only_in PATTERN HOMES: files outside HOMES (an extended regular expression) must not include what PATTERN names
only_in() {
  found=$(grep -rlE --include='*.[ch]' "#include $1" protocol net mock gateway reports harness | grep -vE "^($2)$")
  [ -z "$found" ] || complain "$found: $1 has its one home in $2"
}
only_in '<microhttpd' 'net/http1\.c'
only_in '<curl/' 'net/client(_h2)?\.[ch]'
only_in '<nghttp2/' 'net/(http2|client_h2)\.c'
only_in '<openssl/' 'protocol/(sigv4[a-z_]*|digest)\.[ch]|net/tls(_certificate)?\.c'
found=$(grep -rlE --include='*.[ch]' '#include <fnmatch' protocol net mock gateway reports harness)
[ -z "$found" ] || complain "$found: users write one kind of glob, protocol/glob.h"
# Verdicts are made over sockets: within the harness only the verbs that start servers know mock and gateway.
for folder in mock gateway; do
  found=$(grep -rlE --include='*.[ch]' "#include \"$folder/" harness | grep -vE '^harness/(cmd_[a-z_]+|main)\.c$')
  [ -z "$found" ] || complain "$found: only harness/cmd_*.c may include $folder/"
done
exit $bad
