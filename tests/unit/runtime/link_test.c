/* SPDX-License-Identifier: MIT */
/* Links: who ends with whom, what one sees who traps them, and what an unlink undoes. */
#include "stage.h"

/* Obeys orders: "link", "unlink" (payload: whom), "trap", "fail"; notes `link` signals. */
static troupe_error play_linked(troupe_actor *self, part *p, const troupe_envelope *e)
{
    troupe_address whom = 0;
    if (e->kind == TROUPE_SIGNAL) {
        troupe_down end;
        troupe_down none;
        cr_assert(troupe_link_read(e, &end) == TROUPE_OK);
        cr_assert(troupe_down_read(e, &none) == TROUPE_EPARAMS);
        cr_assert(end.ref == 0);
        p->peer = end.address;
        p->error = end.reason;
        p->count++;
        gate_raise(&p->arrived);
        return TROUPE_OK;
    }
    if (troupe_verb_is(e, "link")) {
        cr_assert(troupe_unpack(e->payload, "U", &whom) == TROUPE_OK);
        cr_assert(troupe_link(self, whom) == TROUPE_OK);
    } else if (troupe_verb_is(e, "unlink")) {
        cr_assert(troupe_unpack(e->payload, "U", &whom) == TROUPE_OK);
        troupe_unlink(self, whom);
    } else if (troupe_verb_is(e, "trap")) {
        troupe_trap_links(self, true);
    } else if (troupe_verb_is(e, "fail")) {
        return TROUPE_EIO;
    }
    troupe_reply(self, troupe_caller_of(e), nothing);
    return TROUPE_OK;
}

static void note_reason(troupe_actor *self, part *p, troupe_error reason)
{
    (void)self;
    p->error = reason;
    gate_raise(&p->arrived);
}

#define LINKED PART_INIT(.receive = play_linked, .stop = note_reason)

/* Give an order and wait until it is done. */
static void order(troupe_address to, const char *verb, troupe_address whom)
{
    troupe_buffer b = {0};
    troupe_answer answer;
    cr_assert(troupe_pack(&b, "U", whom) == TROUPE_OK);
    cr_assert(troupe_guest_call(guest, to, verb, NULL, troupe_buffer_bytes(&b), LONG_MS, &answer) ==
              TROUPE_OK);
    troupe_answer_fini(&answer);
    troupe_buffer_fini(&b);
}

static void expect_end(part *p, troupe_address address, troupe_error reason)
{
    cr_assert(troupe_join(stage, address, LONG_MS) == TROUPE_OK);
    cr_assert(p->error == reason, "%s", troupe_error_name(p->error));
}

static uint32_t links_of(troupe_address address);

Test(link, failure_of_the_linked_ends_the_maker_with_its_reason)
{
    stage_open();
    part a = LINKED;
    part b = LINKED;
    troupe_address a_address = enter(&a);
    troupe_address b_address = enter(&b);
    order(a_address, "link", b_address);
    cast(b_address, "fail");
    expect_end(&a, a_address, TROUPE_EIO);
    expect_end(&b, b_address, TROUPE_EIO);
    stage_close();
}

Test(link, failure_of_the_maker_ends_the_linked_with_its_reason)
{
    stage_open();
    part a = LINKED;
    part b = LINKED;
    troupe_address a_address = enter(&a);
    troupe_address b_address = enter(&b);
    order(a_address, "link", b_address);
    cast(a_address, "fail");
    expect_end(&b, b_address, TROUPE_EIO);
    expect_end(&a, a_address, TROUPE_EIO);
    stage_close();
}

Test(link, failure_runs_through_a_chain)
{
    enum { CHAIN = 50 };
    stage_open();
    part parts[CHAIN];
    troupe_address addresses[CHAIN];
    for (int i = 0; i < CHAIN; i++) {
        parts[i] = (part)LINKED;
        addresses[i] = enter(&parts[i]);
        if (i > 0)
            order(addresses[i], "link", addresses[i - 1]);
    }
    cast(addresses[CHAIN / 2], "fail");
    for (int i = 0; i < CHAIN; i++)
        expect_end(&parts[i], addresses[i], TROUPE_EIO);
    stage_close();
}

Test(link, normal_end_leaves_the_other_alone)
{
    stage_open();
    part a = LINKED;
    part b = LINKED;
    troupe_address a_address = enter(&a);
    troupe_address b_address = enter(&b);
    order(a_address, "link", b_address);
    leave(b_address);
    order(a_address, "nothing", 0);
    cr_assert(links_of(a_address) == 0);
    leave(a_address);
    cr_assert(a.error == TROUPE_OK && a.count == 0);
    stage_close();
}

Test(link, one_that_traps_sees_each_end_and_goes_on)
{
    stage_open();
    part a = LINKED;
    part b = LINKED;
    part c = LINKED;
    troupe_address a_address = enter(&a);
    troupe_address b_address = enter(&b);
    troupe_address c_address = enter(&c);
    order(a_address, "trap", 0);
    order(a_address, "link", b_address);
    order(c_address, "link", a_address);
    cast(b_address, "fail");
    gate_await(&a.arrived, 1);
    cr_assert(a.peer == b_address && a.error == TROUPE_EIO);
    leave(c_address);
    gate_await(&a.arrived, 2);
    cr_assert(a.peer == c_address && a.error == TROUPE_OK);
    order(a_address, "nothing", 0);
    leave(a_address);
    cr_assert(a.count == 2);
    stage_close();
}

Test(link, made_twice_and_from_both_sides_is_one)
{
    stage_open();
    part a = LINKED;
    part b = LINKED;
    troupe_address a_address = enter(&a);
    troupe_address b_address = enter(&b);
    order(a_address, "trap", 0);
    order(a_address, "link", b_address);
    order(a_address, "link", b_address);
    order(b_address, "link", a_address);
    cr_assert(links_of(a_address) == 1 && links_of(b_address) == 1);
    cast(b_address, "fail");
    gate_await(&a.arrived, 1);
    order(a_address, "nothing", 0);
    leave(a_address);
    cr_assert(a.count == 1);
    stage_close();
}

Test(link, with_one_who_is_gone_acts_at_once)
{
    stage_open();
    part gone = LINKED;
    part a = LINKED;
    part trapper = LINKED;
    troupe_address gone_address = enter(&gone);
    leave(gone_address);
    troupe_address a_address = enter(&a);
    cast_number(a_address, "link", gone_address);
    expect_end(&a, a_address, TROUPE_EGONE);
    troupe_address trapper_address = enter(&trapper);
    order(trapper_address, "trap", 0);
    cast_number(trapper_address, "link", gone_address);
    gate_await(&trapper.arrived, 1);
    cr_assert(trapper.peer == gone_address && trapper.error == TROUPE_EGONE);
    leave(trapper_address);
    stage_close();
}

Test(link, after_unlink_by_either_side_neither_ends)
{
    stage_open();
    part a = LINKED;
    part b = LINKED;
    part c = LINKED;
    troupe_address a_address = enter(&a);
    troupe_address b_address = enter(&b);
    troupe_address c_address = enter(&c);
    order(a_address, "link", b_address);
    order(a_address, "link", c_address);
    order(a_address, "unlink", b_address);
    order(c_address, "unlink", a_address); /* not the one who made it */
    cr_assert(links_of(a_address) == 0 && links_of(b_address) == 0 && links_of(c_address) == 0);
    cast(b_address, "fail");
    cast(c_address, "fail");
    expect_end(&b, b_address, TROUPE_EIO);
    expect_end(&c, c_address, TROUPE_EIO);
    order(a_address, "nothing", 0);
    leave(a_address);
    cr_assert(a.error == TROUPE_OK);
    stage_close();
}

/* Waits until the linked actor is gone, its signal in the control lane, and unlinks then. */
static troupe_error play_late_unlink(troupe_actor *self, part *p, const troupe_envelope *e)
{
    cr_assert(e->kind != TROUPE_SIGNAL);
    if (troupe_verb_is(e, "link")) {
        cr_assert(troupe_link(self, p->peer) == TROUPE_OK);
        gate_raise(&p->arrived);
        gate_await(&p->go, 1);
        troupe_unlink(self, p->peer);
    }
    troupe_reply(self, troupe_caller_of(e), nothing);
    return TROUPE_OK;
}

Test(link, unlink_undoes_an_end_that_is_on_its_way)
{
    stage_open();
    part a = PART_INIT(.receive = play_late_unlink, .stop = note_reason);
    part b = LINKED;
    a.peer = enter(&b);
    troupe_address a_address = enter(&a);
    cast(a_address, "link");
    gate_await(&a.arrived, 1);
    cast(a.peer, "fail");
    cr_assert(troupe_join(stage, a.peer, LONG_MS) == TROUPE_OK); /* its signal is delivered */
    gate_raise(&a.go);
    cr_assert(ask(a_address, "alive", LONG_MS) == TROUPE_OK);
    leave(a_address);
    cr_assert(a.error == TROUPE_OK);
    stage_close();
}

/* As above, then links again: the first end was undone, the second counts. */
static troupe_error play_relink(troupe_actor *self, part *p, const troupe_envelope *e)
{
    (void)play_late_unlink(self, p, e);
    return troupe_verb_is(e, "link") ? troupe_link(self, p->peer) : TROUPE_OK;
}

Test(link, made_again_after_an_end_was_undone_counts_as_gone)
{
    stage_open();
    part a = PART_INIT(.receive = play_relink, .stop = note_reason);
    part b = LINKED;
    a.peer = enter(&b);
    troupe_address a_address = enter(&a);
    cast(a_address, "link");
    gate_await(&a.arrived, 1);
    cast(a.peer, "fail");
    cr_assert(troupe_join(stage, a.peer, LONG_MS) == TROUPE_OK);
    gate_raise(&a.go);
    expect_end(&a, a_address, TROUPE_EGONE); /* not TROUPE_EIO */
    stage_close();
}

static troupe_error fail_start(troupe_actor *self, part *p)
{
    (void)self;
    (void)p;
    return TROUPE_EUNAVAILABLE;
}

Test(link, spawned_with_a_link_even_a_failing_start_is_felt)
{
    stage_open();
    part parent = LINKED;
    part child = PART_INIT(.start = fail_start);
    troupe_address parent_address = enter(&parent);
    order(parent_address, "trap", 0);
    troupe_spawn_options options = {.link = parent_address};
    troupe_address child_address = enter_with(&child, options);
    gate_await(&parent.arrived, 1);
    cr_assert(parent.peer == child_address && parent.error == TROUPE_EUNAVAILABLE);
    leave(parent_address);
    stage_close();
}

Test(link, spawned_with_a_link_the_child_ends_with_its_parent)
{
    stage_open();
    part parent = LINKED;
    part child = LINKED;
    troupe_address parent_address = enter(&parent);
    troupe_spawn_options options = {.link = parent_address};
    troupe_address child_address = enter_with(&child, options);
    cast(parent_address, "fail");
    expect_end(&child, child_address, TROUPE_EIO);
    stage_close();
}

Test(link, spawned_with_a_link_to_one_who_is_gone_ends)
{
    stage_open();
    part gone = LINKED;
    part child = LINKED;
    troupe_address gone_address = enter(&gone);
    leave(gone_address);
    troupe_spawn_options options = {.link = gone_address};
    troupe_address child_address = enter_with(&child, options);
    expect_end(&child, child_address, TROUPE_EGONE);
    stage_close();
}

Test(link, a_spawn_that_fails_leaves_no_link)
{
    stage_open();
    part parent = LINKED;
    part child = LINKED;
    troupe_address parent_address = enter(&parent);
    const troupe_spawn_options first = {.name = "taken"};
    troupe_address first_address = enter_with(&child, first);
    troupe_spawn_options options = {
        .behaviour = &part_behaviour, .state = &child, .name = "taken", .link = parent_address};
    cr_assert(troupe_spawn(stage, &options, NULL) == TROUPE_ESTATE);
    order(parent_address, "nothing", 0);
    cr_assert(links_of(parent_address) == 0);
    leave(first_address);
    leave(parent_address);
    stage_close();
}

/* Blocks in its first message, its mailbox full behind it. */
static troupe_error play_full(troupe_actor *self, part *p, const troupe_envelope *e)
{
    if (troupe_verb_is(e, "link")) {
        cr_assert(troupe_link(self, p->peer) == TROUPE_OK);
        gate_raise(&p->arrived);
        gate_await(&p->go, 1);
    } else {
        p->count++;
    }
    return TROUPE_OK;
}

Test(link, end_overtakes_a_full_mailbox)
{
    stage_open();
    part a = PART_INIT(.receive = play_full, .stop = note_reason);
    part b = LINKED;
    a.peer = enter(&b);
    troupe_spawn_options small = {.mailbox_envelopes = 4};
    troupe_address a_address = enter_with(&a, small);
    cast(a_address, "link");
    gate_await(&a.arrived, 1);
    while (troupe_guest_post(guest, a_address, TROUPE_CAST, "load", NULL, nothing) == TROUPE_OK)
        continue;
    cast(a.peer, "fail");
    cr_assert(troupe_join(stage, a.peer, LONG_MS) == TROUPE_OK);
    gate_raise(&a.go);
    expect_end(&a, a_address, TROUPE_EIO);
    cr_assert(a.count == 0);
    stage_close();
}

static troupe_error play_wrong(troupe_actor *self, part *p, const troupe_envelope *e)
{
    (void)p;
    (void)e;
    cr_assert(troupe_link(self, 0) == TROUPE_EINVAL);
    cr_assert(troupe_link(self, troupe_self_address(self)) == TROUPE_EINVAL);
    troupe_unlink(self, 0);
    troupe_unlink(self, troupe_self_address(self));
    troupe_unlink(self, 0x123450001); /* never was */
    troupe_reply(self, troupe_caller_of(e), nothing);
    return TROUPE_OK;
}

Test(link, with_nobody_or_oneself_is_refused)
{
    stage_open();
    part a = PART_INIT(.receive = play_wrong);
    troupe_address a_address = enter(&a);
    cr_assert(ask(a_address, "x", LONG_MS) == TROUPE_OK);
    leave(a_address);
    stage_close();
}

typedef struct wanted {
    troupe_address address;
    uint32_t links;
} wanted;

static void note_links(void *context, const troupe_actor_info *info)
{
    wanted *w = context;
    if (info->address == w->address)
        w->links = info->links;
}

static uint32_t links_of(troupe_address address)
{
    wanted w = {.address = address};
    troupe_system_inspect(stage, note_links, &w);
    return w.links;
}
