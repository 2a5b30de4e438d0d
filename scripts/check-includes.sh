#!/bin/sh
# SPDX-License-Identifier: MIT
# The three rules of the house about includes:
#   1. Floors: a file includes only from a lower floor, its own floor or its own family.
#      include < runtime, transport (which know nothing of each other) < actors < cli;
#      client stands on runtime, beside the others: it is a part of libtroupe
#   2. Families (the folders of actors/) never include one another.
#   3. What crosses families stands in actors/*.h, which include no family; only actors/host.c may.
set -eu
cd "$(dirname "$0")/.."

find include runtime client transport actors cli -name '*.[ch]' 2> /dev/null | sort | xargs awk '
function floor_of(path) { sub(/\/.*/, "", path); return path }

# The folder below actors/, or "" for a file that stands at its top.
function family_of(path,   parts) { return split(path, parts, "/") > 2 ? parts[2] : "" }

function may(from, to,   above, below, mine, theirs) {
    above = floor_of(from); below = floor_of(to)
    if (below == "include") return 1
    if (above == "include") return 0
    if (above == "cli") return 1
    if (above == "client") return below == "client" || below == "runtime"
    if (above != "actors") return below == above
    if (below == "runtime" || below == "transport") return 1
    if (below != "actors") return 0
    mine = family_of(from); theirs = family_of(to)
    return theirs == "" || theirs == mine || from == "actors/host.c"
}

/^[ \t]*#[ \t]*include[ \t]*"/ {
    split($0, quoted, "\""); name = quoted[2]
    if (name ~ /^troupe\//) name = "include/" name
    else if (name !~ /^(runtime|client|transport|actors|cli)\//) {
        folder = FILENAME; sub(/[^\/]*$/, "", folder)   # beside the file
        if (name ~ /\.\.\//) { report("includes upwards", name); next }
        name = folder name
    }
    if (!may(FILENAME, name)) report("may not include", name)
}

function report(what, name) {
    printf "%s:%d: %s %s\n", FILENAME, FNR, what, name
    broken++
}

END { exit broken > 0 }
' || { echo "check-includes: the rules above are broken (scripts/check-includes.sh says them)" >&2; exit 1; }
