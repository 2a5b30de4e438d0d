#!/bin/sh
# SPDX-License-Identifier: MIT
# A million interleavings of each play, from seeds that were not tried before.
#
#   tests/soak/explore.sh TROUPE TEST_BINARIES
#   EXPLORE_SEEDS: how many (1000000); SEED: the first (the time, so that runs do not repeat)
set -eu
first=${SEED:-$(($(date +%s) * 1000000))}
for play in explore explore_bonds; do
    "$2/$play" "${EXPLORE_SEEDS:-1000000}" "$first"
done
