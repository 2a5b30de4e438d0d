/* SPDX-License-Identifier: MIT */
/** What the files of a WebSocket share: websocket.c (life, messages), websocket_opening.c
 * (connecting), websocket_health.c (pings). */
#ifndef TROUPE_TRANSPORT_WEBSOCKET_STATE_H
#define TROUPE_TRANSPORT_WEBSOCKET_STATE_H

#include "burst.h"
#include "websocket_settings.h"

#define WEBSOCKET_NS_PER_MS 1000000

/** Whether the peer lives: a ping now and then, and bytes that come after it. */
typedef struct websocket_health {
    int64_t next_ping_ns;
    int64_t silent_at_ns; /* nothing came until then: it is gone; 0 = no ping waits */
    uint64_t received;    /* bytes, when the ping was sent */
    uint64_t written;     /* likewise, or when the limit was moved on */
    uint64_t pings;       /* sent; the payload of the latest one */
    int64_t ping_ns;      /* when that was; 0 = never */
    int64_t latency_ns;   /* of the last one answered; -1 = none */
    bool unanswered;
} websocket_health;

struct websocket {
    message_stream base;
    websocket_settings settings;
    websocket_state state; /* written by websocket_set_state alone */
    troupe_error error;    /* the last one; kept through what comes after */
    troupe_reason error_reason;
    troupe_reason end_reason; /* how it was closed */
    troupe_error fault;       /* while CLOSING: why it will end in ERROR; the peer is still heard */
    uint64_t errors;
    int close_code; /* 1006 included */
    int64_t close_deadline_ns;
    uint64_t close_mark; /* `written` when all that was queued before our close frame is */
    /* connecting */
    stream_attempt *attempt;
    websocket_answer *answer;
    char key[WEBSOCKET_KEY_SIZE];
    int64_t connect_deadline_ns;
    websocket_verdict verdict;
    /* from connected on; the stream stays until the next opening, so that descriptors in an owner's
     * poll set stay what they are */
    stream *stream;
    websocket_codec codec;
    bool codec_open;
    burst burst;
    bool paused;
    websocket_health health;
    uint64_t received;  /* bytes, of all connections */
    uint64_t written;   /* likewise */
    uint64_t opened_at; /* `written` when the handshake was done */
    uint64_t messages_in;
    uint64_t messages_out;
    /* where in `written` each queued message will end; only with queue_max_messages */
    uint64_t *marks;
    uint32_t mark_first;
    uint32_t mark_count;
    bool refused; /* somebody was told TROUPE_EBUSY, and waits for room */
};

int64_t websocket_now_ns(const websocket *w);

/** The one place where the state changes; an illegal move is a bug of ours. */
void websocket_set_state(websocket *w, websocket_state next, const char *why);

/** Enter ERROR. Returns the error. */
troupe_error websocket_fail(websocket *w, troupe_error error, const char *format, ...)
    TROUPE_PRINTF(3, 4);

/** Enter CLOSED; `why` as in websocket_info. */
void websocket_end(websocket *w, const char *why);

/** Write what goes now. When it fails the peer can still be heard: CLOSING, w->fault says why. */
void websocket_write_queue(websocket *w);

/** What is queued will not be written. Before destroying, by who hands it back. */
void websocket_forget_queue(websocket *w);

/** The calls of a message stream. */
troupe_error websocket_flush(websocket *w, troupe_reason *reason);
troupe_error websocket_receive(websocket *w, message_stream_fn fn, void *context,
                               troupe_reason *reason);

/* websocket_opening.c: */

/** Go on connecting. */
void websocket_go_on(websocket *w);
/** What there is of an attempt. */
void websocket_drop_attempt(websocket *w);

/* websocket_health.c: */

void websocket_health_start(websocket *w);
/** Send a ping that is due, notice silence (enters ERROR). */
void websocket_health_tick(websocket *w, int64_t now_ns);
/** After bytes came: was it answered? */
void websocket_health_heard(websocket *w);
/** When websocket_health_tick is due; INT64_MAX = never. */
int64_t websocket_health_due_ns(const websocket *w);

#endif
