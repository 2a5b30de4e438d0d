/* SPDX-License-Identifier: MIT */
/*
 * chameneos: 100 creatures meet in pairs in one mall, 200,000 times. The mall pairs who comes with
 * who waits; the one who waited hears of the other, tells it to change, and both come again.
 */
#include "programs.h"

#define CREATURES 100U
#define MEETINGS  200000U

static const troupe_bytes nothing = {NULL, 0};

typedef enum colour { BLUE, RED, YELLOW, FADED } colour;

static colour complement(colour a, colour b)
{
    return a == b ? a : (colour)(3 - (int)a - (int)b);
}

typedef struct creature {
    troupe_address mall;
    colour colour;
    uint32_t meetings;
} creature;

/* Payload of `meet` and `change`: [other, colour]. */
static void say(troupe_actor *self, troupe_address to, const char *verb, troupe_address other,
                colour c)
{
    troupe_buffer payload = {0};
    bench_ok(troupe_pack(&payload, "[U,i]", other, (int)c), verb);
    savina_cast(self, to, verb, troupe_buffer_bytes(&payload));
    troupe_buffer_fini(&payload);
}

static void hear(const troupe_envelope *e, troupe_address *other, colour *c)
{
    int number = 0;
    bench_ok(troupe_unpack(e->payload, "[U,i]", other, &number), "hear");
    *c = (colour)number;
}

static void go_to_mall(troupe_actor *self, const creature *c)
{
    say(self, c->mall, "meet", troupe_self_address(self), c->colour);
}

static troupe_error creature_receive(troupe_actor *self, void *state, const troupe_envelope *e)
{
    creature *c = state;
    if (troupe_verb_is(e, "go")) {
        go_to_mall(self, c);
    } else if (troupe_verb_is(e, "leave")) {
        c->colour = FADED;
        savina_cast_uint(self, c->mall, "met", c->meetings);
    } else {
        troupe_address other;
        colour theirs;
        hear(e, &other, &theirs);
        c->meetings++;
        bool first = troupe_verb_is(e, "meet"); /* else `change`, with the colour already mixed */
        c->colour = first ? complement(c->colour, theirs) : theirs;
        if (first)
            say(self, other, "change", troupe_self_address(self), c->colour);
        go_to_mall(self, c);
    }
    return TROUPE_OK;
}

static const troupe_behaviour creature_behaviour = {.kind = "creature",
                                                    .receive = creature_receive};

typedef struct mall {
    troupe_address creatures[CREATURES];
    troupe_address waiting;
    uint32_t left;
    uint32_t faded;
    uint64_t meetings;
    troupe_caller waits;
} mall;

static void pair_up(troupe_actor *self, mall *m, troupe_address comer, colour c)
{
    if (m->left == 0) {
        savina_cast(self, comer, "leave", nothing);
    } else if (m->waiting == 0) {
        m->waiting = comer;
    } else {
        m->left--;
        say(self, m->waiting, "meet", comer, c);
        m->waiting = 0;
    }
}

static troupe_error mall_receive(troupe_actor *self, void *state, const troupe_envelope *e)
{
    mall *m = state;
    if (e->kind == TROUPE_CALL) {
        m->waits = troupe_caller_of(e);
        for (uint32_t i = 0; i < CREATURES; i++)
            savina_cast(self, m->creatures[i], "go", nothing);
    } else if (troupe_verb_is(e, "met")) {
        m->meetings += savina_uint(e);
        if (++m->faded == CREATURES)
            bench_reply(self, m->waits, m->meetings);
    } else {
        troupe_address comer;
        colour c;
        hear(e, &comer, &c);
        pair_up(self, m, comer, c);
    }
    return TROUPE_OK;
}

static const troupe_behaviour mall_behaviour = {.kind = "mall", .receive = mall_receive};

void savina_chameneos(const char *lane)
{
    static creature creatures[CREATURES];
    mall m = {.left = MEETINGS};
    bench_stage stage = bench_open(lane, 0);
    double start = bench_now_us();
    troupe_address address = bench_spawn(&stage, &mall_behaviour, &m);
    for (uint32_t i = 0; i < CREATURES; i++) {
        creatures[i] = (creature){.mall = address, .colour = (colour)(i % 3)};
        m.creatures[i] = bench_spawn(&stage, &creature_behaviour, &creatures[i]);
    }
    bench_expect(bench_ask(&stage, address, "go") == 2ULL * MEETINGS,
                 "chameneos: meetings are missing");
    savina_print("chameneos", lane, bench_now_us() - start, "");
    bench_close(&stage);
}
