/* SPDX-License-Identifier: MIT */
/* The commands of pages and targets. */
#include "command_rows.h"

static const arg_option target_options[] = {EACH_TARGET_OPTION};
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
static const arg_option move_options[] = {
    EACH_TARGET_OPTION,
    {"wait", 0, ARG_STRING, "load|none", "until the document has loaded, or not (default: load)"},
};
static const arg_option reload_options[] = {
    EACH_TARGET_OPTION,
    {"ignore-cache", 0, ARG_FLAG, NULL, "fetch everything anew"},
};

/* clang-format off */
const cli_command commands_pages[] = {
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
    {"back", GROUP_PAGES, "", 0, 0, "go back in a page's history",
     "Waits until the document has loaded.\n\n"
     "Example:\n"
     "  troupe back --target p1:abc123",
     OPTIONS(move_options), false, false, run_method},
    {"forward", GROUP_PAGES, "", 0, 0, "go forward in a page's history",
     "Waits until the document has loaded.\n\n"
     "Example:\n"
     "  troupe forward",
     OPTIONS(move_options), false, false, run_method},
    {"history", GROUP_PAGES, "", 0, 0, "where a page has been",
     "The oldest first; a star marks where it is.\n\n"
     "Example:\n"
     "  troupe history",
     OPTIONS(target_options), false, false, run_method},
    {"activate", GROUP_PAGES, "TARGET", 1, 1, "bring a page to the front",
     "Example:\n"
     "  troupe activate p1:abc123",
     NO_OPTIONS, false, false, run_method},
    {"page", GROUP_PAGES, "", 0, 0, "where a page is",
     "Its URL, title, id and type.\n\n"
     "Example:\n"
     "  troupe page --target p1:abc123",
     OPTIONS(target_options), false, false, run_page},
    {0},
};
