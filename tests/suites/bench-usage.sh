# The script that measures our mock beside aimock says what it is, takes no arguments, and steps aside (77, with the reason)
# where there is nothing to compare with. It measures nothing here: a test that looks at speed is no test.
script=$SOURCE/bench/mock-vs-aimock.sh
fail() { echo "not ok bench-usage: $*"; exit 1; }
said() { said=$(bash "$script" "$@" 2>&1); code=$?; }

said --help
[ $code -eq 0 ] && [[ $said == *"ROUNDS=5"*"Exit 77"* ]] && [[ $said != *'case $'* ]] || fail "--help: $code, $said"
said --rounds 3
[ $code -eq 2 ] && [[ $said == *"--help"* ]] || fail "an argument: $code, $said"
export AIMOCK=$BUILD/no-such-folder
said
[ $code -eq 77 ] && [[ $said == *"setup.sh aimock"* || $said == *"is not installed"* ]] || fail "no aimock: $code, $said"
echo "ok bench-usage"
