/* SPDX-License-Identifier: MIT */
/* A WebSocket that comes back. The queue is ours: each message stays in it until the connection has
 * taken all its bytes, which websocket_progress tells. */
#include "websocket_session.h"

#include "troupe/log.h"
#include "websocket_state.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/** A message in the queue. */
typedef struct entry {
    struct entry *next;
    size_t len;
    bool binary;
    bool handed; /* it is in the connection's queue, from `start` to `end` of what that has had */
    uint64_t start;
    uint64_t end;
    char data[];
} entry;

struct websocket_session {
    websocket_session_options options;
    websocket_session_state state; /* written by set_state alone */
    websocket *socket;
    backoff backoff;
    int64_t retry_at_ns;
    int close_code; /* of a close that waits for the queue; 0 = it was passed on */
    char close_words[WEBSOCKET_CONTROL_MAX];
    uint32_t connections;
    entry *first;
    entry **last;
    entry *unhanded; /* the first that is not handed; NULL = all are */
    size_t count;
    size_t bytes;
    uint64_t sent;
    uint64_t unsent;
    bool refused; /* somebody was told TROUPE_EBUSY */
};

/* --- states --------------------------------------------------------------------------------- */

#define TO(state) (1u << (WEBSOCKET_SESSION_##state))

static const unsigned legal[] = {
    [WEBSOCKET_SESSION_IDLE] = TO(CONNECTING) | TO(CLOSED),
    [WEBSOCKET_SESSION_CONNECTING] = TO(OPEN) | TO(WAITING) | TO(FAILED) | TO(CLOSED),
    [WEBSOCKET_SESSION_OPEN] = TO(WAITING) | TO(CLOSING) | TO(CLOSED) | TO(FAILED),
    [WEBSOCKET_SESSION_WAITING] = TO(CONNECTING) | TO(CLOSED),
    [WEBSOCKET_SESSION_CLOSING] = TO(CLOSED) | TO(FAILED),
    [WEBSOCKET_SESSION_CLOSED] = TO(CONNECTING),
    [WEBSOCKET_SESSION_FAILED] = TO(CONNECTING) | TO(CLOSED),
};

const char *websocket_session_state_name(websocket_session_state state)
{
    static const char *const names[] = {"idle",    "connecting", "open",  "waiting",
                                        "closing", "closed",     "failed"};
    return names[state];
}

static void set_state(websocket_session *session, websocket_session_state next, const char *why)
{
    const websocket_session_events *events = &session->options.events;
    bool ok = (legal[session->state] & (1u << next)) != 0;
    assert(ok);
    if (!ok) {
        troupe_log(TROUPE_LOG_ERROR, "websocket", "illegal-move",
                   session->socket->settings.uri.authority, "%s -> %s",
                   websocket_session_state_name(session->state),
                   websocket_session_state_name(next));
        return;
    }
    troupe_log(TROUPE_LOG_DEBUG, "websocket", "session", session->socket->settings.uri.authority,
               "%s -> %s%s%s%s", websocket_session_state_name(session->state),
               websocket_session_state_name(next), why[0] != '\0' ? " (" : "", why,
               why[0] != '\0' ? ")" : "");
    session->state = next;
    if (events->on_state != NULL) {
        events->on_state(events->context, next, why);
    }
}

/* --- the queue ------------------------------------------------------------------------------ */

static void pop(websocket_session *session)
{
    entry *e = session->first;
    session->first = e->next;
    if (session->first == NULL) {
        session->last = &session->first;
    }
    if (session->unhanded == e) {
        session->unhanded = e->next;
    }
    session->count--;
    session->bytes -= e->len;
    free(e);
}

static void hand_back(websocket_session *session, bool in_part)
{
    const websocket_session_events *events = &session->options.events;
    const entry *e = session->first;
    session->unsent++;
    if (events->on_unsent != NULL) {
        events->on_unsent(events->context, e->data, e->len, e->binary, in_part);
    }
    pop(session);
}

static void hand_back_all(websocket_session *session)
{
    while (session->first != NULL) {
        hand_back(session, false);
    }
}

/** What the connection has taken is sent. */
static void drop_sent(websocket_session *session)
{
    uint64_t queued = 0;
    uint64_t taken = 0;
    websocket_progress(session->socket, &queued, &taken);
    while (session->first != NULL && session->first->handed && session->first->end <= taken) {
        session->sent++;
        pop(session);
    }
}

/** Give the connection what is not yet in its queue. */
static void hand_over(websocket_session *session)
{
    uint64_t taken = 0;
    websocket *socket = session->socket;
    while (session->unhanded != NULL && websocket_state_of(socket) == WEBSOCKET_CONNECTED) {
        entry *e = session->unhanded;
        websocket_progress(socket, &e->start, &taken);
        troupe_error error = e->binary ? websocket_send_bytes(socket, e->data, e->len)
                                       : websocket_send_text(socket, e->data, e->len);
        if (error != TROUPE_OK) {
            return; /* no room or no memory now: at the next step */
        }
        websocket_progress(socket, &e->end, &taken);
        e->handed = true;
        session->unhanded = e->next;
    }
}

/** The connection is gone: what it has not begun with goes over the next one. */
static void take_back(websocket_session *session)
{
    uint64_t queued = 0;
    uint64_t taken = 0;
    drop_sent(session);
    websocket_progress(session->socket, &queued, &taken);
    if (session->first != NULL && session->first->handed && session->first->start < taken) {
        hand_back(session, true);
    }
    for (entry *e = session->first; e != NULL; e = e->next) {
        e->handed = false;
    }
    session->unhanded = session->first;
}

static void tell_room(websocket_session *session)
{
    const websocket_session_events *events = &session->options.events;
    const websocket_options *o = &session->options.socket;
    if (session->refused && session->count <= o->queue_max_messages / 2 &&
        session->bytes <= o->queue_max_bytes / 2) {
        session->refused = false;
        if (events->on_room != NULL) {
            events->on_room(events->context);
        }
    }
}

troupe_error websocket_session_send(websocket_session *session, const void *data, size_t len,
                                    bool binary)
{
    const websocket_options *o = &session->options.socket;
    if (session->state != WEBSOCKET_SESSION_CONNECTING &&
        session->state != WEBSOCKET_SESSION_OPEN && session->state != WEBSOCKET_SESSION_WAITING) {
        return TROUPE_ECLOSED;
    }
    if (len > o->message_max) {
        return TROUPE_ELIMIT;
    }
    if (!binary && !utf8_ok(data, len)) {
        return TROUPE_EINVAL;
    }
    if (session->count >= o->queue_max_messages ||
        (session->count > 0 && session->bytes + len > o->queue_max_bytes)) {
        session->refused = true;
        return TROUPE_EBUSY;
    }
    entry *e = malloc(sizeof(*e) + len);
    if (e == NULL) {
        return TROUPE_ENOMEM;
    }
    *e = (entry){.len = len, .binary = binary};
    if (len > 0) {
        memcpy(e->data, data, len);
    }
    *session->last = e;
    session->last = &e->next;
    if (session->unhanded == NULL) {
        session->unhanded = e;
    }
    session->count++;
    session->bytes += len;
    hand_over(session);
    return TROUPE_OK;
}

/* --- coming and going ----------------------------------------------------------------------- */

static void finish(websocket_session *session, websocket_session_state state, const char *why)
{
    set_state(session, state, why); /* first: nothing can be queued any more */
    hand_back_all(session);
}

static void begin(websocket_session *session)
{
    set_state(session, WEBSOCKET_SESSION_CONNECTING, "");
    (void)!websocket_open(session->socket, NULL); /* a failure is in its state */
}

/** The connection is in ERROR: again, later, or never. */
static void on_lost(websocket_session *session)
{
    websocket_info info;
    uint32_t delay_ms = 0;
    int64_t now_ns = websocket_now_ns(session->socket);
    websocket_info_of(session->socket, &info);
    take_back(session);
    bool again =
        session->state != WEBSOCKET_SESSION_CLOSING &&
        backoff_failed(&session->backoff, info.error, info.retry_after_s, now_ns, &delay_ms);
    if (!again) {
        finish(session, WEBSOCKET_SESSION_FAILED, info.reason);
        return;
    }
    session->retry_at_ns = now_ns + (int64_t)delay_ms * WEBSOCKET_NS_PER_MS;
    set_state(session, WEBSOCKET_SESSION_WAITING, info.reason);
}

static void on_connected(websocket_session *session)
{
    session->connections++;
    backoff_up(&session->backoff, websocket_now_ns(session->socket));
    set_state(session, WEBSOCKET_SESSION_OPEN, "");
    hand_over(session);
}

/** Close the connection once all that is queued is in its queue. */
static void pass_close_on(websocket_session *session)
{
    if (session->close_code != 0 && session->unhanded == NULL) {
        websocket_close(session->socket, session->close_code,
                        session->close_words[0] != '\0' ? session->close_words : NULL);
        session->close_code = 0;
    }
}

/** Follow the connection's state. */
static void follow(websocket_session *session)
{
    websocket_info info;
    switch (websocket_state_of(session->socket)) {
    case WEBSOCKET_CONNECTED:
        if (session->state == WEBSOCKET_SESSION_CONNECTING) {
            on_connected(session);
        }
        hand_over(session);
        break;
    case WEBSOCKET_ERROR:
        on_lost(session);
        break;
    case WEBSOCKET_CLOSED:
        websocket_info_of(session->socket, &info);
        take_back(session);
        finish(session, WEBSOCKET_SESSION_CLOSED, info.closed);
        break;
    default:
        break;
    }
}

static bool is_active(const websocket_session *session)
{
    return session->state == WEBSOCKET_SESSION_CONNECTING ||
           session->state == WEBSOCKET_SESSION_OPEN || session->state == WEBSOCKET_SESSION_CLOSING;
}

static void on_message(void *context, char *data, size_t len)
{
    const websocket_session *session = context;
    const websocket_session_events *events = &session->options.events;
    if (events->on_message != NULL) {
        events->on_message(events->context, data, len,
                           websocket_message_is_binary(websocket_stream(session->socket)));
    }
}

static troupe_error outcome(const websocket_session *session, troupe_reason *reason)
{
    websocket_info info;
    websocket_info_of(session->socket, &info);
    switch (session->state) {
    case WEBSOCKET_SESSION_IDLE:
        return troupe_fail(reason, TROUPE_ESTATE, "it was not opened");
    case WEBSOCKET_SESSION_CLOSED:
        return troupe_fail(reason, TROUPE_ECLOSED, "%s", info.closed);
    case WEBSOCKET_SESSION_FAILED:
        return troupe_fail(reason, info.error, "%s", info.reason);
    default:
        return TROUPE_OK;
    }
}

troupe_error websocket_session_step(websocket_session *session, troupe_reason *reason)
{
    if (session->state == WEBSOCKET_SESSION_WAITING &&
        websocket_now_ns(session->socket) >= session->retry_at_ns) {
        begin(session);
    }
    if (is_active(session)) {
        (void)websocket_step(session->socket, on_message, session, NULL);
        drop_sent(session);
        follow(session);
    }
    if (session->state == WEBSOCKET_SESSION_CLOSING) {
        pass_close_on(session);
    }
    tell_room(session);
    return outcome(session, reason);
}

void websocket_session_wait_for(const websocket_session *session, websocket_wait *out)
{
    websocket_wait_for(session->socket, out);
    if (session->state == WEBSOCKET_SESSION_WAITING) {
        memset(out, 0, sizeof(*out));
        out->deadline_ns = session->retry_at_ns;
    } else if (is_active(session) && websocket_state_of(session->socket) == WEBSOCKET_ERROR) {
        out->deadline_ns = 0; /* it could not even begin to connect */
    }
}

troupe_error websocket_session_open(websocket_session *session)
{
    if (is_active(session) || session->state == WEBSOCKET_SESSION_WAITING) {
        return TROUPE_ESTATE;
    }
    backoff_init(&session->backoff, &session->options.backoff);
    session->close_code = 0;
    begin(session);
    return TROUPE_OK;
}

void websocket_session_close(websocket_session *session, int code, const char *words)
{
    switch (session->state) {
    case WEBSOCKET_SESSION_OPEN:
        session->close_code = code;
        session->close_words[0] = '\0';
        strncat(session->close_words, words != NULL ? words : "", sizeof(session->close_words) - 1);
        set_state(session, WEBSOCKET_SESSION_CLOSING, "closed by us");
        pass_close_on(session);
        break;
    case WEBSOCKET_SESSION_IDLE:
    case WEBSOCKET_SESSION_CONNECTING:
    case WEBSOCKET_SESSION_WAITING:
    case WEBSOCKET_SESSION_FAILED:
        websocket_close(session->socket, code, words);
        finish(session, WEBSOCKET_SESSION_CLOSED, "closed by us");
        break;
    default:
        break;
    }
}

void websocket_session_pause(websocket_session *session, bool paused)
{
    websocket_pause(session->socket, paused);
}

/* --- life ----------------------------------------------------------------------------------- */

troupe_error websocket_session_create(const websocket_session_options *options,
                                      websocket_session **out, troupe_reason *reason)
{
    websocket_session *session = calloc(1, sizeof(*session));
    if (session == NULL) {
        return troupe_fail(reason, TROUPE_ENOMEM, "no memory for a session");
    }
    session->options = *options;
    websocket_options *o = &session->options.socket;
    o->message_max = o->message_max != 0 ? o->message_max : WEBSOCKET_CHANNEL_MESSAGE_MAX;
    o->queue_max_bytes = o->queue_max_bytes != 0 ? o->queue_max_bytes : WEBSOCKET_QUEUE_MAX_BYTES;
    uint32_t messages = o->queue_max_messages;
    o->queue_max_messages = 0; /* they are counted here */
    o->on_state = NULL;
    o->on_room = NULL;
    troupe_error error = websocket_create(o, &session->socket, reason);
    if (error != TROUPE_OK) {
        free(session);
        return error;
    }
    o->queue_max_messages = messages != 0 ? messages : WEBSOCKET_CHANNEL_QUEUE_MAX;
    session->last = &session->first;
    *out = session;
    return TROUPE_OK;
}

void websocket_session_destroy(websocket_session *session)
{
    if (session == NULL) {
        return;
    }
    session->options.events.on_state = NULL;
    session->options.events.on_room = NULL;
    if (is_active(session)) {
        websocket_close(session->socket, WEBSOCKET_CODE_NORMAL, NULL);
        (void)websocket_flush(session->socket, NULL);
        take_back(session);
        websocket_forget_queue(session->socket);
    }
    session->state = WEBSOCKET_SESSION_CLOSED; /* nothing can be queued any more */
    hand_back_all(session);
    websocket_destroy(session->socket);
    free(session);
}

void websocket_session_info_of(const websocket_session *session, websocket_session_info *out)
{
    *out = (websocket_session_info){
        .state = session->state,
        .connections = session->connections,
        .attempts = session->backoff.failures,
        .retry_at_ns = session->state == WEBSOCKET_SESSION_WAITING ? session->retry_at_ns : 0,
        .queued_messages = session->count,
        .queued_bytes = session->bytes,
        .sent_messages = session->sent,
        .unsent_messages = session->unsent,
    };
    websocket_info_of(session->socket, &out->socket);
}
