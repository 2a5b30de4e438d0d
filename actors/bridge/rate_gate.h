/* SPDX-License-Identifier: MIT */
/** How many RPC calls a client may make in a second: a token bucket for each address. */
#ifndef TROUPE_BRIDGE_RATE_GATE_H
#define TROUPE_BRIDGE_RATE_GATE_H

#include "transport/rate_limit.h"

#include <pthread.h>

#define RATE_GATE_PLACES 256

typedef struct rate_gate_place {
    char peer[48]; /* "" = free */
    rate_limit limit;
    uint64_t used_ns;
} rate_gate_place;

/** Thread: any. */
typedef struct rate_gate {
    pthread_mutex_t lock;
    uint32_t per_second; /* 0 = no limit */
    uint32_t burst;
    rate_gate_place *places; /* RATE_GATE_PLACES; NULL without a limit. Guarded by lock */
} rate_gate;

/** per_second 0: every call passes. False: no memory. */
bool rate_gate_init(rate_gate *gate, uint32_t per_second, uint32_t burst);
void rate_gate_fini(rate_gate *gate);

/** Count a call of that IPv4 address; a port after it does not count. Returns 0 if it may pass,
 * else in how many ms the next one may. */
uint32_t rate_gate_pass(rate_gate *gate, const char *peer, uint64_t now_ns);

#endif
