#!/bin/bash
# SPDX-License-Identifier: MIT
# Runs each fuzz target for a while over its corpus; what it finds new stays in build/fuzz/corpus/, what
# breaks in build/fuzz/. Usage: scripts/fuzz.sh [seconds for each target]
set -eu
cd "$(dirname "$0")/.."
seconds=${1:-60}
for target in build/fuzz/bin/*_fuzz; do
    name=$(basename "$target" _fuzz)
    mkdir -p "build/fuzz/corpus/$name"
    echo "== $name, $seconds s"
    longest=1024
    [ "$name" != har ] || longest=4096
    if ! "$target" -max_total_time="$seconds" -max_len="$longest" -timeout=10 -print_final_stats=1 \
        -artifact_prefix="build/fuzz/$name-" "build/fuzz/corpus/$name" "tests/fuzz/corpus/$name" \
        > "build/fuzz/$name.log" 2>&1; then
        tail -n 40 "build/fuzz/$name.log"
        exit 1
    fi
    grep 'number_of_executed_units\|new_units_added' "build/fuzz/$name.log"
done
