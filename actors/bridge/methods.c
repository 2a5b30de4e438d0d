/* SPDX-License-Identifier: MIT */
/* The methods of the RPC interface. */
#include "methods.h"

#include "actors/verbs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define S  PARAM_STRING
#define I  PARAM_INTEGER
#define N  PARAM_NUMBER
#define B  PARAM_BOOLEAN
#define A  PARAM_ARRAY
#define O  PARAM_OBJECT
#define SA (PARAM_STRING | PARAM_ARRAY)

#define ONE_TARGET                                                      \
    {                                                                   \
        "target", S, false, NULL, NULL,                                 \
            "id or unambiguous prefix; needed if several are connected" \
    }
#define SOME_TARGET                                                                 \
    {                                                                               \
        "target", SA, false, NULL, NULL,                                            \
            "id, prefix, list of them, or \"*\"; default: the tracked ones, or all" \
    }

/* clang-format off */
const rpc_method method_table[] = {
    /* host */
    {"status", ROUTE_ACTOR, NAME_CONNECTIONS, false, 30000,
     "The host at a glance: browsers, targets, store, epoch", "{name, version, pid, epoch, uptime_ms, browsers: […], targets, connected: […], tracked: […], store: {…}, warnings: […]}", {{0}}},
    {"actors.list", ROUTE_LOCAL, NULL, false, 30000,
     "Every living actor with its mailbox and counters",
     "{actors: [{name, kind, address, verb, verb_ms, depth, depth_bytes, depth_peak, received, sent, bytes_received, bytes_sent, dead_letters, busy, calls_open, links, monitors, restarts, handled, handled_ms, longest_ms, handled_times, age_ms, thread}]}", {{0}}},
    {"metrics", ROUTE_ACTOR, NAME_METRICS, false, 30000,
     "Counters of the actor system, the bridge, the process, the launcher and of every browser",
     "{system: {…}, bridge: {…}, process: {…}, launcher: {…}, browsers: {id: {…}}, warnings: […]}", {{0}}},
    {"rpc.describe", ROUTE_LOCAL, NULL, false, 30000,
     "All methods with their JSON Schemas, and all errors", "{methods: […], errors: […]}",
     {{"method", S, false, NULL, NULL, "only this one"}}},
    {"config", ROUTE_LOCAL, NULL, false, 30000,
     "The settings in force and where each came from", "{…}", {{0}}},
    {"stop", ROUTE_LOCAL, NULL, true, 30000,
     "End the host; answers first", "{stopping: true}", {{0}}},
    {"clients.list", ROUTE_LOCAL, NULL, false, 30000,
     "WebSocket clients that are connected",
     "{clients: [{name, peer, age_ms, requests, events, shed, queued_bytes, topics}], max}", {{0}}},

    /* any actor */
    {"actor.call", ROUTE_NAMED, NULL, true, 30000,
     "Call any actor, external ones too", "what it answers; bytes as base64 text",
     {{"name", S | I, true, NULL, NULL, "its name or address"},
      {"verb", S, true, NULL, NULL, "what it is asked"},
      {"payload", S | N | B | A | O, false, NULL, NULL, "what goes with it, as JSON text (ext type 1); default: nil"}}},
    {"actor.post", ROUTE_NAMED, NULL, true, 30000,
     "Post a cast to any actor: no answer is awaited", "{posted: true}",
     {{"name", S | I, true, NULL, NULL, "its name or address"},
      {"verb", S, true, NULL, NULL, "what it is told"},
      {"payload", S | N | B | A | O, false, NULL, NULL, "what goes with it, as JSON text (ext type 1); default: nil"}}},

    /* browsers */
    {"browsers.list", ROUTE_ACTOR, NAME_LAUNCHER, false, 30000,
     "Browsers: launched and attached", "{browsers: [{browser, state, origin, product, endpoint, uid, pid, headed, reason, uptime_ms, restarts, executable?, full?, start_ms?, profile?, port?, memory_bytes?, processes?}]}",
     {{"memory", B, false, "false", NULL, "also what each uses of memory, with all its processes"}}},
    {"browsers.launch", ROUTE_ACTOR, NAME_LAUNCHER, true, 60000,
     "Launch browsers; what is left out comes from the settings of [launcher]", "{browsers: […], failed: [{browser, reason}]}",
     {{"count", I, false, "1", NULL, "how many, up to 64"},
      {"headed", B, false, "false", NULL, "with windows: full Chromium"},
      {"port", B | I, false, "false", NULL, "on a debugging port instead of a pipe: true = any, or which"},
      {"profile", S, false, NULL, NULL, "one that stays: its name, or the absolute path of a directory; default: a temporary one"},
      {"name", S, false, NULL, NULL, "its id; default p1, p2, … or the port asked for"},
      {"full", B, false, "false", NULL, "full Chromium, not the headless shell"},
      {"executable", S, false, NULL, NULL, "which browser: an absolute path, or a name on PATH"},
      {"window_size", S, false, NULL, NULL, "WIDTHxHEIGHT"},
      {"proxy", S, false, NULL, NULL, "[SCHEME://]HOST:PORT, as for --proxy-server"},
      {"proxy_bypass", S, false, NULL, NULL, "hosts reached without the proxy, as for --proxy-bypass-list"},
      {"user_agent", S, false, NULL, NULL, "what it says it is"},
      {"args", A, false, NULL, NULL, "further switches: \"--lang=de\", …"},
      {"env", O, false, NULL, NULL, "variables of its environment; null takes one away"},
      {"extensions", A, false, NULL, NULL, "directories of unpacked extensions: full Chromium"},
      {"nice", I, false, "0", NULL, "niceness, up to 19"},
      {"memory_limit", I | S, false, "0", NULL, "bytes, or \"512M\": of the whole browser where a control group can be made, else of each process"},
      {"start_timeout_ms", I, false, NULL, NULL, "how long each may take to start"},
      {"commands_per_second", I, false, NULL, NULL, "commands that each is sent at most; 0 = no limit"},
      {"commands_burst", I, false, NULL, NULL, "of these, at once after a rest"}}},
    {"browsers.close", ROUTE_ACTOR, NAME_LAUNCHER, true, 30000,
     "Close a browser that was launched, or let go of one that was attached", "{closed, browser}",
     {{"browser", S, true, NULL, NULL, "its id"},
      {"force", B, false, "false", NULL, "do not wait for it to write its profile"}}},
    {"browsers.log", ROUTE_ACTOR, NAME_LAUNCHER, false, 30000,
     "What launched browsers printed: the last 64 KiB of each that runs and of the 8 that ended last", "{logs: [{browser, executable, running, reason, output, age_ms?, truncated?, failed?, ended_at?}]}",
     {{"browser", S, false, NULL, NULL, "only of this one"},
      {"failed", B, false, "false", NULL, "only of those that failed"}}},
    {"launcher.metrics", ROUTE_ACTOR, NAME_LAUNCHER, false, 30000,
     "Browser processes: counters since the start, what is left over, circuit breakers", "{launched, ended, closed, failed, crashed, killed, restarted, refused, keepers_lost, left_processes, left_directories, swept_directories, swept_processes, running, starting, queued, parallel, leftovers: {processes, directories}, breakers: [{executable, profile, state, failures, retry_in_ms, reason}], disk?: {temporary_bytes, profile_bytes}}",
     {{"disk", B, false, "false", NULL, "also measure the profiles of those that run"}}},
    {"ports.add", ROUTE_ACTOR, NAME_LAUNCHER, true, 30000,
     "Attach to a browser by its debugging port", "{browser, status: registered | unreachable | unauthorized | duplicate, port?, warning?}",
     {{"port", I | S, true, NULL, NULL, "port on loopback, \"HOST:PORT\", an http(s):// or ws(s):// URL, or \"unix:/path\""},
      {"as", S, false, NULL, NULL, "its id; default: the port, or r1, r2, …"},
      {"token_file", S, false, NULL, NULL, "file (mode 0600) with a token, sent as Authorization: Bearer; read anew for each connection"},
      {"ca_file", S, false, NULL, NULL, "PEM of the authorities to trust; default: the system's"},
      {"cert_file", S, false, NULL, NULL, "PEM of a client certificate and its chain"},
      {"key_file", S, false, NULL, NULL, "PEM of its key; default: in cert_file"},
      {"proxy", S, false, NULL, NULL, "URL of a proxy, or \"none\"; default: as the environment says, never for loopback"},
      {"headers", O, false, NULL, NULL, "further headers, {\"Name\": \"value\"}"}}},
    {"ports.remove", ROUTE_ACTOR, NAME_LAUNCHER, true, 30000,
     "Let go of an attached browser", "{closed, browser}",
     {{"port", I | S, true, NULL, NULL, "as given to ports.add, or its id"}}},
    {"ports.list", ROUTE_ACTOR, NAME_LAUNCHER, false, 30000,
     "Attached debugging ports", "{ports: [{port?, browser, endpoint, status: active | connecting | unreachable | unauthorized | closing, reason, since, attempts, last_error, next_ms?}]}", {{0}}},

    /* targets */
    {"pages", ROUTE_ACTOR, NAME_CONNECTIONS, false, 30000,
     "The pages of all browsers", "{pages: [{target, browser, type, title, url, state, connected, tracked, watched, auto_attached, epoch, chrome_id, reason?, context?, unresponsive?, dialog?, paused?}], epoch, warnings: […]}", {{0}}},
    {"connect", ROUTE_ACTOR, NAME_CONNECTIONS, true, 30000,
     "Connect to a target: from then on it is recorded and can be driven",
     "{connected, title, url, target, already_connected?}, of several {connected: […], warnings: […]}",
     {{"target", SA, true, NULL, NULL, "id, prefix, list of them, or \"*\": every page"}}},
    {"disconnect", ROUTE_ACTOR, NAME_CONNECTIONS, true, 30000,
     "Disconnect from targets", "{disconnected: […]}",
     {{"target", SA, false, NULL, NULL, "id, prefix, list of them, or \"*\"; default: all"}}},
    {"targets", ROUTE_ACTOR, NAME_CONNECTIONS, true, 30000,
     "The tracked targets: read (left out), set (list), clear ([])", "{tracked: […], connected: […], targets: […], urls: […], epoch, warnings: […]}",
     {{"targets", A, false, NULL, NULL, "ids or prefixes"}}},
    {"targets.set", ROUTE_ACTOR, NAME_CONNECTIONS, true, 30000,
     "Set the tracked targets", "{tracked: […], connected: […], targets: […], urls: […], epoch, warnings: […]}",
     {{"targets", A, true, NULL, NULL, "ids or prefixes"}}},
    {"targets.get", ROUTE_ACTOR, NAME_CONNECTIONS, false, 30000,
     "The tracked targets", "{tracked: […], connected: […], targets: […], urls: […], epoch, warnings: […]}", {{0}}},
    {"targets.clear", ROUTE_ACTOR, NAME_CONNECTIONS, true, 30000,
     "Track nothing in particular: all", "{tracked: […], connected: […], targets: […], urls: […], epoch, warnings: […]}", {{0}}},
    {"open", ROUTE_ACTOR, NAME_CONNECTIONS, true, 30000,
     "Open a page, and connect to it", "{url, frame_id, loader_id, error, target, connected, browser, title}",
     {{"url", S, true, NULL, NULL, "address to open"},
      {"browser", S, false, NULL, NULL, "in this one; default: the first, launched if there is none"},
      {"context", S, false, NULL, NULL, "in this browser context"},
      {"wait", S, false, "\"load\"", "none|load", "answer when the page has loaded, or at once"}}},
    {"watch", ROUTE_ACTOR, NAME_CONNECTIONS, true, 30000,
     "Keep targets connected whenever they are there", "{watching: {targets: […], urls: […]}, targets: […], warnings: […]}",
     {{"targets", SA, false, NULL, NULL, "id or prefix, or a list of them; what they open is watched too"},
      {"urls", SA, false, NULL, NULL, "part of an address (* and ? stand for anything), or a list of them; frames and workers come with their page"}}},
    {"unwatch", ROUTE_ACTOR, NAME_CONNECTIONS, true, 30000,
     "Watch no longer; what was connected for it is let go", "{watching: {targets: […], urls: […]}, targets: […], disconnected: […]}",
     {{"targets", SA, false, NULL, NULL, "id or prefix, or a list of them; without any param: everything"},
      {"urls", SA, false, NULL, NULL, "as given to watch"}}},
    {"contexts.create", ROUTE_ACTOR, NAME_CONNECTIONS, true, 60000,
     "Make a browser context: cookies, storage and cache of its own", "{context, browser}",
     {{"browser", S, false, NULL, NULL, "in this one; default: the first, launched if there is none"},
      {"proxy", S, false, NULL, NULL, "proxy of its pages, as Chromium's --proxy-server"},
      {"name", S, false, NULL, NULL, "its id will be BROWSER/NAME; default: c1, c2, …"}}},
    {"contexts.dispose", ROUTE_ACTOR, NAME_CONNECTIONS, true, 30000,
     "End a browser context; its pages are closed", "{context, disposed}",
     {{"context", S, true, NULL, NULL, "its id"}}},
    {"contexts.list", ROUTE_ACTOR, NAME_CONNECTIONS, false, 30000,
     "The browser contexts that were made here", "{contexts: [{context, browser, proxy, chrome_id, pages: […]}]}", {{0}}},
    {"close", ROUTE_ACTOR, NAME_CONNECTIONS, true, 30000,
     "Close a page", "{target, done}",
     {{"target", S, true, NULL, NULL, "id or prefix"}}},
    {"activate", ROUTE_ACTOR, NAME_CONNECTIONS, true, 30000,
     "Bring a page to the front", "{target, done}",
     {{"target", S, true, NULL, NULL, "id or prefix"}}},

    /* one target */
    {"navigate", ROUTE_TARGET, NULL, true, 30000,
     "Go to another address", "{url, frame_id, loader_id, error}",
     {{"url", S, true, NULL, NULL, "address to go to"}, ONE_TARGET,
      {"wait", S, false, "\"load\"", "none|load", "answer when the page has loaded, or at once"}}},
    {"reload", ROUTE_TARGET, NULL, true, 30000,
     "Reload the page", "{reloaded, ignore_cache}",
     {ONE_TARGET,
      {"ignore_cache", B, false, "false", NULL, "fetch everything anew"}}},
    {"page", ROUTE_TARGET, NULL, false, 30000,
     "Where the page is", "{url, title, id, target, type, state, epoch}", {ONE_TARGET}},
    {"js", ROUTE_TARGET, NULL, true, 30000,
     "Run JavaScript in the page", "{value, type, executed}",
     {{"code", S, true, NULL, NULL, "source text"}, ONE_TARGET,
      {"await_promise", B, false, "false", NULL, "if the value is a promise, wait for it"},
      {"return_value", B, false, "true", NULL, "false: do not answer the value"},
      {"persist", B, false, "false", NULL, "true: declarations stay in the page's scope"}}},
    {"cdp", ROUTE_TARGET, NULL, true, 30000,
     "Any command of the Chrome DevTools Protocol", "{result}",
     {{"command", S, true, NULL, NULL, "\"Domain.method\""},
      {"params", O, false, NULL, NULL, "its parameters"}, ONE_TARGET}},

    /* what was recorded */
    {"network", ROUTE_ACTOR, NAME_NETWORK, false, 30000,
     "Recorded requests, one row a hop", "{targets, requests: […], warnings: […]}",
     {{"limit", I, false, "50", NULL, "at most this many"},
      {"status", I, false, NULL, NULL, "HTTP status"},
      {"method", S, false, NULL, NULL, "HTTP method"},
      {"resource_type", S, false, NULL, NULL, "Document, Script, XHR, Fetch, WebSocket, …"},
      {"url", S, false, NULL, NULL, "pattern with *"},
      {"state", S, false, NULL, "pending|loading|complete|failed|paused|connecting|open|closed", "where it stands"},
      {"search", S, false, NULL, NULL, "text in headers, case ignored"},
      {"show_all", B, false, "false", NULL, "also what filters hide"},
      {"order", S, false, "\"desc\"", "asc|desc", "newest first, or oldest first"},
      SOME_TARGET,
      {"type", S, false, NULL, NULL, "same as resource_type"}}},
    {"request", ROUTE_ACTOR, NAME_NETWORK, false, 30000,
     "One request in detail", "{entry, resolution?}",
     {{"id", I, true, NULL, NULL, "id of its row"}, ONE_TARGET,
      {"fields", SA, false, NULL, NULL, "only these: \"request\", \"response.headers\", …"},
      {"body", B, false, "false", NULL, "with the body of the response"}}},
    {"body", ROUTE_ACTOR, NAME_NETWORK, false, 30000,
     "The body of a response", "{body, base64Encoded, …}",
     {{"id", I, true, NULL, NULL, "id of its row"}, ONE_TARGET}},
    {"clear", ROUTE_ACTOR, NAME_NETWORK, true, 30000,
     "Hide what was recorded until now, or delete it", "{cleared: […], purged}",
     {{"purge", B, false, "false", NULL, "delete instead of hide"}}},
    {"console", ROUTE_ACTOR, NAME_CONSOLE, false, 30000,
     "Recorded console messages and exceptions",
     "{targets, messages: [{id, level, source, message, timestamp, target}], warnings: […]}",
     {{"limit", I, false, "50", NULL, "at most this many"},
      {"level", S, false, NULL, "error|warning|info|log|debug|warn|verbose", "only these"},
      SOME_TARGET,
      {"order", S, false, "\"desc\"", "asc|desc", "newest first, or oldest first"}}},
    {"query.sql", ROUTE_ACTOR, NAME_QUERY, false, 30000,
     "Read-only SQL over the store", "{columns: […], rows: [[…]], truncated}",
     {{"sql", S, true, NULL, NULL, "one statement"},
      {"params", A, false, NULL, NULL, "values to bind, in order"},
      {"limit", I, false, NULL, NULL, "at most this many rows"}}},

    /* live */
    {"events.subscribe", ROUTE_CLIENT, NULL, false, 30000,
     "Have live events sent as notifications `event` {topic, data} (WebSocket only)",
     "{topics: […], targets: […]}",
     {{"topics", SA, true, NULL, NULL, "network, console, target"},
      {"targets", SA, false, NULL, NULL, "only of these: ids or prefixes"}}},
    {"events.unsubscribe", ROUTE_CLIENT, NULL, false, 30000,
     "End live events (WebSocket only)", "{topics: […]}",
     {{"topics", SA, false, NULL, NULL, "default: all"}}},
    {0},
};
/* clang-format on */

/* Members that every method accepts besides its own. */
static const method_param common_params[] = {
    {"timeout_ms", I, false, NULL, NULL, "deadline of this request"},
    {"epoch", I, false, NULL, NULL, "host epoch the caller knows; an old one is refused"},
    {"target_epoch", I, false, NULL, NULL, "epoch of the target; an old one is refused"},
    {0},
};

static const struct {
    unsigned bit;
    const char *name;
} type_names[] = {
    {S, "string"}, {I, "integer"}, {N, "number"}, {B, "boolean"}, {A, "array"}, {O, "object"},
};

#define TYPE_COUNT (sizeof type_names / sizeof type_names[0])

const rpc_method *method_find(const char *name, size_t len)
{
    for (const rpc_method *row = method_table; row->name != NULL; row++) {
        if (strlen(row->name) == len && memcmp(row->name, name, len) == 0) {
            return row;
        }
    }
    return NULL;
}

static const method_param *list_find(const method_param *list, const char *name)
{
    for (; list->name != NULL; list++) {
        if (strcmp(list->name, name) == 0) {
            return list;
        }
    }
    return NULL;
}

static const method_param *param_find(const rpc_method *method, const char *name)
{
    const method_param *found = list_find(method->params, name);
    return found != NULL ? found : list_find(common_params, name);
}

static size_t param_count(const rpc_method *method)
{
    size_t count = 0;
    while (method->params[count].name != NULL) {
        count++;
    }
    return count;
}

/* Levenshtein distance of two short words; words are cut to what fits. */
static size_t distance(const char *a, const char *b)
{
    enum { LONGEST = 40 };
    size_t row[LONGEST + 1];
    size_t a_len = strnlen(a, LONGEST);
    size_t b_len = strnlen(b, LONGEST);
    for (size_t j = 0; j <= b_len; j++) {
        row[j] = j;
    }
    for (size_t i = 1; i <= a_len; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b_len; j++) {
            size_t change = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            size_t least = row[j] < row[j - 1] ? row[j] + 1 : row[j - 1] + 1;
            row[j] = change < least ? change : least;
        }
    }
    return row[b_len];
}

static void nearest_in(const method_param *list, const char *name, const char **best, size_t *least)
{
    for (; list->name != NULL; list++) {
        size_t found = distance(name, list->name);
        if (found < *least) {
            *least = found;
            *best = list->name;
        }
    }
}

static troupe_error unknown_param(const rpc_method *method, const char *name, troupe_reason *reason)
{
    const char *best = "";
    size_t least = (size_t)-1;
    nearest_in(method->params, name, &best, &least);
    nearest_in(common_params, name, &best, &least);
    return troupe_fail(reason, TROUPE_EPARAMS,
                       "%s has no parameter \"%.40s\"; the nearest is \"%s\"", method->name, name,
                       best);
}

static unsigned type_of(const json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_STRING:
        return S;
    case JSON_INTEGER:
        return I | N;
    case JSON_REAL:
        return N;
    case JSON_TRUE:
    case JSON_FALSE:
        return B;
    case JSON_ARRAY:
        return A;
    case JSON_OBJECT:
        return O;
    default:
        return 0;
    }
}

static void types_text(unsigned types, char *out, size_t size)
{
    size_t used = 0;
    out[0] = '\0';
    for (size_t i = 0; i < TYPE_COUNT; i++) {
        if ((types & type_names[i].bit) != 0 && used < size) {
            int written = snprintf(out + used, size - used, "%s%s", used > 0 ? " or " : "",
                                   type_names[i].name);
            used += written > 0 ? (size_t)written : 0;
        }
    }
}

static bool chosen(const char *choices, const char *value)
{
    size_t len = strlen(value);
    for (const char *at = choices; at != NULL && *at != '\0';) {
        size_t word = strcspn(at, "|");
        if (word == len && memcmp(at, value, len) == 0) {
            return true;
        }
        at += word + (at[word] == '|');
    }
    return false;
}

static troupe_error check_value(const rpc_method *method, const method_param *param,
                                const json_t *value, troupe_reason *reason)
{
    if ((type_of(value) & param->types) == 0) {
        char types[80];
        types_text(param->types, types, sizeof types);
        return troupe_fail(reason, TROUPE_EPARAMS, "%s: \"%s\" must be %s", method->name,
                           param->name, types);
    }
    if (param->choices != NULL && !chosen(param->choices, json_string_value(value))) {
        return troupe_fail(reason, TROUPE_EPARAMS, "%s: \"%s\" must be one of %s", method->name,
                           param->name, param->choices);
    }
    if (strcmp(param->name, "timeout_ms") == 0 &&
        (json_integer_value(value) < 1 || json_integer_value(value) > METHOD_TIMEOUT_MAX_MS)) {
        return troupe_fail(reason, TROUPE_EPARAMS, "%s: \"timeout_ms\" must be 1 to %u",
                           method->name, METHOD_TIMEOUT_MAX_MS);
    }
    return TROUPE_OK;
}

static troupe_error take_named(const rpc_method *method, const json_t *params, json_t *out,
                               troupe_reason *reason)
{
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)params, name, value)
    {
        const method_param *param = param_find(method, name);
        if (param == NULL) {
            return unknown_param(method, name, reason);
        }
        if (json_is_null(value)) {
            continue;
        }
        troupe_error error = check_value(method, param, value, reason);
        if (error != TROUPE_OK) {
            return error;
        }
        if (json_object_set_nocheck(out, name, value) != 0) {
            return TROUPE_ENOMEM;
        }
    }
    return TROUPE_OK;
}

static troupe_error take_positions(const rpc_method *method, const json_t *params, json_t *out,
                                   troupe_reason *reason)
{
    size_t count = json_array_size(params);
    if (count > param_count(method)) {
        return troupe_fail(reason, TROUPE_EPARAMS, "%s takes at most %zu parameters by position",
                           method->name, param_count(method));
    }
    for (size_t i = 0; i < count; i++) {
        json_t *value = json_array_get(params, i);
        if (json_is_null(value)) {
            continue;
        }
        troupe_error error = check_value(method, &method->params[i], value, reason);
        if (error != TROUPE_OK) {
            return error;
        }
        if (json_object_set_nocheck(out, method->params[i].name, value) != 0) {
            return TROUPE_ENOMEM;
        }
    }
    return TROUPE_OK;
}

static troupe_error check_required(const rpc_method *method, const json_t *params,
                                   troupe_reason *reason)
{
    for (const method_param *param = method->params; param->name != NULL; param++) {
        if (param->required && json_object_get(params, param->name) == NULL) {
            return troupe_fail(reason, TROUPE_EPARAMS, "%s needs \"%s\"", method->name,
                               param->name);
        }
    }
    return TROUPE_OK;
}

troupe_error method_params(const rpc_method *method, const json_t *params, json_t **out,
                           troupe_reason *reason)
{
    json_t *named = json_object();
    if (named == NULL) {
        return TROUPE_ENOMEM;
    }
    troupe_error error = TROUPE_OK;
    if (json_is_array(params)) {
        error = take_positions(method, params, named, reason);
    } else if (params != NULL) {
        error = take_named(method, params, named, reason);
    }
    if (error == TROUPE_OK) {
        error = check_required(method, named, reason);
    }
    if (error != TROUPE_OK) {
        json_decref(named);
        return error;
    }
    *out = named;
    return TROUPE_OK;
}

uint32_t method_timeout_ms(const rpc_method *method, const json_t *params)
{
    const json_t *given = json_object_get(params, "timeout_ms");
    if (given != NULL) {
        return (uint32_t)json_integer_value(given);
    }
    return method->timeout_ms;
}

static json_t *describe_types(unsigned types)
{
    json_t *list = json_array();
    for (size_t i = 0; i < TYPE_COUNT; i++) {
        if ((types & type_names[i].bit) != 0) {
            json_array_append_new(list, json_string(type_names[i].name));
        }
    }
    if (json_array_size(list) == 1) {
        json_t *only = json_incref(json_array_get(list, 0));
        json_decref(list);
        return only;
    }
    return list;
}

static json_t *describe_choices(const char *choices)
{
    json_t *list = json_array();
    for (const char *at = choices; *at != '\0';) {
        size_t word = strcspn(at, "|");
        json_array_append_new(list, json_stringn(at, word));
        at += word + (at[word] == '|');
    }
    return list;
}

static void describe_param(json_t *properties, const method_param *param)
{
    json_t *schema = json_object();
    json_object_set_new(schema, "type", describe_types(param->types));
    if (param->choices != NULL) {
        json_object_set_new(schema, "enum", describe_choices(param->choices));
    }
    if (param->fallback != NULL) {
        json_object_set_new(schema, "default", json_loads(param->fallback, JSON_DECODE_ANY, NULL));
    }
    json_object_set_new(schema, "description", json_string(param->doc));
    json_object_set_new(properties, param->name, schema);
}

static json_t *describe_schema(const rpc_method *row, json_t *positions)
{
    json_t *properties = json_object();
    json_t *required = json_array();
    for (const method_param *param = row->params; param->name != NULL; param++) {
        describe_param(properties, param);
        json_array_append_new(positions, json_string(param->name));
        if (param->required) {
            json_array_append_new(required, json_string(param->name));
        }
    }
    for (const method_param *param = common_params; param->name != NULL; param++) {
        describe_param(properties, param);
    }
    return json_pack("{s:s, s:o, s:o, s:b}", "type", "object", "properties", properties, "required",
                     required, "additionalProperties", 0);
}

static const char *owner_text(const rpc_method *row)
{
    switch (row->route) {
    case ROUTE_ACTOR:
        return row->owner;
    case ROUTE_TARGET:
        return "target";
    case ROUTE_NAMED:
        return "any";
    case ROUTE_CLIENT:
        return "client";
    default:
        return "bridge";
    }
}

static json_t *describe_method(const rpc_method *row)
{
    json_t *positions = json_array();
    json_t *schema = describe_schema(row, positions);
    return json_pack("{s:s, s:s, s:s, s:b, s:b, s:I, s:o, s:o, s:s}", "name", row->name, "summary",
                     row->doc, "owner", owner_text(row), "mutates", (int)row->mutates, "websocket",
                     (int)(row->route == ROUTE_CLIENT), "timeout_ms", (json_int_t)row->timeout_ms,
                     "positions", positions, "params", schema, "result", row->result);
}

static json_t *describe_errors(void)
{
    json_t *list = json_array();
#define DESCRIBE_ERROR(symbol, value, name, rpc, text)                                          \
    if ((value) != 0) {                                                                         \
        json_array_append_new(                                                                  \
            list, json_pack("{s:i, s:s, s:s}", "code", (rpc), "name", (name), "text", (text))); \
    }
    TROUPE_ERRORS(DESCRIBE_ERROR)
#undef DESCRIBE_ERROR
    return list;
}

json_t *method_describe(const char *name)
{
    json_t *list = json_array();
    for (const rpc_method *row = method_table; row->name != NULL; row++) {
        if (name == NULL || strcmp(name, row->name) == 0) {
            json_array_append_new(list, describe_method(row));
        }
    }
    if (name != NULL && json_array_size(list) == 0) {
        json_decref(list);
        return NULL;
    }
    return json_pack("{s:o, s:o}", "methods", list, "errors", describe_errors());
}
