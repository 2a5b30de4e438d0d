/* SPDX-License-Identifier: MIT */
/*
 * The CDP endpoint's half of the browser actor: many drivers over one connection.
 *
 * Each driver gets a browser session of its own: what it discovers, attaches and filters is private
 * to that. Its commands get ids of ours on their way to Chrome and their own on the way back;
 * sessions below its root are its own, and Chrome, which does not ask whose a session is, never
 * sees a command on another's. Nothing of a driver is recorded: the host has sessions of its own.
 */
#include "browser_state.h"

#include "actors/verbs.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include <utlist.h>

#define OPEN_TIMEOUT_MS 10000
#define HELD_BYTES_MAX  ((size_t)64 << 20) /* beyond that a driver that takes nothing is let go */

/* Chrome's own codes. */
#define CODE_PARSE    (-32700)
#define CODE_REQUEST  (-32600)
#define CODE_METHOD   (-32601)
#define CODE_PARAMS   (-32602)
#define CODE_SERVER   (-32000)
#define CODE_NOT_HELD (-32001) /* a session that is not there */

static bool is_text(const char *text, size_t len, const char *wanted)
{
    return len == strlen(wanted) && memcmp(text, wanted, len) == 0;
}

/* To the driver ----------------------------------------------------------------------------- */

static troupe_error post(browser *state, const driver *item, const char *text, size_t len)
{
    troupe_buffer payload = {0};
    troupe_pack(&payload, "x#", text, len);
    troupe_error error = troupe_post(state->self, item->address, TROUPE_CAST, VERB_DRIVER_MESSAGE,
                                     NULL, troupe_buffer_bytes(&payload));
    troupe_buffer_fini(&payload);
    return error;
}

/* Its actor ends; that it did is heard like any other end (browser_on_driver_down). */
static void let_go(browser *state, const driver *item, const char *why)
{
    troupe_log(TROUPE_LOG_WARN, "browser", "driver-dropped", state->id, "%s", why);
    (void)troupe_stop(troupe_self_system(state->self), item->address, TROUPE_STOP_DRAIN);
}

static void send_text(browser *state, driver *item, const char *text, size_t len)
{
    troupe_error error = item->held == NULL ? post(state, item, text, len) : TROUPE_EBUSY;
    if (error == TROUPE_EBUSY && item->held == NULL) {
        error = troupe_await_room(state->self, item->address) == TROUPE_OK ? TROUPE_EBUSY
                                                                           : TROUPE_EGONE;
    }
    if (error != TROUPE_EBUSY) {
        return; /* sent; or its end is on the way to us */
    }
    if (item->held_bytes > HELD_BYTES_MAX || !driver_hold(item, text, len)) {
        let_go(state, item, "too much waits for it");
    }
}

bool browser_on_driver_room(browser *state, troupe_address actor)
{
    driver *item = drivers_find(&state->drivers, actor);
    while (item != NULL && item->held != NULL) {
        troupe_error error = post(state, item, item->held->text, item->held->len);
        if (error == TROUPE_EBUSY && troupe_await_room(state->self, actor) == TROUPE_OK) {
            break;
        }
        driver_unhold(item); /* sent, or its end is on the way to us */
    }
    return item != NULL;
}

/* {"id":…,MEMBER:VALUE,"sessionId":…} */
static void send_reply(browser *state, driver *item, int64_t id, const char *session,
                       size_t session_len, const char *member, json_span value)
{
    troupe_buffer out = {0};
    (void)troupe_buffer_printf(&out, "{\"id\":%lld,\"%s\":", (long long)id, member);
    (void)troupe_buffer_append(&out, value.data, value.len);
    if (session_len > 0) {
        (void)troupe_buffer_printf(&out, ",\"sessionId\":\"%.*s\"", (int)session_len, session);
    }
    (void)troupe_buffer_append(&out, "}", 1);
    if (out.failed) {
        let_go(state, item, "out of memory");
    } else {
        send_text(state, item, (const char *)out.data, out.len);
    }
    troupe_buffer_fini(&out);
}

/* A command as a driver sent it. */
typedef struct driver_command {
    driver *from;
    bool has_id;
    int64_t id;
    const char *session;
    size_t session_len;
    const char *method;
    size_t method_len;
    json_span params;
} driver_command;

static void refuse(browser *state, const driver_command *what, int code, const char *message)
{
    json_t *error = json_pack("{s:{s:i, s:s}}", "error", "code", code, "message", message);
    if (!what->has_id) {
        char *text = json_dumps(error, JSON_COMPACT);
        send_text(state, what->from, text != NULL ? text : "{}", text != NULL ? strlen(text) : 2);
        free(text);
    } else {
        char *text = json_dumps(json_object_get(error, "error"), JSON_COMPACT);
        send_reply(state, what->from, what->id, what->session, what->session_len, "error",
                   (json_span){text != NULL ? text : "{}", text != NULL ? strlen(text) : 2});
        free(text);
    }
    json_decref(error);
}

/* Opening ----------------------------------------------------------------------------------- */

static void end_calls(browser *state, driver *item)
{
    driver_call *call;
    driver_call *next;
    DL_FOREACH_SAFE(item->calls, call, next)
    {
        pending row;
        if (pending_take(&state->pending, call->row, PENDING_ABANDONED, &row)) {
            browser_let_go(state, &row);
            state->counts.abandoned++;
        }
        driver_call_free(call);
    }
}

static void detach_root(browser *state, const char *session)
{
    char params[CHROME_ID_MAX + 32];
    snprintf(params, sizeof params, "{\"sessionId\":\"%s\"}", session);
    if (state->stream != NULL && !state->lost) {
        browser_send_own(state, "Target.detachFromTarget", params, browser_ignore_answer,
                         "Target.detachFromTarget");
    }
}

/* All that is its own in Chrome ends with its browser session. */
static void forget(browser *state, driver *item)
{
    end_calls(state, item);
    if (item->root != NULL) {
        detach_root(state, item->root->id);
    }
    drivers_remove(&state->drivers, item);
}

static void not_opened(browser *state, driver *item, troupe_error error, const char *why,
                       size_t why_len)
{
    if (!item->leaving) {
        troupe_fault(state->self, item->opening, error, NULL, "%.*s", (int)why_len, why);
    }
    forget(state, item);
}

static void opened(browser *state, driver *item)
{
    troupe_bytes nil = {NULL, 0};
    item->open = true;
    troupe_reply(state->self, item->opening, nil);
}

static void on_page(browser *state, void *context, troupe_error error, const char *text, size_t len)
{
    driver *item = context;
    const char *session;
    size_t session_len;
    if (error == TROUPE_OK &&
        browser_member_string((json_span){text, len}, "sessionId", &session, &session_len)) {
        item->face = drivers_session(&state->drivers, session, session_len);
    }
    if (item->leaving || error != TROUPE_OK || item->face == NULL) {
        not_opened(state, item, error == TROUPE_ECDP ? TROUPE_ENOTFOUND : TROUPE_EUNAVAILABLE, text,
                   error != TROUPE_OK ? len : 0);
        return;
    }
    opened(state, item);
}

static void attach_page(browser *state, driver *item)
{
    char params[CHROME_ID_MAX + 64];
    snprintf(params, sizeof params, "{\"targetId\":\"%s\",\"flatten\":true}", item->page);
    troupe_error error = browser_send_behind(state, item->root->id, "Target.attachToTarget", params,
                                             OPEN_TIMEOUT_MS, on_page, item);
    if (error != TROUPE_OK) {
        const char *why = troupe_error_text(error);
        not_opened(state, item, error, why, strlen(why));
    }
}

/* Its browser session is there: {sessionId}. */
static void on_root(browser *state, void *context, troupe_error error, const char *text, size_t len)
{
    driver *item = context;
    const char *session;
    size_t session_len;
    if (error != TROUPE_OK ||
        !browser_member_string((json_span){text, len}, "sessionId", &session, &session_len)) {
        not_opened(state, item, error != TROUPE_OK ? error : TROUPE_EPROTOCOL, text,
                   error != TROUPE_OK ? len : 0);
        return;
    }
    item->root = drivers_add_session(&state->drivers, item, NULL, session, session_len,
                                     state->born_target, strlen(state->born_target));
    if (item->root == NULL || item->leaving) {
        static const char why[] = "out of memory";
        not_opened(state, item, TROUPE_ENOMEM, why, sizeof why - 1);
        return;
    }
    item->root->is_browser = true;
    if (item->page[0] != '\0') {
        attach_page(state, item);
    } else {
        item->face = item->root;
        opened(state, item);
    }
}

void browser_on_driver_open(browser *state, const troupe_envelope *call)
{
    const char *page = "";
    size_t len = 0;
    if (troupe_unpack(call->payload, "{s?:s#}", "page", &page, &len) != TROUPE_OK ||
        len >= CHROME_ID_MAX || strcspn(page, "\"\\") < len) {
        troupe_fault(state->self, troupe_caller_of(call), TROUPE_EPARAMS, NULL, NULL);
        return;
    }
    driver *item = drivers_find(&state->drivers, call->from) == NULL
                       ? drivers_add(&state->drivers, call->from)
                       : NULL;
    if (item == NULL || troupe_monitor(state->self, call->from, NULL) != TROUPE_OK) {
        troupe_fault(state->self, troupe_caller_of(call), TROUPE_ENOMEM, NULL, NULL);
        if (item != NULL) {
            drivers_remove(&state->drivers, item);
        }
        return;
    }
    memcpy(item->page, page, len);
    item->opening = troupe_caller_of(call);
    troupe_error error = browser_send_own_in(state, "Target.attachToBrowserTarget", NULL,
                                             OPEN_TIMEOUT_MS, on_root, item);
    if (error != TROUPE_OK) {
        const char *why = troupe_error_text(error);
        not_opened(state, item, error, why, strlen(why));
    }
}

bool browser_on_driver_down(browser *state, const troupe_down *down)
{
    driver *item = drivers_find(&state->drivers, down->address);
    if (item == NULL) {
        return false;
    }
    if (item->open) {
        forget(state, item);
    } else {
        item->leaving = true; /* until what was asked for is answered */
    }
    return true;
}

void browser_drivers_fini(browser *state)
{
    driver *item;
    driver *next;
    HASH_ITER(hh, state->drivers.all, item, next)
    {
        end_calls(state, item);
        drivers_remove(&state->drivers, item);
    }
}

/* Commands ---------------------------------------------------------------------------------- */

/* Would end the browser for everybody: it ends this driver's connection. */
static void contain(browser *state, const driver_command *what)
{
    troupe_buffer payload = {0};
    send_reply(state, what->from, what->id, what->session, what->session_len, "result",
               (json_span){"{}", 2});
    troupe_pack(&payload, "{s:i,s:s}", "code", 1000, "reason", "closed");
    if (troupe_post(state->self, what->from->address, TROUPE_CAST, VERB_DRIVER_CLOSE, NULL,
                    troupe_buffer_bytes(&payload)) != TROUPE_OK) {
        let_go(state, what->from, "it closed the browser");
    }
    troupe_buffer_fini(&payload);
}

static void deny(browser *state, const driver_command *what)
{
    refuse(state, what, CODE_SERVER, "Not allowed");
}

static const struct {
    const char *method;
    void (*treat)(browser *state, const driver_command *what);
} treated[] = {
    {"Browser.close", contain},
    {"Browser.crash", contain},
    {"Browser.crashGpuProcess", contain},
    {"Target.setRemoteLocations", deny},
};

/* Whether Chrome is not to see it. */
static bool is_treated(browser *state, const driver_command *what)
{
    for (size_t i = 0; i < sizeof treated / sizeof *treated; i++) {
        if (is_text(what->method, what->method_len, treated[i].method)) {
            treated[i].treat(state, what);
            return true;
        }
    }
    return false;
}

/* The session it means; NULL after refusing it. */
static const driver_session *session_of(browser *state, const driver_command *what)
{
    const driver_session *session =
        what->session_len == 0 ? what->from->face
                               : drivers_session(&state->drivers, what->session, what->session_len);
    if (session != NULL && session->owner == what->from) {
        return session;
    }
    driver_command without = *what; /* as Chrome answers it */
    without.session_len = 0;
    refuse(state, &without, CODE_NOT_HELD, "Session with given id not found.");
    return NULL;
}

static void run(browser *state, const driver_command *what)
{
    const driver_session *session = session_of(state, what);
    if (session == NULL || is_treated(state, what)) {
        return;
    }
    driver_call *call = driver_call_new(what->from, what->id, what->session, what->session_len);
    troupe_error error =
        call == NULL ? TROUPE_ENOMEM
                     : browser_send_driver(state, what->method, what->method_len, session->id,
                                           what->params.data, what->params.len, call);
    if (error == TROUPE_OK) {
        return;
    }
    if (call != NULL) {
        driver_call_free(call);
    }
    if (error == TROUPE_EPARAMS) {
        char text[160];
        snprintf(text, sizeof text, "'%.*s' wasn't found",
                 (int)(what->method_len < 100 ? what->method_len : 100), what->method);
        refuse(state, what, CODE_METHOD, text);
    } else {
        refuse(state, what, CODE_SERVER, troupe_error_text(error));
    }
}

static bool is_object(json_span value)
{
    size_t at = strspn(value.data, " \t\r\n");
    return at < value.len && value.data[at] == '{';
}

static void read_command(browser *state, driver *from, const char *text, size_t len)
{
    cdp_message message;
    troupe_reason reason;
    driver_command what = {.from = from};
    if (json_check(text, len, NULL) != TROUPE_OK) {
        refuse(state, &what, CODE_PARSE, "Message must be a valid JSON");
        return;
    }
    if (cdp_scan(text, len, &message, &reason) != TROUPE_OK || !message.has_id ||
        message.id < INT32_MIN || message.id > INT32_MAX) {
        refuse(state, &what, CODE_REQUEST, "Message must have integer 'id' property");
        return;
    }
    what.has_id = true;
    what.id = message.id;
    what.session = message.session;
    what.session_len = message.session != NULL ? message.session_len : 0;
    what.method = message.method;
    what.method_len = message.method_len;
    bool null =
        message.params.data != NULL && is_text(message.params.data, message.params.len, "null");
    what.params = null ? (json_span){NULL, 0} : message.params;
    if (message.method == NULL) {
        refuse(state, &what, CODE_REQUEST, "Message must have string 'method' property");
    } else if (what.params.data != NULL && !is_object(what.params)) {
        refuse(state, &what, CODE_PARAMS, "Invalid parameters");
    } else {
        run(state, &what);
    }
}

void browser_on_driver_message(browser *state, const troupe_envelope *cast)
{
    const uint8_t *text = NULL;
    size_t len = 0;
    driver *from = drivers_find(&state->drivers, cast->from);
    if (from != NULL && from->open &&
        troupe_unpack(cast->payload, "x#", &text, &len) == TROUPE_OK) {
        read_command(state, from, (const char *)text, len);
    }
}

/* Answers ----------------------------------------------------------------------------------- */

void browser_driver_answer(browser *state, driver_call *call, const cdp_message *answer)
{
    bool failed = answer->error.data != NULL;
    json_span result = answer->result.data != NULL ? answer->result : (json_span){"{}", 2};
    send_reply(state, call->owner, call->id, call->session, call->session_len,
               failed ? "error" : "result", failed ? answer->error : result);
    driver_call_free(call);
}

void browser_driver_failed(browser *state, driver_call *call, const char *why)
{
    const driver_command what = {.from = call->owner,
                                 .has_id = true,
                                 .id = call->id,
                                 .session = call->session,
                                 .session_len = call->session_len};
    refuse(state, &what, CODE_SERVER, why);
    driver_call_free(call);
}

/* Events ------------------------------------------------------------------------------------ */

static bool is_hidden(const driver *item, json_span info)
{
    const char *type, *id;
    size_t len, id_len;
    if (!browser_member_string(info, "type", &type, &len)) {
        return false;
    }
    return is_text(type, len, "browser_ui") ||
           (is_text(type, len, "browser") &&
            browser_member_string(info, "targetId", &id, &id_len) &&
            !driver_owns_browser(item, id, id_len));
}

static json_span target_info(const cdp_message *event)
{
    json_span info = {NULL, 0};
    (void)json_member(event->params.data, event->params.len, "targetInfo", &info);
    return info;
}

/* What Chrome attached below one of its sessions. False: the driver is not to see it. */
static bool take_attached(browser *state, driver_session *above, const cdp_message *event)
{
    const char *session, *target, *type;
    size_t len, target_len, type_len;
    json_span info = target_info(event);
    if (info.data == NULL || !browser_member_string(event->params, "sessionId", &session, &len) ||
        !browser_member_string(info, "targetId", &target, &target_len) ||
        !browser_member_string(info, "type", &type, &type_len)) {
        return false;
    }
    bool shown = !is_text(type, type_len, "browser_ui");
    driver_session *made = shown ? drivers_add_session(&state->drivers, above->owner, above,
                                                       session, len, target, target_len)
                                 : NULL;
    if (made == NULL) {
        browser_refuse_session(state, above->id, event);
        return false;
    }
    made->is_browser = is_text(type, type_len, "browser");
    return true;
}

/* Chrome tells of the end of the first only, and does not answer what was asked below it. */
static void end_session(browser *state, driver_session *session)
{
    driver *owner = session->owner;
    driver_call *call;
    driver_call *next;
    while (session->children != NULL) {
        end_session(state, session->children);
    }
    DL_FOREACH_SAFE(owner->calls, call, next)
    {
        pending row;
        bool its = is_text(call->session, call->session_len, session->id) ||
                   (call->session_len == 0 && owner->face == session);
        if (its && pending_take(&state->pending, call->row, PENDING_ABANDONED, &row)) {
            const driver_command what = {.from = owner, .has_id = true, .id = call->id};
            browser_let_go(state, &row);
            refuse(state, &what, CODE_NOT_HELD, "Session with given id not found.");
            driver_call_free(call);
        }
    }
    drivers_remove_session(&state->drivers, session);
}

static bool take_detached(browser *state, const driver_session *above, const cdp_message *event)
{
    const char *session;
    size_t len;
    driver_session *gone = browser_member_string(event->params, "sessionId", &session, &len)
                               ? drivers_session(&state->drivers, session, len)
                               : NULL;
    if (gone == NULL || gone->owner != above->owner) {
        return false;
    }
    end_session(state, gone);
    return true;
}

/* Whether the driver sees what happens on that session: all, or what is below its page. */
static bool is_below_face(const driver_session *session)
{
    const driver *owner = session->owner;
    for (; session != NULL; session = session->parent) {
        if (session == owner->face) {
            return true;
        }
    }
    return false;
}

static void pass_on(browser *state, driver_session *session, const cdp_message *event,
                    const char *text, size_t len)
{
    driver *item = session->owner;
    if (session != item->face) {
        send_text(state, item, text, len);
        return;
    }
    troupe_buffer out = {0}; /* without the session, which it does not know */
    json_span params = event->params.data != NULL ? event->params : (json_span){"{}", 2};
    (void)troupe_buffer_printf(&out, "{\"method\":\"%.*s\",\"params\":", (int)event->method_len,
                               event->method);
    (void)troupe_buffer_append(&out, params.data, params.len);
    (void)troupe_buffer_append(&out, "}", 1);
    if (!out.failed) {
        send_text(state, item, (const char *)out.data, out.len);
    }
    troupe_buffer_fini(&out);
}

static void on_driver_event(browser *state, driver_session *session, const cdp_message *event,
                            const char *text, size_t len)
{
    driver *item = session->owner;
    bool shown = is_below_face(session);
    if (cdp_is(event, "Target.attachedToTarget")) {
        shown = take_attached(state, session, event) && shown;
    } else if (cdp_is(event, "Target.detachedFromTarget")) {
        bool face_before = item->face != NULL;
        shown = take_detached(state, session, event) && shown;
        if (face_before && item->face == NULL) {
            let_go(state, item, "its page is gone");
            return;
        }
    } else if (cdp_is(event, "Target.targetCreated") || cdp_is(event, "Target.targetInfoChanged")) {
        json_span info = target_info(event);
        shown = shown && !is_hidden(item, info);
    }
    if (shown) {
        pass_on(state, session, event, text, len);
    }
}

/* The browser session of a driver comes into being: which target it is, its answer does not say. */
static bool take_born(browser *state, const cdp_message *event)
{
    const char *type, *target;
    size_t len, target_len;
    json_span info = target_info(event);
    if (info.data == NULL || !browser_member_string(info, "type", &type, &len) ||
        !is_text(type, len, "browser")) {
        return false;
    }
    if (browser_member_string(info, "targetId", &target, &target_len) &&
        target_len < sizeof state->born_target) {
        memcpy(state->born_target, target, target_len);
        state->born_target[target_len] = '\0';
    }
    return true;
}

static bool take_root_detached(browser *state, const cdp_message *event)
{
    const char *id;
    size_t len;
    driver_session *session = browser_member_string(event->params, "sessionId", &id, &len)
                                  ? drivers_session(&state->drivers, id, len)
                                  : NULL;
    if (session == NULL) {
        return false;
    }
    driver *item = session->owner;
    end_session(state, session);
    let_go(state, item, "Chrome ended its session");
    return true;
}

bool browser_drivers_event(browser *state, const cdp_message *event, const char *text, size_t len)
{
    if (event->session != NULL) {
        driver_session *session =
            drivers_session(&state->drivers, event->session, event->session_len);
        if (session != NULL) {
            on_driver_event(state, session, event, text, len);
        }
        return session != NULL;
    }
    return (cdp_is(event, "Target.attachedToTarget") && take_born(state, event)) ||
           (cdp_is(event, "Target.detachedFromTarget") && take_root_detached(state, event));
}
