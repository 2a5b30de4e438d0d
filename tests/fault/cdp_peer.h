/* SPDX-License-Identifier: MIT */
/**
 * A scripted Chrome at the other end of a browser actor's connection, over a pipe or a WebSocket,
 * and a guest that calls the actor. Everything is done by the test's own thread, step by step; only
 * the actor has its own.
 *
 * Calls are numbered from 0. Call n sends the command "Fake.n"; when the peer has read it, its id
 * is known, and it can be answered, or not.
 */
#ifndef TEST_CDP_PEER_H
#define TEST_CDP_PEER_H

#include "peer.h"
#include "transport/byte_queue.h"
#include "troupe/host.h"
#include "troupe/system.h"

#define CDP_CALLS_MAX 1024
#define CDP_WAIT_MS   20000 /* never reached, unless something hangs */

typedef struct cdp_call {
    int64_t id; /* on the wire; 0: not read yet */
    bool ended;
    unsigned ends;
    troupe_error error;
    char *text; /* the result, or the fault's words and data */
} cdp_call;

typedef struct cdp_peer {
    bool websocket;
    troupe_host_options host;
    troupe_system *system;
    troupe_guest *guest;
    peer server;
    /* the present connection */
    troupe_address browser;
    int fd;
    int client; /* the actor's end of it */
    uint64_t written;
    byte_queue in;
    cdp_call calls[CDP_CALLS_MAX];
    size_t call_count;
    uint64_t timeouts; /* calls that ended by their deadline, in all connections */
} cdp_peer;

void cdp_open(cdp_peer *p, bool over_websocket);
void cdp_close(cdp_peer *p);

/** A new connection with a new browser actor. `greet`: answer what it asks at its start, and come
 * back when it is through with it. */
void cdp_connect(cdp_peer *p, bool greet);
/** Close the peer's end; come back when the actor has ended. Each call must have ended once. */
void cdp_disconnect(cdp_peer *p);
/** As the browser actor ends, the error it ended with. */
troupe_error cdp_await_end(cdp_peer *p);

/** One whole message. */
void cdp_send(cdp_peer *p, const char *format, ...) __attribute__((format(printf, 2, 3)));
void cdp_send_text(cdp_peer *p, const char *text, size_t len);
/** Bytes as they are. */
void cdp_send_raw(cdp_peer *p, const char *data, size_t len);
/** What cdp_send_text would send for a message, appended. */
void cdp_wrap(const cdp_peer *p, byte_queue *out, const char *text, size_t len);
/** Until the actor has read all that was sent. */
void cdp_await_read(const cdp_peer *p);
/** Read the next command; its text until the next call. */
const char *cdp_next(cdp_peer *p);

/** Start a call; read the command at the other end. timeout_ms: the command's deadline; 0: the
 * host's. */
size_t cdp_call_start(cdp_peer *p, uint32_t timeout_ms);
/** The two halves of it: start the call; read its command, which must be the next. */
size_t cdp_call_post(cdp_peer *p, uint32_t timeout_ms);
void cdp_call_read(cdp_peer *p, size_t n);
/** Wait for that call's end. */
const cdp_call *cdp_call_wait(cdp_peer *p, size_t n);
/** Answer call n with {"n":n}. */
void cdp_answer(cdp_peer *p, size_t n);

/** A counter of the actor's (browser.metrics). It has handled all that was sent before. */
uint64_t cdp_count(cdp_peer *p, const char *name);
/** Likewise; it has handled all calls, but perhaps not all that the peer has sent. */
uint64_t cdp_look(cdp_peer *p, const char *name);
/** Replies to calls that had ended otherwise than by their deadline, in the whole system. */
uint64_t cdp_replies_too_many(const cdp_peer *p);

#endif
