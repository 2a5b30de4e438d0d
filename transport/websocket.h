/* SPDX-License-Identifier: MIT */
/**
 * One WebSocket, client side (RFC 6455, RFC 7692): connecting, handshake, messages, health,
 * closing. Nothing blocks but websocket_connect; the owner polls and calls in. It is a message
 * stream too (websocket_stream), so that who speaks CDP need not know what carries it.
 *
 * States, and who moves on:
 *
 *     DISCONNECTED -> CONNECTING            websocket_open
 *     CONNECTING   -> CONNECTED | ERROR     the server, the time limit
 *     CONNECTED    -> CLOSING               websocket_close, or writing failed
 *     CONNECTED    -> CLOSED | ERROR        the peer closed: normally (1000, 1001, no code), or
 * else CLOSING      -> CLOSED | ERROR        the peer answered, the time limit any          ->
 * CLOSED                websocket_close where there is nothing to wait for CLOSED, ERROR ->
 * CONNECTING           websocket_open: the object can be used again
 *
 * The last error stays readable (websocket_info_of) after closing and while trying again.
 *
 * Owner: one thread at a time. Callbacks run inside the calls that cause them; they may send and
 * close, not step, receive or destroy.
 */
#ifndef TROUPE_TRANSPORT_WEBSOCKET_H
#define TROUPE_TRANSPORT_WEBSOCKET_H

#include "message_stream.h"
#include "websocket_codec.h"
#include "websocket_handshake.h"

#include <poll.h>
#include <stdint.h>

#define WEBSOCKET_MESSAGE_MAX         (256u << 20)
#define WEBSOCKET_QUEUE_MAX_BYTES     ((size_t)16 << 20)
#define WEBSOCKET_CONNECT_TIMEOUT_MS  30000u
#define WEBSOCKET_PING_INTERVAL_MS    30000u
#define WEBSOCKET_PONG_TIMEOUT_MS     10000u
#define WEBSOCKET_CLOSE_TIMEOUT_MS    5000u
#define WEBSOCKET_NEVER_MS            UINT32_MAX        /* for ping_interval_ms */
#define WEBSOCKET_CHANNEL_MESSAGE_MAX ((size_t)1 << 20) /* what channels set */
#define WEBSOCKET_CHANNEL_QUEUE_MAX   100u

typedef struct websocket websocket;

typedef enum websocket_state {
    WEBSOCKET_DISCONNECTED,
    WEBSOCKET_CONNECTING,
    WEBSOCKET_CONNECTED,
    WEBSOCKET_CLOSING,
    WEBSOCKET_CLOSED,
    WEBSOCKET_ERROR,
} websocket_state;

/** Whether permessage-deflate is offered. AUTO: not to loopback, where bytes cost less than
 * compressing them. */
typedef enum websocket_deflate {
    WEBSOCKET_DEFLATE_AUTO,
    WEBSOCKET_DEFLATE_OFF,
    WEBSOCKET_DEFLATE_ON,
} websocket_deflate;

/** After the state has changed; `reason` is "" or why, borrowed. */
typedef void (*websocket_state_fn)(void *context, websocket *w, websocket_state from,
                                   websocket_state to, const char *reason);

/** Zero-initialised but for the URL is a connection for CDP. Strings are copied. */
typedef struct websocket_options {
    const char *url;             /* ws:// or wss:// */
    const char *bearer_token;    /* sent as Authorization: Bearer …; NULL = none; never logged */
    uint32_t connect_timeout_ms; /* name to handshake; 0 = WEBSOCKET_CONNECT_TIMEOUT_MS */
    size_t message_max;          /* longest message either way; 0 = WEBSOCKET_MESSAGE_MAX */
    const char *ca_file;         /* PEM of the authorities to trust; NULL = the system's */
    /** websocket_connect alone: asked while connecting, true gives up with TROUPE_ECANCELLED. NULL
     * = never. */
    bool (*abort)(void *context);
    void *abort_context;
    const char *cert_file;      /* PEM of our certificate; NULL = none */
    const char *key_file;       /* PEM of its key; NULL = in cert_file */
    const char *proxy;          /* as stream_connect_options */
    const char *resolve;        /* likewise */
    const char *unix_path;      /* connect to this Unix socket; the URL only says what to ask for */
    const char *const *headers; /* further ones, "Name: value", NULL behind the last; NULL = none */
    const char *const *protocols; /* subprotocols; then the server must choose one */
    size_t protocol_count;
    websocket_deflate deflate;
    deflate_offer deflate_offer; /* what is asked for if it is offered */
    size_t deflate_min;          /* shorter messages go as they are; 0 = WEBSOCKET_DEFLATE_MIN */
    size_t queue_max_bytes;      /* not yet written; 0 = WEBSOCKET_QUEUE_MAX_BYTES */
    uint32_t queue_max_messages; /* likewise; 0 = only bytes count */
    uint32_t ping_interval_ms;   /* 0 = WEBSOCKET_PING_INTERVAL_MS; WEBSOCKET_NEVER_MS */
    uint32_t pong_timeout_ms;    /* silence after a ping; 0 = WEBSOCKET_PONG_TIMEOUT_MS */
    uint32_t close_timeout_ms;   /* for the peer's close; 0 = WEBSOCKET_CLOSE_TIMEOUT_MS */
    websocket_state_fn on_state; /* NULL = none */
    void (*on_room)(void *context, websocket *w); /* after TROUPE_EBUSY: half the queue is free */
    void *context;                                /* of both */
    int64_t (*clock)(void *context);              /* monotonic ns, for tests; NULL = the system's */
    void *clock_context;
} websocket_options;

/* --- life ----------------------------------------------------------------------------------- */

/**
 * Make one: DISCONNECTED. Options are checked here, so that opening cannot fail for their sake.
 *
 * @return TROUPE_OK; TROUPE_EPARAMS (URL, token, header, subprotocol: reason says which, never a
 *         secret); TROUPE_ENOMEM
 */
troupe_error websocket_create(const websocket_options *options, websocket **out,
                              troupe_reason *reason) TROUPE_MUST_USE;

/** Close and free; an open one sends its close frame if that does not block. NULL is fine. */
void websocket_destroy(websocket *w);

/**
 * Begin to connect. Whatever was queued before is dropped.
 *
 * @return TROUPE_OK: CONNECTING, go on with websocket_step; TROUPE_ESTATE: it is connecting,
 *         connected or closing; otherwise as stream_connect_begin, and the state is ERROR
 */
troupe_error websocket_open(websocket *w, troupe_reason *reason) TROUPE_MUST_USE;

/**
 * Close with a code (1000 …) and words (NULL = none): what is queued is written first, then the
 * close frame; the peer's is waited for, up to close_timeout_ms, by websocket_step. Idempotent, in
 * every state; never blocks.
 */
void websocket_close(websocket *w, int code, const char *words);

/* --- the owner's loop ----------------------------------------------------------------------- */

/** What to wait for. */
typedef struct websocket_wait {
    struct pollfd fds[2];
    nfds_t count;
    int64_t deadline_ns; /* call websocket_step then at the latest (monotonic); INT64_MAX = no
                            limit; 0 = at once: there is something to do already */
} websocket_wait;

void websocket_wait_for(const websocket *w, websocket_wait *out);

/**
 * Do what can be done now: connect, write, read (unless paused), pings and limits.
 *
 * @param fn       called for each whole message
 * @return TROUPE_OK: connecting, connected or closing; TROUPE_ESTATE: DISCONNECTED; TROUPE_ECLOSED:
 *         CLOSED; otherwise the error, in state ERROR; repeated by each further call
 */
troupe_error websocket_step(websocket *w, message_stream_fn fn, void *context,
                            troupe_reason *reason);

/** The part of websocket_step that is due by time: pings, silence, limits. For owners that read and
 * write by the message stream. Errors as there. */
troupe_error websocket_tick(websocket *w, troupe_reason *reason);

/** Other limits for pings than the options said, from now on. As there; 0 = the defaults. */
void websocket_set_pings(websocket *w, uint32_t interval_ms, uint32_t timeout_ms);

/** Back-pressure: while paused nothing is read, and the peer is held back by TCP. */
void websocket_pause(websocket *w, bool paused);

/* --- messages ------------------------------------------------------------------------------- */

/**
 * Queue one message (copied). Written by websocket_step or flush.
 *
 * @return TROUPE_OK; TROUPE_ELIMIT: longer than message_max; TROUPE_EINVAL: text that is not UTF-8
 *         (a peer would end the connection for it); TROUPE_EBUSY: the queue is full, on_room will
 *         tell; TROUPE_ENOTCONNECTED: not connected yet; TROUPE_ECLOSED; TROUPE_ENOMEM
 */
troupe_error websocket_send_text(websocket *w, const void *data, size_t len) TROUPE_MUST_USE;
troupe_error websocket_send_bytes(websocket *w, const void *data, size_t len) TROUPE_MUST_USE;

/** Bytes that were put in the queue since it was connected, frames' headers included, and how many
 * of them the connection has taken: what stands behind `taken` was not sent. */
void websocket_progress(const websocket *w, uint64_t *queued, uint64_t *taken);

/* --- looking at it -------------------------------------------------------------------------- */

typedef struct websocket_info {
    websocket_state state;
    const char *url;    /* without its query; borrowed */
    troupe_error error; /* the last one; TROUPE_OK if there was none */
    const char *reason; /* of it; "" = none; borrowed */
    const char *closed; /* how it was closed the last time; "" = never; borrowed */
    int close_code;     /* the peer's; 1005 none in its frame; 1006 ended without; 0 not ended */
    uint32_t retry_after_s; /* what the server's last refusal asked for; 0 = nothing */
    bool deflate;
    const char *protocol; /* "" = none; borrowed */
    uint64_t messages_in; /* all counts: since it was created */
    uint64_t messages_out;
    uint64_t bytes_in; /* of the connection, frames' headers included */
    uint64_t bytes_out;
    uint64_t errors;        /* times it has entered ERROR */
    uint64_t pings;         /* sent */
    int64_t ping_ns;        /* when the last one was sent, monotonic; 0 = never */
    int64_t latency_ns;     /* of the last answered ping; -1 = none yet */
    size_t queued_bytes;    /* not yet written */
    size_t queued_messages; /* counted only with queue_max_messages */
} websocket_info;

websocket_state websocket_state_of(const websocket *w);
const char *websocket_state_name(websocket_state state); /* "connected" */
void websocket_info_of(const websocket *w, websocket_info *out);

/* --- as a message stream -------------------------------------------------------------------- */

/** The same object as a message stream: message_stream_destroy frees it. */
message_stream *websocket_stream(websocket *w);

/** The WebSocket that a message stream is; NULL: it is something else. */
websocket *websocket_of(message_stream *stream);

/**
 * Make one and connect. message_stream_send queues a text message. Before each poll, the first one
 * too, ask message_stream_pending: over TLS a message that was read already wakes no poll.
 *
 * Blocks: up to connect_timeout_ms.
 *
 * @return TROUPE_OK; TROUPE_EPARAMS; TROUPE_EUNAVAILABLE (nobody there; 503); TROUPE_ETIMEOUT;
 *         TROUPE_EUNAUTHORIZED (401, 403, 407); TROUPE_EBUSY (429); TROUPE_EPROTOCOL (another
 *         answer); TROUPE_ECANCELLED
 */
troupe_error websocket_connect(const websocket_options *options, message_stream **out,
                               troupe_reason *reason) TROUPE_MUST_USE;

/** Queue a binary message; as message_stream_send. */
troupe_error websocket_send_binary(message_stream *stream, const void *data, size_t len);

/** Queue a ping with an empty payload. */
troupe_error websocket_ping(message_stream *stream);

/** Inside the callback of receive: whether the message is binary (else it is text). */
bool websocket_message_is_binary(const message_stream *stream);

/** Bytes received so far, control frames included: any progress shows that the peer lives. */
uint64_t websocket_received_bytes(const message_stream *stream);

/** The code of the peer's close frame; 0 if none came, 1005 if it came without a code. */
int websocket_close_code(const message_stream *stream);

#endif
