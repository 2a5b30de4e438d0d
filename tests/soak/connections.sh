#!/bin/sh
# SPDX-License-Identifier: MIT
# Connections for ten minutes: browsers that are launched, used, closed and killed, ports that are
# added and removed, clients that come and go. Counters must balance and nothing may grow.
#
#   tests/soak/connections.sh TROUPE TEST_BINARIES
#   SOAK_SECONDS: how long (600); SEED: of what happens (the time)
set -eu
cd "$(dirname "$0")/../.."
TROUPE=$1 exec node tests/soak/connections.mjs
