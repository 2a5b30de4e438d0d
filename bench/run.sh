#!/bin/sh
# SPDX-License-Identifier: MIT
# Builds the benchmarks and runs each, beside its peers where it has some.
#
#   bench/run.sh [ROUNDS]                     all of them
#   bench/run.sh commands [ROUNDS]            CDP commands: on Chromium, and on a peer of our own
#   bench/run.sh scan [ROUNDS]                the scanner of CDP messages
#   bench/run.sh large [ROUNDS]               large results
#   bench/run.sh targets [PAGES]              1 to 1,000 targets, 200 pages over 4 browsers
#   bench/run.sh events [ROUNDS]              CDP events recorded, beside a bare SQLite insert loop
#   bench/run.sh store [REQUESTS]             questions to a million requests, beside DuckDB
#   bench/run.sh pages [PAIRS]                loading a page, recorded, only told of, and as it is
#   bench/run.sh fleet [ROUNDS]               50 browsers launched, used and closed: bench/fleet.mjs
#   bench/run.sh recovery [OPTION…]           what breaks, and how soon it works: bench/recovery.mjs
#   bench/run.sh rpc [ROUNDS [SECONDS]]       POST /rpc beside Node with Puppeteer
#   bench/run.sh fanout [ROUNDS [SECONDS]]    events to 200 clients beside Node with Puppeteer
#   bench/run.sh runtime [ROUNDS [SCENARIO…]] the actor runtime: bench/runtime.mjs
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"
binaries=$root/build/bin
export TROUPE="${TROUPE:-$binaries/troupe}"

which=all
case ${1:-} in
    commands | scan | large | targets | events | store | pages | fleet | recovery | rpc | fanout | runtime) which=$1; shift ;;
    *[!0-9]*)
        sed -n 's/^#   //p' "$0" >&2
        exit 2
        ;;
esac

build() {
    cmake --build --preset release --target "$@" > /dev/null
}

peers() {
    make -s bench/peers/node_modules/.package-lock.json
}

run_commands() {
    build bench_commands bench_peer
    peers
    node bench/commands.mjs "$binaries" "${1:-5}"
}

run_scan() {
    build bench_scan
    node bench/scan.mjs "$binaries" "${1:-5}"
}

run_large() {
    build bench_large bench_peer
    peers
    node bench/large.mjs "$binaries" "${1:-3}"
}

run_targets() {
    build bench_targets bench_peer
    node bench/targets.mjs "$binaries" "${1:-200}"
}

run_events() {
    build bench_events bench_peer
    node bench/events.mjs "$binaries" "${1:-3}"
}

run_store() {
    build troupe bench_store
    peers
    node bench/store.mjs "$binaries" "${1:-1000000}"
}

run_pages() {
    build troupe
    peers
    node bench/pages.mjs "$binaries" "${1:-50}"
}

run_fleet() {
    build troupe
    node bench/fleet.mjs --rounds "${1:-3}"
}

run_recovery() {
    build troupe
    node bench/recovery.mjs "$@"
}

run_rpc() {
    build troupe bench_rpc_load
    peers
    node bench/rpc.mjs "$binaries" "${1:-3}" "${2:-2}"
}

run_fanout() {
    build troupe bench_rpc_load
    peers
    node bench/fanout.mjs "$binaries" "${1:-3}" "${2:-4}"
}

run_runtime() {
    build bench_all_runtime
    if command -v erlc > /dev/null; then
        erlc -o build/bin bench/runtime/peers/bench.erl bench/savina/peers/savina.erl
    fi
    rounds=${1:-3}
    [ $# -eq 0 ] || shift
    node bench/runtime.mjs build/bin "$rounds" "$@"
}

case $which in
    runtime | all) scripts/setup.sh bench ;;
esac
cmake --preset release > /dev/null
case $which in
    commands) run_commands "$@" ;;
    scan) run_scan "$@" ;;
    large) run_large "$@" ;;
    targets) run_targets "$@" ;;
    events) run_events "$@" ;;
    store) run_store "$@" ;;
    pages) run_pages "$@" ;;
    fleet) run_fleet "$@" ;;
    recovery) run_recovery "$@" ;;
    rpc) run_rpc "$@" ;;
    fanout) run_fanout "$@" ;;
    runtime) run_runtime "$@" ;;
    all)
        run_commands "$@"
        run_scan "$@"
        run_large "$@"
        run_targets
        run_events "$@"
        run_store
        run_pages
        run_fleet
        run_recovery
        run_rpc "$@"
        run_fanout "$@"
        run_runtime "$@"
        ;;
esac
