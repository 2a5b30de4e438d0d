#!/bin/sh
# SPDX-License-Identifier: MIT
# Runs every long run of tests/soak/, one after the other.
#
#   scripts/soak.sh TROUPE
set -eu
cd "$(dirname "$0")/.."

found=
for run in tests/soak/*; do
    [ -x "$run" ] || continue
    found=yes
    echo "== $run"
    "$run" "$1"
done
[ -n "$found" ] || echo "soak: there are no long runs yet"
