/* SPDX-License-Identifier: MIT */
/* The commands that do something in a page or an actor. */
#include "command_rows.h"

static const arg_option target_options[] = {TARGET_OPTION};
static const arg_option js_options[] = {
    TARGET_OPTION,
    {"file", 'f', ARG_STRING, "FILE", "the code is in this file"},
    {"await", 0, ARG_SWITCH, NULL, "wait for the value if it is a promise (default: yes)"},
    {"persist", 0, ARG_FLAG, NULL, "declarations stay in the page's scope"},
};

static const arg_option inject_options[] = {
    TARGET_OPTION,
    {"now", 0, ARG_FLAG, NULL, "also in the document that is there"},
};

/* clang-format off */
const cli_command commands_act[] = {
    {"js", GROUP_ACT, "CODE", 0, 1, "run JavaScript in a page",
     "Prints the value of the last expression: a string as it is, anything else as JSON. CODE `-` is read from\n"
     "standard input. An exception is printed with its position, and the exit status is 1.\n\n"
     "Examples:\n"
     "  troupe js document.title\n"
     "  troupe js \"fetch('/api').then(r => r.json())\" --target p1:abc123\n"
     "  troupe js --file check.js",
     OPTIONS(js_options), false, false, run_js},
    {"inject", GROUP_ACT, "CODE", 1, 1, "run code in every new document of a page",
     "Before its own scripts, while the page is connected; --now also in the document that is there.\n\n"
     "Example:\n"
     "  troupe inject \"window.testing = true\"",
     OPTIONS(inject_options), false, false, run_method},
    {"inject list", GROUP_ACT, "", 0, 0, "what is injected into a page",
     "Example:\n"
     "  troupe inject list",
     OPTIONS(target_options), false, false, run_method},
    {"inject remove", GROUP_ACT, "ID", 1, 1, "inject it no longer",
     "Example:\n"
     "  troupe inject remove 1",
     OPTIONS(target_options), false, false, run_method},
    {"bind", GROUP_ACT, "NAME", 1, 1, "give a page a function that tells the console",
     "What the page calls it with becomes a console message of source binding: [NAME] text.\n\n"
     "Example:\n"
     "  troupe bind report\n"
     "  troupe js \"report('hello')\"; troupe console",
     OPTIONS(target_options), false, false, run_method},
    {"bind remove", GROUP_ACT, "NAME", 1, 1, "listen to a bound function no longer",
     "Example:\n"
     "  troupe bind remove report",
     OPTIONS(target_options), false, false, run_method},
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
    {0},
};
