/* SPDX-License-Identifier: MIT */
/* Supervision by an owner with children that come and go: dynamic ones, removal, re-entrance. */
#include "job.h"
#include "troop.h"

#include <stdio.h>

TestSuite(supervisor_dynamic, .init = stage_open, .fini = stage_close);

#define CROWD  600 /* alive at a time */
#define ROUNDS 5

typedef struct chief {
    part part;
    troupe_supervisor *supervisor;
    troupe_supervisor_options options;
    unsigned ends; /* owner's thread, as all below */
    char last_ended[32];
    uint32_t last_wait_ms;
    bool remove_in_event;
    gate started;
    gate ended;
    gate released;
} chief;

static void on_event(troupe_actor *self, void *context, const char *name, troupe_address started,
                     troupe_error ended, uint32_t restart_in_ms)
{
    chief *c = context;
    (void)self;
    (void)ended;
    if (started != 0) {
        gate_raise(&c->started);
        return;
    }
    c->ends++;
    c->last_wait_ms = restart_in_ms;
    snprintf(c->last_ended, sizeof c->last_ended, "%s", name);
    if (c->remove_in_event)
        (void)troupe_supervisor_remove(c->supervisor, name, TROUPE_STOP_NOW);
    gate_raise(&c->ended);
}

static troupe_error chief_start(troupe_actor *self, part *p)
{
    chief *c = p->data;
    c->options.event = on_event;
    c->options.context = c;
    return troupe_supervisor_create(self, &c->options, &c->supervisor);
}

static troupe_error chief_receive(troupe_actor *self, part *p, const troupe_envelope *e)
{
    chief *c = p->data;
    if (e->kind == TROUPE_SIGNAL) {
        (void)troupe_supervisor_signal(c->supervisor, e);
    } else if (!troupe_supervisor_call(c->supervisor, e)) {
        job_do(self, c, e);
    }
    return p->error;
}

static void on_all_gone(troupe_actor *self, void *context)
{
    (void)context;
    troupe_exit(self, TROUPE_OK);
}

static bool chief_closing(troupe_actor *self, part *p)
{
    chief *c = p->data;
    (void)self;
    troupe_supervisor_stop(c->supervisor, on_all_gone, NULL);
    return false;
}

static void chief_stop(troupe_actor *self, part *p, troupe_error reason)
{
    chief *c = p->data;
    (void)self;
    (void)reason;
    troupe_supervisor_destroy(c->supervisor);
}

static troupe_address chief_enter(chief *c)
{
    c->part = (part)PART_INIT(.start = chief_start, .receive = chief_receive,
                              .closing = chief_closing, .stop = chief_stop, .data = c);
    c->started = (gate)GATE_INIT;
    c->ended = (gate)GATE_INIT;
    c->released = (gate)GATE_INIT;
    return enter(&c->part);
}

/* ---- a crowd ---- */

static const troupe_behaviour extra_behaviour = {.kind = "extra", .receive = player_receive};

static troupe_error prepare_extra(troupe_actor *self, void *context, troupe_spawn_options *out)
{
    (void)self;
    (void)context;
    out->behaviour = &extra_behaviour;
    return TROUPE_OK;
}

static void release_one(void *context)
{
    chief *c = context;
    gate_raise(&c->released);
}

static troupe_address crowd[CROWD];

static void add_crowd(void *owner, void *restart)
{
    chief *c = owner;
    troupe_child template = {.name = "extra",
                             .dynamic = true,
                             .prepare = prepare_extra,
                             .context = c,
                             .release = release_one,
                             .restart = *(troupe_restart *)restart,
                             .backoff_min_ms = 1,
                             .backoff_max_ms = 2};
    for (unsigned i = 0; i < CROWD; i++) {
        cr_assert(troupe_supervisor_add(c->supervisor, &template, false, &crowd[i]) == TROUPE_OK);
        const char *name = troupe_supervisor_name(c->supervisor, crowd[i]);
        cr_assert(troupe_supervisor_find(c->supervisor, name) == crowd[i]);
    }
}

static void remove_odd(void *owner, void *argument)
{
    chief *c = owner;
    (void)argument;
    for (unsigned i = 1; i < CROWD; i += 2)
        cr_assert(troupe_supervisor_remove(c->supervisor,
                                           troupe_supervisor_name(c->supervisor, crowd[i]),
                                           TROUPE_STOP_DRAIN) == TROUPE_OK);
}

static void count_child(void *context, const troupe_child_info *info)
{
    (void)info;
    ++*(unsigned *)context;
}

static void expect_nobody(void *owner, void *argument)
{
    chief *c = owner;
    unsigned count = 0;
    (void)argument;
    troupe_supervisor_inspect(c->supervisor, count_child, &count);
    cr_assert(count == 0);
    for (unsigned i = 0; i < CROWD; i++)
        cr_assert(troupe_supervisor_name(c->supervisor, crowd[i]) == NULL);
    cr_assert(troupe_supervisor_remove(c->supervisor, NULL, TROUPE_STOP_NOW) == TROUPE_ENOTFOUND);
}

Test(supervisor_dynamic, thousands_come_and_go)
{
    chief c = {.supervisor = NULL};
    troupe_restart restart = TROUPE_TRANSIENT;
    troupe_address address = chief_enter(&c);
    for (unsigned round = 1; round <= ROUNDS; round++) {
        have(address, add_crowd, &restart);
        have(address, remove_odd, NULL);
        for (unsigned i = 0; i < CROWD; i += 2)
            cast(crowd[i], "exit");
        gate_await(&c.released, round * CROWD);
        have(address, expect_nobody, NULL);
    }
    cr_assert(c.ends == ROUNDS * CROWD);
    leave(address);
}

Test(supervisor_dynamic, crowd_is_there_in_the_list_and_gone_after_the_stop)
{
    chief c = {.supervisor = NULL};
    troupe_restart restart = TROUPE_TEMPORARY;
    troupe_answer answer;
    troupe_address address = chief_enter(&c);
    have(address, add_crowd, &restart);
    cr_assert(troupe_guest_call(guest, address, "which", NULL, nothing, LONG_MS, &answer) == 0);
    const uint8_t head[] = {0xdd, 0, 0, CROWD >> 8, CROWD & 0xff};
    size_t len;
    cr_assert_arr_eq(answer.payload.data, head, sizeof head);
    cr_assert(troupe_pack_walk(answer.payload, &len) == TROUPE_OK && len == answer.payload.len);
    troupe_answer_fini(&answer);
    leave(address);
    cr_assert(c.released.value == CROWD && c.ends == CROWD);
}

static void crowd_of_one(void *owner, void *argument)
{
    chief *c = owner;
    troupe_child template = {.name = "extra",
                             .dynamic = true,
                             .prepare = prepare_extra,
                             .context = c,
                             .release = release_one,
                             .backoff_min_ms = 1,
                             .backoff_max_ms = 1};
    (void)argument;
    cr_assert(troupe_supervisor_add(c->supervisor, &template, false, &crowd[0]) == TROUPE_OK);
}

static void look_for_the_first(void *owner, void *argument)
{
    chief *c = owner;
    *(troupe_address *)argument = troupe_supervisor_find(c->supervisor, "extra#1");
}

Test(supervisor_dynamic, permanent_one_comes_back_under_its_name)
{
    chief c = {.supervisor = NULL};
    troupe_address now = 0;
    troupe_address address = chief_enter(&c);
    have(address, crowd_of_one, NULL);
    cast(crowd[0], "fail");
    gate_await(&c.started, 2);
    have(address, look_for_the_first, &now);
    cr_assert(now != 0 && now != crowd[0] && c.last_wait_ms == 1);
    cr_assert_str_eq(c.last_ended, "extra#1");
    cr_assert(c.released.value == 0);
    leave(address);
    cr_assert(c.released.value == 1);
}

/* ---- with others ---- */

static void add_troop(void *owner, void *argument)
{
    chief *c = owner;
    troop *t = argument;
    for (size_t i = 0; i < t->spec.count; i++)
        cr_assert(troupe_supervisor_add(c->supervisor, &t->children[i], true, NULL) == TROUPE_OK);
}

Test(supervisor_dynamic, dynamic_children_stop_together_and_first)
{
    troop t;
    chief c = {.options = {.strategy = TROUPE_ONE_FOR_ALL}};
    troop_init(&t, 4, TROUPE_ONE_FOR_ALL);
    for (int i = 0; i < 2; i++) { /* a and b; added before the others */
        t.children[i].dynamic = true;
        t.players[i].hold_stop = true;
    }
    troupe_address address = chief_enter(&c);
    have(address, add_troop, &t);
    char all[JOURNAL_LENGTH];
    journal_await_length(4, all);
    cr_assert(troupe_stop(stage, address, TROUPE_STOP_DRAIN) == TROUPE_OK);
    gate_await(&t.players[0].arrived, 1);
    gate_await(&t.players[1].arrived, 1); /* both at once */
    gate_raise(&t.players[1].go);
    gate_await(&c.ended, 1);
    gate_raise(&t.players[0].go);
    cr_assert(troupe_join(stage, address, LONG_MS) == TROUPE_OK);
    journal_await_length(8, all);
    cr_assert_str_eq(all + 4, "BADC");
}

Test(supervisor_dynamic, strategies_leave_dynamic_children_alone)
{
    troop t;
    chief c = {.options = {.strategy = TROUPE_ONE_FOR_ALL}};
    troop_init(&t, 3, TROUPE_ONE_FOR_ALL);
    t.players[0].hold_start = true;
    t.children[2].dynamic = true;
    t.children[2].restart = TROUPE_TEMPORARY;
    troupe_address address = chief_enter(&c);
    have(address, add_troop, &t);
    journal_await("c"); /* waits for nobody */
    gate_raise(&t.players[0].go);
    journal_await("cab");
    tell("a", "fail");
    journal_await("cabABab");
    tell("c", "fail");
    journal_await("cabABabC");
    leave(address);
    journal_await("cabABabCBA");
}

/* ---- removal ---- */

static void remove_named(void *owner, void *name)
{
    chief *c = owner;
    cr_assert(troupe_supervisor_remove(c->supervisor, name, TROUPE_STOP_DRAIN) == TROUPE_OK);
    cr_assert(troupe_supervisor_find(c->supervisor, name) == 0);
}

Test(supervisor_dynamic, removal_of_a_waiting_child_lets_the_next_start)
{
    troop t;
    chief c = {.options = {.ordered = true}};
    troop_init(&t, 2, TROUPE_ONE_FOR_ONE);
    t.players[0].fail_starts = 1;
    t.children[0].backoff_min_ms = t.children[0].backoff_max_ms = HOUR_MS;
    troupe_address address = chief_enter(&c);
    have(address, add_troop, &t);
    gate_await(&c.ended, 1);
    journal_await("!A");
    have(address, remove_named, t.players[0].name);
    journal_await("!Ab");
    leave(address);
    journal_await("!AbB");
    cr_assert(c.ends == 2);
}

static void remove_twice(void *owner, void *name)
{
    chief *c = owner;
    cr_assert(troupe_supervisor_remove(c->supervisor, name, TROUPE_STOP_DRAIN) == TROUPE_OK);
    cr_assert(troupe_supervisor_remove(c->supervisor, name, TROUPE_STOP_NOW) == TROUPE_OK);
}

Test(supervisor_dynamic, removal_at_once_ends_a_child_that_will_not)
{
    troop t;
    chief c = {.supervisor = NULL};
    troop_init(&t, 1, TROUPE_ONE_FOR_ONE);
    t.players[0].stubborn = true;
    t.children[0].shutdown_ms = TROUPE_SHUTDOWN_UNLIMITED;
    troupe_address address = chief_enter(&c);
    have(address, add_troop, &t);
    have(address, remove_twice, t.players[0].name);
    journal_await("aA");
    leave(address);
    cr_assert(c.ends == 1);
}

Test(supervisor_dynamic, child_may_be_removed_in_the_event_of_its_end)
{
    for (troupe_strategy s = TROUPE_ONE_FOR_ONE; s <= TROUPE_REST_FOR_ONE; s++) {
        troop t;
        chief c = {.remove_in_event = true, .options = {.strategy = s, .ordered = true}};
        troop_init(&t, 3, s);
        troupe_address address = chief_enter(&c);
        have(address, add_troop, &t);
        journal_await("abc");
        tell("a", "fail");
        gate_await(&c.ended, s == TROUPE_ONE_FOR_ONE ? 1 : 3); /* each removed as it ends */
        leave(address);
        journal_await("abcACB");
        cr_assert(c.ends == 3);
    }
}

static void expect_closed(void *owner, void *argument)
{
    chief *c = owner;
    troop *t = argument;
    cr_assert(troupe_supervisor_add(c->supervisor, &t->children[1], true, NULL) == TROUPE_ECLOSED);
}

Test(supervisor_dynamic, stopping_supervisor_takes_no_children)
{
    troop t;
    chief c = {.supervisor = NULL};
    troop_init(&t, 1, TROUPE_ONE_FOR_ONE);
    t.children[1] = t.children[0];
    t.players[0].hold_stop = true;
    troupe_address address = chief_enter(&c);
    have(address, add_troop, &t);
    journal_await("a");
    cr_assert(troupe_stop(stage, address, TROUPE_STOP_DRAIN) == TROUPE_OK);
    gate_await(&t.players[0].arrived, 1);
    have(address, expect_closed, &t);
    gate_raise(&t.players[0].go);
    cr_assert(troupe_join(stage, address, LONG_MS) == TROUPE_OK);
}

static void fail(void *owner, void *argument)
{
    chief *c = owner;
    (void)argument;
    c->part.error = TROUPE_EIO;
}

Test(supervisor_dynamic, owner_that_fails_takes_its_children_along)
{
    troop t;
    chief c = {.supervisor = NULL};
    troop_init(&t, 2, TROUPE_ONE_FOR_ONE);
    troupe_address address = chief_enter(&c);
    have(address, add_troop, &t);
    char both[JOURNAL_LENGTH];
    journal_await_length(2, both);
    troupe_address children[] = {troupe_whereis(stage, "a"), troupe_whereis(stage, "b")};
    have(address, fail, NULL);
    cr_assert(troupe_join(stage, address, LONG_MS) == TROUPE_OK);
    cr_assert(troupe_join(stage, children[0], LONG_MS) == TROUPE_OK);
    cr_assert(troupe_join(stage, children[1], LONG_MS) == TROUPE_OK);
}
