#!/bin/sh
# SPDX-License-Identifier: MIT
# Write troupe.1, troupe.conf.5 and docs/rpc.md anew: what stands in *.in, and in place of @commands@,
# @keys@ and @methods@ what the program says about itself.
#
#   docs/man/make.sh TROUPE           write them
#   docs/man/make.sh TROUPE --check   say whether they are up to date (exit status 1 if not)
set -eu
troupe=${1:?usage: docs/man/make.sh TROUPE [--check]}
check=${2:-}
here=$(cd "$(dirname "$0")" && pwd)
draft=$(mktemp)
reference=$(mktemp)
trap 'rm -f "$draft" "$reference"' EXIT

# make PAGE WHAT
make_page() {
    "$troupe" --print-reference "$2" > "$reference"
    sed -e "/^@$2@\$/{r $reference" -e 'd;}' "$here/$1.in" > "$draft"
    if [ "$check" = --check ]; then
        cmp -s "$draft" "$here/$1" || { echo "docs/man/$1 is out of date: docs/man/make.sh" >&2; exit 1; }
    else
        cat "$draft" > "$here/$1"
    fi
}
make_page troupe.1 commands
make_page troupe.conf.5 keys
make_page ../rpc.md methods
