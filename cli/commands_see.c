/* SPDX-License-Identifier: MIT */
/* The commands that show what was recorded. */
#include "command_rows.h"

/* Which requests. */
/* clang-format off */
#define REQUEST_FILTERS \
    {"status", 's', ARG_UINT, "CODE", "with this HTTP status"}, \
    {"method", 'm', ARG_STRING, "METHOD", "with this HTTP method"}, \
    {"type", 0, ARG_STRING, "TYPE", "of this type: Document, Script, Fetch, …"}, \
    {"url", 'u', ARG_STRING, "PATTERN", "whose URL matches; * stands for anything"}, \
    {"match", 0, ARG_STRING, "PATTERN", "the same as --url"}, \
    {"state", 0, ARG_STRING, "STATE", "in this state: pending, loading, complete, failed, …"}, \
    {"search", 0, ARG_STRING, "TEXT", "with this text in a header"}, \
    {"text", 'T', ARG_STRING, "WORDS", "with these words in URL, headers or bodies: word \"a phrase\" begin* -without url:word"}
/* clang-format on */

static const arg_option network_options[] = {
    {"limit", 'n', ARG_UINT, "N", "at most this many, the newest (default: 50)"},
    REQUEST_FILTERS,
    {"target", 't', ARG_STRING, "TARGET", "of this target (default: the tracked ones, or all)"},
    {"wait", 'w', ARG_UINT, "SECONDS", "if there is none, wait for one that matches to end"},
    {"all", 'a', ARG_FLAG, NULL, "also what filters hide"},
    {"follow", 'f', ARG_FLAG, NULL, "not what was: each one that ends, as it ends, until Ctrl-C"},
};
static const arg_option har_options[] = {
    {"output", 'o', ARG_STRING, "FILE", "write it to this file"},
    {"target", 't', ARG_STRING, "TARGET", "of this target (default: the tracked ones, or all)"},
    {"browser", 'b', ARG_STRING, "BROWSER", "of this browser's targets"},
    {"since", 0, ARG_DURATION, "TIME", "begun within the last TIME: 30s, 10m, 2h"},
    REQUEST_FILTERS,
    {"no-bodies", 0, ARG_FLAG, NULL, "without bodies"},
};
static const arg_option follow_options[] = {
    {"target", 't', ARG_STRING, "TARGET", "only of this target (may be given again)"},
    {"topics", 0, ARG_STRING, "LIST", "network,console,target,browser (default), cdp"},
    {"methods", 0, ARG_STRING, "PATTERNS", "events as Chrome sends them: 'Network.*,Page.*'"},
    {"count", 'c', ARG_UINT, "N", "end after so many events"},
    {"for", 0, ARG_DURATION, "TIME", "end after that time"},
};
static const arg_option record_options[] = {
    TARGET_OPTION,
    {"for", 0, ARG_DURATION, "TIME", "end after that time (default: at Ctrl-C)"},
    {"fps", 0, ARG_UINT, "N", "frames a second of the film, 1 to 60 (default: 10)"},
    {"quality", 0, ARG_UINT, "N", "of the pictures, 0 to 100 (default: 80)"},
    {"max-width", 0, ARG_UINT, "N", "in pixels"},
    {"max-height", 0, ARG_UINT, "N", "in pixels"},
};
static const arg_option console_options[] = {
    {"limit", 'n', ARG_UINT, "N", "at most this many, the newest (default: 50)"},
    {"level", 'l', ARG_STRING, "LEVEL", "of this level: error, warning, info, log, debug"},
    {"target", 't', ARG_STRING, "TARGET", "of this target (default: the tracked ones, or all)"},
    {"follow", 'f', ARG_FLAG, NULL, "not what was: each message as it comes, until Ctrl-C"},
};
static const arg_option request_options[] = {
    TARGET_OPTION,
    {"body", 'b', ARG_FLAG, NULL, "also the body of the response"},
};
static const arg_option body_options[] = {
    TARGET_OPTION,
    {"request", 'r', ARG_FLAG, NULL, "what the request sent instead"},
    {"decode", 'd', ARG_STRING, "CODINGS", "undo these, in this order: base64,gzip,deflate,br"},
    {"path", 'p', ARG_STRING, "JSONPATH", "of JSON, this part: $.items[0].name, $..id"},
    {"pretty", 0, ARG_FLAG, NULL, "lay JSON out"},
    {"output", 'o', ARG_STRING, "FILE", "write it to this file"},
};
static const arg_option sql_options[] = {
    {"limit", 'n', ARG_UINT, "N", "at most this many rows"},
};

static const arg_option target_option_only[] = {TARGET_OPTION};
static const arg_option clear_options[] = {
    {"purge", 0, ARG_FLAG, NULL, "delete it instead"},
};
static const arg_option filter_options[] = {
    {"type", 0, ARG_STRING, "TYPE", "hide this type: Image, Script, … (may be given again)"},
    {"match", 'm', ARG_STRING, "PATTERN", "hide addresses that match (may be given again)"},
};
static const arg_option query_options[] = {
    TARGET_OPTION,
    {"limit", 'n', ARG_UINT, "N", "at most this many (default: 50)"},
};
static const arg_option wait_options[] = {
    TARGET_OPTION,
    {"state", 0, ARG_STRING, "STATE", "visible, hidden, attached, detached; load: of the page"},
    {"nth", 0, ARG_UINT, "N", "which of those that match, from 0"},
};
static const arg_option screenshot_options[] = {
    TARGET_OPTION,
    {"selection", 0, ARG_STRING, "KEY", "only the element picked (troupe selections)"},
    {"output", 'o', ARG_STRING, "FILE", "write it to this file"},
    {"format", 'f', ARG_STRING, "FORMAT", "png, jpeg or webp (default: png)"},
    {"quality", 0, ARG_UINT, "N", "0 to 100, of jpeg and webp"},
    {"full-page", 0, ARG_FLAG, NULL, "all of the document, not only what is seen"},
    {"selector", 's', ARG_STRING, "SELECTOR", "only the first element that matches"},
    {"clip", 0, ARG_STRING, "JSON", "only {x, y, width, height} of the document"},
    {"scale", 0, ARG_STRING, "N", "pixels of the picture for one CSS pixel"},
    {"omit-background", 0, ARG_FLAG, NULL, "leave out the white behind the page"},
};
static const arg_option pdf_options[] = {
    TARGET_OPTION,
    {"output", 'o', ARG_STRING, "FILE", "write it to this file"},
    {"paper", 0, ARG_STRING, "NAME", "letter, legal, tabloid, a3, a4 or a5 (default: letter)"},
    {"landscape", 0, ARG_FLAG, NULL, "wider than high"},
    {"background", 0, ARG_FLAG, NULL, "with background colours and pictures"},
    {"scale", 0, ARG_STRING, "N", "0.1 to 2"},
    {"pages", 0, ARG_STRING, "RANGES", "only these: 1-3, 5"},
    {"header", 0, ARG_STRING, "HTML", "above each page"},
    {"footer", 0, ARG_STRING, "HTML", "below each page"},
    {"css-page-size", 0, ARG_FLAG, NULL, "the size that the page's own CSS asks for"},
};

/* clang-format off */
const cli_command commands_see[] = {
    {"query", GROUP_SEE, "SELECTOR", 1, 1, "the elements of a page that match a selector",
     "Examples:\n"
     "  troupe query 'a[href]'\n"
     "  troupe query 'text=Sign in' --json",
     OPTIONS(query_options), false, false, run_method},
    {"wait", GROUP_SEE, "SELECTOR", 0, 1, "wait until an element is there, or a page has loaded",
     "Exits 1 if that is not so in time (--timeout, 30s).\n\n"
     "Examples:\n"
     "  troupe wait '#result'\n"
     "  troupe wait .spinner --state detached --timeout 2m\n"
     "  troupe wait --state load",
     OPTIONS(wait_options), false, false, run_method},
    {"network", GROUP_SEE, "", 0, 0, "list recorded requests",
     "One row for each hop (a redirect is a row of its own), the newest at the bottom. (--url filters here;\n"
     "to name a host elsewhere, put --url before the command's name.)\n\n"
     "Examples:\n"
     "  troupe network\n"
     "  troupe network --status 404\n"
     "  troupe network --type Fetch --url '*/api/*' --json\n"
     "  troupe network --follow --where 'status >= 400'",
     OPTIONS(network_options), false, false, run_network},
    {"request", GROUP_SEE, "ID", 1, 1, "one request in detail",
     "ID is the first column of `troupe network`.\n\n"
     "Examples:\n"
     "  troupe request 17\n"
     "  troupe request 17 --body",
     OPTIONS(request_options), false, false, run_request},
    {"body", GROUP_SEE, "ID", 1, 1, "the body of a response",
     "As the page received it: what HTTP has encoded is decoded. --decode undoes what the page itself would have to.\n"
     "JSONPath (RFC 9535) without filters: .name ['name'] [0] [-1] [1:3] [*] ..name; one that may name several values\n"
     "gives a list.\n\n"
     "Examples:\n"
     "  troupe body 17 --pretty\n"
     "  troupe body 17 --path '$.items[0].name'\n"
     "  troupe body 17 --decode base64,gzip --request\n"
     "  troupe body 23 --output logo.png",
     OPTIONS(body_options), false, false, run_body},
    {"har", GROUP_SEE, "[TARGET]", 0, 1, "recorded requests as a HAR file",
     "HAR 1.2 with bodies, frames of WebSockets and timings, as browsers' developer tools and many others read\n"
     "it; of pages that are closed too. Written to --output as it comes, whole or not at all; without it to\n"
     "standard output.\n\n"
     "Examples:\n"
     "  troupe har --output visit.har\n"
     "  troupe har p1:abc123 --since 10m --no-bodies > visit.har\n"
     "  troupe har --browser p2 --type Fetch | jq '.log.entries[].request.url'",
     OPTIONS(har_options), false, false, run_har},
    {"har import", GROUP_SEE, "FILE", 1, 1, "record what a HAR file tells",
     "Its requests, bodies, messages and pages stand in the record as those of a browser of their own, whose name\n"
     "is printed: for `network`, `request`, `sql`, `har` and `replay`. `-` reads standard input.\n\n"
     "Examples:\n"
     "  troupe har import visit.har\n"
     "  troupe har import - < visit.har\n"
     "  troupe har --browser \"$(troupe har import visit.har --json | jq -r .browser)\"",
     NO_OPTIONS, true, false, run_har_import},
    {"console", GROUP_SEE, "", 0, 0, "list recorded console messages and exceptions",
     "The newest at the bottom.\n\n"
     "Examples:\n"
     "  troupe console\n"
     "  troupe console --level error",
     OPTIONS(console_options), false, false, run_console},
    {"screenshot", GROUP_SEE, "", 0, 0, "take a picture of a page",
     "Written to --output; without it to standard output, on a terminal to screenshot.png (jpeg, webp) here.\n\n"
     "Examples:\n"
     "  troupe screenshot --output page.png\n"
     "  troupe screenshot --full-page --format jpeg --quality 70 > page.jpeg\n"
     "  troupe screenshot --selector '#chart' --scale 2 --target p1:abc123",
     OPTIONS(screenshot_options), false, false, run_method},
    {"pdf", GROUP_SEE, "", 0, 0, "print a page",
     "Written to --output; without it to standard output, on a terminal to page.pdf here.\n\n"
     "Examples:\n"
     "  troupe pdf --output page.pdf\n"
     "  troupe pdf --paper a4 --landscape --background --pages 1-2 > page.pdf",
     OPTIONS(pdf_options), false, false, run_method},
    {"entry", GROUP_SEE, "ID [FIELD…]", 1, 20, "one console message in detail",
     "ID is the first column of `troupe console`; * as FIELD: all of it.\n\n"
     "Examples:\n"
     "  troupe entry 4\n"
     "  troupe entry 4 message stack",
     OPTIONS(target_option_only), false, false, run_method},
    {"clear", GROUP_SEE, "", 0, 0, "hide what was recorded until now, or delete it",
     "Examples:\n"
     "  troupe clear\n"
     "  troupe clear --purge",
     OPTIONS(clear_options), false, false, run_method},
    {"vacuum", GROUP_SEE, "", 0, 0, "give the room of what was deleted back",
     "The store's file shrinks by what `clear --purge` and the store's bounds have deleted; recording goes on.\n\n"
     "Example:\n"
     "  troupe clear --purge && troupe vacuum",
     NO_OPTIONS, false, false, run_method},
    {"filters", GROUP_SEE, "", 0, 0, "the groups of filters: what lists hide",
     "Example:\n"
     "  troupe filters",
     NO_OPTIONS, false, false, run_method},
    {"filters add", GROUP_SEE, "NAME", 1, 1, "add a group of filters, or replace it",
     "`troupe network` hides what it names, unless --all is given.\n\n"
     "Example:\n"
     "  troupe filters add pictures --type Image --type Font --match '*.svg'",
     OPTIONS(filter_options), false, false, run_filters_add},
    {"filters remove", GROUP_SEE, "NAME", 1, 1, "remove a group",
     "Example:\n"
     "  troupe filters remove pictures",
     NO_OPTIONS, false, false, run_method},
    {"filters enable", GROUP_SEE, "NAME", 1, 1, "hide what a group names",
     "Example:\n"
     "  troupe filters enable pictures",
     NO_OPTIONS, false, false, run_method},
    {"filters disable", GROUP_SEE, "NAME", 1, 1, "show what a group names",
     "Example:\n"
     "  troupe filters disable pictures",
     NO_OPTIONS, false, false, run_method},
    {"sql", GROUP_SEE, "STATEMENT [VALUE…]", 1, 100, "query the store with read-only SQL",
     "Values are bound to ? in their order, as text.\n\n"
     "Examples:\n"
     "  troupe sql \"SELECT status, count(*) FROM har_summary GROUP BY status\"\n"
     "  troupe sql --csv \"SELECT url FROM har_summary WHERE method = ?\" POST",
     OPTIONS(sql_options), false, false, run_sql},
    {"record", GROUP_SEE, "FILE.avi", 1, 1, "a film of a page as it looks",
     "Motion JPEG in an AVI file, which every player knows, until --for is over or Ctrl-C. A picture is taken\n"
     "whenever the page looks different; until then the last one is seen. At most 2 GiB.\n\n"
     "Examples:\n"
     "  troupe record film.avi --for 30s\n"
     "  troupe record film.avi --target p1:abc123 --fps 25 --max-width 1280",
     OPTIONS(record_options), false, false, run_record},
    {"follow", GROUP_SEE, "", 0, 0, "what happens, while it happens",
     "Requests, console messages, targets and browsers, a line each, until Ctrl-C; with --json an object {topic,\n"
     "data} a line. Events that were not shown because this is slow are counted.\n\n"
     "Examples:\n"
     "  troupe follow\n"
     "  troupe follow --target p1:abc123 --topics console\n"
     "  troupe follow --methods 'Page.*' --json | jq .data.method",
     OPTIONS(follow_options), false, false, run_follow},
    {0},
};
