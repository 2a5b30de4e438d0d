/* SPDX-License-Identifier: MIT */
/**
 * One WebSocket connection with both its ends in one thread: our client, which sends back each
 * message it gets, and a server that sends what a case says and writes down what comes back.
 *
 * What came back is one line: `text Hello|pong x|close 1000`. Of payloads that are long or not
 * printable only length and digest are written. `end` alone stands for a connection that ended
 * without a close frame.
 */
#ifndef TEST_WEBSOCKET_STAGE_H
#define TEST_WEBSOCKET_STAGE_H

#include "tests/fault/peer.h"
#include "transport/byte_queue.h"
#include "transport/websocket.h"

#define STAGE_WAIT_MS 20000 /* never reached, unless something hangs */

typedef struct stage {
    peer server;
    message_stream *client;
    troupe_error error; /* why the client ended it */
    troupe_reason reason;
    byte_queue out; /* the server's, not yet written */
    uint64_t sent;  /* bytes behind the handshake */
    byte_queue in;
    char *events;
    size_t events_len;
    unsigned event_count;
    bool closed; /* the server has seen the end */
    bool close_sent;
    /* Compression, where a case has agreed on it: called for each message with RSV1; gives the
     * payload, until the next call. */
    bool (*inflate)(void *context, const char *data, size_t len, const char **out, size_t *out_len);
    void *context;
} stage;

/** Listen, once for many connections. */
void stage_init(stage *s);
void stage_fini(stage *s);

/** Connect; `answer` as in peer_script. False: refused, see s->error and s->reason. */
bool stage_open(stage *s, const char *answer, const websocket_options *options);
/** End both sides, and free what the connection had. */
void stage_close(stage *s);

/** Queue one frame of the server's; `first` is its first byte. */
void stage_frame(stage *s, int first, const void *payload, size_t len);
/** Until all that is queued was written and the client has read it, or the client has ended it.
 * `chop`: not more than so many bytes at a time, each piece read before the next; 0 = no matter. */
void stage_run(stage *s, size_t chop);
/** Until so many events were seen, or the end. */
void stage_await(stage *s, unsigned events);
/** Until the server has seen the end. */
void stage_finish(stage *s);

/** Whether the client still holds it open. */
bool stage_is_open(const stage *s);
/** An event of the case's own. */
void stage_note(stage *s, const char *text);
/** One event as it is written: malloc'd. */
char *stage_event(const char *kind, const void *payload, size_t len);

#endif
