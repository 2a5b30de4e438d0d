#!/bin/sh
# SPDX-License-Identifier: MIT
# 50 clients that connect, disconnect, track, inspect and clear at once, for ten minutes: round after
# round, each compared at rest (tests/integration/races.mjs), with memory and threads at the end.
#
#   tests/soak/races.sh TROUPE TEST_BINARIES
#   SOAK_SECONDS: how long (600); TROUPE_SEED: of what is wished (the time)
set -eu
cd "$(dirname "$0")/../.."
TROUPE=$1 exec node tests/soak/races.mjs
