/* SPDX-License-Identifier: MIT */
/* The commands of the host itself. */
#include "command_rows.h"

static const arg_option serve_options[] = {
    {"follow", 'f', ARG_FLAG, NULL, "print requests and console messages as they happen"},
    {"open", 'o', ARG_STRING, "URL", "open this page at the start (may be given again)"},
    {"automatic", 0, ARG_FLAG, NULL, NULL},
};
static const arg_option stop_options[] = {
    {"drain", 0, ARG_FLAG, NULL, "begin nothing new, and end when nothing is under way"},
    {"within", 0, ARG_DURATION, "TIME", "with --drain: end then all the same (default: 1m)"},
};
static const arg_option dashboard_options[] = {
    {"print", 0, ARG_FLAG, NULL, "only print the link"},
};
static const arg_option drain_options[] = {{"off", 0, ARG_FLAG, NULL, "begin new things again"}};
static const arg_option config_options[] = {
    {"local", 0, ARG_FLAG, NULL, "what `serve` would use here, even if a host runs"},
};
static const arg_option actors_options[] = {
    {"watch", 'w', ARG_FLAG, NULL, "again each second, until interrupted"},
};

/* clang-format off */
const cli_command commands_host[] = {
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
     "Ends the host and everything it launched; returns when its process has ended. With --drain it begins nothing\n"
     "new and ends once no call is under way and no client is connected.\n\n"
     "Examples:\n"
     "  troupe stop\n"
     "  troupe stop --drain --within 30s",
     OPTIONS(stop_options), false, false, run_stop},
    {"drain", GROUP_HOST, "", 0, 0, "begin nothing new",
     "Launching, connecting and opening are refused, /readyz answers 503, new clients are turned away; what is\n"
     "there goes on.\n\n"
     "Examples:\n"
     "  troupe drain\n"
     "  troupe drain --off",
     OPTIONS(drain_options), false, false, run_drain},
    {"dashboard", GROUP_HOST, "", 0, 0, "open the dashboard in a browser",
     "Prints a link that works once, within two minutes, and opens it where there is a desktop. The browser then\n"
     "holds a cookie that stands for the token, for twelve hours.\n\n"
     "Examples:\n"
     "  troupe dashboard\n"
     "  troupe dashboard --print | wl-copy",
     OPTIONS(dashboard_options), false, false, run_dashboard},
    {"pair", GROUP_HOST, "", 0, 0, "a code that lets a page of another origin call",
     "Type it into the extension or page within two minutes. It may call until the host ends.\n\n"
     "Example:\n"
     "  troupe pair",
     NO_OPTIONS, false, false, run_method},
    {"pressure", GROUP_HOST, "", 0, 0, "whether there is room for more",
     "Browsers that run and wait, the limit, how many were turned away lately, processor and memory in per cent.\n\n"
     "Example:\n"
     "  troupe pressure --json | jq .isAvailable",
     NO_OPTIONS, false, false, run_method},
    {"clients", GROUP_HOST, "", 0, 0, "who is connected",
     "WebSocket clients and event streams: since when, requests, events, what waits to be sent.\n\n"
     "Example:\n"
     "  troupe clients",
     NO_OPTIONS, false, false, run_method},
    {"clients end", GROUP_HOST, "NAME", 1, 1, "end the connection of a client",
     "Example:\n"
     "  troupe clients end client/3",
     NO_OPTIONS, false, false, run_method},
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
    {0},
};
