# bench/soak.sh for some seconds, and that its verdict can fail: samples that grow, descriptors and journal beyond their bounds are caught.
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
failed=0
# make KB_PER_SECOND DESCRIPTORS_AFTER JOURNAL_BYTES: two minutes of samples
make() {
  echo "before 0 40000 18 4 0 4194304 0 0"
  for t in $(seq 120); do echo "$t $((50000 + t * $1 + t % 7 * 90)) $((20 + t % 50)) 4 $3 4194304 $((t > 20 ? t : 0)) $((t * 300))"; done
  echo "after 0 60000 $2 4 $3 4194304 200 36000"
}
# judged EXIT WORDS: what the verdict on `samples` is
judged() {
  bash "$SOURCE/bench/soak.sh" --judge samples > out; got=$?
  [ $got -eq "$1" ] && grep -q -- "$2" out || { failed=1; echo "FAILED: exit $got, expected $1 and /$2/: $(cat out)"; }
}
make 0 18 4194000 > samples; judged 0 'ok   memory'
make 40 18 4194000 > samples; judged 1 'FAIL memory'
# the heap in use is judged more strictly than the set, which may have holes
make 25 18 4194000 | awk 'NF == 8 && $1 != "before" && $1 != "after" { print $0, 40000 + $1 % 7 * 90; next } { print }' > samples
judged 0 'ok   memory'; judged 0 'ok   heap in use'
make 0 18 4194000 | awk 'NF == 8 && $1 != "before" && $1 != "after" { print $0, 40000 + $1 * 12; next } { print }' > samples
judged 1 'FAIL heap in use'
make 25 18 4194000 > samples; judged 1 'FAIL memory'
# what grows until the tables are full, and no longer
make 0 18 4194000 | awk 'NF == 8 && $1 != "before" && $1 != "after" { $2 += $1 < 70 ? $1 * 200 : 14000 } { print }' > samples
judged 1 'FAIL memory'; echo "filled 70" >> samples; judged 0 'ok   memory'
echo "filled 119" >> samples; judged 1 'FAIL the journal or the tables were not full in time'
make 0 19 4194000 > samples; judged 1 'FAIL descriptors: 18 before, up to 69, 19 after'
make 0 18 6000000 > samples; judged 1 'FAIL journal'
make 0 18 4194000 | sed 's/^60 \([0-9]* [0-9]*\) 4/60 \1 5/' > samples; judged 1 'FAIL threads: 4 to 5'
[ $failed = 0 ] || exit 1

bash "$SOURCE/bench/soak.sh" -z 15 > out 2>&1; got=$?
[ $got -eq 77 ] && { tail -n 1 out; exit 77; }
[ $got -eq 0 ] || tail -n 90 out
exit $got
