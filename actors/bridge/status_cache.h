/* SPDX-License-Identifier: MIT */
/** The last answer of RPC `status`, good as long as nothing that it shows has changed
 * (actors/board.h). */
#ifndef TROUPE_BRIDGE_STATUS_CACHE_H
#define TROUPE_BRIDGE_STATUS_CACHE_H

#include "troupe/pack.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/** Thread: any. */
typedef struct status_cache {
    pthread_mutex_t lock;
    char *before; /* the JSON text up to the number of uptime_ms; NULL = nothing is kept */
    char *after;  /* and from behind it */
    uint64_t uptime_ms;
    uint64_t taken_ns;
    unsigned long long changes; /* of the board, before it was asked for */
} status_cache;

void status_cache_init(status_cache *cache);
void status_cache_fini(status_cache *cache);

/** Append the answer, with its uptime as it is now, if it is still good. */
bool status_cache_get(status_cache *cache, unsigned long long changes, uint64_t now_ns,
                      troupe_buffer *out);

/** Keep an answer; one with warnings, which tell of time that passes, is not kept. */
void status_cache_put(status_cache *cache, unsigned long long changes, uint64_t now_ns,
                      const char *text, size_t len);

#endif
