#!/bin/sh
# SPDX-License-Identifier: MIT
# Installs the Debian packages of packages.txt that are missing. Quiet when none is.
#
#   scripts/setup.sh GROUP…    groups: build, run, test, bench, npm, check
set -eu
cd "$(dirname "$0")/.."

[ $# -gt 0 ] || { echo "usage: scripts/setup.sh GROUP…" >&2; exit 2; }
if ! command -v dpkg-query > /dev/null; then
    echo "setup: not a Debian system; packages.txt lists what Troupe needs" >&2
    exit 0
fi

wanted=$(awk -v groups=" $* " '
    /^# group:/ { take = index(groups, " " $3 " ") > 0; next }
    /^[^#]/ && take { print $1 }' packages.txt)

missing=
for package in $wanted; do
    status=$(dpkg-query -W -f='${Status}' "$package" 2> /dev/null || true)
    [ "$status" = "install ok installed" ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

as_root=
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo > /dev/null || {
        echo "setup: these packages are missing, and there is no sudo to install them:" >&2
        echo "  apt-get install$missing" >&2
        exit 1
    }
    as_root=sudo
fi
echo "setup: installing missing Debian packages:$missing"
[ -z "$as_root" ] || echo "setup: sudo may ask for your password"
$as_root apt-get update -q
# shellcheck disable=SC2086 # a list of packages
$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $missing
