/* SPDX-License-Identifier: MIT */
/** RPC `network`: lists requests of all targets; those that wait for one are answered when it is
 * there. */
#ifndef TROUPE_SERVICE_NETWORK_LIST_H
#define TROUPE_SERVICE_NETWORK_LIST_H

#include "lookup.h"

struct network_waiter;

/** The state of the actor `network`. Zero-initialised is valid. */
typedef struct network {
    lookups calls; /* first: a lookup's `all` is this */
    struct network_waiter *waiters;
    troupe_address store; /* whose events come; 0 = none */
    uint64_t look_timer;  /* of the next look for waiters; 0 = none */
} network;

/** Add to SQL over har_summary or har_entry, named h, what the call's params ask for: method,
 * resource_type or type, url, state, search, status. False: one of them is wrong, and the call was
 * answered. */
bool network_list_filters(troupe_actor *self, lookup *item, lookup_sql *sql);

/** The targets of the call are known. */
void network_list(troupe_actor *self, lookup *item);
/** A request ended. */
void network_list_event(troupe_actor *self, network *state);
void network_list_signal(troupe_actor *self, network *state, const troupe_envelope *signal);
void network_list_fini(network *state);

/** With a filter on texts: take the step when the full-text index has what was recorded. */
void network_list_indexed(troupe_actor *self, lookup *item, lookup_answer_fn indexed);

#endif
