/* SPDX-License-Identifier: MIT */
/**
 * An external actor: envelopes between the peer of a WebSocket and the actors of the host, as
 * docs/envelope.md says ("At the edge").
 *
 * Part of the client's actor, whose address is the peer's. What other actors send to that address
 * travels to the peer; what the peer sends is posted and called by the client's actor. All state
 * goes with the connection: names are released, calls answered and monitors fire because an actor
 * ended.
 */
#ifndef TROUPE_BRIDGE_EXTERNAL_H
#define TROUPE_BRIDGE_EXTERNAL_H

#include "bridge.h"
#include "troupe/actor.h"

#define EXTERNAL_SUBPROTOCOL  "troupe.envelope.v1"
#define EXTERNAL_CALLS_MAX    1024 /* pending, each way */
#define EXTERNAL_NAMES_MAX    64
#define EXTERNAL_MONITORS_MAX 256

/* Calls in flight, found by their ref. */
typedef struct external_calls {
    struct external_call *table; /* uthash */
    unsigned count;
} external_calls;

typedef struct external {
    troupe_actor *self; /* fixed, as all up to `refuse` */
    bridge *server;
    client_slot *slot;
    size_t message_bytes; /* longest message from the peer */
    void *context;
    bool (*room)(void *context); /* whether more than answers and casts may be queued */
    void (*send)(void *context, const void *bundle, size_t len);
    /* End the connection with this WebSocket code; why: a few words, at most 123 bytes. */
    void (*refuse)(void *context, uint16_t code, const char *why);

    bool joined;          /* the welcome was sent */
    bool refused;         /* the peer broke the contract: nothing more is taken from it */
    troupe_buffer bundle; /* for the peer, until the end of the turn */
    external_calls out;   /* of the peer, by its ref */
    external_calls in;    /* to the peer, by the host's ref */
    unsigned names;
    uint64_t monitors[EXTERNAL_MONITORS_MAX];
    unsigned monitor_count;
    uint64_t shed; /* events dropped and not yet told */
} external;

void external_fini(external *external);

/** Greet the peer: from now on it is an actor. */
void external_join(external *external);

/** A binary message of the peer; the first one greets it. */
void external_message(external *external, const uint8_t *data, size_t len);

/** An envelope for the peer: anything but answers to its own calls. */
void external_receive(external *external, const troupe_envelope *envelope);

/** End of a turn: what was gathered is queued, and what was dropped is told if there is room. */
void external_turn(external *external);

/** Now and then: forget calls to the peer whose callers wait no more. */
void external_tick(external *external);

#endif
