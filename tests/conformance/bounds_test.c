/* SPDX-License-Identifier: MIT */
/* Promise 3: a mailbox is bounded and says so at the post, replies are never refused. Promise 10:
 * full mailboxes hold up data alone, never answers nor control. Promise 5: files, timers and
 * envelopes share one thread, and none starves another. */
#include "tests/unit/runtime/stage.h"

#include <poll.h>
#include <unistd.h>

TestSuite(bounds, .init = stage_open, .fini = stage_close);

/* ---- the bound is exact, whoever posts ---- */

#define THREADS  4
#define CAPACITY 1000U

typedef struct flooder {
    pthread_t thread;
    troupe_address to;
    size_t ballast;
    unsigned accepted;
    uint64_t bytes;
} flooder;

/* Until it was refused often: others may give back what they took in advance. */
static void *flood_as_guest(void *arg)
{
    flooder *f = arg;
    static uint8_t zeros[4096];
    troupe_guest *own;
    troupe_buffer b = {0};
    if (troupe_guest_create(stage, &own) != TROUPE_OK)
        return NULL;
    cr_assert(troupe_pack(&b, "x#", zeros, f->ballast) == TROUPE_OK);
    for (unsigned refused = 0; refused < 5000;) {
        if (troupe_guest_post(own, f->to, TROUPE_CAST, "x", NULL, troupe_buffer_bytes(&b)) ==
            TROUPE_OK)
            f->accepted++;
        else
            refused++;
    }
    f->bytes = f->accepted * b.len;
    troupe_buffer_fini(&b);
    troupe_guest_destroy(own);
    return NULL;
}

/* In one turn each, so that credit is taken in advance. */
static troupe_error flood_as_actor(troupe_actor *self, part *p, const troupe_envelope *e)
{
    (void)e;
    for (unsigned refused = 0; refused < 5000;) {
        if (troupe_post(self, p->peer, TROUPE_EVENT, "x", NULL, nothing) == TROUPE_OK)
            p->count++;
        else
            refused++;
    }
    gate_raise(&p->arrived);
    return TROUPE_OK;
}

Test(bounds, no_more_envelopes_are_accepted_than_fit_whoever_posts)
{
    part blocked = PART_INIT(.receive = play_blocked);
    troupe_spawn_options bounded = {.mailbox_envelopes = CAPACITY};
    troupe_address to = enter_with(&blocked, bounded);
    cast(to, "block");
    gate_await(&blocked.arrived, 1);

    flooder guests[THREADS] = {{0}};
    static part actors[THREADS];
    troupe_address addresses[THREADS];
    for (int i = 0; i < THREADS; i++) {
        actors[i] = (part)PART_INIT(.receive = flood_as_actor, .peer = to);
        addresses[i] = enter(&actors[i]);
        guests[i].to = to;
        cast(addresses[i], "go");
        cr_assert(pthread_create(&guests[i].thread, NULL, flood_as_guest, &guests[i]) == 0);
    }
    unsigned accepted = 0;
    for (int i = 0; i < THREADS; i++) {
        pthread_join(guests[i].thread, NULL);
        gate_await(&actors[i].arrived, 1);
        leave(addresses[i]);
        accepted += guests[i].accepted + actors[i].count;
    }
    while (troupe_guest_post(guest, to, TROUPE_CAST, "x", NULL, nothing) == TROUPE_OK)
        accepted++; /* what somebody held in advance at the end */
    cr_assert(accepted == CAPACITY, "%u accepted", accepted);
    gate_raise(&blocked.go);
    leave(to);
    cr_assert(blocked.count == CAPACITY + 1);
}

Test(bounds, no_more_bytes_are_accepted_than_fit)
{
    const size_t bytes_max = 1U << 20;
    part blocked = PART_INIT(.receive = play_blocked);
    troupe_spawn_options bounded = {.mailbox_bytes = bytes_max};
    troupe_address to = enter_with(&blocked, bounded);
    cast(to, "block");
    gate_await(&blocked.arrived, 1);
    flooder guests[THREADS] = {{0}};
    uint64_t bytes = 0;
    for (int i = 0; i < THREADS; i++) {
        guests[i].to = to;
        guests[i].ballast = 1000 * (size_t)(i + 1);
        cr_assert(pthread_create(&guests[i].thread, NULL, flood_as_guest, &guests[i]) == 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(guests[i].thread, NULL);
        bytes += guests[i].bytes;
    }
    cr_assert(bytes <= bytes_max && bytes > bytes_max - bytes_max / 16, "%u bytes",
              (unsigned)bytes);
    gate_raise(&blocked.go);
    leave(to);
    troupe_system_counters c = counters();
    cr_assert(c.sent == c.received && c.dead_letters == 0);
}

/* ---- room ---- */

static troupe_error wish(troupe_actor *self, part *p, const troupe_envelope *e)
{
    static uint8_t zeros[900];
    if (troupe_verb_is(e, "go")) {
        troupe_buffer *b = p->data;
        cr_assert(troupe_pack(b, "x#", zeros, sizeof zeros) == TROUPE_OK);
    } else {
        cr_assert(troupe_verb_is(e, "room"));
        p->count++;
    }
    p->error = troupe_post(self, p->peer, TROUPE_EVENT, "x", NULL, troupe_buffer_bytes(p->data));
    if (p->error == TROUPE_EBUSY)
        cr_assert(troupe_await_room(self, p->peer) == TROUPE_OK);
    gate_raise(&p->arrived);
    return TROUPE_OK;
}

/* Many wait for room at once, each for more than half of it: all get their turn. */
Test(bounds, room_comes_to_everybody_who_waits_and_is_room_enough)
{
    enum { WISHERS = 10 };
    static part wishers[WISHERS];
    static troupe_buffer buffers[WISHERS];
    troupe_address addresses[WISHERS];
    part blocked = PART_INIT(.receive = play_blocked);
    troupe_spawn_options bounded = {.mailbox_bytes = 1000};
    troupe_address to = enter_with(&blocked, bounded);
    cast(to, "block");
    gate_await(&blocked.arrived, 1);
    while (troupe_guest_post(guest, to, TROUPE_CAST, "x", NULL, nothing) == TROUPE_OK)
        continue;
    for (int i = 0; i < WISHERS; i++) {
        wishers[i] = (part)PART_INIT(.receive = wish, .peer = to, .data = &buffers[i]);
        addresses[i] = enter(&wishers[i]);
        cast(addresses[i], "go");
        gate_await(&wishers[i].arrived, 1);
        cr_assert(wishers[i].error == TROUPE_EBUSY);
    }
    gate_raise(&blocked.go);
    for (int i = 0; i < WISHERS; i++) {
        unsigned seen = 1;
        while (gate_await(&wishers[i].arrived, ++seen), wishers[i].error != TROUPE_OK)
            continue;
    }
    for (int i = 0; i < WISHERS; i++) {
        leave(addresses[i]);
        cr_assert(wishers[i].count >= 1);
        troupe_buffer_fini(&buffers[i]);
    }
    leave(to);
}

/* ---- full mailboxes all around: answers and control pass ---- */

#define RING 20

typedef struct member {
    part part;
    troupe_address next;
    unsigned answers;
    unsigned downs;
    unsigned rooms;
} member;

static void ring_answered(troupe_actor *self, void *context, troupe_error error,
                          const troupe_envelope *answer)
{
    member *m = context;
    (void)self;
    (void)answer;
    cr_assert(error == TROUPE_OK, "%s", troupe_error_name(error));
    m->answers++;
}

static void expect_control(member *m, unsigned answers, unsigned downs)
{
    if (m->answers >= answers && m->downs >= downs)
        gate_raise(&m->part.arrived);
}

static troupe_error ring_receive(troupe_actor *self, part *p, const troupe_envelope *e)
{
    member *m = p->data;
    troupe_down down;
    if (e->kind == TROUPE_CALL) {
        troupe_reply(self, troupe_caller_of(e), nothing);
    } else if (troupe_down_read(e, &down) == TROUPE_OK) {
        m->downs++;
        gate_raise(&p->arrived);
    } else if (troupe_verb_is(e, "room")) {
        m->rooms++;
        gate_raise(&p->arrived);
    } else if (troupe_verb_is(e, "fill")) {
        uint64_t mortal;
        cr_assert(troupe_unpack(e->payload, "U", &mortal) == TROUPE_OK);
        cr_assert(troupe_monitor(self, mortal, NULL) == TROUPE_OK);
        gate_raise(&p->arrived); /* in here: nobody empties a mailbox */
        gate_await(&p->go, 1);
        for (int i = 0; i < 5; i++)
            cr_assert(troupe_call(self, m->next, "x", NULL, nothing, LONG_MS, ring_answered, m,
                                  NULL) == TROUPE_OK);
        while (troupe_post(self, m->next, TROUPE_EVENT, "load", NULL, nothing) == TROUPE_OK)
            p->count++;
        cr_assert(troupe_await_room(self, m->next) == TROUPE_OK);
        gate_raise(&p->arrived);
        gate_await(&p->go, 2);
    }
    if (p->count > 0 && m->answers == 5)
        expect_control(m, 5, 1);
    return TROUPE_OK;
}

/* Every mailbox is full and everybody has calls in the next one's: all of it dissolves. */
Test(bounds, cycle_of_full_mailboxes_dissolves_and_loses_nothing)
{
    static member ring[RING];
    part mortal = PART_INIT(.receive = play_echo);
    troupe_address mortal_address = enter(&mortal);
    troupe_spawn_options small = {.mailbox_envelopes = 16};
    for (int i = 0; i < RING; i++) {
        ring[i].part = (part)PART_INIT(.receive = ring_receive, .data = &ring[i]);
        ring[i].part.self = enter_with(&ring[i].part, small);
    }
    for (int i = 0; i < RING; i++) {
        ring[i].next = ring[(i + 1) % RING].part.self;
        cast_number(ring[i].part.self, "fill", mortal_address);
    }
    for (int i = 0; i < RING; i++)
        gate_await(&ring[i].part.arrived, 1);
    for (int i = 0; i < RING; i++)
        gate_raise(&ring[i].part.go);
    for (int i = 0; i < RING; i++) {
        gate_await(&ring[i].part.arrived, 2);
        cr_assert(ring[i].part.count == 11, "%u", ring[i].part.count); /* and five calls */
    }
    leave(mortal_address); /* a `down` for each of them, while they are full */
    for (int i = 0; i < RING; i++)
        gate_raise(&ring[i].part.go);
    for (int i = 0; i < RING; i++)
        gate_await(&ring[i].part.arrived, 4); /* down and room, beside the two above */
    for (int i = 0; i < RING; i++) {
        leave(ring[i].part.self);
        cr_assert(ring[i].answers == 5 && ring[i].downs == 1 && ring[i].rooms == 1);
    }
    troupe_system_counters c = counters();
    cr_assert(c.sent == c.received && c.dead_letters == 0);
}

/* Replies take no credit: a caller whose mailbox is full to the last place gets all of them. */
static troupe_error call_and_block(troupe_actor *self, part *p, const troupe_envelope *e)
{
    member *m = p->data;
    if (troupe_verb_is(e, "go")) {
        for (int i = 0; i < 8; i++)
            cr_assert(troupe_call(self, m->next, "x", NULL, nothing, LONG_MS, ring_answered, m,
                                  NULL) == TROUPE_OK);
        troupe_flush(self);
        gate_raise(&p->arrived);
        gate_await(&p->go, 1);
    }
    p->count++;
    return TROUPE_OK;
}

Test(bounds, replies_are_not_refused_by_a_full_mailbox)
{
    static member m;
    part callee = PART_INIT(.receive = play_echo);
    troupe_spawn_options small = {.mailbox_envelopes = 8};
    m.part = (part)PART_INIT(.receive = call_and_block, .data = &m);
    m.next = enter(&callee);
    troupe_address address = enter_with(&m.part, small);
    cast(address, "go");
    gate_await(&m.part.arrived, 1);
    unsigned filled = 0;
    while (troupe_guest_post(guest, address, TROUPE_CAST, "x", NULL, nothing) == TROUPE_OK)
        filled++;
    cr_assert(filled == 8);
    leave(m.next); /* has answered all */
    gate_raise(&m.part.go);
    leave(address);
    cr_assert(m.answers == 8 && m.part.count == 9);
}

/* ---- control goes first ---- */

typedef struct order {
    part *part;
    unsigned handled_at_down;
} order;

static troupe_error down_overtakes(troupe_actor *self, part *p, const troupe_envelope *e)
{
    order *o = p->data;
    troupe_down down;
    if (troupe_verb_is(e, "block")) {
        uint64_t mortal;
        cr_assert(troupe_unpack(e->payload, "U", &mortal) == TROUPE_OK);
        cr_assert(troupe_monitor(self, mortal, NULL) == TROUPE_OK);
        gate_raise(&p->arrived);
        gate_await(&p->go, 1);
    } else if (troupe_down_read(e, &down) == TROUPE_OK) {
        o->handled_at_down = p->count;
        gate_raise(&p->arrived);
    } else {
        p->count++;
    }
    return TROUPE_OK;
}

Test(bounds, signals_are_handled_before_the_envelopes_that_wait)
{
    order o = {.handled_at_down = 12345};
    part mortal = PART_INIT(.receive = play_echo);
    part p = PART_INIT(.receive = down_overtakes, .data = &o);
    troupe_address mortal_address = enter(&mortal);
    troupe_address address = enter(&p);
    cast_number(address, "block", mortal_address);
    gate_await(&p.arrived, 1);
    for (int i = 0; i < 500; i++)
        cast(address, "x");
    leave(mortal_address); /* `down` is delivered before the join is told */
    gate_raise(&p.go);
    gate_await(&p.arrived, 2);
    leave(address);
    cr_assert(o.handled_at_down == 0 && p.count == 500);
}

/* ---- files, timers and envelopes beside each other ---- */

typedef struct juggler {
    part *part;
    int pipe[2];
    unsigned rings;
    unsigned reads;
} juggler;

static void juggle_ring(troupe_actor *self, void *context)
{
    juggler *j = context;
    (void)self;
    if (++j->rings == 20)
        gate_raise(&j->part->arrived);
}

static void juggle_read(troupe_actor *self, void *context, int fd, short revents)
{
    juggler *j = context;
    char byte;
    (void)self;
    cr_assert((revents & POLLIN) != 0 && read(fd, &byte, 1) == 1);
    if (++j->reads == 100)
        gate_raise(&j->part->arrived);
}

static troupe_error juggle_start(troupe_actor *self, part *p)
{
    juggler *j = p->data;
    j->part = p;
    cr_assert(troupe_watch(self, j->pipe[0], POLLIN, juggle_read, j) == TROUPE_OK);
    return troupe_timer_start(self, 1, 1, juggle_ring, j, NULL);
}

/* Its own mailbox is never empty: it posts to itself as often as it receives. */
static troupe_error juggle_receive(troupe_actor *self, part *p, const troupe_envelope *e)
{
    (void)e;
    p->count++;
    return troupe_post(self, troupe_self_address(self), TROUPE_EVENT, "again", NULL, nothing);
}

Test(bounds, files_and_timers_are_served_though_the_mailbox_is_never_empty)
{
    juggler j = {0};
    cr_assert(pipe(j.pipe) == 0);
    part p = PART_INIT(.start = juggle_start, .receive = juggle_receive, .data = &j);
    troupe_address address = enter(&p);
    for (int i = 0; i < 10; i++)
        cast(address, "x");
    for (int i = 0; i < 100; i++)
        cr_assert(write(j.pipe[1], "x", 1) == 1);
    gate_await(&p.arrived, 2);
    cr_assert(troupe_stop(stage, address, TROUPE_STOP_NOW) == TROUPE_OK); /* and control */
    cr_assert(troupe_join(stage, address, LONG_MS) == TROUPE_OK);
    cr_assert(j.reads == 100 && p.count > 0);
    close(j.pipe[0]);
    close(j.pipe[1]);
}
