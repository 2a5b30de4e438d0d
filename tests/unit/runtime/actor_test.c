/* SPDX-License-Identifier: MIT */
/* Life and death of actors: start, order, stopping, names, addresses, monitors. */
#include "stage.h"

#include <stdio.h>

TestSuite(actor, .init = stage_open, .fini = stage_close);

static void note_reason(troupe_actor *self, part *p, troupe_error reason)
{
    (void)self;
    p->error = reason;
    gate_raise(&p->arrived);
}

static troupe_error fail_start(troupe_actor *self, part *p)
{
    (void)self;
    (void)p;
    return TROUPE_EIO;
}

Test(actor, start_that_fails_ends_it_with_that_reason)
{
    part p = PART_INIT(.start = fail_start, .stop = note_reason);
    troupe_address address = enter(&p);
    cr_assert(troupe_join(stage, address, LONG_MS) == TROUPE_OK);
    cr_assert(p.error == TROUPE_EIO);
    cr_assert(troupe_guest_post(guest, address, TROUPE_CAST, "x", NULL, nothing) == TROUPE_EGONE);
}

static troupe_error fail_receive(troupe_actor *self, part *p, const troupe_envelope *e)
{
    (void)self;
    (void)p;
    (void)e;
    return TROUPE_ESTORAGE;
}

Test(actor, receive_that_fails_ends_it_and_closes_its_call)
{
    part p = PART_INIT(.receive = fail_receive, .stop = note_reason);
    troupe_address address = enter(&p);
    cr_assert(ask(address, "x", LONG_MS) == TROUPE_ECLOSED);
    cr_assert(troupe_join(stage, address, LONG_MS) == TROUPE_OK);
    cr_assert(p.error == TROUPE_ESTORAGE);
}

/* ---- order ---- */

#define ORDERED 20000U

typedef struct stream {
    part part;
    uint64_t next;
} stream;

static troupe_error check_next(troupe_actor *self, part *p, const troupe_envelope *e)
{
    uint64_t *expected = p->data;
    uint64_t number = 0;
    if (troupe_unpack(e->payload, "[U]", &number) != TROUPE_OK || number != *expected) {
        p->error = TROUPE_EPROTOCOL;
        troupe_exit(self, TROUPE_EPROTOCOL);
    }
    if (++*expected == ORDERED)
        gate_raise(&p->arrived);
    return TROUPE_OK;
}

static troupe_error pour(troupe_actor *self, part *p)
{
    uint64_t *next = p->data;
    static uint8_t large[100000]; /* beyond one bundle: travels alone, in its place */
    troupe_buffer b = {0};
    troupe_error error = TROUPE_OK;
    while (*next < ORDERED && error == TROUPE_OK) {
        troupe_buffer_clear(&b);
        if (*next % 1000 == 7)
            (void)troupe_pack(&b, "[Ux#]", *next, large, sizeof large);
        else
            (void)troupe_pack(&b, "[U]", *next);
        error = troupe_post(self, p->peer, TROUPE_EVENT, "n", NULL, troupe_buffer_bytes(&b));
        if (error == TROUPE_OK)
            ++*next;
    }
    troupe_buffer_fini(&b);
    if (error == TROUPE_EBUSY) {
        p->count++;
        return troupe_await_room(self, p->peer);
    }
    return error;
}

static troupe_error pour_on(troupe_actor *self, part *p, const troupe_envelope *e)
{
    uint64_t address;
    cr_assert(e->kind == TROUPE_SIGNAL && troupe_verb_is(e, "room"));
    cr_assert(troupe_unpack(e->payload, "U", &address) == TROUPE_OK && address == p->peer);
    return pour(self, p);
}

Test(actor, posts_keep_their_order_through_busy_and_room)
{
    uint64_t expected = 0;
    uint64_t next = 0;
    part sink = PART_INIT(.receive = check_next, .data = &expected);
    troupe_spawn_options small = {.mailbox_envelopes = 64, .mailbox_bytes = 150000};
    part source = PART_INIT(.start = pour, .receive = pour_on, .data = &next);
    source.peer = enter_with(&sink, small);
    troupe_address address = enter(&source);
    gate_await(&sink.arrived, 1);
    cr_assert(sink.error == TROUPE_OK && expected == ORDERED);
    leave(address);
    leave(source.peer);
    cr_assert(source.count > 0, "the mailbox was never full");
}

/* ---- bounds ---- */

Test(actor, full_mailbox_is_busy_at_the_post)
{
    part p = PART_INIT(.receive = play_blocked);
    troupe_spawn_options small = {.mailbox_envelopes = 10};
    troupe_address address = enter_with(&p, small);
    cast(address, "block");
    gate_await(&p.arrived, 1);
    for (int i = 0; i < 10; i++)
        cast(address, "x");
    cr_assert(troupe_guest_post(guest, address, TROUPE_CAST, "x", NULL, nothing) == TROUPE_EBUSY);
    cr_assert(ask(address, "x", 100) == TROUPE_EBUSY);
    cr_assert(counters().refused == 2);
    gate_raise(&p.go);
    gate_await(&p.arrived, 11);
    cr_assert(p.count == 11);
    leave(address);
}

Test(actor, bytes_are_bounded_but_one_larger_envelope_fits_an_empty_box)
{
    static uint8_t large[5000];
    troupe_buffer b = {0};
    cr_assert(troupe_pack(&b, "x#", large, sizeof large) == TROUPE_OK);
    part p = PART_INIT(.receive = play_blocked);
    troupe_spawn_options small = {.mailbox_bytes = 1000};
    troupe_address address = enter_with(&p, small);
    cast(address, "block");
    gate_await(&p.arrived, 1);
    cr_assert(troupe_guest_post(guest, address, TROUPE_CAST, "large", NULL,
                                troupe_buffer_bytes(&b)) == TROUPE_OK);
    cr_assert(troupe_guest_post(guest, address, TROUPE_CAST, "x", NULL, nothing) == TROUPE_EBUSY);
    gate_raise(&p.go);
    gate_await(&p.arrived, 2);
    leave(address);
    troupe_buffer_fini(&b);
}

Test(actor, malformed_payload_is_einval)
{
    static const uint8_t bad[] = {0x92, 0x01};
    static const uint8_t two[] = {0x01, 0x02};
    part p = PART_INIT(.receive = play_echo);
    troupe_address address = enter(&p);
    troupe_bytes cut = {bad, sizeof bad};
    troupe_bytes more = {two, sizeof two};
    cr_assert(troupe_guest_post(guest, address, TROUPE_CAST, "x", NULL, cut) == TROUPE_EINVAL);
    cr_assert(troupe_guest_post(guest, address, TROUPE_CAST, "x", NULL, more) == TROUPE_EINVAL);
    cr_assert(troupe_guest_post(guest, address, TROUPE_CAST, "", NULL, nothing) == TROUPE_EINVAL);
    cr_assert(troupe_guest_post(guest, address, TROUPE_REPLY, "x", NULL, nothing) == TROUPE_EINVAL);
    leave(address);
}

/* A ring of actors that fill each other's mailboxes: all see `busy`, none hangs. */
#define RING 8

static troupe_error flood(troupe_actor *self, part *p, const troupe_envelope *e)
{
    if (troupe_verb_is(e, "peer"))
        return troupe_unpack(e->payload, "U", &p->peer);
    if (!troupe_verb_is(e, "flood"))
        return TROUPE_OK;
    gate_raise(&p->arrived);
    gate_await(&p->go, 1); /* all are in here: nobody empties a mailbox */
    while (troupe_post(self, p->peer, TROUPE_CAST, "drop", NULL, nothing) == TROUPE_OK)
        p->count++;
    gate_raise(&p->arrived);
    gate_await(&p->go, 2);
    return TROUPE_OK;
}

Test(actor, ring_of_full_mailboxes_does_not_hang)
{
    static part ring[RING];
    troupe_address addresses[RING];
    troupe_spawn_options small = {.mailbox_envelopes = 16};
    for (int i = 0; i < RING; i++) {
        ring[i] = (part)PART_INIT(.receive = flood);
        addresses[i] = enter_with(&ring[i], small);
    }
    for (int i = 0; i < RING; i++)
        cast_number(addresses[i], "peer", addresses[(i + 1) % RING]);
    for (int i = 0; i < RING; i++)
        cast(addresses[i], "flood");
    for (int i = 0; i < RING; i++)
        gate_await(&ring[i].arrived, 1);
    for (int i = 0; i < RING; i++)
        gate_raise(&ring[i].go);
    for (int i = 0; i < RING; i++) {
        gate_await(&ring[i].arrived, 2);
        cr_assert(ring[i].count == 16);
    }
    for (int i = 0; i < RING; i++) /* full, and yet they can be stopped */
        cr_assert(troupe_stop(stage, addresses[i], TROUPE_STOP_NOW) == TROUPE_OK);
    for (int i = 0; i < RING; i++)
        gate_raise(&ring[i].go);
    for (int i = 0; i < RING; i++)
        cr_assert(troupe_join(stage, addresses[i], LONG_MS) == TROUPE_OK);
}

/* ---- stopping ---- */

Test(actor, drain_handles_what_was_accepted)
{
    part p = PART_INIT(.receive = play_blocked);
    troupe_address address = enter(&p);
    cast(address, "block");
    gate_await(&p.arrived, 1);
    for (int i = 0; i < 500; i++)
        cast(address, "x");
    cr_assert(troupe_stop(stage, address, TROUPE_STOP_DRAIN) == TROUPE_OK);
    gate_raise(&p.go);
    cr_assert(troupe_join(stage, address, LONG_MS) == TROUPE_OK);
    cr_assert(p.count == 501);
    cr_assert(counters().dead_letters == 0);
    cr_assert(troupe_stop(stage, address, TROUPE_STOP_DRAIN) == TROUPE_EGONE);
}

Test(actor, now_leaves_the_rest_as_dead_letters)
{
    part p = PART_INIT(.receive = play_blocked);
    troupe_address address = enter(&p);
    cast(address, "block");
    gate_await(&p.arrived, 1);
    for (int i = 0; i < 100; i++)
        cast(address, "x");
    cr_assert(troupe_guest_call_start(guest, address, "c", NULL, nothing, LONG_MS, &p, NULL) ==
              TROUPE_OK);
    troupe_guest_flush(guest);
    cr_assert(troupe_stop(stage, address, TROUPE_STOP_NOW) == TROUPE_OK);
    gate_raise(&p.go);
    troupe_answer answer;
    cr_assert(troupe_guest_wait(guest, LONG_MS, &answer) == TROUPE_OK);
    cr_assert(answer.error == TROUPE_EGONE && answer.context == &p);
    troupe_answer_fini(&answer);
    cr_assert(troupe_join(stage, address, LONG_MS) == TROUPE_OK);
    cr_assert(p.count == 1);
}

static bool refuse_closing(troupe_actor *self, part *p)
{
    cr_assert(troupe_self_stopping(self));
    p->count++;
    gate_raise(&p->arrived);
    return false;
}

static troupe_error exit_on_done(troupe_actor *self, part *p, const troupe_envelope *e)
{
    (void)p;
    if (troupe_verb_is(e, "done"))
        troupe_exit(self, TROUPE_ECANCELLED);
    return TROUPE_OK;
}

Test(actor, closing_false_goes_on_until_it_exits)
{
    part p = PART_INIT(.closing = refuse_closing, .receive = exit_on_done, .stop = note_reason);
    troupe_address address = enter(&p);
    cr_assert(troupe_stop(stage, address, TROUPE_STOP_DRAIN) == TROUPE_OK);
    gate_await(&p.arrived, 1);
    cr_assert(troupe_stop(stage, address, TROUPE_STOP_DRAIN) == TROUPE_OK);
    cast(address, "still there");
    cast(address, "done");
    cr_assert(troupe_join(stage, address, LONG_MS) == TROUPE_OK);
    cr_assert(p.count == 1 && p.error == TROUPE_ECANCELLED);
}

Test(actor, asked_twice_to_stop_now_it_stops)
{
    part p = PART_INIT(.closing = refuse_closing);
    troupe_address address = enter(&p);
    cr_assert(troupe_stop(stage, address, TROUPE_STOP_NOW) == TROUPE_OK);
    gate_await(&p.arrived, 1);
    cr_assert(troupe_stop(stage, address, TROUPE_STOP_NOW) == TROUPE_OK);
    cr_assert(troupe_join(stage, address, LONG_MS) == TROUPE_OK);
}

/* ---- addresses and names ---- */

Test(actor, stale_address_is_gone_for_ever)
{
    troupe_address seen[300];
    for (int i = 0; i < 300; i++) {
        part p = PART_INIT(.receive = play_echo);
        seen[i] = enter(&p);
        if (i > 0) {
            cr_assert(seen[i] != seen[i - 1]);
            cr_assert(ask(seen[i - 1], "x", 1000) == TROUPE_EGONE);
        }
        cr_assert(ask(seen[i], "x", LONG_MS) == TROUPE_OK);
        leave(seen[i]);
    }
    for (int i = 0; i < 300; i++)
        cr_assert(ask(seen[i], "x", 1000) == TROUPE_EGONE);
    cr_assert(ask(0, "x", 1000) == TROUPE_EGONE);
    cr_assert(ask(UINT64_C(1) << 52 | 77, "x", 1000) == TROUPE_EGONE);
}

Test(actor, taken_name_is_estate_and_the_state_stays_the_callers)
{
    part p = PART_INIT(.receive = play_echo);
    part second = PART_INIT(.stop = note_reason);
    troupe_spawn_options named = {.name = "only/one"};
    troupe_address address = enter_with(&p, named);
    named.behaviour = &part_behaviour;
    named.state = &second;
    cr_assert(troupe_spawn(stage, &named, NULL) == TROUPE_ESTATE);
    cr_assert(troupe_whereis(stage, "only/one") == address);
    leave(address);
    cr_assert(troupe_whereis(stage, "only/one") == 0);
    cr_assert(second.arrived.value == 0);
    address = enter_with(&p, named);
    cr_assert(troupe_whereis(stage, "only/one") == address);
    leave(address);
}

static troupe_error take_names(troupe_actor *self, part *p)
{
    char name[32];
    for (int i = 0; i < 200; i++) {
        snprintf(name, sizeof name, "alias/%d", i);
        cr_assert(troupe_name(self, name) == TROUPE_OK);
    }
    cr_assert(troupe_name(self, "alias/3") == TROUPE_ESTATE);
    cr_assert(troupe_unname(self, "alias/100") == TROUPE_OK);
    cr_assert(troupe_unname(self, "alias/100") == TROUPE_ENOTFOUND);
    cr_assert(troupe_unname(self, "alias/0") == TROUPE_OK);
    cr_assert(troupe_unname(self, "alias/199") == TROUPE_OK);
    cr_assert(troupe_whereis(troupe_self_system(self), "alias/0") == 0);
    cr_assert(troupe_whereis(troupe_self_system(self), "alias/100") == 0);
    cr_assert(troupe_name(self, "alias/199") == TROUPE_OK);
    cr_assert_str_eq(troupe_self_name(self), "alias/0");
    gate_raise(&p->arrived);
    return TROUPE_OK;
}

Test(actor, further_names_are_released_at_the_end)
{
    part p = PART_INIT(.start = take_names);
    troupe_address address = enter(&p);
    gate_await(&p.arrived, 1);
    cr_assert(troupe_whereis(stage, "alias/1") == address);
    cr_assert(troupe_whereis(stage, "alias/199") == address);
    leave(address);
    cr_assert(troupe_whereis(stage, "alias/1") == 0);
    cr_assert(troupe_whereis(stage, "alias/199") == 0);
}

/* ---- monitors ---- */

static troupe_error watch_peer(troupe_actor *self, part *p, const troupe_envelope *e)
{
    troupe_down down;
    uint64_t *ref = p->data;
    if (troupe_verb_is(e, "monitor")) {
        cr_assert(troupe_unpack(e->payload, "U", &p->peer) == TROUPE_OK);
        cr_assert(troupe_monitor(self, p->peer, ref) == TROUPE_OK);
        gate_raise(&p->arrived);
    } else if (troupe_verb_is(e, "demonitor")) {
        troupe_demonitor(self, *ref);
        troupe_demonitor(self, 999999);
        gate_raise(&p->arrived);
    } else if (troupe_down_read(e, &down) == TROUPE_OK) {
        cr_assert(down.address == p->peer && down.ref == *ref);
        cr_assert(troupe_whereis(troupe_self_system(self), "watched") == 0);
        p->error = down.reason;
        p->count++;
        gate_raise(&p->arrived);
    }
    return TROUPE_OK;
}

Test(actor, monitor_tells_the_reason_after_names_are_released)
{
    uint64_t ref = 0;
    part watcher = PART_INIT(.receive = watch_peer, .data = &ref);
    part watched = PART_INIT(.receive = fail_receive);
    troupe_spawn_options named = {.name = "watched"};
    troupe_address address = enter(&watcher);
    troupe_address subject = enter_with(&watched, named);
    cast_number(address, "monitor", subject);
    gate_await(&watcher.arrived, 1);
    cast(subject, "die");
    gate_await(&watcher.arrived, 2);
    cr_assert(watcher.error == TROUPE_ESTORAGE);
    cast_number(address, "monitor", subject); /* already gone */
    gate_await(&watcher.arrived, 4);
    cr_assert(watcher.error == TROUPE_EGONE && watcher.count == 2);
    leave(address);
}

Test(actor, demonitored_death_is_not_told)
{
    uint64_t ref = 0;
    part watcher = PART_INIT(.receive = watch_peer, .data = &ref);
    part watched = PART_INIT(.receive = play_echo);
    troupe_address address = enter(&watcher);
    troupe_address subject = enter(&watched);
    cast_number(address, "monitor", subject);
    gate_await(&watcher.arrived, 1);
    cast(address, "demonitor");
    gate_await(&watcher.arrived, 2);
    leave(subject);
    leave(address);
    cr_assert(watcher.count == 0);
}

static troupe_error wish_for_room(troupe_actor *self, part *p, const troupe_envelope *e)
{
    if (troupe_verb_is(e, "go")) {
        cr_assert(troupe_unpack(e->payload, "U", &p->peer) == TROUPE_OK);
        while (troupe_post(self, p->peer, TROUPE_CAST, "x", NULL, nothing) == TROUPE_OK)
            continue;
        cr_assert(troupe_await_room(self, p->peer) == TROUPE_OK);
        cr_assert(troupe_await_room(self, p->peer) == TROUPE_OK);
        gate_raise(&p->arrived);
    } else if (troupe_verb_is(e, "room")) {
        p->count++;
        p->error = troupe_post(self, p->peer, TROUPE_CAST, "x", NULL, nothing);
        gate_raise(&p->arrived);
    }
    return TROUPE_OK;
}

Test(actor, room_is_told_when_the_full_one_dies)
{
    part blocked = PART_INIT(.receive = play_blocked);
    part wisher = PART_INIT(.receive = wish_for_room);
    troupe_spawn_options small = {.mailbox_envelopes = 4};
    troupe_address full = enter_with(&blocked, small);
    troupe_address address = enter(&wisher);
    cast(full, "block");
    gate_await(&blocked.arrived, 1);
    cast_number(address, "go", full);
    gate_await(&wisher.arrived, 1);
    cr_assert(troupe_stop(stage, full, TROUPE_STOP_NOW) == TROUPE_OK);
    gate_raise(&blocked.go);
    gate_await(&wisher.arrived, 2);
    leave(address);
    cr_assert(wisher.count == 1 && wisher.error == TROUPE_EGONE);
}
