#!/bin/sh
# SPDX-License-Identifier: MIT
# Runs every long run of tests/soak/, one after the other.
#
#   scripts/soak.sh TROUPE TEST_BINARIES
set -eu
cd "$(dirname "$0")/.."

found=
for run in tests/soak/*; do
    [ -x "$run" ] || continue
    found=yes
    echo "== $run"
    "$run" "$@"
done
[ -n "$found" ] || echo "soak: there are no long runs yet"
