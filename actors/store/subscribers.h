/* SPDX-License-Identifier: MIT */
/**
 * Who wants to hear of new rows: each actor with its topics. A slow one is shed from, counted, and
 * told of the gap when it has room again; it never holds the store up.
 */
#ifndef TROUPE_STORE_SUBSCRIBERS_H
#define TROUPE_STORE_SUBSCRIBERS_H

#include "troupe/actor.h"

/* As recorder_topic; the gap is no topic of its own. */
#define SUBSCRIBER_TOPICS 3

typedef struct subscriber {
    troupe_address address;
    uint64_t monitor;
    unsigned topics; /* bit n: topic n */
    bool waiting;    /* it was busy: everything is shed until it has room */
    uint64_t shed[SUBSCRIBER_TOPICS];
} subscriber;

typedef struct subscribers {
    subscriber *list;
    size_t count;
    size_t capacity;
} subscribers;

void subscribers_fini(subscribers *subscribers);

/** The topic of that name; -1 if there is none. */
int subscribers_topic(const char *name, size_t len);

/** Add topics to an actor's, or begin with it; it leaves by itself when it ends. */
troupe_error subscribers_add(subscribers *subscribers, troupe_actor *self, troupe_address address,
                             unsigned topics) TROUPE_MUST_USE;

/** Whether anybody wants that topic: so that rows need not be read for nobody. */
bool subscribers_want(const subscribers *subscribers, int topic);

/** Send JSON text to those who want the topic. */
void subscribers_publish(subscribers *subscribers, troupe_actor *self, int topic, const char *json,
                         size_t len);

/** Deal with the signals `down` and `room`. */
void subscribers_signal(subscribers *subscribers, troupe_actor *self,
                        const troupe_envelope *signal);

#endif
