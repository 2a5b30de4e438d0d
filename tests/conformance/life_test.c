/* SPDX-License-Identifier: MIT */
/* Promise 6: addresses never dangle. Promise 7: a death is told once to each who asked, when all is
 * released. Promise 11: everything ends, from any state, and leaves nothing. */
#include "tests/conformance/plain.h"
#include "tests/unit/runtime/stage.h"

#include <stdio.h>
#include <sys/resource.h>

/* ---- the second in a slot ---- */

static void one_slot(void)
{
    cr_assert(stage_open_with((troupe_system_options){.actors_max = 1}) == TROUPE_OK);
    cr_assert(troupe_guest_create(stage, &guest) == TROUPE_OK);
}

TestSuite(slot, .init = one_slot, .fini = stage_close);

static troupe_error count_all(troupe_actor *self, part *p, const troupe_envelope *e)
{
    (void)self;
    p->count++;
    troupe_reply(self, troupe_caller_of(e), nothing);
    return TROUPE_OK;
}

/* There is one slot: whoever enters is where the one before was, whose mailbox was full. */
Test(slot, second_in_it_gets_nothing_of_the_first)
{
    for (unsigned round = 1; round <= 50; round++) {
        part first = PART_INIT(.receive = play_blocked);
        part second = PART_INIT(.receive = count_all);
        troupe_address stale = enter(&first);
        cast(stale, "block");
        gate_await(&first.arrived, 1);
        for (int i = 0; i < 100; i++)
            cast(stale, "x");
        cr_assert(troupe_stop(stage, stale, TROUPE_STOP_NOW) == TROUPE_OK);
        gate_raise(&first.go);
        troupe_spawn_options options = {.behaviour = &part_behaviour, .state = &second};
        troupe_address address;
        troupe_error error;
        while ((error = troupe_spawn(stage, &options, &address)) == TROUPE_ELIMIT)
            continue; /* enters the moment the first one is out, before it is joined */
        cr_assert(error == TROUPE_OK && address != stale);
        cr_assert(troupe_guest_post(guest, stale, TROUPE_CAST, "x", NULL, nothing) == TROUPE_EGONE);
        cr_assert(ask(address, "x", LONG_MS) == TROUPE_OK);
        cr_assert(first.count == 1 && second.count == 1);
        leave(address);
        cr_assert(counters().dead_letters == 100 * round);
    }
}

/* ---- what is accepted for one who dies ---- */

TestSuite(death, .init = stage_open, .fini = stage_close);

static troupe_error die_at_once(troupe_actor *self, part *p, const troupe_envelope *e)
{
    (void)self;
    (void)e;
    p->count++;
    gate_raise(&p->arrived);
    gate_await(&p->go, 1);
    return TROUPE_EIO;
}

Test(death, full_mailbox_becomes_dead_letters_all_of_them_counted)
{
    part p = PART_INIT(.receive = die_at_once);
    troupe_spawn_options small = {.mailbox_envelopes = 300};
    troupe_address address = enter_with(&p, small);
    cast(address, "first");
    gate_await(&p.arrived, 1);
    unsigned accepted = 0;
    while (troupe_guest_post(guest, address, TROUPE_CAST, "x", NULL, nothing) == TROUPE_OK)
        accepted++;
    cr_assert(accepted == 300);
    gate_raise(&p.go);
    cr_assert(troupe_join(stage, address, LONG_MS) == TROUPE_OK);
    part sentinel = PART_INIT(.receive = play_echo);
    leave(enter(&sentinel)); /* in the same slot: what is still under way is seen by it */
    troupe_system_counters c = counters();
    cr_assert(p.count == 1 && c.sent == 301 && c.received == 1 && c.dead_letters == 300);
}

/* `stop` is the last callback, whatever waits. */
static void note_end(troupe_actor *self, part *p, troupe_error reason)
{
    (void)self;
    (void)reason;
    cr_assert(p->data == NULL);
    p->data = p;
}

static troupe_error exit_midway(troupe_actor *self, part *p, const troupe_envelope *e)
{
    (void)e;
    cr_assert(p->data == NULL, "after `stop`");
    if (++p->count == 50)
        troupe_exit(self, TROUPE_OK);
    return TROUPE_OK;
}

Test(death, nothing_is_handled_after_stop)
{
    for (int round = 0; round < 30; round++) {
        part p = PART_INIT(.receive = exit_midway, .stop = note_end);
        troupe_address address = enter(&p);
        while (troupe_guest_post(guest, address, TROUPE_CAST, "x", NULL, nothing) != TROUPE_EGONE)
            continue;
        cr_assert(troupe_join(stage, address, LONG_MS) == TROUPE_OK);
        cr_assert(p.count == 50 && p.data == &p);
    }
}

static troupe_error fail(troupe_actor *self, part *p, const troupe_envelope *e)
{
    (void)self;
    (void)p;
    (void)e;
    return TROUPE_ESTORAGE;
}

Test(death, of_one_does_not_touch_its_siblings)
{
    enum { SIBLINGS = 20 };
    static part parts[SIBLINGS];
    troupe_address addresses[SIBLINGS];
    for (int i = 0; i < SIBLINGS; i++) {
        parts[i] = (part)PART_INIT(.receive = i % 2 == 0 ? fail : play_echo);
        addresses[i] = enter(&parts[i]);
    }
    for (int i = 0; i < SIBLINGS; i += 2)
        cast(addresses[i], "die");
    for (int i = 1; i < SIBLINGS; i += 2) {
        cr_assert(troupe_join(stage, addresses[i - 1], LONG_MS) == TROUPE_OK);
        cr_assert(ask(addresses[i], "x", LONG_MS) == TROUPE_OK);
    }
    for (int i = 1; i < SIBLINGS; i += 2)
        leave(addresses[i]);
}

/* ---- monitors ---- */

#define WATCHERS 4

typedef struct watcher {
    part part;
    unsigned downs;
    troupe_error reason;
    troupe_address subject;
} watcher;

static troupe_error watch_death(troupe_actor *self, part *p, const troupe_envelope *e)
{
    watcher *w = p->data;
    troupe_down down;
    if (troupe_down_read(e, &down) == TROUPE_OK) {
        cr_assert(down.address == w->subject);
        w->downs++;
        w->reason = down.reason;
    } else {
        cr_assert(troupe_unpack(e->payload, "U", &w->subject) == TROUPE_OK);
        cr_assert(troupe_monitor(self, w->subject, NULL) == TROUPE_OK);
    }
    gate_raise(&p->arrived);
    return TROUPE_OK;
}

typedef enum moment {
    AT_REST,
    IN_HAND,      /* while it handles an envelope that it then fails */
    STOPPED_FULL, /* stopped with a full mailbox behind the one in hand */
    DRAINING,
    DEAD, /* monitored when it was gone already */
    MOMENTS,
} moment;

static troupe_error block_then(troupe_actor *self, part *p, const troupe_envelope *e)
{
    (void)play_blocked(self, p, e);
    return p->error;
}

static void kill_at(moment m, part *subject, troupe_address address)
{
    switch (m) {
    case AT_REST:
    case DEAD:
        leave(address);
        return;
    case IN_HAND:
        gate_raise(&subject->go);
        break;
    case STOPPED_FULL:
    case DRAINING:
        while (troupe_guest_post(guest, address, TROUPE_CAST, "x", NULL, nothing) == TROUPE_OK)
            continue;
        cr_assert(troupe_stop(stage, address,
                              m == DRAINING ? TROUPE_STOP_DRAIN : TROUPE_STOP_NOW) == TROUPE_OK);
        gate_raise(&subject->go);
        break;
    default:
        break;
    }
    cr_assert(troupe_join(stage, address, LONG_MS) == TROUPE_OK);
}

static void watch_one_die(moment m)
{
    static const troupe_error reasons[MOMENTS] = {TROUPE_OK, TROUPE_EIO, TROUPE_OK, TROUPE_OK,
                                                  TROUPE_EGONE};
    static watcher watchers[WATCHERS];
    troupe_address addresses[WATCHERS];
    part subject = PART_INIT(.receive = block_then);
    troupe_spawn_options small = {.mailbox_envelopes = 50};
    subject.error = m == IN_HAND ? TROUPE_EIO : TROUPE_OK;
    troupe_address address = enter_with(&subject, small);
    if (m != AT_REST && m != DEAD) {
        cast(address, "block");
        gate_await(&subject.arrived, 1);
    }
    if (m == DEAD)
        kill_at(m, &subject, address);
    for (int i = 0; i < WATCHERS; i++) {
        watchers[i] = (watcher){.part = PART_INIT(.receive = watch_death)};
        watchers[i].part.data = &watchers[i];
        addresses[i] = enter(&watchers[i].part);
        cast_number(addresses[i], "watch", address);
        gate_await(&watchers[i].part.arrived, 1);
    }
    if (m != DEAD)
        kill_at(m, &subject, address);
    for (int i = 0; i < WATCHERS; i++) {
        gate_await(&watchers[i].part.arrived, 2);
        leave(addresses[i]);
        cr_assert(watchers[i].downs == 1 && watchers[i].reason == reasons[m], "moment %d: %u, %s",
                  (int)m, watchers[i].downs, troupe_error_name(watchers[i].reason));
    }
}

Test(death, is_told_once_to_each_monitor_whenever_it_comes)
{
    for (int round = 0; round < 20; round++) {
        for (int m = 0; m < MOMENTS; m++)
            watch_one_die((moment)m);
    }
}

/* In the handler of `down` slot and name are free, and what was open is answered. */
static troupe_error replace(troupe_actor *self, part *p, const troupe_envelope *e)
{
    part *next = p->data;
    troupe_down down;
    if (troupe_down_read(e, &down) != TROUPE_OK) {
        cr_assert(troupe_unpack(e->payload, "U", &p->peer) == TROUPE_OK);
        cr_assert(troupe_monitor(self, p->peer, NULL) == TROUPE_OK);
        gate_raise(&p->arrived);
        return TROUPE_OK;
    }
    troupe_spawn_options options = {
        .behaviour = &part_behaviour, .state = next, .name = "the/one", .mailbox_envelopes = 8};
    cr_assert(troupe_spawn(stage, &options, &p->peer) == TROUPE_OK);
    cr_assert(troupe_whereis(stage, "the/one") == p->peer);
    cr_assert(troupe_monitor(self, p->peer, NULL) == TROUPE_OK);
    p->count++;
    gate_raise(&p->arrived);
    return TROUPE_OK;
}

Test(slot, is_free_and_so_is_the_name_when_down_is_told)
{
    troupe_guest_destroy(guest);
    troupe_system_close(stage, LONG_MS);
    cr_assert(stage_open_with((troupe_system_options){.actors_max = 2}) == TROUPE_OK);
    cr_assert(troupe_guest_create(stage, &guest) == TROUPE_OK);
    part mortal = PART_INIT(.receive = fail);
    part keeper = PART_INIT(.receive = replace, .data = &mortal);
    troupe_spawn_options named = {.name = "the/one"};
    troupe_address address = enter(&keeper);
    cast_number(address, "watch", enter_with(&mortal, named));
    gate_await(&keeper.arrived, 1);
    for (unsigned i = 2; i <= 200; i++) {
        cast(troupe_whereis(stage, "the/one"), "die");
        gate_await(&keeper.arrived, i);
    }
    leave(address);
    leave(troupe_whereis(stage, "the/one"));
    cr_assert(keeper.count == 199);
}

/* ---- one that never lived ---- */

typedef struct catcher {
    _Atomic unsigned caught;
    _Atomic bool enough;
    unsigned told;
} catcher;

/* Monitors whoever has the name, as soon as it has it. */
static troupe_error catch_by_name(troupe_actor *self, part *p, const troupe_envelope *e)
{
    catcher *c = p->data;
    troupe_down down;
    if (troupe_down_read(e, &down) == TROUPE_OK) {
        cr_assert(down.reason == TROUPE_EGONE);
        if (++c->told == c->caught)
            gate_raise(&p->arrived);
        return TROUPE_OK;
    }
    for (troupe_address last = 0; !c->enough;) {
        troupe_address address = troupe_whereis(stage, "brief");
        if (address == 0 || address == last)
            continue;
        cr_assert(troupe_monitor(self, address, NULL) == TROUPE_OK);
        c->caught++;
        last = address;
    }
    return TROUPE_OK;
}

/* Its name was registered, then there was no thread for it: who monitored it meanwhile is told.
 * Sanitizers take all the address space there is. */
Test(closing, one_whose_thread_cannot_start_is_gone_for_those_who_found_its_name)
{
    if (!footprint_has_memory())
        return;
    const size_t stack_bytes = 64U << 20;
    cr_assert(stage_open_with((troupe_system_options){.stack_bytes = stack_bytes}) == TROUPE_OK);
    cr_assert(troupe_guest_create(stage, &guest) == TROUPE_OK);
    catcher c = {0};
    part p = PART_INIT(.receive = catch_by_name, .data = &c);
    part brief = PART_INIT(.receive = play_echo);
    troupe_address address = enter(&p);
    cr_assert(ask(address, "go", 1) == TROUPE_ETIMEOUT); /* its thread has its stack by now */

    size_t pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    cr_assert(file != NULL && fscanf(file, "%zu", &pages) == 1);
    fclose(file);
    struct rlimit before;
    cr_assert(getrlimit(RLIMIT_AS, &before) == 0);
    struct rlimit tight = {pages * (size_t)sysconf(_SC_PAGESIZE) + stack_bytes / 4,
                           before.rlim_max};
    cr_assert(setrlimit(RLIMIT_AS, &tight) == 0);
    troupe_spawn_options named = {.behaviour = &part_behaviour, .state = &brief, .name = "brief"};
    time_t start = time(NULL);
    while (c.caught < 10 && time(NULL) - start < 20)
        cr_assert(troupe_spawn(stage, &named, NULL) == TROUPE_ELIMIT);
    cr_assert(setrlimit(RLIMIT_AS, &before) == 0);
    c.enough = true;
    if (c.caught > 0)
        gate_await(&p.arrived, 1);
    leave(address);
    cr_assert(c.caught > 0 && c.told == c.caught);
    stage_close();
}

/* ---- stopping ---- */

static void *flood_until_gone(void *arg)
{
    troupe_guest *own;
    troupe_address to = *(troupe_address *)arg;
    if (troupe_guest_create(stage, &own) != TROUPE_OK)
        return NULL;
    while (troupe_guest_post(own, to, TROUPE_CAST, "x", NULL, nothing) != TROUPE_EGONE)
        continue;
    troupe_guest_destroy(own);
    return NULL;
}

static troupe_error count_only(troupe_actor *self, part *p, const troupe_envelope *e)
{
    (void)self;
    (void)e;
    p->count++;
    return TROUPE_OK;
}

static bool note_closing(troupe_actor *self, part *p)
{
    (void)self;
    gate_raise(&p->arrived);
    return true;
}

static troupe_error post_then_dwell(troupe_actor *self, part *p, const troupe_envelope *e)
{
    (void)e;
    for (int i = 0; i < 100; i++)
        cr_assert(troupe_post(self, p->peer, TROUPE_EVENT, "x", NULL, nothing) == TROUPE_OK);
    gate_raise(&p->arrived);
    gate_await(&p->go, 1);
    return TROUPE_OK;
}

Test(death, by_draining_waits_for_what_was_accepted_and_is_not_sent_yet)
{
    for (unsigned round = 0; round < 20; round++) {
        part receiver = PART_INIT(.receive = count_only, .closing = note_closing);
        part sender = PART_INIT(.receive = post_then_dwell);
        sender.peer = enter(&receiver);
        troupe_address address = enter(&sender);
        cast(address, "go");
        gate_await(&sender.arrived, 1);
        cr_assert(troupe_stop(stage, sender.peer, TROUPE_STOP_DRAIN) == TROUPE_OK);
        gate_await(&receiver.arrived, 1);
        troupe_error early = troupe_join(stage, sender.peer, 1);
        gate_raise(&sender.go);
        cr_assert(early == TROUPE_ETIMEOUT, "it did not wait");
        cr_assert(troupe_join(stage, sender.peer, LONG_MS) == TROUPE_OK);
        cr_assert(receiver.count == 100 && counters().dead_letters == 0);
        leave(address);
    }
}

typedef struct poster {
    pthread_t thread;
    troupe_address to;
    unsigned accepted;
} poster;

/* A payload that takes a while to look at, between the first look at the receiver and the last. */
static void *post_until_gone(void *arg)
{
    poster *mine = arg;
    static const uint8_t zeros[2000] = {0xdc, 0x07, 0xcd}; /* an array of 1,997 */
    const troupe_bytes payload = {zeros, sizeof zeros};
    troupe_guest *own;
    if (troupe_guest_create(stage, &own) != TROUPE_OK)
        return NULL;
    troupe_error error = TROUPE_OK;
    while (error != TROUPE_EGONE) {
        error = troupe_guest_post(own, mine->to, TROUPE_CAST, "x", NULL, payload);
        mine->accepted += error == TROUPE_OK;
    }
    troupe_guest_destroy(own);
    return NULL;
}

/* Whoever was told "accepted" was told the truth, however late: draining loses nothing. */
Test(death, by_draining_loses_nothing_though_senders_never_pause)
{
    enum { POSTERS = 3 };
    for (int round = 0; round < 200; round++) {
        part p = PART_INIT(.receive = count_only);
        poster posters[POSTERS];
        troupe_address address = enter(&p);
        for (int i = 0; i < POSTERS; i++) {
            posters[i] = (poster){.to = address};
            cr_assert(pthread_create(&posters[i].thread, NULL, post_until_gone, &posters[i]) == 0);
        }
        leave(address);
        unsigned accepted = 0;
        for (int i = 0; i < POSTERS; i++) {
            pthread_join(posters[i].thread, NULL);
            accepted += posters[i].accepted;
        }
        cr_assert(p.count == accepted, "%u of %u came", p.count, accepted);
    }
    cr_assert(counters().dead_letters == 0);
}

/* Stop against receive: it ends, however many go on sending, and every sender learns of it. */
Test(death, by_stop_comes_though_senders_never_pause)
{
    enum { FLOODERS = 3 };
    for (int round = 0; round < 60; round++) {
        part p = PART_INIT(.receive = count_only);
        pthread_t threads[FLOODERS];
        troupe_spawn_options small = {.mailbox_envelopes = 32};
        troupe_address address = enter_with(&p, small);
        for (int i = 0; i < FLOODERS; i++)
            cr_assert(pthread_create(&threads[i], NULL, flood_until_gone, &address) == 0);
        cr_assert(troupe_stop(stage, address,
                              round % 2 == 0 ? TROUPE_STOP_DRAIN : TROUPE_STOP_NOW) == TROUPE_OK);
        cr_assert(troupe_join(stage, address, LONG_MS) == TROUPE_OK);
        for (int i = 0; i < FLOODERS; i++)
            pthread_join(threads[i], NULL);
    }
    part sentinel = PART_INIT(.receive = play_echo);
    leave(enter(&sentinel));
    for (;;) { /* what is under way when a slot is empty becomes dead letters without our help */
        troupe_system_counters c = counters();
        if (c.sent == c.received + c.dead_letters)
            break;
    }
}

/* ---- closing a system ---- */

static troupe_error spawn_on(troupe_actor *self, part *p)
{
    troupe_spawn_options options = {.behaviour = &part_behaviour, .state = p};
    troupe_error error = troupe_spawn(troupe_self_system(self), &options, NULL);
    cr_assert(error == TROUPE_OK || error == TROUPE_ECLOSED || error == TROUPE_ELIMIT);
    return error;
}

/* Actors that spawn actors: closing refuses the next and ends all there are. */
Test(closing, ends_a_chain_of_spawning)
{
    for (int round = 0; round < 20; round++) {
        cr_assert(stage_open_with((troupe_system_options){.actors_max = 300}) == TROUPE_OK);
        part p = PART_INIT(.start = spawn_on);
        (void)enter(&p);
        troupe_system_close(stage, LONG_MS);
    }
}

/* All post to all, at their mailboxes' bounds, while the system is closed under them. */
static troupe_error storm(troupe_actor *self, part *p, const troupe_envelope *e)
{
    troupe_address *all = p->data;
    (void)e;
    for (int i = 0; i < 3; i++) {
        troupe_error error = troupe_post(self, all[(p->count++ * 5 + (unsigned)i) % 8],
                                         TROUPE_EVENT, "x", NULL, nothing);
        cr_assert(error == TROUPE_OK || error == TROUPE_EBUSY || error == TROUPE_EGONE);
    }
    return TROUPE_OK;
}

Test(closing, ends_a_storm_of_posts_within_full_mailboxes)
{
    for (uint32_t timeout_ms = 0; timeout_ms <= 200; timeout_ms += 20) {
        static part parts[8];
        troupe_address all[8];
        troupe_spawn_options small = {.mailbox_envelopes = 20};
        stage_open();
        for (int i = 0; i < 8; i++) {
            parts[i] = (part)PART_INIT(.receive = storm, .data = all);
            all[i] = enter_with(&parts[i], small);
        }
        for (int i = 0; i < 8; i++) { /* the first may have filled the last one's already */
            troupe_error error = troupe_guest_post(guest, all[i], TROUPE_CAST, "go", NULL, nothing);
            cr_assert(error == TROUPE_OK || error == TROUPE_EBUSY);
        }
        troupe_guest_destroy(guest);
        troupe_system_close(stage, timeout_ms);
    }
}

/* While some are still in `start`, some block in `receive` and some have ended. */
static troupe_error start_slowly(troupe_actor *self, part *p)
{
    gate_raise(&p->arrived);
    while (!troupe_self_stopping(self))
        continue;
    return TROUPE_OK;
}

Test(closing, comes_at_any_time_of_an_actors_life)
{
    stage_open();
    part starting = PART_INIT(.start = start_slowly);
    part failing = PART_INIT(.receive = fail);
    part idle = PART_INIT(.receive = play_echo);
    (void)enter(&starting);
    troupe_address failing_address = enter(&failing);
    (void)enter(&idle);
    gate_await(&starting.arrived, 1);
    cast(failing_address, "die");
    troupe_guest_destroy(guest);
    troupe_system_close(stage, LONG_MS);
    troupe_system_close(NULL, 0);
}
