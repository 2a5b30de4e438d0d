/* SPDX-License-Identifier: MIT */
/* The commands of browsers and ports. */
#include "command_rows.h"

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

/* clang-format off */
const cli_command commands_browsers[] = {
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
    {0},
};
