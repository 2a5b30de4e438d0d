/* SPDX-License-Identifier: MIT */
/**
 * A scripted CDP peer that answers at once, so that what is measured is its client. One thread.
 *
 * connection.c carries whole messages over a pipe pair or a WebSocket, script.c answers them,
 * main.c waits for what is ready.
 */
#ifndef BENCH_PEER_H
#define BENCH_PEER_H

#include "transport/byte_queue.h"
#include "transport/cdp.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum connection_kind {
    CONNECTION_PIPE,      /* messages end with a NUL byte */
    CONNECTION_HTTP,      /* a request is still to come */
    CONNECTION_WEBSOCKET, /* it asked for an upgrade */
} connection_kind;

typedef struct connection connection;

/** One whole message: borrowed for the call. */
typedef void (*connection_fn)(connection *from, const char *text, size_t len);

/** A session of a target, as the client knows it. */
typedef struct peer_session {
    char id[40];
    char target[40];
    bool attached;
} peer_session;

/** Events that are still to be sent, at a rate. */
typedef struct burst_job {
    int64_t id; /* of the command that asked for it; 0 = none is running */
    char session[40];
    char method[64];
    char *params; /* of each event; owned */
    size_t params_len;
    uint64_t left;
    uint64_t sessions; /* they go to the first so many, in turn */
    uint64_t next;     /* the session of the next one */
    uint64_t per_tick; /* so many each TICK_MS; 0 = all at once */
    uint64_t tick_rest;
} burst_job;

struct connection {
    connection_kind kind;
    int in;
    int out;
    byte_queue received;
    size_t searched; /* pipe: bytes that hold no NUL */
    byte_queue written;
    bool closed;
    bool auto_attach;
    peer_session *sessions;
    size_t session_count;
    burst_job burst;
    connection *next;
};

#define TICK_MS 10 /* of a burst at a rate */

/** TCP port of the listener; 0 = there is none. */
extern int peer_port;

/* connection.c */

connection *connection_create(connection_kind kind, int in, int out);
void connection_destroy(connection *c);
/** Read what is there and hand out what is whole. False: it ended. */
bool connection_read(connection *c, connection_fn fn);
/** Queue one message of two parts (the second may be long and is then written through). */
void connection_send(connection *c, const char *head, size_t head_len, const char *body,
                     size_t body_len);
/** Write all that is queued; blocks until the client takes it. */
void connection_flush(connection *c);

/* script.c */

void script_answer(connection *c, const char *text, size_t len);
/** Send the next part of a burst at a rate. */
void script_tick(connection *c);
void script_fini(connection *c);

#endif
