#!/bin/bash
# The list of requirements is whole: each row has its keys, areas and aliases agree, names are unique, and the numbers
# of rows by area and by level are the ones below.
#
# Why a script beside the schema: a lost row, a doubled id or a level that slipped from MUST to MAY is still valid by
# the schema, and it would quietly weaken every report. Whoever adds a row changes the numbers here in the same commit.
# The file has one row per line, so grep, awk and a diff can read it. jq, when it is there, proves that it is JSON too.
#
# The checks are then run on copies broken on purpose, since a check that cannot fail proves nothing.
set -u
LC_ALL=C
export LC_ALL
SOURCE=${SOURCE:-$(cd "$(dirname "$0")/../.." && pwd)}
list=$SOURCE/suites/requirements.json
copy=$(mktemp) || exit 1
trap 'rm -f "$copy" "$copy.out"' EXIT

areas='messages=29 params=24 tools=42 reasoning=22 media=21 cache=18 structured=11 options=20 response=29 stream=43
       errors=30 signing=27 cost=18 models=23 surface=20'
levels='MUST=202 SHOULD=133 MAY=42'
# cksum of the lines "alias id" of version 0.1.0: an id is for ever, because cases and expected failures hold it.
ids_0_1_0='2978596381 11112'

# check FILE: prints what is wrong with it; fails when anything is.
check() {
    awk -v areas="$areas" -v levels="$levels" '
        function complain(text) { print "line " NR ": " text; bad = 1 }
        function value(key,    at, rest) {
            at = index($0, "\"" key "\":\"")
            rest = substr($0, at + length(key) + 4)
            return substr(rest, 1, index(rest, "\"") - 1)
        }
        BEGIN {
            count = split(areas, pair, /[ \n]+/)
            for (i = 1; i <= count; i++) {
                split(pair[i], part, "=")
                area_of[substr("ABCDEFGHIJKLMNO", i, 1)] = part[1]
                want[part[1]] = part[2]
            }
            split(levels, pair, " ")
            for (i in pair) { split(pair[i], part, "="); want[part[1]] = part[2] }
        }
        NR == 1 {
            if ($0 != "{\"format\":\"mohs-requirements/1\",\"requirements\":[") complain("not the opening line of the format")
            next
        }
        $0 == "]}" { closed = NR; next }
        closed { complain("text after the end of the list") }
        {
            if (rows && !comma) complain("no comma after the row before")
            comma = sub(/,$/, "")
            rows++
            if ($0 !~ /^\{"id":"[a-z]+\.[a-z0-9]+(-[a-z0-9]+)+","alias":"[A-O]-[0-9][0-9]","level":"[A-Z]+","title":"[^"]+","why":"[^"]+\.","sources":\[\{[^]]+\}\],"divergences":\[("[^"]+"(,"[^"]+")*)?\],"since":"[0-9]+\.[0-9]+\.[0-9]+","status":"(planned"|excluded","reason":"[^"]+\.")\}$/)
                complain("a key is missing, misplaced or empty: " substr($0, 1, 60))
            id = value("id"); alias = value("alias"); level = value("level"); title = value("title")
            area = substr(id, 1, index(id, ".") - 1); letter = substr(alias, 1, 1)
            if (id in seen) complain("id " id " is there twice"); seen[id] = 1
            if (alias in seen) complain("alias " alias " is there twice"); seen[alias] = 1
            if (title in seen) complain("the title of " id " is there twice"); seen[title] = 1
            if (alias <= last) complain("alias " alias " is out of order"); last = alias
            if (area_of[letter] != area) complain("alias " alias " belongs to " area_of[letter] ", not to " area)
            if (split(id, part, "-") > 5) complain("the slug of " id " has more than five words")
            if (level !~ /^(MUST|SHOULD|MAY)$/) complain("unknown level " level)
            if (length(title) > 100) complain("the title of " id " is longer than 100")
            if (title ~ /\.$/) complain("the title of " id " ends with a full stop")
            got[area]++; got[level]++
        }
        END {
            if (!closed) complain("the list is not closed")
            if (comma) complain("a comma after the last row")
            for (name in want) if (got[name] + 0 != want[name]) complain(name ": " got[name] + 0 " rows, not " want[name])
            exit bad
        }' "$1" || return 1
    ids=$(grep '"since":"0\.1\.0"' "$1" | sed 's/^{"id":"\([^"]*\)","alias":"\([^"]*\)".*/\2 \1/' | cksum)
    [ "$ids" = "$ids_0_1_0" ] || { echo "an id of 0.1.0 changed or went: $ids, not $ids_0_1_0"; return 1; }
    if command -v jq >/dev/null; then
        jq -e '.requirements | length == 377' "$1" >/dev/null || { echo 'not JSON with its rows'; return 1; }
    fi
}

check "$list" || exit 1

# must_fail WHAT SED-SCRIPT COMPLAINT: the copy edited so is refused, and for that reason.
broken=0
must_fail() {
    sed "$2" "$list" >"$copy"
    if cmp -s "$list" "$copy"; then echo "the edit for '$1' changes nothing"; broken=1; return; fi
    if check "$copy" >"$copy.out" 2>&1; then echo "not noticed: $1"; broken=1; return; fi
    if ! grep -q -e "$3" "$copy.out"; then echo "noticed for another reason: $1"; cat "$copy.out"; broken=1; fi
}
must_fail 'a lost row' '100d' 'rows, not'
must_fail 'a doubled row' '50p' 'is there twice'
must_fail 'rows out of order' '20{h;d};21G' 'out of order'
must_fail 'a lost comma' '30s/,$//' 'no comma'
must_fail 'a comma at the end' '378s/$/,/' 'comma after the last'
must_fail 'a weakened level' '2s/MUST/MAY/' 'MUST: 201 rows, not 202'
must_fail 'an unknown level' '2s/MUST/MIGHT/' 'unknown level MIGHT'
must_fail 'an id of another area' '2s/messages\./params./' 'belongs to messages, not to params'
must_fail 'a renamed id' '2s/system-top-level/system-at-the-top/' 'an id of 0.1.0 changed'
must_fail 'a doubled id' '3s/developer-is-system/system-top-level/' 'id messages.system-top-level is there twice'
must_fail 'a slug that is a sentence' '2s/system-top-level/a-system-message-goes-to-top/' 'more than five words'
must_fail 'a full stop in a title' '2s/","why"/.&/' 'ends with a full stop'
must_fail 'no source' '2s/"sources":\[[^]]*\]/"sources":[]/' 'a key is missing'
must_fail 'no word on what breaks' '2s/"why":"[^"]*"/"why":""/' 'a key is missing'
must_fail 'excluded without a reason' '2s/planned/excluded/' 'a key is missing'
must_fail 'a status that the program derives' '2s/planned/tested/' 'a key is missing'
must_fail 'a list that is not closed' '$d' 'not closed'
exit $broken
