/* SPDX-License-Identifier: MIT */
/* Chrome's discovery endpoints and WebSocket paths. */
#include "discovery.h"

#include "actors/json_call.h"
#include "actors/verbs.h"
#include "cdp_peer.h"
#include "http.h"
#include "rpc.h"
#include "ws.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define JSON_TYPE "application/json; charset=UTF-8"
#define JSON_SAFE "Content-Security-Policy: frame-ancestors 'none'\r\n"

/* One request. */
typedef struct visit {
    bridge *server;
    troupe_guest *guest;
    struct mg_connection *conn;
    char browser[CDP_BROWSER_MAX]; /* that it names; "" = none */
    const char *base;              /* "" or "/b/BROWSER", as it stands in the path */
    int base_len;
    const char *rest; /* the path behind that */
} visit;

/* Answers ----------------------------------------------------------------------------------- */

static int send(const visit *what, int status, const char *text)
{
    http_reply reply = {.status = status,
                        .type = JSON_TYPE,
                        .headers = JSON_SAFE,
                        .body = text,
                        .len = strlen(text)};
    return http_send_reply(what->conn, &reply);
}

/* value: taken. */
static int send_json(const visit *what, json_t *value)
{
    char *text = json_dumps(value, JSON_INDENT(3));
    json_decref(value);
    int status = text != NULL ? send(what, 200, text) : send(what, 500, "out of memory");
    free(text);
    return status;
}

static int send_unknown(const visit *what, const char *kind, const char *name)
{
    char text[200];
    snprintf(text, sizeof text, "%s: %.120s", kind, name);
    return send(what, 404, text);
}

static int send_no_target(const visit *what, const char *id)
{
    return send_unknown(what, "No such target id", id);
}

/* Asking ------------------------------------------------------------------------------------ */

/* The result of an RPC method, of which the reference is new; NULL: it failed. params: taken. */
static json_t *ask(const visit *what, const char *method, json_t *params)
{
    json_t *answer = rpc_ask(what->server, what->guest,
                             mg_get_request_info(what->conn)->remote_addr, method, params);
    json_t *result = json_incref(json_object_get(answer, "result"));
    json_decref(answer);
    return result;
}

/* A command of the browser itself. */
static json_t *ask_browser(const visit *what, const char *browser, const char *method)
{
    troupe_buffer payload = {0};
    troupe_answer answer = {0};
    troupe_pack(&payload, "[s,n,n]", method);
    troupe_error error = troupe_guest_call(what->guest, cdp_browser(what->server->system, browser),
                                           VERB_BROWSER_COMMAND, NULL,
                                           troupe_buffer_bytes(&payload), 10000, &answer);
    json_t *result = error == TROUPE_OK ? json_payload(answer.payload) : NULL;
    troupe_answer_fini(&answer);
    troupe_buffer_fini(&payload);
    return result;
}

static bool is_up(const json_t *browser, const char *wanted)
{
    const char *id = json_string_value(json_object_get(browser, "browser"));
    const char *state = json_string_value(json_object_get(browser, "state"));
    return id != NULL && state != NULL && strcmp(state, "up") == 0 &&
           (*wanted == '\0' || strcmp(id, wanted) == 0);
}

/* The first browser that is up, or the one that is named. */
static bool find_browser(const visit *what, const char *wanted, char *out)
{
    size_t i;
    json_t *one;
    bool found = false;
    json_t *result = ask(what, "browsers.list", json_object());
    json_array_foreach(json_object_get(result, "browsers"), i, one)
    {
        if (!found && is_up(one, wanted)) {
            snprintf(out, CDP_BROWSER_MAX, "%s",
                     json_string_value(json_object_get(one, "browser")));
            found = true;
        }
    }
    json_decref(result);
    return found;
}

/* The same; where none is named and none is there, one is launched. */
static bool choose_browser(const visit *what, const char *wanted, char *out)
{
    if (find_browser(what, wanted, out)) {
        return true;
    }
    if (*wanted == '\0') {
        json_decref(ask(what, "browsers.launch", json_object()));
    }
    return *wanted == '\0' && find_browser(what, wanted, out);
}

static bool is_listed(const json_t *target)
{
    static const char *const hidden[] = {"browser", "tab", "browser_ui"};
    const char *type = json_string_value(json_object_get(target, "type"));
    for (size_t i = 0; type != NULL && i < sizeof hidden / sizeof *hidden; i++) {
        if (strcmp(type, hidden[i]) == 0) {
            return false;
        }
    }
    return type != NULL;
}

static const char *text_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text != NULL ? text : "";
}

/* All targets of the browser that is named, or of all. New reference to a list. */
static json_t *list_targets(const visit *what)
{
    size_t i;
    json_t *one;
    json_t *list = json_array();
    json_t *result = ask(what, "targets", json_object());
    json_array_foreach(json_object_get(result, "targets"), i, one)
    {
        if (is_listed(one) &&
            (what->browser[0] == '\0' || strcmp(text_of(one, "browser"), what->browser) == 0)) {
            json_array_append(list, one);
        }
    }
    json_decref(result);
    return list;
}

/* The one whose member is that text. New reference; NULL: there is none. */
static json_t *find_target(const visit *what, const char *member, const char *wanted)
{
    size_t i;
    json_t *one;
    json_t *found = NULL;
    json_t *list = list_targets(what);
    json_array_foreach(list, i, one)
    {
        if (found == NULL && *wanted != '\0' && strcmp(text_of(one, member), wanted) == 0) {
            found = json_incref(one);
        }
    }
    json_decref(list);
    return found;
}

/* /json ------------------------------------------------------------------------------------- */

/* "ws://HOST/b/p1/devtools/KIND/ID": as the client reaches us. */
static json_t *socket_url(const visit *what, const char *kind, const char *id)
{
    const char *host = http_header(what->conn, "Host", NULL);
    return json_sprintf("ws%s://%s%.*s/devtools/%s/%s", what->server->auth.tls ? "s" : "",
                        host != NULL ? host : "localhost", what->base_len, what->base, kind, id);
}

static json_t *entry_of(const visit *what, const json_t *target)
{
    const char *id = text_of(target, "chrome_id");
    const char *host = http_header(what->conn, "Host", NULL);
    return json_pack(
        "{s:s, s:o, s:s, s:s, s:s, s:s, s:o}", "description", "", "devtoolsFrontendUrl",
        json_sprintf("/devtools/inspector.html?ws=%s%.*s/devtools/page/%s",
                     host != NULL ? host : "localhost", what->base_len, what->base, id),
        "id", id, "title", text_of(target, "title"), "type", text_of(target, "type"), "url",
        text_of(target, "url"), "webSocketDebuggerUrl", socket_url(what, "page", id));
}

static int json_version(const visit *what, const char *rest)
{
    char browser[CDP_BROWSER_MAX];
    (void)rest;
    if (!choose_browser(what, what->browser, browser)) {
        return what->browser[0] != '\0' ? send_unknown(what, "No such browser", what->browser)
                                        : send(what, 503, "no browser could be launched");
    }
    json_t *version = ask_browser(what, browser, "Browser.getVersion");
    if (version == NULL) {
        return send(what, 503, "the browser does not answer");
    }
    const char *revision = text_of(version, "revision");
    json_t *answer = json_pack(
        "{s:s, s:s, s:s, s:s, s:s, s:o, s:o}", "Browser", text_of(version, "product"),
        "File-Path-Style", "posix", "Protocol-Version", text_of(version, "protocolVersion"),
        "User-Agent", text_of(version, "userAgent"), "V8-Version", text_of(version, "jsVersion"),
        "WebKit-Version", json_sprintf("537.36 (%s)", revision), "webSocketDebuggerUrl",
        socket_url(what, "browser", browser));
    json_decref(version);
    return send_json(what, answer);
}

static int json_list(const visit *what, const char *rest)
{
    size_t i;
    json_t *one;
    json_t *answer = json_array();
    json_decref(ask(what, "pages", json_object())); /* has Chrome tell how they are called now */
    json_t *list = list_targets(what);
    (void)rest;
    json_array_foreach(list, i, one)
    {
        json_array_append_new(answer, entry_of(what, one));
    }
    json_decref(list);
    return send_json(what, answer);
}

static int json_new(const visit *what, const char *rest)
{
    const struct mg_request_info *info = mg_get_request_info(what->conn);
    const char *query = info->query_string;
    char url[8192] = "about:blank";
    (void)rest;
    if (strcmp(info->request_method, "PUT") != 0) {
        char text[160];
        snprintf(text, sizeof text,
                 "Using unsafe HTTP verb %.16s to invoke /json/new. This action supports only PUT "
                 "verb.",
                 info->request_method);
        return send(what, 405, text);
    }
    if (query != NULL && *query != '\0') {
        (void)mg_url_decode(query, (int)strlen(query), url, sizeof url, 0);
    }
    json_t *params = json_pack("{s:s, s:s}", "url", url, "wait", "none");
    if (what->browser[0] != '\0') {
        json_object_set_new(params, "browser", json_string(what->browser));
    }
    json_t *made = ask(what, "open", params);
    json_t *target = find_target(what, "target", text_of(made, "target"));
    int status = target != NULL ? send_json(what, entry_of(what, target))
                                : send(what, 500, "Could not create new page");
    json_decref(target);
    json_decref(made);
    return status;
}

/* A method of the target whose id the path ends with. */
static int json_act(const visit *what, const char *id, const char *method, const char *done)
{
    json_t *target = find_target(what, "chrome_id", id);
    if (target == NULL) {
        return send_no_target(what, id);
    }
    json_t *result = ask(what, method, json_pack("{s:s}", "target", text_of(target, "target")));
    int status = result != NULL ? send(what, 200, done) : send(what, 500, "Could not do that");
    json_decref(result);
    json_decref(target);
    return status;
}

static int json_activate(const visit *what, const char *rest)
{
    return json_act(what, rest, "activate", "Target activated");
}

static int json_close(const visit *what, const char *rest)
{
    return json_act(what, rest, "close", "Target is closing");
}

/* below: an id follows. */
static const struct {
    const char *name;
    bool below;
    int (*answer)(const visit *what, const char *rest);
} commands[] = {
    {"version", false, json_version},   {"list", false, json_list},   {"new", false, json_new},
    {"activate/", true, json_activate}, {"close/", true, json_close},
};

/* rest: behind "/json". */
static int serve_json(const visit *what, const char *rest)
{
    if (*rest == '\0') {
        return json_list(what, rest);
    }
    rest++;
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        size_t len = strlen(commands[i].name);
        const char *left = rest + len;
        if (strncmp(rest, commands[i].name, len) == 0 &&
            (commands[i].below || strcmp(left, "") == 0 || strcmp(left, "/") == 0)) {
            return commands[i].answer(what, left);
        }
    }
    return send_unknown(what, "Unknown command", rest);
}

/* /devtools --------------------------------------------------------------------------------- */

/* The id, up to the next slash: Chrome takes what follows too. */
static void first_part(const char *text, char *out, size_t size)
{
    size_t len = strcspn(text, "/");
    snprintf(out, size, "%.*s", (int)(len < size ? len : size - 1), text);
}

static int drive_browser(const visit *what, const char *rest)
{
    char wanted[CDP_BROWSER_MAX];
    cdp_spec spec = {{0}, {0}};
    first_part(rest, wanted, sizeof wanted);
    bool other =
        what->browser[0] != '\0' && wanted[0] != '\0' && strcmp(what->browser, wanted) != 0;
    if (other || !choose_browser(what, wanted[0] != '\0' ? wanted : what->browser, spec.browser)) {
        return send_unknown(what, "No such browser", wanted[0] != '\0' ? wanted : what->browser);
    }
    return ws_upgrade(what->server, what->conn, &spec);
}

static int drive_page(const visit *what, const char *rest)
{
    cdp_spec spec = {{0}, {0}};
    first_part(rest, spec.page, sizeof spec.page);
    json_t *target = find_target(what, "chrome_id", spec.page);
    if (target == NULL) {
        char text[160];
        snprintf(text, sizeof text, "No such target id: %.100s", spec.page);
        return send(what, 500, text);
    }
    snprintf(spec.browser, sizeof spec.browser, "%s", text_of(target, "browser"));
    json_decref(target);
    return ws_upgrade(what->server, what->conn, &spec);
}

/* Dispatch ---------------------------------------------------------------------------------- */

/* Which browser is meant, and what path is left. */
static void read_path(visit *what)
{
    const struct mg_request_info *info = mg_get_request_info(what->conn);
    const char *path = info->local_uri;
    const char *query = info->query_string;
    what->base = "";
    what->rest = path;
    if (strncmp(path, "/b/", 3) == 0) {
        first_part(path + 3, what->browser, sizeof what->browser);
        what->base = path;
        what->base_len = 3 + (int)strcspn(path + 3, "/");
        what->rest = path + what->base_len;
    } else if (query != NULL) {
        (void)mg_get_var(query, strlen(query), "browser", what->browser, sizeof what->browser);
    }
}

int discovery_serve(bridge *server, troupe_guest *guest, struct mg_connection *conn)
{
    visit what = {.server = server, .guest = guest, .conn = conn};
    read_path(&what);
    if (strcmp(what.rest, "/json") == 0 || strncmp(what.rest, "/json/", 6) == 0) {
        return serve_json(&what, what.rest + strlen("/json"));
    }
    if (strcmp(what.rest, "/devtools/browser") == 0 ||
        strncmp(what.rest, "/devtools/browser/", 18) == 0) {
        const char *rest = what.rest + strlen("/devtools/browser");
        return drive_browser(&what, *rest == '/' ? rest + 1 : rest);
    }
    if (strncmp(what.rest, "/devtools/page/", 15) == 0) {
        return drive_page(&what, what.rest + strlen("/devtools/page/"));
    }
    return send_unknown(&what, "Unknown path", what.rest);
}
