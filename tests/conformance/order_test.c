/* SPDX-License-Identifier: MIT */
/* Promise 1, order: what one actor posts to another arrives in the order posted, once, without a
 * gap; and promise 9: what a turn posts travels together, when it ends or is flushed. */
#include "tests/unit/runtime/stage.h"

TestSuite(order, .init = stage_open, .fini = stage_close);

/* ---- many to many ---- */

#define SOURCES 5
#define SINKS   3
#define COUNT   4000U

typedef struct sink {
    part part;
    uint64_t last[SOURCES];
    unsigned complete;
} sink;

typedef struct source {
    part part;
    uint64_t id;
    uint64_t next[SINKS]; /* to each sink */
    sink *sinks;
} source;

static troupe_error check_sequence(troupe_actor *self, part *p, const troupe_envelope *e)
{
    sink *s = p->data;
    uint64_t id;
    uint64_t number;
    (void)self;
    cr_assert(troupe_unpack(e->payload, "[UU]", &id, &number) == TROUPE_OK);
    cr_assert(number == s->last[id] + 1, "of %u: %u after %u", (unsigned)id, (unsigned)number,
              (unsigned)s->last[id]);
    s->last[id] = number;
    if (number == COUNT)
        gate_raise(&p->arrived);
    return TROUPE_OK;
}

/* To all sinks in turn, as far as there is room. */
static troupe_error pour(troupe_actor *self, source *s)
{
    static uint8_t large[70000]; /* does not fit into a bundle of others */
    troupe_buffer b = {0};
    for (unsigned full = 0; full < SINKS;) {
        full = 0;
        for (unsigned i = 0; i < SINKS; i++) {
            troupe_buffer_clear(&b);
            size_t ballast = s->next[i] % 500 == 499 ? sizeof large : s->next[i] % 50;
            cr_assert(troupe_pack(&b, "[UUx#]", s->id, s->next[i] + 1, large, ballast) ==
                      TROUPE_OK);
            troupe_error error = s->next[i] == COUNT
                                     ? TROUPE_EBUSY
                                     : troupe_post(self, s->sinks[i].part.self, TROUPE_EVENT, "n",
                                                   NULL, troupe_buffer_bytes(&b));
            cr_assert(error == TROUPE_OK || error == TROUPE_EBUSY);
            if (error == TROUPE_OK)
                s->next[i]++;
            else
                full++;
            if (error == TROUPE_EBUSY && s->next[i] < COUNT)
                cr_assert(troupe_await_room(self, s->sinks[i].part.self) == TROUPE_OK);
        }
    }
    troupe_buffer_fini(&b);
    return TROUPE_OK;
}

static troupe_error pour_on(troupe_actor *self, part *p, const troupe_envelope *e)
{
    (void)e; /* "go" or "room" */
    return pour(self, p->data);
}

Test(order, holds_from_many_to_many_through_small_mailboxes)
{
    static sink sinks[SINKS];
    static source sources[SOURCES];
    troupe_address addresses[SOURCES];
    troupe_spawn_options small = {.mailbox_envelopes = 100, .mailbox_bytes = 200000};
    for (unsigned i = 0; i < SINKS; i++) {
        sinks[i].part = (part)PART_INIT(.receive = check_sequence, .data = &sinks[i]);
        sinks[i].part.self = enter_with(&sinks[i].part, small);
    }
    for (unsigned i = 0; i < SOURCES; i++) {
        sources[i].part = (part)PART_INIT(.receive = pour_on, .data = &sources[i]);
        sources[i].id = i;
        sources[i].sinks = sinks;
        addresses[i] = enter(&sources[i].part);
        cast(addresses[i], "go");
    }
    for (unsigned i = 0; i < SINKS; i++)
        gate_await(&sinks[i].part.arrived, SOURCES);
    for (unsigned i = 0; i < SOURCES; i++)
        leave(addresses[i]);
    for (unsigned i = 0; i < SINKS; i++)
        leave(sinks[i].part.self);
    troupe_system_counters c = counters();
    cr_assert(c.sent == c.received && c.dead_letters == 0 && c.refused > 0);
    cr_assert(c.received == SOURCES * SINKS * COUNT + SOURCES);
}

/* ---- kinds among each other ---- */

typedef struct script {
    char seen[64]; /* what came, a letter each */
    part *part;
} script;

static void note(script *s, char letter)
{
    size_t len = strlen(s->seen);
    cr_assert(len + 1 < sizeof s->seen);
    s->seen[len] = letter;
}

static void note_answer(troupe_actor *self, void *context, troupe_error error,
                        const troupe_envelope *answer)
{
    script *s = context;
    (void)self;
    (void)answer;
    note(s, error == TROUPE_OK ? 'R' : 'F');
}

/* Posts, replies and faults to the one who called, alternating. */
static troupe_error answer_among_posts(troupe_actor *self, part *p, const troupe_envelope *e)
{
    troupe_caller caller = troupe_caller_of(e);
    (void)p;
    if (troupe_verb_is(e, "cast"))
        return TROUPE_OK;
    cr_assert(troupe_post(self, caller.from, TROUPE_CAST, "before", NULL, nothing) == TROUPE_OK);
    if (troupe_verb_is(e, "reply"))
        troupe_reply(self, caller, nothing);
    else
        troupe_fault(self, caller, TROUPE_EIO, NULL, NULL);
    cr_assert(troupe_post(self, caller.from, TROUPE_EVENT, "after", NULL, nothing) == TROUPE_OK);
    return TROUPE_OK;
}

static troupe_error call_twice(troupe_actor *self, part *p, const troupe_envelope *e)
{
    script *s = p->data;
    if (troupe_verb_is(e, "before"))
        note(s, 'b');
    else if (troupe_verb_is(e, "after"))
        note(s, 'a');
    if (troupe_verb_is(e, "go")) {
        cr_assert(troupe_call(self, p->peer, "reply", NULL, nothing, LONG_MS, note_answer, s,
                              NULL) == TROUPE_OK);
        cr_assert(troupe_post(self, p->peer, TROUPE_CAST, "cast", NULL, nothing) == TROUPE_OK);
        cr_assert(troupe_call(self, p->peer, "fault", NULL, nothing, LONG_MS, note_answer, s,
                              NULL) == TROUPE_OK);
    } else if (strlen(s->seen) == 6) {
        gate_raise(&p->arrived);
    }
    return TROUPE_OK;
}

Test(order, holds_between_casts_events_calls_replies_and_faults)
{
    script s = {0};
    part callee = PART_INIT(.receive = answer_among_posts);
    part caller = PART_INIT(.receive = call_twice, .data = &s);
    caller.peer = enter(&callee);
    troupe_address address = enter(&caller);
    cast(address, "go");
    gate_await(&caller.arrived, 1);
    leave(address);
    leave(caller.peer);
    cr_assert_str_eq(s.seen, "bRabFa");
}

/* ---- more destinations than a turn gathers at once ---- */

#define CROWD 300U

typedef struct crowd {
    part parts[CROWD];
    troupe_address addresses[CROWD];
    uint64_t last[CROWD];
} crowd;

static troupe_error check_next(troupe_actor *self, part *p, const troupe_envelope *e)
{
    uint64_t *last = p->data;
    uint64_t number;
    (void)self;
    cr_assert(troupe_unpack(e->payload, "U", &number) == TROUPE_OK);
    cr_assert(number == *last + 1);
    *last = number;
    if (number == 100)
        gate_raise(&p->arrived);
    return TROUPE_OK;
}

static troupe_error post_to_crowd(troupe_actor *self, part *p, const troupe_envelope *e)
{
    crowd *c = p->data;
    troupe_buffer b = {0};
    (void)e;
    for (uint64_t number = 1; number <= 100; number++) {
        troupe_buffer_clear(&b);
        cr_assert(troupe_pack(&b, "U", number) == TROUPE_OK);
        for (unsigned i = 0; i < CROWD; i++)
            cr_assert(troupe_post(self, c->addresses[(i * 7 + number) % CROWD], TROUPE_EVENT, "n",
                                  NULL, troupe_buffer_bytes(&b)) == TROUPE_OK);
    }
    troupe_buffer_fini(&b);
    return TROUPE_OK;
}

Test(order, holds_to_more_destinations_than_one_turn_gathers)
{
    static crowd c;
    part poster = PART_INIT(.receive = post_to_crowd, .data = &c);
    for (unsigned i = 0; i < CROWD; i++) {
        c.parts[i] = (part)PART_INIT(.receive = check_next, .data = &c.last[i]);
        c.addresses[i] = enter(&c.parts[i]);
    }
    troupe_address address = enter(&poster);
    cast(address, "go");
    for (unsigned i = 0; i < CROWD; i++)
        gate_await(&c.parts[i].arrived, 1);
    leave(address);
    for (unsigned i = 0; i < CROWD; i++)
        leave(c.addresses[i]);
}

/* ---- senders that die right after sending ---- */

static troupe_error send_and_die(troupe_actor *self, part *p)
{
    for (unsigned i = 0; i < 200; i++)
        cr_assert(troupe_post(self, p->peer, TROUPE_EVENT, "n", NULL, nothing) == TROUPE_OK);
    return TROUPE_EIO;
}

static troupe_error count_up(troupe_actor *self, part *p, const troupe_envelope *e)
{
    (void)self;
    (void)e;
    if (++p->count % 200 == 0)
        gate_raise(&p->arrived);
    return TROUPE_OK;
}

Test(order, nothing_is_lost_when_the_sender_dies_right_after_sending)
{
    part receiver = PART_INIT(.receive = count_up);
    troupe_address address = enter(&receiver);
    for (unsigned i = 1; i <= 50; i++) {
        part sender = PART_INIT(.start = send_and_die, .peer = address);
        cr_assert(troupe_join(stage, enter(&sender), LONG_MS) == TROUPE_OK);
        gate_await(&receiver.arrived, i);
    }
    leave(address);
    cr_assert(receiver.count == 50 * 200 && counters().dead_letters == 0);
}

/* ---- turns and bundles ---- */

static troupe_error post_and_wait(troupe_actor *self, part *p, const troupe_envelope *e)
{
    bool flush = troupe_verb_is(e, "flush");
    for (unsigned i = 0; i < 1000; i++)
        cr_assert(troupe_post(self, p->peer, TROUPE_EVENT, "n", NULL, nothing) == TROUPE_OK);
    if (flush)
        troupe_flush(self);
    gate_raise(&p->arrived);
    gate_await(&p->go, flush ? 2 : 1);
    return TROUPE_OK;
}

TestSuite(turn, .init = stage_open, .fini = stage_close);

Test(turn, posts_are_gathered_until_it_ends_or_is_flushed)
{
    part receiver = PART_INIT(.receive = count_up);
    part sender = PART_INIT(.receive = post_and_wait);
    sender.peer = enter(&receiver);
    troupe_address address = enter(&sender);
    uint64_t before = counters().messages;
    cast(address, "gather");
    gate_await(&sender.arrived, 1);
    cr_assert(counters().messages == before + 1); /* the cast; 1000 envelopes are below 64 KiB */
    cr_assert(receiver.count == 0);
    gate_raise(&sender.go);
    gate_await(&receiver.arrived, 5);
    cast(address, "flush");
    gate_await(&receiver.arrived, 10); /* while the sender is still in its turn */
    cr_assert(counters().messages <= before + 2 + 4);
    gate_raise(&sender.go);
    leave(address);
    leave(sender.peer);
}
