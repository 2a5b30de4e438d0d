#!/bin/bash
# SPDX-License-Identifier: MIT
# cppcheck and clang-tidy over our own C files; clang-tidy over those that differ from a commit when
# one is given.
#
#   scripts/check-static.sh BUILD_DIR [COMMIT]    BUILD_DIR has a compile_commands.json
set -eu
cd "$(dirname "$0")/.."

if [ $# -lt 1 ] || [ ! -e "$1/compile_commands.json" ]; then
    echo "usage: scripts/check-static.sh BUILD_DIR [COMMIT]" >&2
    exit 2
fi
jobs=$(nproc)

mapfile -t sources < <(git ls-files -- 'runtime/*.c' 'client/*.c' 'transport/*.c' 'actors/*.c' 'cli/*.c' 'examples/*.c')
echo "cppcheck: ${#sources[@]} files"
cppcheck -q -j "$jobs" --std=c11 --inline-suppr --enable=warning,performance,portability \
    --suppressions-list=scripts/cppcheck.supp \
    --error-exitcode=1 -I. -Iinclude -D_GNU_SOURCE -D__GNUC__ -D__cppcheck__ "${sources[@]}"

if [ $# -ge 2 ]; then
    mapfile -t sources < <(git diff --name-only --diff-filter=d "$2" -- \
        'runtime/*.c' 'client/*.c' 'transport/*.c' 'actors/*.c' 'cli/*.c' 'examples/*.c')
fi
[ ${#sources[@]} -gt 0 ] || exit 0
echo "clang-tidy: ${#sources[@]} files"
printf '%s\0' "${sources[@]}" |
    xargs -0 -P "$jobs" -n 4 clang-tidy -p "$1" --quiet --warnings-as-errors='*' 2> /dev/null
