/* SPDX-License-Identifier: MIT */
/**
 * A WebSocket that comes back: it reconnects by itself (backoff.h), and keeps what was not sent.
 *
 * A message leaves the queue when the connection has taken all its bytes. When a connection is
 * lost, messages of which nothing was taken are sent over the next one, in order; the one of which
 * a part was taken is handed back (on_unsent), and so is all that is left when it ends for good:
 * nothing that was accepted disappears without a word. What was taken may still be lost on the way;
 * only an answer of the peer's can tell.
 *
 * States: IDLE -> CONNECTING <-> OPEN | WAITING, and CLOSING -> CLOSED, FAILED. A normal close by
 * the peer ends it (CLOSED); authentication that is refused, or too many attempts, too (FAILED).
 * The last error stays readable.
 *
 * Nothing blocks; owner and callbacks as websocket.h has them.
 */
#ifndef TROUPE_TRANSPORT_WEBSOCKET_SESSION_H
#define TROUPE_TRANSPORT_WEBSOCKET_SESSION_H

#include "backoff.h"
#include "websocket.h"

typedef struct websocket_session websocket_session;

typedef enum websocket_session_state {
    WEBSOCKET_SESSION_IDLE,
    WEBSOCKET_SESSION_CONNECTING,
    WEBSOCKET_SESSION_OPEN,
    WEBSOCKET_SESSION_WAITING, /* for the next attempt */
    WEBSOCKET_SESSION_CLOSING,
    WEBSOCKET_SESSION_CLOSED,
    WEBSOCKET_SESSION_FAILED,
} websocket_session_state;

/** All may be NULL. Data is borrowed for the call. */
typedef struct websocket_session_events {
    void *context;
    void (*on_message)(void *context, char *data, size_t len, bool binary);
    /** reason: "" or why; borrowed. */
    void (*on_state)(void *context, websocket_session_state state, const char *reason);
    /** Not sent. in_part: the connection had taken a part of it when it was lost. */
    void (*on_unsent)(void *context, const char *data, size_t len, bool binary, bool in_part);
    /** After TROUPE_EBUSY: half the queue is free. */
    void (*on_room)(void *context);
} websocket_session_events;

/** Zero-initialised but for the URL is what channels use: 100 messages, 1 MiB each. */
typedef struct websocket_session_options {
    websocket_options socket; /* message_max 0 = WEBSOCKET_CHANNEL_MESSAGE_MAX; queue_max_messages 0
                                 = WEBSOCKET_CHANNEL_QUEUE_MAX; on_state and on_room are not used */
    backoff_options backoff;
    websocket_session_events events;
} websocket_session_options;

/** IDLE. As websocket_create. */
troupe_error websocket_session_create(const websocket_session_options *options,
                                      websocket_session **out,
                                      troupe_reason *reason) TROUPE_MUST_USE;

/** What is queued is handed back first (on_unsent). NULL is fine. */
void websocket_session_destroy(websocket_session *session);

/** Begin to connect; the first failure is told by websocket_session_step like all others.
 * TROUPE_OK; TROUPE_ESTATE: it is open, or about to be. */
troupe_error websocket_session_open(websocket_session *session) TROUPE_MUST_USE;

/** Write what is queued, then close. Idempotent, in every state; what cannot be written any more is
 * handed back. */
void websocket_session_close(websocket_session *session, int code, const char *words);

/**
 * Queue a message (copied), also while it is not connected.
 *
 * @return TROUPE_OK; TROUPE_ELIMIT: longer than message_max; TROUPE_EINVAL: text that is not UTF-8;
 *         TROUPE_EBUSY: the queue is full, on_room will tell; TROUPE_ECLOSED: IDLE, CLOSING,
 * CLOSED, FAILED; TROUPE_ENOMEM
 */
troupe_error websocket_session_send(websocket_session *session, const void *data, size_t len,
                                    bool binary) TROUPE_MUST_USE;

/** As websocket_wait_for. */
void websocket_session_wait_for(const websocket_session *session, websocket_wait *out);

/** Do what can be done now. TROUPE_OK; TROUPE_ESTATE: IDLE; TROUPE_ECLOSED: CLOSED; the error it
 * FAILED with. */
troupe_error websocket_session_step(websocket_session *session, troupe_reason *reason);

/** As websocket_pause; holds for later connections too. */
void websocket_session_pause(websocket_session *session, bool paused);

typedef struct websocket_session_info {
    websocket_session_state state;
    websocket_info socket;    /* of the connection; its counts span all of them */
    uint32_t connections;     /* times it was established */
    uint32_t attempts;        /* failed in a row */
    int64_t retry_at_ns;      /* WAITING: when the next attempt is due, monotonic */
    size_t queued_messages;   /* accepted, not yet taken by a connection */
    size_t queued_bytes;      /* likewise */
    uint64_t sent_messages;   /* taken by a connection */
    uint64_t unsent_messages; /* handed back */
} websocket_session_info;

void websocket_session_info_of(const websocket_session *session, websocket_session_info *out);
const char *websocket_session_state_name(websocket_session_state state);

#endif
