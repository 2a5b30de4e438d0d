/* SPDX-License-Identifier: MIT */
/*
 * The browser actor: one connection, its commands, its sessions.
 *
 * Everything here runs on the actor's thread. A target actor that has no room stops the reading of
 * the connection until it has; what was already read for it is held in order (roster.h), answers to
 * its calls included, so that an answer never overtakes the events before it.
 */
#include "browser.h"

#include "actors/json_call.h"
#include "actors/verbs.h"
#include "endpoint.h"
#include "pending.h"
#include "roster.h"
#include "target.h"
#include "transport/cdp.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <uuid/uuid.h>

#define GRACE_MS 3000

struct browser {
    troupe_actor *self;
    const host_options *host;
    char id[BROWSER_ID_MAX];
    char uid[37];
    char endpoint[256]; /* "" = the pipe */
    char url[256];      /* where a discovered endpoint was found */
    char profile[320];
    bool launched;
    bool attach;
    bool graceful;
    bool by_port_file;
    pid_t pid;
    int pid_fd;
    message_stream *stream;
    pending_table pending;
    roster roster;
    bool write_wanted; /* POLLOUT is asked for */
    bool paused;       /* reading is stopped: some target has no room */
    bool flush_due;    /* commands were queued in this turn */
    uint64_t late_count;
    int64_t wall_us; /* of the batch in hand */
    int64_t mono_us;
    troupe_buffer scratch;
    troupe_reason *ended;
};

/* Sending ----------------------------------------------------------------------------------------
 */

/* Asks for POLLIN unless paused, for POLLOUT while something is queued. */
static void want_events(browser *state)
{
    int read_fd = message_stream_read_fd(state->stream);
    int write_fd = message_stream_write_fd(state->stream);
    short in = state->paused ? 0 : POLLIN;
    short out = state->write_wanted ? POLLOUT : 0;
    if (read_fd == write_fd) {
        troupe_watch_events(state->self, read_fd, (short)(in | out));
        return;
    }
    troupe_watch_events(state->self, read_fd, in);
    troupe_watch_events(state->self, write_fd, out);
}

static void lost(browser *state, troupe_error error, const char *why);

static void flush_stream(browser *state)
{
    state->flush_due = false;
    troupe_reason reason = {{0}};
    troupe_error error = message_stream_flush(state->stream, &reason);
    if (error != TROUPE_OK) {
        lost(state, error, reason.text);
        return;
    }
    bool wanted = message_stream_queued(state->stream) > 0;
    if (wanted != state->write_wanted) {
        state->write_wanted = wanted;
        want_events(state);
    }
}

/* Commands queued in a turn are written together at its end. */
static void browser_turn(troupe_actor *self, void *context)
{
    (void)self;
    browser *state = context;
    if (state->flush_due && state->stream != NULL) {
        flush_stream(state);
    }
}

static troupe_error send_command(browser *state, pending **row, const char *method,
                                 size_t method_len, const char *session, size_t session_len,
                                 const char *params, size_t params_len)
{
    if (state->stream == NULL) {
        return TROUPE_ECLOSED;
    }
    troupe_error error = pending_add(&state->pending, troupe_now_ns(state->self), row);
    if (error != TROUPE_OK) {
        return error;
    }
    troupe_buffer_clear(&state->scratch);
    error = cdp_write_command(&state->scratch, (*row)->id, method, method_len, session, session_len,
                              params, params_len);
    if (error == TROUPE_OK) {
        error = message_stream_send(state->stream, state->scratch.data, state->scratch.len);
    }
    if (error != TROUPE_OK) {
        pending ignored;
        pending_take(&state->pending, (*row)->id, &ignored);
        return error;
    }
    state->flush_due = true;
    return TROUPE_OK;
}

/* A command of the actor's own. */
static void send_own(browser *state, const char *method, const char *params, pending_fn fn,
                     void *context)
{
    pending *row;
    troupe_error error = send_command(state, &row, method, strlen(method), NULL, 0, params,
                                      params != NULL ? strlen(params) : 0);
    if (error == TROUPE_OK) {
        row->own = fn;
        row->context = context;
    } else {
        troupe_log(TROUPE_LOG_WARN, "browser", "command-not-sent", state->id, "%s: %s", method,
                   troupe_error_text(error));
    }
}

static void ignore_answer(browser *state, void *context, const char *result, size_t result_len,
                          const char *error)
{
    (void)result;
    (void)result_len;
    if (error != NULL) {
        troupe_log(TROUPE_LOG_DEBUG, "browser", "command-failed", state->id, "%s: %s",
                   (const char *)context, error);
    }
}

/* To the target actors ---------------------------------------------------------------------------
 */

static void pause_reading(browser *state, bool paused)
{
    if (state->paused != paused && state->stream != NULL) {
        state->paused = paused;
        want_events(state);
    }
}

/* Holds what could not be posted, and stops reading until there is room. */
static void hold(browser *state, roster_target *target, troupe_caller caller, const char *verb,
                 size_t verb_len, troupe_bytes payload)
{
    bool first = target->first == NULL;
    if (!roster_hold(target, caller, verb, verb_len, payload)) {
        troupe_log(TROUPE_LOG_ERROR, "browser", "event-lost", target->id, "out of memory");
        return;
    }
    if (first && troupe_await_room(state->self, target->actor) == TROUPE_OK) {
        pause_reading(state, true);
    }
}

static void post_event(browser *state, roster_target *target, const char *verb, size_t verb_len,
                       troupe_bytes payload)
{
    troupe_caller nobody = {0, 0};
    if (target->actor == 0) {
        return;
    }
    if (target->first != NULL) {
        hold(state, target, nobody, verb, verb_len, payload);
        return;
    }
    troupe_error error =
        troupe_post_n(state->self, target->actor, TROUPE_EVENT, verb, verb_len, NULL, payload);
    if (error == TROUPE_EBUSY) {
        hold(state, target, nobody, verb, verb_len, payload);
    }
}

static void answer_caller(browser *state, troupe_caller caller, const char *result, size_t len)
{
    if (state->paused) {
        roster_target *target = roster_find_actor(&state->roster, caller.from);
        if (target != NULL && target->first != NULL) {
            troupe_bytes text = {(const uint8_t *)result, len};
            hold(state, target, caller, NULL, 0, text);
            return;
        }
    }
    troupe_reply_json(state->self, caller, result, len);
}

/* There is room again: pass on what was held, as far as it goes. */
static void on_room(browser *state, troupe_address actor)
{
    roster_target *target = roster_find_actor(&state->roster, actor);
    while (target != NULL && target->first != NULL) {
        held *item = target->first;
        troupe_bytes payload = {(const uint8_t *)item->bytes + item->verb_len, item->payload_len};
        if (item->caller.ref != 0) {
            troupe_reply_json(state->self, item->caller, (const char *)payload.data, payload.len);
        } else if (troupe_post_n(state->self, actor, TROUPE_EVENT, item->bytes, item->verb_len,
                                 NULL, payload) == TROUPE_EBUSY &&
                   troupe_await_room(state->self, actor) == TROUPE_OK) {
            return;
        }
        roster_unhold(target);
    }
    for (target = state->roster.targets; target != NULL; target = target->hh.next) {
        if (target->first != NULL) {
            return;
        }
    }
    pause_reading(state, false);
}

/* To connections ---------------------------------------------------------------------------------
 */

static void tell(browser *state, const char *name, const char *verb, troupe_buffer *payload)
{
    troupe_error error = TROUPE_EUNAVAILABLE;
    troupe_address to = troupe_whereis(troupe_self_system(state->self), name);
    if (to != 0) {
        error = troupe_post(state->self, to, TROUPE_CAST, verb, NULL, troupe_buffer_bytes(payload));
    }
    if (error != TROUPE_OK && to != 0) {
        troupe_log(TROUPE_LOG_WARN, "browser", "notice-lost", state->id, "%s to %s: %s", verb, name,
                   troupe_error_text(error));
    }
    troupe_buffer_fini(payload);
}

static void tell_up(browser *state, const char *product, size_t product_len)
{
    const char *receivers[] = {NAME_LAUNCHER, NAME_CONNECTIONS};
    for (size_t i = 0; i < 2; i++) {
        troupe_buffer payload = {0};
        troupe_pack(&payload, "{s:s,s:s,s:U,s:s,s:s#,s:s,s:I}", "browser", state->id, "uid",
                    state->uid, "address", troupe_self_address(state->self), "origin",
                    state->launched ? "launched" : "attached", "product", product, product_len,
                    "endpoint", state->url[0] != '\0' ? state->url : "pipe", "pid",
                    (int64_t)state->pid);
        tell(state, receivers[i], VERB_BROWSER_UP, &payload);
    }
}

static void tell_info(browser *state, const roster_target *target, json_span info)
{
    troupe_buffer payload = {0};
    troupe_pack(&payload, "{s:s,s:s,s:s,s:j#}", "browser", state->id, "uid", state->uid, "target",
                target->id, "info", info.data, info.len);
    tell(state, NAME_CONNECTIONS, VERB_TARGET_INFO, &payload);
}

static void tell_connecting(browser *state, const roster_target *target)
{
    troupe_buffer payload = {0};
    troupe_pack(&payload, "{s:s,s:i,s:s,s:U}", "target", target->id, "address", 0, "state",
                "connecting", "epoch", target->epoch);
    tell(state, NAME_CONNECTIONS, VERB_TARGET_STATE, &payload);
}

static void tell_ended(browser *state, const roster_target *target, troupe_error reason)
{
    troupe_buffer payload = {0};
    troupe_pack(&payload, "{s:s,s:U,s:s}", "target", target->id, "epoch", target->epoch, "reason",
                troupe_error_name(reason));
    tell(state, NAME_CONNECTIONS, VERB_TARGET_ENDED, &payload);
}

/* Targets ----------------------------------------------------------------------------------------
 */

static bool member_string(json_span object, const char *key, const char **text, size_t *len)
{
    json_span span;
    return json_path(object.data, object.len, key, &span) && json_plain_string(span, text, len);
}

/* The target that `info` (Chrome's TargetInfo) is about; added when it is new. NULL: not usable. */
static roster_target *note_target(browser *state, json_span info)
{
    const char *id;
    size_t len;
    if (!member_string(info, "targetId", &id, &len)) {
        return NULL;
    }
    roster_target *target = roster_find(&state->roster, id, len);
    if (target == NULL) {
        target = roster_add(&state->roster, state->id, id, len);
    }
    const char *type;
    if (target != NULL && member_string(info, "type", &type, &len)) {
        snprintf(target->type, sizeof target->type, "%.*s", (int)len, type);
    }
    return target;
}

static void on_target_info(browser *state, const cdp_message *event)
{
    json_span info;
    if (!json_member(event->params.data, event->params.len, "targetInfo", &info)) {
        return;
    }
    roster_target *target = note_target(state, info);
    if (target != NULL) {
        tell_info(state, target, info);
    }
}

static void on_target_destroyed(browser *state, const cdp_message *event)
{
    const char *id;
    size_t len;
    roster_target *target = NULL;
    if (member_string(event->params, "targetId", &id, &len)) {
        target = roster_find(&state->roster, id, len);
    }
    if (target == NULL) {
        return;
    }
    troupe_buffer payload = {0};
    troupe_pack(&payload, "{s:s,s:s}", "browser", state->id, "target", target->id);
    tell(state, NAME_CONNECTIONS, VERB_TARGET_DESTROYED, &payload);
    if (target->actor != 0) {
        troupe_stop(troupe_self_system(state->self), target->actor, TROUPE_STOP_DRAIN);
        return; /* removed when its actor has ended */
    }
    roster_remove(&state->roster, target);
}

static troupe_error spawn_target(browser *state, roster_target *target)
{
    target_spec spec = {.host = state->host,
                        .id = target->id,
                        .chrome_id = target->chrome_id,
                        .uid = state->uid,
                        .type = target->type,
                        .session = target->session,
                        .browser = troupe_self_address(state->self),
                        .epoch = target->epoch};
    troupe_spawn_options options = {0};
    troupe_error error = target_prepare(&spec, &options);
    if (error != TROUPE_OK) {
        return error;
    }
    options.monitor = troupe_self_address(state->self);
    troupe_flush(state->self); /* what was told about it comes before what it tells itself */
    error = troupe_spawn(troupe_self_system(state->self), &options, &target->actor);
    if (error != TROUPE_OK) {
        target->actor = 0;
        free(options.state);
    }
    return error;
}

static void detach_session(browser *state, const char *session, size_t len)
{
    char params[CHROME_ID_MAX + 32];
    snprintf(params, sizeof params, "{\"sessionId\":\"%.*s\"}", (int)len, session);
    send_own(state, "Target.detachFromTarget", params, ignore_answer, "Target.detachFromTarget");
}

/* A target of the browser itself was attached: it gets its actor. */
static void on_root_attached(browser *state, json_span info, const char *session, size_t len)
{
    roster_target *target = note_target(state, info);
    if (target == NULL || target->actor != 0 || len >= sizeof target->session) {
        detach_session(state, session, len);
        return;
    }
    tell_info(state, target, info);
    tell_connecting(state, target);
    snprintf(target->session, sizeof target->session, "%.*s", (int)len, session);
    troupe_error error = TROUPE_ENOMEM;
    if (roster_add_session(&state->roster, session, len, target)) {
        error = spawn_target(state, target);
    }
    if (error != TROUPE_OK) {
        troupe_log(TROUPE_LOG_ERROR, "browser", "target-not-started", target->id, "%s",
                   troupe_error_text(error));
        roster_drop_sessions(&state->roster, target);
        target->session[0] = '\0';
        detach_session(state, session, len);
        tell_ended(state, target, error);
    }
}

/* Returns the target whose actor is to see this event too: the owner of the parent session. */
static roster_target *on_attached(browser *state, const cdp_message *event)
{
    json_span info;
    const char *session;
    size_t len;
    if (!member_string(event->params, "sessionId", &session, &len) ||
        !json_member(event->params.data, event->params.len, "targetInfo", &info)) {
        return NULL;
    }
    if (event->session == NULL) {
        on_root_attached(state, info, session, len);
        return NULL;
    }
    roster_target *owner = roster_owner(&state->roster, event->session, event->session_len);
    if (owner != NULL) {
        roster_add_session(&state->roster, session, len, owner);
    }
    return owner;
}

static roster_target *on_detached(browser *state, const cdp_message *event)
{
    const char *session;
    size_t len;
    if (!member_string(event->params, "sessionId", &session, &len)) {
        return NULL;
    }
    roster_target *owner = roster_owner(&state->roster, session, len);
    roster_remove_session(&state->roster, session, len);
    return owner;
}

/* A target actor ended: forget its sessions; let go of the page if Chrome still has it attached. */
static void on_target_down(browser *state, const troupe_down *down)
{
    roster_target *target = roster_find_actor(&state->roster, down->address);
    if (target == NULL) {
        return;
    }
    if (roster_owner(&state->roster, target->session, strlen(target->session)) != NULL) {
        detach_session(state, target->session, strlen(target->session));
    }
    roster_drop_sessions(&state->roster, target);
    target->actor = 0;
    target->session[0] = '\0';
    target->epoch += 2; /* one for the connecting, one for the end of it */
    while (target->first != NULL) {
        roster_unhold(target);
    }
    tell_ended(state, target, down->reason);
    on_room(state, 0);
}

/* Receiving --------------------------------------------------------------------------------------
 */

static void pack_event(browser *state, const cdp_message *event, bool with_origin,
                       const char *target_id)
{
    troupe_buffer_clear(&state->scratch);
    const char *params = event->params.data != NULL ? event->params.data : "{}";
    size_t len = event->params.data != NULL ? event->params.len : 2;
    if (with_origin) {
        troupe_pack(&state->scratch, "[s,s,s#,I,I,j#]", state->uid, target_id, event->session,
                    event->session_len, state->wall_us, state->mono_us, params, len);
    } else {
        troupe_pack(&state->scratch, "[s#,I,I,j#]", event->session != NULL ? event->session : "",
                    event->session_len, state->wall_us, state->mono_us, params, len);
    }
}

static bool is_method(const cdp_message *event, const char *method)
{
    return strlen(method) == event->method_len &&
           memcmp(method, event->method, event->method_len) == 0;
}

/* Events of the browser itself that no target owns go straight to the store. */
static void record_own(browser *state, const cdp_message *event)
{
    troupe_address store = troupe_whereis(troupe_self_system(state->self), NAME_STORE);
    if (store == 0) {
        return;
    }
    pack_event(state, event, true, "");
    if (troupe_post_n(state->self, store, TROUPE_EVENT, event->method, event->method_len, NULL,
                      troupe_buffer_bytes(&state->scratch)) != TROUPE_OK) {
        troupe_log(TROUPE_LOG_WARN, "browser", "event-lost", state->id, "%.*s",
                   (int)event->method_len, event->method);
    }
}

static void on_event(browser *state, const cdp_message *event)
{
    roster_target *owner = NULL;
    if (event->method_len > 7 && memcmp(event->method, "Target.", 7) == 0) {
        if (is_method(event, "Target.attachedToTarget")) {
            owner = on_attached(state, event);
        } else if (is_method(event, "Target.detachedFromTarget")) {
            owner = on_detached(state, event);
        } else if (event->session == NULL && is_method(event, "Target.targetDestroyed")) {
            on_target_destroyed(state, event);
        } else if (event->session == NULL && (is_method(event, "Target.targetCreated") ||
                                              is_method(event, "Target.targetInfoChanged"))) {
            on_target_info(state, event);
        }
    } else if (event->session != NULL) {
        owner = roster_owner(&state->roster, event->session, event->session_len);
    }
    if (owner != NULL) {
        pack_event(state, event, false, NULL);
        post_event(state, owner, event->method, event->method_len,
                   troupe_buffer_bytes(&state->scratch));
    } else if (event->session == NULL) {
        record_own(state, event);
    }
}

/* Chrome's error object {code, message, data?}. */
static void answer_error(browser *state, const pending *row, json_span error)
{
    char *data = strndup(error.data, error.len);
    const char *text = "the browser answered with an error";
    size_t len = strlen(text);
    (void)member_string(error, "message", &text, &len);
    if (row->own != NULL) {
        char message[300];
        snprintf(message, sizeof message, "%.*s", (int)len, text);
        row->own(state, row->context, NULL, 0, message);
    } else {
        troupe_fault(state->self, row->caller, TROUPE_ECDP, data, "%.*s", (int)len, text);
    }
    free(data);
}

static void on_answer(browser *state, const cdp_message *answer)
{
    pending row;
    if (!pending_take(&state->pending, answer->id, &row)) {
        state->late_count++;
        return;
    }
    if (answer->error.data != NULL) {
        answer_error(state, &row, answer->error);
        return;
    }
    const char *result = answer->result.data != NULL ? answer->result.data : "{}";
    size_t len = answer->result.data != NULL ? answer->result.len : 2;
    if (row.own != NULL) {
        row.own(state, row.context, result, len, NULL);
    } else {
        answer_caller(state, row.caller, result, len);
    }
}

static void on_message(void *context, char *data, size_t len)
{
    browser *state = context;
    cdp_message message;
    troupe_reason reason = {{0}};
    if (cdp_scan(data, len, &message, &reason) != TROUPE_OK) {
        troupe_log(TROUPE_LOG_WARN, "browser", "message-malformed", state->id, "%s", reason.text);
        return;
    }
    if (message.has_id) {
        on_answer(state, &message);
    } else {
        on_event(state, &message);
    }
}

static void on_stream(troupe_actor *self, void *context, int fd, short revents)
{
    browser *state = context;
    (void)self;
    if (state->stream == NULL) {
        return;
    }
    if (fd == message_stream_read_fd(state->stream) &&
        (revents & (POLLIN | POLLHUP | POLLERR)) != 0 && !state->paused) {
        state->wall_us = json_wall_us();
        state->mono_us = (int64_t)(troupe_now_ns(state->self) / 1000);
        troupe_reason reason = {{0}};
        troupe_error error = message_stream_receive(state->stream, on_message, state, &reason);
        if (error != TROUPE_OK) {
            lost(state, error, reason.text);
            return;
        }
    }
    if (fd == message_stream_write_fd(state->stream) && (revents & (POLLOUT | POLLERR)) != 0) {
        flush_stream(state);
    }
}

/* Life -------------------------------------------------------------------------------------------
 */

static void fault_pending(browser *state, const char *why)
{
    for (size_t i = 0; i < state->pending.capacity; i++) {
        pending *row = &state->pending.rows[i];
        if (row->id != 0 && row->own == NULL) {
            troupe_fault(state->self, row->caller, TROUPE_ECLOSED, NULL, "browser %s: %s",
                         state->id, why);
        }
        row->id = 0;
    }
    state->pending.count = 0;
}

static void close_stream(browser *state)
{
    if (state->stream != NULL) {
        int read_fd = message_stream_read_fd(state->stream);
        int write_fd = message_stream_write_fd(state->stream);
        troupe_unwatch(state->self, read_fd);
        if (write_fd != read_fd) {
            troupe_unwatch(state->self, write_fd);
        }
        message_stream_destroy(state->stream);
        state->stream = NULL;
    }
}

/* The connection is gone: everybody who waits is told why; the actor ends. */
static void lost(browser *state, troupe_error error, const char *why)
{
    troupe_log(TROUPE_LOG_INFO, "browser", "connection-lost", state->id, "%s", why);
    snprintf(state->ended->text, sizeof state->ended->text, "%s", why);
    fault_pending(state, why);
    /* The stream is destroyed in `stop`: this may run inside its receive. */
    troupe_exit(state->self, error == TROUPE_OK ? TROUPE_ECLOSED : error);
}

static void on_attach_ready(browser *state, void *context, const char *result, size_t result_len,
                            const char *error)
{
    (void)context;
    (void)result;
    (void)result_len;
    if (error != NULL) {
        troupe_log(TROUPE_LOG_WARN, "browser", "attach-refused", state->id, "%s", error);
    }
}

static void on_version(browser *state, void *context, const char *result, size_t result_len,
                       const char *error)
{
    (void)context;
    const char *product = "unknown";
    size_t len = strlen(product);
    if (error == NULL) {
        json_span span = {result, result_len};
        (void)member_string(span, "product", &product, &len);
    }
    tell_up(state, product, len);
    send_own(state, "Target.setDiscoverTargets", "{\"discover\":true}", ignore_answer,
             "Target.setDiscoverTargets");
    if (state->attach) {
        /* Paused at birth until its actor has enabled the domains: nothing goes unrecorded. */
        send_own(
            state, "Target.setAutoAttach",
            "{\"autoAttach\":true,\"waitForDebuggerOnStart\":true,\"flatten\":true,\"filter\":"
            "[{\"type\":\"page\"},{\"type\":\"service_worker\"},{\"type\":\"shared_worker\"}]}",
            on_attach_ready, NULL);
    }
}

static bool asked_to_stop(void *context)
{
    return troupe_self_stopping(context);
}

static troupe_error connect_endpoint(browser *state)
{
    endpoint_options options = {.endpoint = state->by_port_file ? NULL : state->endpoint,
                                .profile = state->profile,
                                .pid_fd = state->pid_fd,
                                .timeout_ms = state->host->launch_timeout_ms,
                                .abort = asked_to_stop,
                                .abort_context = state->self};
    return endpoint_connect(&options, state->url, sizeof state->url, &state->stream, state->ended);
}

static troupe_error browser_start(troupe_actor *self, void *context)
{
    browser *state = context;
    state->self = self;
    state->ended->text[0] = '\0';
    if (state->stream == NULL) {
        troupe_error error = connect_endpoint(state);
        if (error != TROUPE_OK) {
            return error;
        }
    }
    int read_fd = message_stream_read_fd(state->stream);
    int write_fd = message_stream_write_fd(state->stream);
    troupe_error error = troupe_watch(self, read_fd, POLLIN, on_stream, state);
    if (error == TROUPE_OK && write_fd != read_fd) {
        error = troupe_watch(self, write_fd, 0, on_stream, state);
    }
    if (error != TROUPE_OK) {
        return troupe_fail(state->ended, error, "cannot watch the connection");
    }
    send_own(state, "Browser.getVersion", NULL, on_version, NULL);
    return TROUPE_OK;
}

static void on_command(browser *state, const troupe_envelope *call)
{
    const char *method = NULL;
    const char *session = NULL;
    const char *params = NULL;
    size_t method_len = 0;
    size_t session_len = 0;
    size_t params_len = 0;
    pending *row;
    troupe_error error = troupe_unpack(call->payload, "[s#,s#?,j#?]", &method, &method_len,
                                       &session, &session_len, &params, &params_len);
    if (error == TROUPE_OK) {
        error =
            send_command(state, &row, method, method_len, session, session_len, params, params_len);
    }
    if (error != TROUPE_OK) {
        troupe_fault(state->self, troupe_caller_of(call), error, NULL, "browser %s: %.*s: %s",
                     state->id, (int)method_len, method != NULL ? method : "",
                     troupe_error_text(error));
        return;
    }
    uint32_t timeout_ms =
        call->meta.timeout_ms != 0 ? call->meta.timeout_ms : state->host->command_timeout_ms;
    row->caller = troupe_caller_of(call);
    row->deadline_ns = troupe_now_ns(state->self) + (uint64_t)timeout_ms * 1000000u;
}

static void on_signal(browser *state, const troupe_envelope *signal)
{
    troupe_down down;
    if (troupe_down_read(signal, &down) == TROUPE_OK) {
        on_target_down(state, &down);
        return;
    }
    uint64_t actor;
    if (troupe_verb_is(signal, "room") &&
        troupe_unpack(signal->payload, "U", &actor) == TROUPE_OK) {
        on_room(state, actor);
    }
}

static troupe_error browser_receive(troupe_actor *self, void *context,
                                    const troupe_envelope *envelope)
{
    browser *state = context;
    if (envelope->kind == TROUPE_SIGNAL) {
        on_signal(state, envelope);
    } else if (troupe_verb_is(envelope, VERB_BROWSER_COMMAND)) {
        on_command(state, envelope);
    } else {
        troupe_fault(self, troupe_caller_of(envelope), TROUPE_EMETHOD, NULL, NULL);
    }
    return TROUPE_OK;
}

static void grace_over(troupe_actor *self, void *context)
{
    (void)context;
    troupe_exit(self, TROUPE_OK);
}

static bool browser_closing(troupe_actor *self, void *context)
{
    browser *state = context;
    snprintf(state->ended->text, sizeof state->ended->text, "closed");
    if (!state->graceful || state->stream == NULL ||
        troupe_timer_start(self, GRACE_MS, 0, grace_over, state, NULL) != TROUPE_OK) {
        fault_pending(state, "closed");
        return true;
    }
    send_own(state, "Browser.close", NULL, ignore_answer, "Browser.close");
    return false; /* its end of file ends us; or the timer */
}

static void browser_free(browser *state)
{
    message_stream_destroy(state->stream);
    pending_fini(&state->pending);
    roster_fini(&state->roster);
    troupe_buffer_fini(&state->scratch);
    free(state);
}

static void browser_stop(troupe_actor *self, void *context, troupe_error reason)
{
    browser *state = context;
    (void)reason;
    state->self = self;
    close_stream(state);
    troupe_system *system = troupe_self_system(self);
    for (roster_target *target = state->roster.targets; target != NULL; target = target->hh.next) {
        if (target->actor != 0) {
            troupe_stop(system, target->actor, TROUPE_STOP_DRAIN);
        }
    }
    browser_free(state);
}

void browser_discard(void *context, void *state)
{
    (void)context;
    browser_free(state);
}

static const troupe_behaviour behaviour = {.kind = "browser",
                                           .start = browser_start,
                                           .receive = browser_receive,
                                           .closing = browser_closing,
                                           .turn = browser_turn,
                                           .stop = browser_stop};

troupe_error browser_prepare(const browser_spec *spec, troupe_spawn_options *out)
{
    browser *state = calloc(1, sizeof *state + sizeof NAME_BROWSER + BROWSER_ID_MAX);
    if (state == NULL || pending_init(&state->pending) != TROUPE_OK) {
        free(state);
        return TROUPE_ENOMEM;
    }
    char *name = (char *)(state + 1);
    snprintf(name, sizeof NAME_BROWSER + BROWSER_ID_MAX, "%s%s", NAME_BROWSER, spec->id);
    snprintf(state->id, sizeof state->id, "%s", spec->id);
    snprintf(state->endpoint, sizeof state->endpoint, "%s",
             spec->endpoint != NULL ? spec->endpoint : "");
    snprintf(state->profile, sizeof state->profile, "%s",
             spec->profile != NULL ? spec->profile : "");
    uuid_t uuid;
    uuid_generate_random(uuid);
    uuid_unparse_lower(uuid, state->uid);
    state->host = spec->host;
    state->launched = spec->launched;
    state->attach = spec->attach;
    state->graceful = spec->graceful;
    state->by_port_file = spec->endpoint == NULL;
    state->pid = spec->pid;
    state->pid_fd = spec->pid_fd;
    state->stream = spec->stream;
    state->ended = spec->ended;
    *out = (troupe_spawn_options){.behaviour = &behaviour, .state = state, .name = name};
    return TROUPE_OK;
}
