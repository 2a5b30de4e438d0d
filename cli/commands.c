/* SPDX-License-Identifier: MIT */
/* The table of commands. */
#include "command.h"

#define NO_OPTIONS NULL, 0

static const arg_option common_options[] = {
    {"help", 'h', ARG_FLAG, NULL, "explain this command"},
    {"json", 'j', ARG_FLAG, NULL, "print what the host answered, as JSON"},
    {"quiet", 'q', ARG_FLAG, NULL, "print ids only, and no notices"},
    {"name", 0, ARG_STRING, "NAME", "which local host (default: default)"},
    {"url", 0, ARG_STRING, "URL", "a host elsewhere, as TROUPE_URL: http://ADDR:PORT"},
    {"token-file", 0, ARG_STRING, "FILE", "file with the token of that host"},
    {"token", 0, ARG_STRING, "TOKEN", "the token; better in a file or TROUPE_TOKEN"},
    {"state-dir", 0, ARG_STRING, "DIR", "where hosts keep their state files"},
    {"config", 0, ARG_STRING, "FILE", "troupe.conf to read, as TROUPE_CONFIG"},
    {"timeout", 0, ARG_DURATION, "TIME", "how long the host may take: 500ms, 30s, 5m"},
};

static const arg_option serve_options[] = {
    {"follow", 'f', ARG_FLAG, NULL, "print requests and console messages as they happen"},
    {"open", 'o', ARG_STRING, "URL", "open this page at the start (may be given again)"},
    {"automatic", 0, ARG_FLAG, NULL, NULL},
};
static const arg_option config_options[] = {
    {"local", 0, ARG_FLAG, NULL, "what `serve` would use here, even if a host runs"},
};
static const arg_option actors_options[] = {
    {"watch", 'w', ARG_FLAG, NULL, "again each second, until interrupted"},
};
static const arg_option browsers_options[] = {
    {"memory", 'm', ARG_FLAG, NULL, "also what each uses of memory"},
    {"log", 'l', ARG_FLAG, NULL,
     "instead, what browsers printed: those that run and the last that ended"},
};
static const arg_option launch_options[] = {
    {"headed", 0, ARG_SWITCH, NULL, "with windows: full Chromium"},
    {"count", 'n', ARG_UINT, "N", "how many, up to 64 (default: 1)"},
    {"profile", 0, ARG_STRING, "NAME|DIR",
     "profile that stays: a name, or a directory (with a slash in it); default: a temporary one"},
    {"pipe", 0, ARG_FLAG, NULL, "controlled over a pipe that nobody else can reach (default)"},
    {"port", 0, ARG_OPTIONAL, "[PORT]", "controlled over a debugging port: any, or this one"},
    {"as", 0, ARG_STRING, "NAME", "its id (default: p1, p2, … or its port)"},
    {"full", 0, ARG_SWITCH, NULL, "full Chromium instead of the headless shell"},
    {"executable", 0, ARG_STRING, "PATH", "which browser: a path, or a name on PATH"},
    {"window-size", 0, ARG_STRING, "WIDTHxHEIGHT", "of windows, and of pages without one"},
    {"proxy", 0, ARG_STRING, "PROXY", "[SCHEME://]HOST:PORT, as for Chromium"},
    {"proxy-bypass", 0, ARG_STRING, "HOSTS", "reached without the proxy, as for Chromium"},
    {"user-agent", 0, ARG_STRING, "TEXT", "what the browser says it is"},
    {"env", 'e', ARG_STRING, "NAME=VALUE",
     "variable of its environment; NAME alone takes it away (may be given again)"},
    {"extension", 'x', ARG_STRING, "DIR", "unpacked extension (may be given again)"},
    {"nice", 0, ARG_UINT, "N", "niceness, 1 to 19"},
    {"memory-limit", 0, ARG_STRING, "SIZE", "memory it may use: 512M, 2G"},
    {"start-timeout", 0, ARG_DURATION, "TIME", "how long it may take to start"},
};
static const arg_option close_options[] = {
    {"force", 'f', ARG_FLAG, NULL, "of a browser: do not wait for it to write its profile"},
};
static const arg_option ports_add_options[] = {
    {"as", 0, ARG_STRING, "NAME", "its id (default: the port, or r1, r2, …)"},
    {"token-file", 0, ARG_STRING, "FILE", "token to send as Authorization: Bearer (mode 0600)"},
    {"ca-file", 0, ARG_STRING, "FILE", "authorities to trust, PEM (default: the system's)"},
    {"cert-file", 0, ARG_STRING, "FILE", "client certificate to show, PEM"},
    {"key-file", 0, ARG_STRING, "FILE", "its key, PEM (default: in the certificate's file)"},
    {"proxy", 0, ARG_STRING, "URL",
     "proxy to go through, or none (default: as the environment says, never for loopback)"},
    {"header", 'H', ARG_STRING, "'NAME: VALUE'", "further header; may be given several times"},
};
static const arg_option open_options[] = {
    {"browser", 'b', ARG_STRING, "BROWSER",
     "in this one (default: the first; launched if none runs)"},
    {"context", 'c', ARG_STRING, "CONTEXT", "in this browser context"},
};
static const arg_option watch_options[] = {
    {"url", 'u', ARG_STRING, "PATTERN",
     "whose address has this in it; * and ? stand for anything (may be given again)"},
    {"match", 0, ARG_STRING, "PATTERN", "the same as --url"},
};
static const arg_option context_options[] = {
    {"browser", 'b', ARG_STRING, "BROWSER",
     "in this one (default: the first; launched if none runs)"},
    {"proxy", 0, ARG_STRING, "SERVER", "proxy of its pages, as Chromium's --proxy-server"},
    {"as", 0, ARG_STRING, "NAME", "its id is BROWSER/NAME (default: c1, c2, …)"},
};
#define TARGET_OPTION                                                             \
    {                                                                             \
        "target", 't', ARG_STRING, "TARGET", "id or unambiguous beginning of one" \
    }
static const arg_option target_options[] = {TARGET_OPTION};
static const arg_option reload_options[] = {
    TARGET_OPTION,
    {"ignore-cache", 0, ARG_FLAG, NULL, "fetch everything anew"},
};
static const arg_option network_options[] = {
    {"limit", 'n', ARG_UINT, "N", "at most this many, the newest (default: 50)"},
    {"status", 's', ARG_UINT, "CODE", "with this HTTP status"},
    {"method", 'm', ARG_STRING, "METHOD", "with this HTTP method"},
    {"type", 0, ARG_STRING, "TYPE", "of this type: Document, Script, Fetch, …"},
    {"url", 'u', ARG_STRING, "PATTERN", "whose URL matches; * stands for anything"},
    {"match", 0, ARG_STRING, "PATTERN", "the same as --url"},
    {"state", 0, ARG_STRING, "STATE", "in this state: pending, loading, complete, failed, …"},
    {"search", 0, ARG_STRING, "TEXT", "with this text in a header"},
    {"target", 't', ARG_STRING, "TARGET", "of this target (default: the tracked ones, or all)"},
    {"all", 'a', ARG_FLAG, NULL, "also what filters hide"},
};
static const arg_option console_options[] = {
    {"limit", 'n', ARG_UINT, "N", "at most this many, the newest (default: 50)"},
    {"level", 'l', ARG_STRING, "LEVEL", "of this level: error, warning, info, log, debug"},
    {"target", 't', ARG_STRING, "TARGET", "of this target (default: the tracked ones, or all)"},
};
static const arg_option request_options[] = {
    TARGET_OPTION,
    {"body", 'b', ARG_FLAG, NULL, "also the body of the response"},
};
static const arg_option body_options[] = {
    TARGET_OPTION,
    {"output", 'o', ARG_STRING, "FILE", "write it to this file"},
};
static const arg_option sql_options[] = {
    {"limit", 'n', ARG_UINT, "N", "at most this many rows"},
    {"csv", 0, ARG_FLAG, NULL, "as comma-separated values (RFC 4180)"},
};
static const arg_option js_options[] = {
    TARGET_OPTION,
    {"file", 'f', ARG_STRING, "FILE", "the code is in this file"},
    {"await", 0, ARG_SWITCH, NULL, "wait for the value if it is a promise (default: yes)"},
    {"persist", 0, ARG_FLAG, NULL, "declarations stay in the page's scope"},
};

/* clang-format off */
static const cli_command table[] = {
    /* host */
    {"serve", GROUP_HOST, "", 0, 0, "run the host in the foreground",
     "Starts the host, prints its addresses and runs until Ctrl-C, SIGTERM or `troupe stop`. No browser is\n"
     "launched until one is needed, unless --launch says so.\n\n"
     "Examples:\n"
     "  troupe serve\n"
     "  troupe serve --demo --launch 1 --follow\n"
     "  troupe serve --listen 127.0.0.1:9000 --store :memory:",
     OPTIONS(serve_options), false, true, run_serve},
    {"status", GROUP_HOST, "", 0, 0, "what the host is doing",
     "Version, process, browsers, targets and the store's figures.\n\n"
     "Examples:\n"
     "  troupe status\n"
     "  troupe status --json | jq .connected",
     NO_OPTIONS, false, false, run_status},
    {"stop", GROUP_HOST, "", 0, 0, "end the host",
     "Ends the host and everything it launched; returns when its process has ended.\n\n"
     "Example:\n"
     "  troupe stop",
     NO_OPTIONS, false, false, run_stop},
    {"config", GROUP_HOST, "", 0, 0, "the settings in force, and where each came from",
     "Of the running host; without one, what `troupe serve` would use here.\n\n"
     "Examples:\n"
     "  troupe config\n"
     "  TROUPE_STORE=:memory: troupe config --local",
     OPTIONS(config_options), false, true, run_config},
    {"actors", GROUP_HOST, "", 0, 0, "the host's actors and their mailboxes",
     "One line for each actor: envelopes waiting, the most that ever waited, received, sent, refused, the\n"
     "longest that a message took, restarts, and what it has in hand. Columns that do not fit are left out.\n\n"
     "Examples:\n"
     "  troupe actors\n"
     "  troupe actors --watch",
     OPTIONS(actors_options), false, false, run_actors},
    {"doctor", GROUP_HOST, "", 0, 0, "check what a host needs on this machine",
     "Looks for a browser and asks its version; checks sandbox, directories and disks, shared memory, limits,\n"
     "memory, control groups and ports; looks for what browsers of a dead host left; of a host that runs, tells\n"
     "how its browsers fare and what those that failed printed. Each finding says what to do. Exits 1 if\n"
     "something is broken.\n\n"
     "Examples:\n"
     "  troupe doctor\n"
     "  troupe doctor --json | jq '.checks[] | select(.level != \"ok\")'",
     NO_OPTIONS, false, true, run_doctor},
    {"version", GROUP_HOST, "", 0, 0, "print the version",
     "Example:\n"
     "  troupe version",
     NO_OPTIONS, false, false, run_version},

    /* browsers */
    {"browsers", GROUP_BROWSERS, "[BROWSER]", 0, 1, "list browsers",
     "Those launched by the host and those it is attached to.\n\n"
     "Examples:\n"
     "  troupe browsers\n"
     "  troupe browsers --memory\n"
     "  troupe browsers --log p1",
     OPTIONS(browsers_options), false, false, run_browsers},
    {"launch", GROUP_BROWSERS, "[-- SWITCH…]", 0, 100, "launch browsers",
     "Starts a local host first if none runs. A launched browser is controlled over a pipe, has a temporary\n"
     "profile and is recorded from the start. What is not given comes from [launcher] in troupe.conf. Switches\n"
     "behind -- are the browser's own. A named profile is kept in STATE_DIR/profiles; a profile is used by one\n"
     "browser at a time. Of several, those that start are listed, and the exit status is 1 if some did not.\n\n"
     "Examples:\n"
     "  troupe launch\n"
     "  troupe launch --count 4\n"
     "  troupe launch --headed --profile shop --as shop\n"
     "  troupe launch --port 9222 --window-size 1280x720\n"
     "  troupe launch --proxy socks5://127.0.0.1:1080 --memory-limit 1G -- --lang=de",
     OPTIONS(launch_options), true, false, run_launch},
    {"close", GROUP_BROWSERS, "TARGET|BROWSER", 1, 1, "close a page, or a browser",
     "An id with a colon is a page's, one without is a browser's. Browsers that were attached by `ports add`\n"
     "are let go, not ended.\n\n"
     "Examples:\n"
     "  troupe close p1:abc123\n"
     "  troupe close p1",
     OPTIONS(close_options), false, false, run_close},
    {"ports add", GROUP_BROWSERS, "PORT|ADDRESS", 1, 1, "attach to a browser by its debugging port",
     "ADDRESS is HOST:PORT, an http(s):// URL below which /json/version is answered, the browser's own\n"
     "ws(s)://…/devtools/browser/…, or unix:/path. Starts a local host first if none runs.\n\n"
     "Examples:\n"
     "  chromium --remote-debugging-port=9222 &\n"
     "  troupe ports add 9222\n"
     "  troupe ports add build-7:9222 --as build\n"
     "  troupe ports add unix:/run/chromium/devtools.sock\n"
     "  troupe ports add https://browsers.example/b/7 --token-file ~/.config/browsers.token",
     OPTIONS(ports_add_options), true, false, run_ports_add},
    {"ports remove", GROUP_BROWSERS, "PORT|ADDRESS|BROWSER", 1, 1, "let go of an attached browser",
     "Examples:\n"
     "  troupe ports remove 9222\n"
     "  troupe ports remove build",
     NO_OPTIONS, false, false, run_ports_remove},
    {"ports list", GROUP_BROWSERS, "", 0, 0, "list attached debugging ports",
     "Examples:\n"
     "  troupe ports list\n"
     "  troupe ports",
     NO_OPTIONS, false, false, run_ports_list},

    /* pages */
    {"pages", GROUP_PAGES, "", 0, 0, "list the targets of all browsers",
     "A target's id is BROWSER:SHORT; an unambiguous beginning of it is enough wherever a TARGET is asked for.\n\n"
     "Examples:\n"
     "  troupe pages\n"
     "  troupe pages --quiet",
     NO_OPTIONS, false, false, run_pages},
    {"open", GROUP_PAGES, "URL", 1, 1, "open a page, and connect to it",
     "Starts a local host and launches a browser first if there is none.\n\n"
     "Examples:\n"
     "  troupe open https://example.org/\n"
     "  troupe open --browser 9222 https://example.org/\n"
     "  troupe open --context p1/c1 https://example.org/",
     OPTIONS(open_options), true, false, run_open},
    {"contexts list", GROUP_PAGES, "", 0, 0, "list browser contexts",
     "Examples:\n"
     "  troupe contexts list\n"
     "  troupe contexts",
     NO_OPTIONS, false, false, run_contexts_list},
    {"contexts create", GROUP_PAGES, "", 0, 0, "make a browser context",
     "Pages in it have cookies, storage and cache of their own, for the price of a page. It ends with its browser.\n\n"
     "Examples:\n"
     "  troupe contexts create\n"
     "  troupe contexts create --as shop --proxy socks5://127.0.0.1:1080\n"
     "  troupe open https://example.org/ --context p1/shop",
     OPTIONS(context_options), true, false, run_contexts_create},
    {"contexts dispose", GROUP_PAGES, "CONTEXT", 1, 1, "end a browser context, and close its pages",
     "Example:\n"
     "  troupe contexts dispose p1/c1",
     NO_OPTIONS, false, false, run_contexts_dispose},
    {"connect", GROUP_PAGES, "TARGET…", 1, 1000, "connect to pages: record and drive them",
     "Starts a local host first if none runs. '*' means every page.\n\n"
     "Examples:\n"
     "  troupe connect 9222:abc123\n"
     "  troupe connect '*'",
     NO_OPTIONS, true, false, run_connect},
    {"disconnect", GROUP_PAGES, "[TARGET…]", 0, 1000, "disconnect from pages",
     "From all, if none is named.\n\n"
     "Examples:\n"
     "  troupe disconnect 9222:abc123\n"
     "  troupe disconnect",
     NO_OPTIONS, false, false, run_disconnect},
    {"watch", GROUP_PAGES, "[TARGET…]", 0, 1000, "keep targets connected whenever they are there",
     "By their id, or by their address: pages, workers and extensions that appear, come back or go there later\n"
     "are connected too, and so is what a watched page opens. A watch lasts as long as the host. (--url is a\n"
     "pattern here; to name a host elsewhere, put --url before the command's name.)\n\n"
     "Examples:\n"
     "  troupe watch --url example.org\n"
     "  troupe watch --url '*.example.org/shop/*' --url 127.0.0.1:8080\n"
     "  troupe watch 9222:abc123",
     OPTIONS(watch_options), true, false, run_watch},
    {"unwatch", GROUP_PAGES, "[TARGET…]", 0, 1000, "watch targets no longer",
     "What was connected for it is let go. Everything, if nothing is named.\n\n"
     "Examples:\n"
     "  troupe unwatch --url example.org\n"
     "  troupe unwatch",
     OPTIONS(watch_options), false, false, run_unwatch},
    {"targets", GROUP_PAGES, "", 0, 0, "which targets commands mean when none is named",
     "Examples:\n"
     "  troupe targets\n"
     "  troupe targets set p1:abc123\n"
     "  troupe targets clear",
     NO_OPTIONS, false, false, run_targets},
    {"targets set", GROUP_PAGES, "TARGET…", 1, 1000, "track these targets",
     "Commands that may concern several targets mean these from now on, if none is named.\n\n"
     "Example:\n"
     "  troupe targets set p1:abc123 p1:def456",
     NO_OPTIONS, false, false, run_targets_set},
    {"targets clear", GROUP_PAGES, "", 0, 0, "track no target in particular",
     "Example:\n"
     "  troupe targets clear",
     NO_OPTIONS, false, false, run_targets_clear},
    {"navigate", GROUP_PAGES, "URL", 1, 1, "go to another address",
     "Example:\n"
     "  troupe navigate https://example.org/ --target p1:abc123",
     OPTIONS(target_options), false, false, run_navigate},
    {"reload", GROUP_PAGES, "", 0, 0, "reload a page",
     "Examples:\n"
     "  troupe reload\n"
     "  troupe reload --ignore-cache --target p1:abc123",
     OPTIONS(reload_options), false, false, run_reload},
    {"page", GROUP_PAGES, "", 0, 0, "where a page is",
     "Its URL, title, id and type.\n\n"
     "Example:\n"
     "  troupe page --target p1:abc123",
     OPTIONS(target_options), false, false, run_page},

    /* see */
    {"network", GROUP_SEE, "", 0, 0, "list recorded requests",
     "One row for each hop (a redirect is a row of its own), the newest at the bottom. (--url filters here;\n"
     "to name a host elsewhere, put --url before the command's name.)\n\n"
     "Examples:\n"
     "  troupe network\n"
     "  troupe network --status 404\n"
     "  troupe network --type Fetch --url '*/api/*' --json",
     OPTIONS(network_options), false, false, run_network},
    {"request", GROUP_SEE, "ID", 1, 1, "one request in detail",
     "ID is the first column of `troupe network`.\n\n"
     "Examples:\n"
     "  troupe request 17\n"
     "  troupe request 17 --body",
     OPTIONS(request_options), false, false, run_request},
    {"body", GROUP_SEE, "ID", 1, 1, "the body of a response",
     "As the page received it, decoded.\n\n"
     "Examples:\n"
     "  troupe body 17 | jq .\n"
     "  troupe body 23 --output logo.png",
     OPTIONS(body_options), false, false, run_body},
    {"console", GROUP_SEE, "", 0, 0, "list recorded console messages and exceptions",
     "The newest at the bottom.\n\n"
     "Examples:\n"
     "  troupe console\n"
     "  troupe console --level error",
     OPTIONS(console_options), false, false, run_console},
    {"sql", GROUP_SEE, "STATEMENT [VALUE…]", 1, 100, "query the store with read-only SQL",
     "Values are bound to ? in their order, as text.\n\n"
     "Examples:\n"
     "  troupe sql \"SELECT status, count(*) FROM har_summary GROUP BY status\"\n"
     "  troupe sql --csv \"SELECT url FROM har_summary WHERE method = ?\" POST",
     OPTIONS(sql_options), false, false, run_sql},

    /* act */
    {"js", GROUP_ACT, "CODE", 0, 1, "run JavaScript in a page",
     "Prints the value of the last expression: a string as it is, anything else as JSON. CODE `-` is read from\n"
     "standard input. An exception is printed with its position, and the exit status is 1.\n\n"
     "Examples:\n"
     "  troupe js document.title\n"
     "  troupe js \"fetch('/api').then(r => r.json())\" --target p1:abc123\n"
     "  troupe js --file check.js",
     OPTIONS(js_options), false, false, run_js},
    {"cdp", GROUP_ACT, "METHOD [JSON]", 1, 2, "any command of the Chrome DevTools Protocol",
     "Examples:\n"
     "  troupe cdp Page.getLayoutMetrics\n"
     "  troupe cdp Emulation.setTimezoneOverride '{\"timezoneId\":\"Asia/Tokyo\"}'",
     OPTIONS(target_options), false, false, run_cdp},
    {"call", GROUP_ACT, "ACTOR VERB [JSON]", 2, 3, "call any actor and print its answer",
     "ACTOR is a name or an address (`troupe actors`), of the host or of a program that joined it.\n\n"
     "Examples:\n"
     "  troupe call network network '{\"limit\":3}'\n"
     "  troupe call adder add '[1, 2]'",
     NULL, 0, false, false, run_call},
    {"post", GROUP_ACT, "ACTOR VERB [JSON]", 2, 3, "send something to an actor, without an answer",
     "Example:\n"
     "  troupe post adder leave",
     NULL, 0, false, false, run_post},
};
/* clang-format on */

const cli_command *command_table(size_t *count)
{
    *count = sizeof table / sizeof table[0];
    return table;
}

const arg_set *command_common_set(void)
{
    static const arg_set set = {"Options of all commands", common_options,
                                sizeof common_options / sizeof common_options[0]};
    return &set;
}
