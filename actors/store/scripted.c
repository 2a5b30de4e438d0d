/* SPDX-License-Identifier: MIT */
/* A recorded browser as a client of the DevTools protocol meets it. */
#include "scripted.h"

#include "actors/json_call.h"

#include <stdlib.h>
#include <string.h>

#define SERVER_ERROR    (-32000)
#define NOT_IN_RECORD   (-32601)
#define INVALID_REQUEST (-32600)

#define EVENTS "SELECT session,target,method,params FROM event WHERE uid=?1"

struct scripted {
    sqlite3 *db;
    scripted_send_fn send;
    void *context;
    char *uid;
    char *product;
    json_t *sessions;   /* id -> {waits, gone, DOMAIN: true}; "": the browser's own */
    sqlite3_stmt *play; /* of all, in one order; NULL: not begun */
    bool blocked;       /* its row is still to be sent */
    bool over;          /* all was sent */
    char *page;         /* scripted_attach: the session that commands without one mean */
    bool ended;
};

/* Sending ----------------------------------------------------------------------------------- */

static void send_json(scripted *script, json_t *message)
{
    char *text = json_dumps(message, JSON_COMPACT);
    if (text != NULL) {
        script->send(script->context, text, strlen(text));
    }
    free(text);
    json_decref(message);
}

/* Whether the client names that session; the one it is attached to is not named. */
static bool is_named(const scripted *script, const char *session)
{
    return *session != '\0' && (script->page == NULL || strcmp(script->page, session) != 0);
}

static void send_event(scripted *script, const char *session, const char *method,
                       const char *params)
{
    troupe_buffer text = {0};
    (void)troupe_buffer_printf(&text, "{\"method\":\"%s\",\"params\":%s", method,
                               params != NULL ? params : "{}");
    if (is_named(script, session)) {
        (void)troupe_buffer_printf(&text, ",\"sessionId\":\"%s\"", session);
    }
    (void)troupe_buffer_append(&text, "}", 1);
    if (!text.failed) {
        script->send(script->context, (const char *)text.data, text.len);
    }
    troupe_buffer_fini(&text);
}

/* The record ---------------------------------------------------------------------------------- */

/* A statement with up to two texts bound; NULL: the database fails. */
static sqlite3_stmt *ask(const scripted *script, const char *sql, const char *first,
                         const char *second)
{
    sqlite3_stmt *statement = NULL;
    if (sqlite3_prepare_v2(script->db, sql, -1, &statement, NULL) != SQLITE_OK) {
        return NULL;
    }
    const char *values[] = {first, second};
    for (int i = 0; i < sqlite3_bind_parameter_count(statement) && i < 2; i++) {
        sqlite3_bind_text(statement, i + 1, values[i], -1, SQLITE_TRANSIENT);
    }
    return statement;
}

static const char *column(sqlite3_stmt *row, int at)
{
    const char *text = (const char *)sqlite3_column_text(row, at);
    return text != NULL ? text : "";
}

/* Its first value as text, to be freed; NULL: there is no row. */
static char *first_text(const scripted *script, const char *sql, const char *first,
                        const char *second)
{
    sqlite3_stmt *row = ask(script, sql, first, second);
    char *text = row != NULL && sqlite3_step(row) == SQLITE_ROW ? strdup(column(row, 0)) : NULL;
    sqlite3_finalize(row);
    return text;
}

/* Sessions ---------------------------------------------------------------------------------- */

static json_t *session_of(const scripted *script, const char *id)
{
    return json_object_get(script->sessions, id);
}

static bool has(const scripted *script, const char *session, const char *what)
{
    return json_is_true(json_object_get(session_of(script, session), what));
}

static void set(scripted *script, const char *session, const char *what, bool value)
{
    json_t *state = session_of(script, session);
    if (state == NULL) {
        state = json_object();
        json_object_set_new(script->sessions, session, state);
    }
    json_object_set_new(state, what, json_boolean(value));
}

static bool is_method(const char *method, const char *name)
{
    return strcmp(method, name) == 0;
}

/* "Network" of "Network.enable". */
static void domain_of(const char *method, char *out, size_t size)
{
    size_t len = strcspn(method, ".");
    len = len < size ? len : size - 1;
    memcpy(out, method, len);
    out[len] = '\0';
}

/* Target.* events say what sessions there are; they come without being enabled. */
static bool is_wanted(const scripted *script, const char *session, const char *method)
{
    char domain[40];
    domain_of(method, domain, sizeof domain);
    if (is_method(method, "Page.lifecycleEvent") && !has(script, session, "lifecycle")) {
        return false;
    }
    if (strcmp(domain, "Target") != 0) {
        return *session == '\0' || strcmp(domain, "Inspector") == 0 || has(script, session, domain);
    }
    bool discovers = *session == '\0' && strncmp(method, "Target.target", 13) == 0;
    return has(script, session, discovers ? "discovers" : "attaches");
}

/* Playing ----------------------------------------------------------------------------------- */

static char *session_in(const char *params)
{
    json_t *object = json_loads(params, 0, NULL);
    const char *id = json_string_value(json_object_get(object, "sessionId"));
    char *copy = id != NULL ? strdup(id) : NULL;
    json_decref(object);
    return copy;
}

/* A session begins or ends with this event. */
static void note_session(scripted *script, const char *method, const char *params)
{
    bool begins = is_method(method, "Target.attachedToTarget");
    if (begins || is_method(method, "Target.detachedFromTarget")) {
        char *id = session_in(params);
        if (id != NULL) {
            set(script, id, begins ? "waits" : "gone", true);
        }
        free(id);
    }
}

/* Send the row's event if the client is to have it. False: its session waits. */
static bool play_row(scripted *script, sqlite3_stmt *row)
{
    const char *session = column(row, 0);
    const char *method = column(row, 2);
    if (*session != '\0' && (session_of(script, session) == NULL || has(script, session, "gone"))) {
        return true; /* the client knows no such session */
    }
    if (*session != '\0' && has(script, session, "waits")) {
        return false;
    }
    if (is_wanted(script, session, method)) {
        send_event(script, session, method, column(row, 3));
        note_session(script, method, column(row, 3));
    }
    return true;
}

/* All of the record, from where it stands to where somebody is waited for. */
static void play_on(scripted *script)
{
    while (script->play != NULL && !script->over) {
        if (!script->blocked && sqlite3_step(script->play) != SQLITE_ROW) {
            script->over = true; /* a further step would begin anew */
            return;
        }
        script->blocked = !play_row(script, script->play);
        if (script->blocked) {
            return;
        }
    }
}

/* One session's part of it, at once: its client attached to it by itself. */
static void play_session(scripted *script, const char *session)
{
    sqlite3_stmt *row = ask(script, EVENTS " AND session=?2 ORDER BY id", script->uid, session);
    while (row != NULL && sqlite3_step(row) == SQLITE_ROW) {
        (void)play_row(script, row);
    }
    sqlite3_finalize(row);
}

/* Targets ----------------------------------------------------------------------------------- */

static json_t *target_info(sqlite3_stmt *row)
{
    return json_pack("{s:s,s:s,s:s,s:s,s:b,s:b}", "targetId", column(row, 0), "type",
                     column(row, 1), "title", column(row, 2), "url", column(row, 3), "attached", 1,
                     "canAccessOpener", 0);
}

json_t *scripted_targets(scripted *script)
{
    json_t *list = json_array();
    sqlite3_stmt *row = ask(script,
                            "SELECT chrome_id,type,title,url FROM target WHERE uid=?1 AND"
                            " chrome_id IS NOT NULL ORDER BY first_us",
                            script->uid, NULL);
    while (row != NULL && sqlite3_step(row) == SQLITE_ROW) {
        json_array_append_new(list, target_info(row));
    }
    sqlite3_finalize(row);
    return list;
}

/* The session that a page had in the record, to be freed. */
static char *recorded_session(const scripted *script, const char *chrome_id)
{
    return first_text(script,
                      "SELECT session FROM event WHERE uid=?1 AND session<>'' AND target=(SELECT"
                      " target FROM target WHERE uid=?1 AND chrome_id=?2) ORDER BY id LIMIT 1",
                      script->uid, chrome_id);
}

/* Pages of a HAR: nothing of the browser's own is recorded of them. */
static void announce_imported(scripted *script)
{
    size_t i;
    json_t *info;
    json_t *targets = scripted_targets(script);
    char *told = first_text(script, "SELECT 1 FROM event WHERE uid=?1 AND session='' LIMIT 1",
                            script->uid, NULL);
    json_array_foreach(targets, i, info)
    {
        char *session =
            told == NULL
                ? recorded_session(script, json_string_value(json_object_get(info, "targetId")))
                : NULL;
        if (session != NULL) {
            send_json(script, json_pack("{s:s,s:{s:s,s:O,s:b}}", "method",
                                        "Target.attachedToTarget", "params", "sessionId", session,
                                        "targetInfo", info, "waitingForDebugger", 1));
            set(script, session, "waits", true);
        }
        free(session);
    }
    free(told);
    json_decref(targets);
}

/* Commands ---------------------------------------------------------------------------------- */

/* What a command is: the session it is about is never NULL. */
typedef struct command {
    scripted *script;
    json_int_t id;
    const char *method;
    const char *session;
    json_t *params;
} command;

static void answer(const command *one, json_t *result)
{
    json_t *message = json_pack("{s:I,s:o}", "id", one->id, "result", result);
    if (is_named(one->script, one->session)) {
        json_object_set_new(message, "sessionId", json_string(one->session));
    }
    send_json(one->script, message);
}

static void refuse(const command *one, int code, const char *text, const char *what)
{
    json_t *message = json_pack("{s:I,s:{s:i,s:o}}", "id", one->id, "error", "code", code,
                                "message", json_sprintf("%s%s", what, text));
    if (is_named(one->script, one->session)) {
        json_object_set_new(message, "sessionId", json_string(one->session));
    }
    send_json(one->script, message);
}

static const char *param(const command *one, const char *name)
{
    return json_string_value(json_object_get(one->params, name));
}

/* {name: text, base64Encoded}; NULL: it is not in the record. */
static json_t *content_of(sqlite3_stmt *row, const char *name)
{
    int type = sqlite3_column_type(row, 0);
    int len = sqlite3_column_bytes(row, 0);
    if (type == SQLITE_NULL) {
        return NULL;
    }
    bool binary = type == SQLITE_BLOB;
    json_t *value = binary ? json_base64(sqlite3_column_blob(row, 0), (size_t)len)
                           : json_stringn(column(row, 0), (size_t)len);
    return json_pack("{s:o,s:b}", name, value != NULL ? value : json_string(""), "base64Encoded",
                     binary);
}

static void run_content(const command *one, const char *sql, const char *name, const char *lacks)
{
    const char *id = param(one, "requestId");
    sqlite3_stmt *row = ask(one->script, sql, one->script->uid, id != NULL ? id : "");
    json_t *result = row != NULL && sqlite3_step(row) == SQLITE_ROW ? content_of(row, name) : NULL;
    sqlite3_finalize(row);
    if (result != NULL) {
        answer(one, result);
    } else {
        refuse(one, SERVER_ERROR, lacks, "");
    }
}

static void run_body(const command *one)
{
    run_content(one,
                "SELECT c.content FROM request r JOIN body_content c ON c.request=r.id"
                " WHERE r.uid=?1 AND r.request_id=?2 ORDER BY r.hop DESC LIMIT 1",
                "body", "No data found for resource with given identifier");
}

static void run_post_data(const command *one)
{
    run_content(one,
                "SELECT post_data FROM request WHERE uid=?1 AND request_id=?2"
                " ORDER BY hop DESC LIMIT 1",
                "postData", "No post data available for the request");
}

static void run_version(const command *one)
{
    json_t *version = scripted_version(one->script);
    answer(one, json_pack("{s:O,s:O,s:s,s:O,s:O}", "protocolVersion",
                          json_object_get(version, "Protocol-Version"), "product",
                          json_object_get(version, "Browser"), "revision", "", "userAgent",
                          json_object_get(version, "User-Agent"), "jsVersion",
                          json_object_get(version, "V8-Version")));
    json_decref(version);
}

static void run_targets(const command *one)
{
    answer(one, json_pack("{s:o}", "targetInfos", scripted_targets(one->script)));
}

static void run_discover(const command *one)
{
    set(one->script, "", "discovers", json_is_true(json_object_get(one->params, "discover")));
    answer(one, json_object());
}

static void run_auto_attach(const command *one)
{
    scripted *script = one->script;
    set(script, one->session, "attaches", json_is_true(json_object_get(one->params, "autoAttach")));
    answer(one, json_object());
    if (*one->session == '\0' && script->play == NULL && has(script, "", "attaches")) {
        announce_imported(script);
        script->play = ask(script, EVENTS " ORDER BY id", script->uid, NULL);
    }
}

static void run_attach(const command *one)
{
    const char *target = param(one, "targetId");
    char *session = target != NULL ? recorded_session(one->script, target) : NULL;
    if (session == NULL) {
        refuse(one, SERVER_ERROR, "No target with given id found", "");
        return;
    }
    set(one->script, session, "waits", true);
    set(one->script, session, "gone", false);
    answer(one, json_pack("{s:s}", "sessionId", session));
    free(session);
}

static void run_detach(const command *one)
{
    const char *session = param(one, "sessionId");
    if (session != NULL && session_of(one->script, session) != NULL) {
        set(one->script, session, "gone", true);
    }
    answer(one, json_object());
}

/* Where the page went first; {} if that is not in the record. */
static json_t *first_frame(const command *one)
{
    char *params = first_text(one->script,
                              "SELECT params FROM event WHERE uid=?1 AND session=?2 AND"
                              " method='Page.frameNavigated' ORDER BY id LIMIT 1",
                              one->script->uid, one->session);
    json_t *object = params != NULL ? json_loads(params, 0, NULL) : NULL;
    json_t *frame = json_object_get(object, "frame");
    frame = frame != NULL ? json_incref(frame) : json_object();
    json_decref(object);
    free(params);
    return frame;
}

static void run_frame_tree(const command *one)
{
    answer(one, json_pack("{s:{s:o,s:[]}}", "frameTree", "frame", first_frame(one), "childFrames"));
}

/* The page is let go. */
static void release(const command *one)
{
    scripted *script = one->script;
    if (!has(script, one->session, "waits")) {
        return;
    }
    set(script, one->session, "waits", false);
    if (script->play == NULL) {
        play_session(script, one->session);
    }
}

static void run_go(const command *one)
{
    answer(one, json_object());
    release(one);
}

static void run_navigate(const command *one)
{
    json_t *frame = first_frame(one);
    answer(one, json_pack("{s:O*,s:O*}", "frameId", json_object_get(frame, "id"), "loaderId",
                          json_object_get(frame, "loaderId")));
    json_decref(frame);
    release(one);
}

static void run_script_to_evaluate(const command *one)
{
    answer(one, json_pack("{s:s}", "identifier", "1"));
}

static void run_close(const command *one)
{
    one->script->ended = true;
    answer(one, json_object());
}

/* Settings change nothing that is recorded. */
static bool is_setting(const char *method)
{
    static const char *const beginnings[] = {"set", "enable", "disable", "clear",
                                             "add", "remove", "override"};
    const char *name = strchr(method, '.');
    for (size_t i = 0; name != NULL && i < sizeof beginnings / sizeof *beginnings; i++) {
        if (strncmp(name + 1, beginnings[i], strlen(beginnings[i])) == 0) {
            return true;
        }
    }
    return false;
}

static void run_setting(const command *one)
{
    char domain[40];
    const char *name = strchr(one->method, '.');
    if (name != NULL && (is_method(name, ".enable") || is_method(name, ".disable"))) {
        domain_of(one->method, domain, sizeof domain);
        set(one->script, one->session, domain, is_method(name, ".enable"));
    }
    answer(one, json_object());
}

static void run_lifecycle(const command *one)
{
    bool enabled = json_is_true(json_object_get(one->params, "enabled"));
    set(one->script, one->session, "lifecycle", enabled);
    answer(one, json_object());
}

static const struct {
    const char *method;
    void (*run)(const command *one);
} commands[] = {
    {"Browser.getVersion", run_version},
    {"Browser.close", run_close},
    {"Target.setDiscoverTargets", run_discover},
    {"Target.setAutoAttach", run_auto_attach},
    {"Target.attachToTarget", run_attach},
    {"Target.detachFromTarget", run_detach},
    {"Target.getTargets", run_targets},
    {"Page.getFrameTree", run_frame_tree},
    {"Page.setLifecycleEventsEnabled", run_lifecycle},
    {"Page.addScriptToEvaluateOnNewDocument", run_script_to_evaluate},
    {"Page.navigate", run_navigate},
    {"Page.reload", run_navigate},
    {"Runtime.runIfWaitingForDebugger", run_go},
    {"Network.getResponseBody", run_body},
    {"Network.getRequestPostData", run_post_data},
};

static void run(const command *one)
{
    if (*one->session != '\0' && session_of(one->script, one->session) == NULL) {
        refuse(one, -32001, "Session with given id not found.", "");
        return;
    }
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        if (is_method(one->method, commands[i].method)) {
            commands[i].run(one);
            return;
        }
    }
    if (is_setting(one->method)) {
        run_setting(one);
    } else {
        refuse(one, NOT_IN_RECORD, " is not in the record: no page runs here", one->method);
    }
}

void scripted_receive(scripted *script, const char *text, size_t len)
{
    json_t *message = json_loadb(text, len, 0, NULL);
    const json_t *id = json_object_get(message, "id");
    const char *session = json_string_value(json_object_get(message, "sessionId"));
    command one = {.script = script,
                   .id = json_integer_value(id),
                   .method = json_string_value(json_object_get(message, "method")),
                   .session = session != NULL        ? session
                              : script->page != NULL ? script->page
                                                     : "",
                   .params = json_object_get(message, "params")};
    if (!json_is_integer(id) || one.method == NULL) {
        one.session = "";
        refuse(&one, INVALID_REQUEST, "a command is {id: integer, method, params}", "");
    } else {
        run(&one);
    }
    json_decref(message);
    play_on(script);
}

bool scripted_ended(const scripted *script)
{
    return script->ended;
}

bool scripted_attach(scripted *script, const char *chrome_id)
{
    script->page = recorded_session(script, chrome_id);
    if (script->page != NULL) {
        set(script, script->page, "waits", true);
    }
    return script->page != NULL;
}

json_t *scripted_version(const scripted *script)
{
    return json_pack("{s:s,s:s,s:o,s:s,s:s}", "Browser", script->product, "Protocol-Version", "1.3",
                     "User-Agent", json_sprintf("Mozilla/5.0 (recorded) %s", script->product),
                     "V8-Version", "", "WebKit-Version", "");
}

/* Opening ----------------------------------------------------------------------------------- */

static troupe_error find_browser(scripted *script, const char *path, const char *browser,
                                 troupe_reason *reason)
{
    const char *sql = browser != NULL ? "SELECT uid FROM browser WHERE browser=?1 OR uid=?1"
                                        " ORDER BY first_us DESC LIMIT 1"
                                      : "SELECT uid FROM event ORDER BY id DESC LIMIT 1";
    script->uid = first_text(script, sql, browser, NULL);
    if (script->uid == NULL) {
        return troupe_fail(reason, TROUPE_ENOTFOUND, "%s: %s%s", path,
                           browser != NULL ? "it has no browser " : "no browser is recorded in it",
                           browser != NULL ? browser : "");
    }
    script->product =
        first_text(script, "SELECT product FROM browser WHERE uid=?1", script->uid, NULL);
    if (script->product == NULL) {
        script->product = strdup("unknown");
    }
    return script->product != NULL ? TROUPE_OK : TROUPE_ENOMEM;
}

troupe_error scripted_open(const char *path, const char *browser, scripted_send_fn send,
                           void *context, scripted **out, troupe_reason *reason)
{
    scripted *script = calloc(1, sizeof *script);
    if (script == NULL) {
        return TROUPE_ENOMEM;
    }
    *script = (scripted){.send = send, .context = context, .sessions = json_object()};
    troupe_error error = schema_open_reader(path, &script->db, reason);
    if (error == TROUPE_OK) {
        error = schema_check(script->db, path, reason);
    }
    if (error == TROUPE_OK) {
        error = find_browser(script, path, browser, reason);
    }
    if (error != TROUPE_OK) {
        scripted_close(script);
        return error;
    }
    *out = script;
    return TROUPE_OK;
}

void scripted_close(scripted *script)
{
    sqlite3_finalize(script->play);
    sqlite3_close(script->db);
    json_decref(script->sessions);
    free(script->uid);
    free(script->product);
    free(script->page);
    free(script);
}
