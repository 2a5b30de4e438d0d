/* SPDX-License-Identifier: MIT */
/* big: 120 actors, each pings a random one, waits for the pong, 20,000 times. */
#include "programs.h"

#define ACTORS 120U
#define PINGS  20000U

static const troupe_bytes nothing = {NULL, 0};

typedef struct peer {
    const troupe_address *all;
    uint64_t random;
    uint32_t pings;
    uint32_t pongs;
    troupe_caller waits;
} peer;

static void ping(troupe_actor *self, peer *p)
{
    p->pings++;
    savina_cast(self, p->all[savina_random(&p->random) % ACTORS], "ping", nothing);
}

static troupe_error peer_receive(troupe_actor *self, void *state, const troupe_envelope *e)
{
    peer *p = state;
    if (e->kind == TROUPE_CALL) {
        p->waits = troupe_caller_of(e);
        return TROUPE_OK;
    }
    if (troupe_verb_is(e, "ping")) {
        savina_cast(self, e->from, "pong", nothing);
        return TROUPE_OK;
    }
    p->pongs += troupe_verb_is(e, "pong");
    if (p->pongs < PINGS)
        ping(self, p);
    else
        bench_reply(self, p->waits, p->pongs);
    return TROUPE_OK;
}

static const troupe_behaviour peer_behaviour = {.kind = "peer", .receive = peer_receive};

void savina_big(const char *lane)
{
    static peer peers[ACTORS];
    static troupe_address addresses[ACTORS];
    bench_stage stage = bench_open(lane, 0);
    double start = bench_now_us();
    for (uint32_t i = 0; i < ACTORS; i++) {
        peers[i] = (peer){.all = addresses, .random = i};
        addresses[i] = bench_spawn(&stage, &peer_behaviour, &peers[i]);
        bench_ask_ahead(&stage, addresses[i], "wait");
    }
    for (uint32_t i = 0; i < ACTORS; i++)
        bench_tell(&stage, addresses[i], "go");
    bench_expect(bench_answers(&stage) == (uint64_t)ACTORS * PINGS, "big: pongs are missing");
    savina_print("big", lane, bench_now_us() - start, "");
    bench_close(&stage);
}
