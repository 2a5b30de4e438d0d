#!/bin/bash
# SPDX-License-Identifier: MIT
# Formats all C files, or with --check says which are not formatted.
set -eu
cd "$(dirname "$0")/.."

how=-i
case ${1:-} in
    --check) how="--dry-run -Werror" ;;
    "") ;;
    *) echo "usage: scripts/format.sh [--check]" >&2; exit 2 ;;
esac
# shellcheck disable=SC2086 # $how is two words
git ls-files -z --cached --others --exclude-standard -- '*.c' '*.h' |
    while IFS= read -r -d '' file; do [ ! -e "$file" ] || printf '%s\0' "$file"; done |
    xargs -0 -r clang-format $how
