#!/bin/sh
# SPDX-License-Identifier: MIT
# The runtime for long, on each lane: an hour of churn, then ten minutes of everything at random.
#
#   tests/soak/runtime.sh TROUPE TEST_BINARIES
#   CHURN_SECONDS, SOAK_SECONDS: of each lane (1800, 300); SEED: of all (the time)
set -eu
for lane in nng ring; do
    "$2/churn" "$lane" "${CHURN_SECONDS:-1800}" "${SEED:-$(date +%s)}"
    "$2/runtime_soak" "$lane" "${SOAK_SECONDS:-300}" "${SEED:-$(date +%s)}"
done
