/* SPDX-License-Identifier: MIT */
/* What leaves first: troupe_flush_first. */
#include "stage.h"

#define TIMES 500

TestSuite(flush, .init = stage_open, .fini = stage_close);

/* The record: "note" of each round must be there before the "told" of whoever was told of it. */
static troupe_error play_record(troupe_actor *self, part *p, const troupe_envelope *e)
{
    uint64_t round;
    (void)self;
    cr_assert(troupe_unpack(e->payload, "U", &round) == TROUPE_OK);
    if (troupe_verb_is(e, "note"))
        p->count = (unsigned)round;
    else if (p->count < round)
        p->error = TROUPE_ESTATE;
    gate_raise(&p->arrived);
    return TROUPE_OK;
}

static void post_number(troupe_actor *self, troupe_address to, const char *verb, uint64_t number)
{
    troupe_buffer b = {0};
    (void)troupe_pack(&b, "U", number);
    cr_assert(troupe_post(self, to, TROUPE_CAST, verb, NULL, troupe_buffer_bytes(&b)) == TROUPE_OK);
    troupe_buffer_fini(&b);
}

/* Whoever is told tells the record at once. */
static troupe_error play_told(troupe_actor *self, part *p, const troupe_envelope *e)
{
    uint64_t round;
    const uint8_t *filler;
    size_t len;
    cr_assert(troupe_unpack(e->payload, "U", &round) == TROUPE_OK ||
              troupe_unpack(e->payload, "[U,x#]", &round, &filler, &len) == TROUPE_OK);
    post_number(self, p->peer, "told", round);
    return TROUPE_OK;
}

typedef struct teller {
    troupe_address record;
    troupe_address told;
} teller;

/* Too large for a bundle: it leaves in the middle of the turn. */
static void post_large(troupe_actor *self, troupe_address to, uint64_t number)
{
    static const char filler[100000];
    troupe_buffer b = {0};
    (void)troupe_pack(&b, "[U,x#]", number, filler, sizeof filler);
    cr_assert(troupe_post(self, to, TROUPE_CAST, "large", NULL, troupe_buffer_bytes(&b)) ==
              TROUPE_OK);
    troupe_buffer_fini(&b);
}

/* Posts to the told one first, so that its bundle would leave first. */
static troupe_error play_teller(troupe_actor *self, part *p, const troupe_envelope *e)
{
    const teller *who = p->data;
    (void)e;
    troupe_flush_first(self, who->record);
    post_number(self, who->told, "hello", p->count);
    p->count++;
    post_number(self, who->record, "note", p->count);
    post_number(self, who->told, "tell", p->count);
    return TROUPE_OK;
}

Test(flush, first_leaves_before_what_was_posted_after_it)
{
    part record = PART_INIT(.receive = play_record);
    part told = PART_INIT(.receive = play_told);
    teller who = {.record = enter(&record)};
    told.peer = who.record;
    who.told = enter(&told);
    part source = PART_INIT(.receive = play_teller, .data = &who);
    troupe_address address = enter(&source);
    for (unsigned i = 0; i < TIMES; i++) {
        cast(address, "go");
        gate_await(&record.arrived, 3 * (i + 1));
    }
    cr_assert(record.error == TROUPE_OK, "told before it was noted");
    leave(address);
    leave(who.told);
    leave(who.record);
}

/* An answer to a guest, and a bundle of its own, take nothing past it. */
static troupe_error play_answerer(troupe_actor *self, part *p, const troupe_envelope *e)
{
    const teller *who = p->data;
    troupe_flush_first(self, who->record);
    p->count++;
    post_number(self, who->record, "note", p->count);
    if (p->count % 2 == 0)
        post_large(self, who->told, p->count);
    troupe_reply(self, troupe_caller_of(e), nothing);
    return TROUPE_OK;
}

/* Whoever gets the large one tells the record; so does the guest with its answer. */
Test(flush, first_leaves_before_answers_and_bundles_of_their_own)
{
    part record = PART_INIT(.receive = play_record);
    part told = PART_INIT(.receive = play_told);
    teller who = {.record = enter(&record)};
    told.peer = who.record;
    who.told = enter(&told);
    part source = PART_INIT(.receive = play_answerer, .data = &who);
    troupe_address address = enter(&source);
    for (unsigned i = 1; i <= TIMES; i++) {
        cr_assert(ask(address, "ask", LONG_MS) == TROUPE_OK);
        cast_number(who.record, "told", i);
        gate_await(&record.arrived, 2 * i + i / 2);
    }
    cr_assert(record.error == TROUPE_OK, "told before it was noted");
    leave(address);
    leave(who.told);
    leave(who.record);
}
