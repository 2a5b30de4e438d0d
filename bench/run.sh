#!/bin/sh
# SPDX-License-Identifier: MIT
# Builds the benchmarks and runs each beside its peers.
#
#   bench/run.sh [ROUNDS]                     all
#   bench/run.sh commands [ROUNDS]            CDP commands through the host
#   bench/run.sh fleet [ROUNDS]               50 browsers launched, used and closed: bench/fleet.mjs
#   bench/run.sh runtime [ROUNDS [SCENARIO…]] the actor runtime: bench/runtime.mjs
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"

which=all
case ${1:-} in
    commands | fleet | runtime) which=$1; shift ;;
    *[!0-9]*) echo "usage: bench/run.sh [commands|fleet|runtime] [ROUNDS [SCENARIO…]]" >&2; exit 2 ;;
esac

run_commands() {
    cmake --build --preset release --target bench_commands bench_peer >/dev/null
    command -v npm >/dev/null || scripts/setup.sh npm
    [ -d bench/peers/node_modules ] || (cd bench/peers && npm install --no-audit --no-fund --silent)
    node bench/commands.mjs "$root/build/bin" "${1:-5}"
}

run_fleet() {
    cmake --build --preset release --target troupe >/dev/null
    node bench/fleet.mjs --rounds "${1:-3}"
}

run_runtime() {
    cmake --build --preset release --target bench_all_runtime >/dev/null
    if command -v erlc >/dev/null; then
        erlc -o build/bin bench/runtime/peers/bench.erl bench/savina/peers/savina.erl
    fi
    rounds=${1:-3}
    [ $# -eq 0 ] || shift
    node bench/runtime.mjs build/bin "$rounds" "$@"
}

[ "$which" = commands ] || scripts/setup.sh bench
cmake --preset release >/dev/null
case $which in
    commands) run_commands "$@" ;;
    fleet) run_fleet "$@" ;;
    runtime) run_runtime "$@" ;;
    all)
        run_commands "$@"
        run_fleet "$@"
        run_runtime "$@"
        ;;
esac
