#!/bin/sh
# SPDX-License-Identifier: MIT
# The host is killed at random while it records, two hundred times over one store (tests/integration/crash.mjs):
# after each the file is whole, nothing contradicts anything, and whoever was told of rows finds them.
#
#   tests/soak/kill.sh TROUPE
#   SOAK_ROUNDS: how often (200); TROUPE_SEED: of when (the time)
set -eu
cd "$(dirname "$0")/../.."
TROUPE=$1 exec node tests/soak/kill.mjs
