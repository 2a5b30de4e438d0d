/* SPDX-License-Identifier: MIT */
/**
 * The live events of one WebSocket client: what it asked for, from the store to its queue.
 *
 * Belongs to the client's actor. Events that find no room are dropped and counted; the peer is told
 * with a `gap` event as soon as there is room. When the store is restarted, it is asked again.
 */
#ifndef TROUPE_BRIDGE_FEED_H
#define TROUPE_BRIDGE_FEED_H

#include "actors/topics.h"
#include "rpc.h"

typedef struct feed {
    troupe_actor *self; /* fixed, as all up to `ended` */
    bridge *server;
    client_slot *slot;
    void *context;
    bool (*room)(void *context); /* whether another event may be queued */
    void (*send)(void *context, const void *text, size_t len);
    bool (*idle)(void *context);                  /* whether nothing is queued */
    void (*too_slow)(void *context);              /* it was so for too long */
    void (*ended)(void *context, rpc_call *call); /* a call it had taken is RPC_DONE */

    unsigned topics;            /* bits, as actors/topics.h */
    json_t *targets;            /* events only of these; NULL = all */
    json_t *methods;            /* cdp: only events that match one of these; NULL = all */
    uint64_t slow_ns;           /* since when it is too slow; 0 = it is not */
    uint64_t shed[TOPIC_COUNT]; /* dropped and not yet told */
    troupe_address store;       /* where it is subscribed; 0 = nowhere */
    uint64_t store_monitor;
} feed;

void feed_fini(feed *feed);

/** events.subscribe. True: the call was taken and ends later; false: it is RPC_DONE. */
bool feed_subscribe(feed *feed, rpc_call *call);
/** events.unsubscribe: false, the call is RPC_DONE. */
bool feed_unsubscribe(feed *feed, rpc_call *call);

/** An event of the store. */
void feed_event(feed *feed, const troupe_envelope *event);
/** There may be room again: tell what was dropped. */
void feed_room(feed *feed);
/** Some actor ended. */
void feed_down(feed *feed, const troupe_down *down);

#endif
