#!/bin/bash
# SPDX-License-Identifier: MIT
# Compiles the snippets of a list: those marked `right` must compile without a warning; for each of
# those marked `wrong` the compiler must say the message of pack_check.h, at the line of the call.
#
#   check.sh INCLUDE_DIR SNIPPETS COMPILER [OPTION]...
#
# A snippet is a line `right: statements` or `wrong: statements` behind the line `---`; it becomes the
# body of a function behind what stands before that line. The list's name ends in .c.txt or .cc.txt.
set -u
include=$1 snippets=$2
shift 2
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
suffix=${snippets%.txt}
suffix=${suffix##*.}
message='the arguments do not fit the format'

# Each snippet is a function; the compiler reports it under its line of the list.
program() {
    awk -v kind="$1: " -v file="$snippets" '
        /^---/ { body = 1; next }
        !body { print; next }
        index($0, kind) == 1 {
            printf "void snippet_%d(void); void snippet_%d(void) {\n#line %d \"%s\"\n%s\n}\n", \
                NR, NR, NR, file, substr($0, length(kind) + 1)
        }' "$snippets"
}

compile() {
    program "$1" > "$folder/$1.$suffix"
    "${compiler[@]}" -I"$include" -Wall -Wextra -Wpedantic -Wshadow -Werror -c \
        -o "$folder/$1.o" "$folder/$1.$suffix" > "$folder/$1.log" 2>&1
}

compiler=("$@")
"$1" --version | grep -q clang && compiler+=(-ferror-limit=0)
failed=0
if ! compile right; then
    cat "$folder/right.log" >&2
    failed=1
fi
compile wrong
wrong=0
while IFS=: read -r line _; do
    wrong=$((wrong + 1))
    # gcc names the macro inside first, and the place of the call in a note
    if ! grep -A6 "$message" "$folder/wrong.log" | grep -q "$snippets:$line:"; then
        echo "accepted: $(sed -n "${line}p" "$snippets")" >&2
        failed=1
    fi
done < <(grep -n '^wrong: ' "$snippets")
[ "$failed" -eq 0 ] || grep -v "$message" "$folder/wrong.log" | grep 'error:' >&2
echo "$1: $(grep -c '^right: ' "$snippets") right ones, $wrong wrong ones"
[ "$wrong" -gt 0 ] && [ "$failed" -eq 0 ]
