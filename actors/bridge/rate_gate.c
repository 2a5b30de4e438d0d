/* SPDX-License-Identifier: MIT */
/* How many RPC calls a client may make in a second. */
#include "rate_gate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool rate_gate_init(rate_gate *gate, uint32_t per_second, uint32_t burst)
{
    *gate = (rate_gate){.per_second = per_second, .burst = burst};
    pthread_mutex_init(&gate->lock, NULL);
    gate->places = per_second > 0 ? calloc(RATE_GATE_PLACES, sizeof *gate->places) : NULL;
    return per_second == 0 || gate->places != NULL;
}

void rate_gate_fini(rate_gate *gate)
{
    pthread_mutex_destroy(&gate->lock);
    free(gate->places);
}

/* Its place; else one that is free, else the one that was not used for longest. Under the lock. */
static rate_gate_place *place_of(rate_gate *gate, const char *peer, uint64_t now_ns)
{
    rate_gate_place *oldest = &gate->places[0];
    for (size_t i = 0; i < RATE_GATE_PLACES; i++) {
        rate_gate_place *at = &gate->places[i];
        if (strcmp(at->peer, peer) == 0) {
            return at;
        }
        oldest = at->used_ns < oldest->used_ns ? at : oldest;
    }
    memset(oldest, 0, sizeof *oldest);
    snprintf(oldest->peer, sizeof oldest->peer, "%s", peer);
    rate_limit_init(&oldest->limit, gate->per_second, gate->burst, now_ns);
    return oldest;
}

uint32_t rate_gate_pass(rate_gate *gate, const char *peer, uint64_t now_ns)
{
    if (gate->per_second == 0) {
        return 0;
    }
    char address[48];
    snprintf(address, sizeof address, "%.*s", (int)strcspn(peer, ":"), peer);
    pthread_mutex_lock(&gate->lock);
    rate_gate_place *place = place_of(gate, address, now_ns);
    place->used_ns = now_ns;
    uint64_t wait_ns =
        rate_limit_take(&place->limit, now_ns) ? 0 : rate_limit_wait_ns(&place->limit, now_ns);
    pthread_mutex_unlock(&gate->lock);
    return (uint32_t)((wait_ns + 999999) / 1000000);
}
