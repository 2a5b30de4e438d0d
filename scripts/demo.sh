#!/bin/bash
# SPDX-License-Identifier: MIT
# The walking host in one finite run: one browser launched on a pipe, one attached through its
# debugging port, several pages at once; then what was recorded, and that nothing is left behind.
#
#   scripts/demo.sh TROUPE    TROUPE_DEMO_PAGES=3 pages on each browser
set -euo pipefail

troupe=$(realpath "${1:?usage: scripts/demo.sh TROUPE}")
pages=${TROUPE_DEMO_PAGES:-3}
work=$(mktemp -d "${TMPDIR:-/tmp}/troupe-demo-XXXXXX")
export XDG_STATE_HOME=$work/state XDG_CONFIG_HOME=$work/config TMPDIR=$work/tmp
export TROUPE_NAME=demo
mkdir "$XDG_STATE_HOME" "$TMPDIR"
host=
browser=
drain=

bold='' plain=''
if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then
    bold=$'\033[1m' plain=$'\033[0m'
fi
say() { printf '\n%s== %s%s\n' "$bold" "$*" "$plain"; }
show() { printf '$ troupe %s\n' "$*"; "$troupe" "$@"; }
fail() { echo "demo: $*" >&2; exit 1; }

# Processes that work below our directory, by their command lines (that of grep does not name it).
left_over() {
    grep -lsa -f <(echo "$work") /proc/[0-9]*/cmdline || true
}

# The command may be a script around the browser: its whole process group is ended.
end_browser() {
    [ -n "$browser" ] || return 0
    kill -- "-$browser" 2> /dev/null || true
    wait "$browser" 2> /dev/null || true
    browser=
}

finish() {
    status=$?
    trap - EXIT INT TERM
    end_browser
    [ -z "$drain" ] || kill "$drain" 2> /dev/null || true
    [ -z "$host" ] || { kill "$host" && wait "$host"; } 2> /dev/null || true
    [ "$status" -eq 0 ] || sed 's/^/host: /' "$work/host.log" >&2 || true
    rm -rf "$work"
    exit "$status"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# read_until FD PATTERN: the first match of the pattern in what comes from the descriptor.
read_until() {
    local line
    while IFS= read -r -t 30 line <&"$1"; do
        printf '%s\n' "$line" >> "$work/host.log"
        if [[ $line =~ $2 ]]; then
            printf '%s\n' "${BASH_REMATCH[1]}"
            return
        fi
    done
    return 1
}

# open_pages BROWSER: open that many at once; prints their targets.
open_pages() {
    local n jobs=()
    for n in $(seq "$pages"); do
        "$troupe" open "$site?n=$n&run=demo" --browser "$1" --quiet > "$work/open.$1.$n" &
        jobs+=($!)
    done
    for n in "${jobs[@]}"; do wait "$n" || fail "a page could not be opened"; done
    cat "$work/open.$1".*
}

say "A host with one browser, launched on a pipe, and a demo site"
mkfifo "$work/out" "$work/err"
exec {out}<> "$work/out" {err}<> "$work/err"
"$troupe" serve --launch 1 --demo > "$work/out" 2>> "$work/host.log" &
host=$!
site=$(read_until "$out" '[Dd]emo.*(http://127\.0\.0\.1:[0-9]+/)') || fail "the host did not start"
cat <&"$out" >> "$work/host.log" &
drain=$!
show status

say "A second browser, attached through its debugging port"
chromium=$(command -v chromium-headless-shell || command -v chromium) || fail "no Chromium"
flags=(--headless --remote-debugging-port=0 --no-first-run "--user-data-dir=$work/second")
[ "$(id -u)" -ne 0 ] || flags+=(--no-sandbox)
set -m # a process group of its own
"$chromium" "${flags[@]}" about:blank > /dev/null 2> "$work/err" &
browser=$!
set +m
port=$(read_until "$err" 'DevTools listening on ws://127\.0\.0\.1:([0-9]+)/') ||
    fail "the second browser did not start"
show ports add "$port"
show browsers

say "$pages pages on each at once"
open_pages p1 > "$work/targets.p1" &
opening=$!
open_pages "$port" > "$work/targets.port"
wait "$opening"
done_code='await new Promise((resolve) => {
  const look = () => document.title === "done" && resolve("done");
  new MutationObserver(look).observe(document.documentElement,
    { childList: true, subtree: true, characterData: true });
  look();
})'
while read -r target; do
    "$troupe" js --target "$target" --await "$done_code" < /dev/null > /dev/null || fail "$target: not done"
done < <(cat "$work/targets.p1" "$work/targets.port")
show pages

first=$(head -n 1 "$work/targets.p1")
say "What one of them asked for"
show network --target "$first"
say "What it said"
show console --target "$first"
say "One request in detail"
show request "$("$troupe" network --target "$first" --match '*planets.json*' --quiet | head -n 1)"
say "Any question, in SQL"
show sql "SELECT r.type, count(*) AS requests, sum(r.state = 'failed') AS failed,
  round(avg(r.time_us) / 1000, 1) AS avg_ms, sum(r.encoded_bytes) AS bytes
  FROM request r GROUP BY r.type ORDER BY requests DESC"

say "Recorded = served?"
served=$(curl -fsS "${site}served?run=demo" | grep -c '"method":')
recorded=$("$troupe" sql "SELECT count(*) FROM request
  WHERE protocol <> 'websocket' AND url LIKE '%run=demo%'" | tail -n 1 | tr -d ' ')
echo "served $served requests, recorded $recorded"
if [ "$served" -ne "$recorded" ] || [ "$served" -eq 0 ]; then
    fail "they differ"
fi

say "The end"
"$troupe" stop
wait "$host" || fail "the host ended with status $?"
host=
end_browser
[ -z "$(ls -A "$TMPDIR")" ] || fail "left in the temporary directory: $(ls -A "$TMPDIR")"
for _ in {1..100}; do # the second browser's helpers end a little after it
    left=$(left_over)
    [ -n "$left" ] || break
    sleep 0.05
done
[ -z "$left" ] || fail "processes are left: $left"
echo "No process and no profile is left."
