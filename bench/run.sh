#!/bin/sh
# SPDX-License-Identifier: MIT
# Builds the benchmarks and runs each beside its peers.   usage: bench/run.sh [ROUNDS]
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"
cmake --preset release >/dev/null
cmake --build --preset release --target bench_commands >/dev/null
command -v npm >/dev/null || scripts/setup.sh bench
[ -d bench/peers/node_modules ] || (cd bench/peers && npm install --no-audit --no-fund --silent)
node bench/commands.mjs build/bin/bench_commands "${1:-5}"
