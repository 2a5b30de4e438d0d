/* SPDX-License-Identifier: MIT */
/* The commands that do something in a page or an actor. */
#include "command_rows.h"

static const arg_option target_options[] = {TARGET_OPTION};
static const arg_option each_target_options[] = {EACH_TARGET_OPTION};
static const arg_option js_options[] = {
    EACH_TARGET_OPTION,
    {"selection", 0, ARG_STRING, "KEY", "that element is there as `element` (troupe selections)"},
    {"file", 'f', ARG_STRING, "FILE", "the code is in this file"},
    {"await", 0, ARG_SWITCH, NULL, "wait for the value if it is a promise (default: yes)"},
    {"persist", 0, ARG_FLAG, NULL, "declarations stay in the page's scope"},
};

static const arg_option run_options[] = {
    {"target", 't', ARG_STRING, "TARGET", "in this page; else in a new one, closed at the end"},
    {"open", 'o', ARG_STRING, "URL", "the new page is at this address (default: about:blank)"},
    {"persist", 0, ARG_FLAG, NULL, "declarations stay in the page's scope"},
};

#define WAIT_OPTION                                                                    \
    {                                                                                  \
        "wait", 'w', ARG_DURATION, "TIME", "how long to wait until it can be acted on" \
    }
#define SELECTION_OPTION                                                            \
    {                                                                               \
        "selection", 0, ARG_STRING, "KEY", "the element picked (troupe selections)" \
    }
#define NTH_OPTION                                                   \
    {                                                                \
        "nth", 0, ARG_UINT, "N", "which of those that match, from 0" \
    }
static const arg_option click_options[] = {
    TARGET_OPTION,
    SELECTION_OPTION,
    WAIT_OPTION,
    NTH_OPTION,
    {"strict", 0, ARG_FLAG, NULL, "refuse if several match"},
    {"force", 0, ARG_FLAG, NULL, "do not look whether it can be acted on"},
    {"button", 0, ARG_STRING, "NAME", "left, right or middle"},
    {"count", 0, ARG_UINT, "N", "2 = double click"},
    {"modifiers", 0, ARG_STRING, "JSON", "held keys: [\"Control\", \"Shift\"]"},
    {"position", 0, ARG_STRING, "JSON", "{x, y} within the element"},
    {"x", 0, ARG_STRING, "N", "without a selector: where in the viewport"},
    {"y", 0, ARG_STRING, "N", "the same"},
    {"trial", 0, ARG_FLAG, NULL, "only look, and move there"},
};
static const arg_option hover_options[] = {
    TARGET_OPTION,
    SELECTION_OPTION,
    WAIT_OPTION,
    NTH_OPTION,
    {"x", 0, ARG_STRING, "N", "without a selector: where in the viewport"},
    {"y", 0, ARG_STRING, "N", "the same"},
};
static const arg_option type_options[] = {
    TARGET_OPTION,
    WAIT_OPTION,
    NTH_OPTION,
    {"clear", 0, ARG_FLAG, NULL, "delete first what is there"},
    {"delay", 0, ARG_DURATION, "TIME", "between two keys (default: 50ms)"},
};
static const arg_option press_options[] = {
    TARGET_OPTION,
    WAIT_OPTION,
    {"selector", 's', ARG_STRING, "SELECTOR", "focus this element first"},
    {"count", 0, ARG_UINT, "N", "how often"},
};
static const arg_option element_options[] = {TARGET_OPTION, WAIT_OPTION, NTH_OPTION};
static const arg_option scroll_options[] = {
    TARGET_OPTION,
    SELECTION_OPTION,
    WAIT_OPTION,
    {"to", 0, ARG_STRING, "JSON", "to {x, y}"},
    {"by", 0, ARG_STRING, "JSON", "by {x, y}"},
};
#define RULE_TARGET                                                        \
    {                                                                      \
        "target", 't', ARG_STRING, "TARGET", "of this page (default: all)" \
    }
static const arg_option rule_options[] = {RULE_TARGET};
static const arg_option replay_options[] = {
    {"target", 't', ARG_STRING, "ID", "this page instead of a new one"},
    {"browser", 'b', ARG_STRING, "ID", "open the page in this browser"},
    {"pass", 0, ARG_FLAG, NULL, "what is not in the record goes to the network"},
};
static const arg_option replay_serve_options[] = {
    {"browser", 'b', ARG_STRING, "NAME",
     "which browser of the record; default: the one that told last"},
    {"port", 0, ARG_STRING, "N",
     "listen on this port of 127.0.0.1; default: any, which is printed"},
    {"pipe", 0, ARG_FLAG, NULL,
     "speak on descriptors 3 and 4 instead, as with --remote-debugging-pipe"},
};
static const arg_option mock_options[] = {
    RULE_TARGET,
    {"status", 's', ARG_UINT, "CODE", "HTTP status (default: 200)"},
    {"type", 0, ARG_STRING, "TYPE", "content type (default: application/json)"},
};
static const arg_option capture_options[] = {{"off", 0, ARG_FLAG, NULL, "no longer"}};
static const arg_option pause_options[] = {
    RULE_TARGET,
    {"response", 0, ARG_FLAG, NULL, "responses, before the page gets them"},
    {"for", 0, ARG_DURATION, "TIME", "go on after that (default: 1m)"},
};
static const arg_option resume_options[] = {
    {"modifications", 'm', ARG_STRING, "JSON", "url, method, headers, post_data; status, body"},
    {"wait", 'w', ARG_DURATION, "TIME", "how long to look what comes of it (default: 500ms)"},
};
static const arg_option fail_options[] = {
    {"reason", 'r', ARG_STRING, "REASON",
     "the error that the page sees (default: BlockedByClient)"},
};
static const arg_option fulfill_options[] = {
    {"response-code", 0, ARG_UINT, "CODE", "HTTP status (default: 200)"},
    {"response-headers", 0, ARG_STRING, "JSON", "{name: value}"},
    {"body", 'b', ARG_STRING, "TEXT", "of the answer"},
};
static const arg_option shell_options[] = {
    {"keep-going", 'k', ARG_FLAG, NULL, "from a pipe: go on after a command that failed"},
};
static const arg_option inject_options[] = {
    EACH_TARGET_OPTION,
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
    {"run", GROUP_ACT, "FILE.js", 1, 1, "run a file of JavaScript in a page",
     "What it logs is printed while it runs, errors and warnings to standard error; the value of the last expression\n"
     "at the end. An exception is printed with file, line and column, and the exit status is 1. FILE `-` is\n"
     "standard input. Starts a local host first if none runs.\n\n"
     "Examples:\n"
     "  troupe run check.js --open https://example.org\n"
     "  troupe run check.js --target p1:abc123 --timeout 2m",
     OPTIONS(run_options), true, false, run_run},
    {"click", GROUP_ACT, "SELECTOR", 0, 1, "click an element",
     "Waits until it is visible, stands still, is enabled and not covered; scrolls it into view. SELECTOR is CSS\n"
     "(open shadow roots too), text=…, xpath=…; \" >> \" descends, also into frames. If it cannot be clicked in\n"
     "time, why is printed, and the exit status is 1.\n\n"
     "Examples:\n"
     "  troupe click '#buy'\n"
     "  troupe click 'text=Sign in' --count 2\n"
     "  troupe click 'iframe#pay >> button' --wait 5s\n"
     "  troupe click --x 100 --y 40",
     OPTIONS(click_options), false, false, run_method},
    {"hover", GROUP_ACT, "SELECTOR", 0, 1, "move the mouse over an element",
     "Example:\n"
     "  troupe hover nav",
     OPTIONS(hover_options), false, false, run_method},
    {"type", GROUP_ACT, "SELECTOR TEXT", 2, 2, "type into an element",
     "Key by key, as on a US keyboard; {Enter}, {Tab}, {Control+a} and others are keys, {{ is a brace.\n\n"
     "Examples:\n"
     "  troupe type '#q' 'browsers{Enter}'\n"
     "  troupe type '#name' Ada --clear --delay 0ms",
     OPTIONS(type_options), false, false, run_method},
    {"press", GROUP_ACT, "KEY", 1, 1, "press a key",
     "Examples:\n"
     "  troupe press Escape\n"
     "  troupe press Control+Shift+K --selector '#editor'\n"
     "  troupe press ArrowDown --count 5",
     OPTIONS(press_options), false, false, run_method},
    {"select", GROUP_ACT, "SELECTOR VALUE…", 2, 100, "choose options of a select element",
     "Example:\n"
     "  troupe select '#size' Large",
     OPTIONS(element_options), false, false, run_method},
    {"scroll", GROUP_ACT, "SELECTOR", 0, 1, "scroll an element into view, or within it",
     "Examples:\n"
     "  troupe scroll '#footer'\n"
     "  troupe scroll --to '{\"y\": 0}'\n"
     "  troupe scroll '#list' --by '{\"y\": 200}'",
     OPTIONS(scroll_options), false, false, run_method},
    {"upload", GROUP_ACT, "SELECTOR FILE…", 2, 100, "choose files for a file input",
     "FILE is an absolute path on the host's machine.\n\n"
     "Example:\n"
     "  troupe upload 'input[type=file]' \"$PWD/photo.jpeg\"",
     OPTIONS(element_options), false, false, run_method},
    {"replay", GROUP_ACT, "FILE|FROM [URL]", 1, 2, "open a page that is answered from a record, offline",
     "FILE is a HAR, of anybody's; FROM a browser or a page of this host's own record. A page is opened (or --target\n"
     "taken), its requests are answered from the record in the recorded order, and it goes to URL: the first\n"
     "document of the record if none is given. What is not in the record fails as if offline, or goes to the\n"
     "network with --pass; `troupe replay list` shows it. WebSockets are not answered.\n\n"
     "Examples:\n"
     "  troupe replay visit.har\n"
     "  troupe replay p1 http://shop.example/cart --pass\n"
     "  troupe replay visit.har --target p2:abc123",
     OPTIONS(replay_options), true, false, run_replay},
    {"replay list", GROUP_ACT, "", 0, 0, "what was replayed, and what was not in the record",
     "Example:\n"
     "  troupe replay list",
     NO_OPTIONS, false, false, run_replay_list},
    {"replay serve", GROUP_ACT, "STORE.db", 1, 1, "a recorded browser for clients of the DevTools protocol",
     "STORE.db is a host's store (`troupe status` says where; a running one may go on writing to it). Clients attach\n"
     "as to Chrome, each with its own way through the record: events come again in their order, once the client\n"
     "lets a page go or navigates it, and bodies are there to be asked for. What would need a page that runs is\n"
     "refused. No host and no browser is needed.\n\n"
     "Examples:\n"
     "  troupe replay serve bug.db --port 9222\n"
     "  troupe replay serve bug.db --browser p2\n"
     "  troupe ports add 9222     # another host attaches to it",
     OPTIONS(replay_serve_options), false, false, run_replay_serve},
    {"fetch", GROUP_ACT, "", 0, 0, "the rules by which requests are blocked, mocked, paused, captured",
     "Example:\n"
     "  troupe fetch",
     NO_OPTIONS, false, false, run_fetch},
    {"fetch block", GROUP_ACT, "PATTERN…", 1, 100, "do not ask for what matches",
     "For all pages, or for --target. * and ? stand for anything. Replaces the patterns of before.\n\n"
     "Example:\n"
     "  troupe fetch block '*/ads/*' '*.mp4'",
     OPTIONS(rule_options), false, false, run_fetch_block},
    {"fetch mock", GROUP_ACT, "PATTERN BODY", 2, 2, "answer what matches, without asking for it",
     "For all pages, or for --target. Replaces the mocks of before.\n\n"
     "Example:\n"
     "  troupe fetch mock '*/api/user' '{\"name\": \"Ada\"}' --status 200",
     OPTIONS(mock_options), false, false, run_fetch_mock},
    {"fetch capture", GROUP_ACT, "", 0, 0, "record bodies before the pages get them",
     "Examples:\n"
     "  troupe fetch capture\n"
     "  troupe fetch capture --off",
     OPTIONS(capture_options), false, false, run_fetch_capture},
    {"fetch pause", GROUP_ACT, "[PATTERN…]", 0, 100, "pause requests for somebody to decide",
     "What nobody decides goes on after --for (default: 1m).\n\n"
     "Examples:\n"
     "  troupe fetch pause '*/api/*'; troupe fetch paused\n"
     "  troupe fetch pause --response",
     OPTIONS(pause_options), false, false, run_fetch_pause},
    {"fetch paused", GROUP_ACT, "", 0, 0, "what is paused",
     "Example:\n"
     "  troupe fetch paused",
     OPTIONS(target_options), false, false, run_method},
    {"fetch resume", GROUP_ACT, "ID", 1, 1, "let a paused request go on",
     "Example:\n"
     "  troupe fetch resume p1:abc123/1 --modifications '{\"headers\": {\"x-test\": \"1\"}}'",
     OPTIONS(resume_options), false, false, run_method},
    {"fetch fail", GROUP_ACT, "ID", 1, 1, "fail a paused request",
     "Example:\n"
     "  troupe fetch fail p1:abc123/1 --reason TimedOut",
     OPTIONS(fail_options), false, false, run_method},
    {"fetch fulfill", GROUP_ACT, "ID", 1, 1, "answer a paused request",
     "Example:\n"
     "  troupe fetch fulfill p1:abc123/1 --response-code 404 --body nothing",
     OPTIONS(fulfill_options), false, false, run_method},
    {"fetch disable", GROUP_ACT, "", 0, 0, "end the rules; what is paused goes on",
     "Example:\n"
     "  troupe fetch disable",
     OPTIONS(target_options), false, false, run_fetch_disable},
    {"inspect", GROUP_ACT, "TARGET", 1, 1, "pick elements of a page by hand",
     "What is clicked in the page becomes a selection, until `troupe inspect stop`, or Esc in the page. One page at\n"
     "a time.\n\n"
     "Example:\n"
     "  troupe inspect p1:abc123; troupe selections",
     NO_OPTIONS, false, false, run_method},
    {"inspect stop", GROUP_ACT, "", 0, 0, "pick no more; the selections stay",
     "Example:\n"
     "  troupe inspect stop",
     NO_OPTIONS, false, false, run_method},
    {"selections", GROUP_ACT, "", 0, 0, "the elements that were picked",
     "--json has all of each: selector, jsPath, xpath, outerHTML, styles. Commands that act on an element take\n"
     "--selection KEY.\n\n"
     "Examples:\n"
     "  troupe selections\n"
     "  troupe js 'element.value' --selection 1\n"
     "  troupe screenshot --selection 1",
     OPTIONS(target_options), false, false, run_method},
    {"selections clear", GROUP_ACT, "", 0, 0, "forget all selections",
     "Example:\n"
     "  troupe selections clear",
     NO_OPTIONS, false, false, run_method},
    {"inject", GROUP_ACT, "CODE", 1, 1, "run code in every new document of a page",
     "Before its own scripts, while the page is connected; --now also in the document that is there.\n\n"
     "Example:\n"
     "  troupe inject \"window.testing = true\"",
     OPTIONS(inject_options), false, false, run_method},
    {"inject list", GROUP_ACT, "", 0, 0, "what is injected into a page",
     "Example:\n"
     "  troupe inject list",
     OPTIONS(each_target_options), false, false, run_method},
    {"inject remove", GROUP_ACT, "ID", 1, 1, "inject it no longer",
     "Example:\n"
     "  troupe inject remove 1",
     OPTIONS(target_options), false, false, run_method},
    {"bind", GROUP_ACT, "NAME", 1, 1, "give a page a function that tells the console",
     "What the page calls it with becomes a console message of source binding: [NAME] text.\n\n"
     "Example:\n"
     "  troupe bind report\n"
     "  troupe js \"report('hello')\"; troupe console",
     OPTIONS(each_target_options), false, false, run_method},
    {"bind remove", GROUP_ACT, "NAME", 1, 1, "listen to a bound function no longer",
     "Example:\n"
     "  troupe bind remove report",
     OPTIONS(target_options), false, false, run_method},
    {"cdp", GROUP_ACT, "METHOD [JSON]", 1, 2, "any command of the Chrome DevTools Protocol",
     "Examples:\n"
     "  troupe cdp Page.getLayoutMetrics\n"
     "  troupe cdp Emulation.setTimezoneOverride '{\"timezoneId\":\"Asia/Tokyo\"}'",
     OPTIONS(each_target_options), false, false, run_cdp},
    {"rpc", GROUP_ACT, "METHOD [JSON]", 1, 2, "call a method of the RPC interface by its name",
     "JSON: the params, an object or an array. Prints the result as JSON. docs/rpc.md has all methods, and\n"
     "`troupe rpc rpc.describe` describes them.\n\n"
     "Examples:\n"
     "  troupe rpc status\n"
     "  troupe rpc network '{\"limit\": 3, \"status\": 404}'",
     NULL, 0, false, false, run_rpc},
    {"shell", GROUP_ACT, "", 0, 0, "commands line by line, with history and completion",
     "Starts a local host first if none runs. Tab completes commands, methods, options, ids and files. $_ is what\n"
     "the host answered last, $_.path[0] a part of it; _ prints it. A method that is no command is called with JSON\n"
     "params. Lines with open quotes or brackets go on. Ctrl-C ends a command, Ctrl-D the shell. From a pipe it runs\n"
     "until a command fails, and exits with its status.\n\n"
     "Examples:\n"
     "  troupe shell\n"
     "  printf 'open https://example.org\\njs document.title\\n' | troupe shell",
     OPTIONS(shell_options), true, false, run_shell},
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
