#!/bin/sh
# SPDX-License-Identifier: MIT
# Fails if a sanitizer wrote a report, and prints it: test runners pass tests that leak.
#
#   scripts/no-reports.sh BUILD_DIR
set -eu
if [ $# -ne 1 ] || [ ! -d "$1" ]; then
    echo "usage: scripts/no-reports.sh BUILD_DIR" >&2
    exit 2
fi

status=0
for report in "$1"/sanitizer.log*; do
    [ -e "$report" ] || continue
    echo "== $report"
    cat "$report"
    status=1
done
exit $status
