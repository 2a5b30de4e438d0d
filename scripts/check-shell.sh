#!/bin/sh
# SPDX-License-Identifier: MIT
# Every shell script through shellcheck.
set -eu
cd "$(dirname "$0")/.."

git ls-files -z --cached --others --exclude-standard |
    xargs -0 grep -lZE -m1 '^#!/(usr/)?bin/(env )?(ba)?sh' 2> /dev/null |
    xargs -0 -r shellcheck --severity=warning
