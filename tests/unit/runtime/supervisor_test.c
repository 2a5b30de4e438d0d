/* SPDX-License-Identifier: MIT */
/* Supervision: restarts by kind, back-off, intensity, order of stopping. */
#include "stage.h"

#include "troupe/deterministic.h"
#include "troupe/supervisor.h"

#include <stdio.h>

TestSuite(supervisor, .init = stage_open, .fini = stage_close);

#define CHILDREN 4

typedef struct boss {
    part part;
    troupe_supervisor *supervisor;
    troupe_child child;
    unsigned children;
    unsigned prepared;
    unsigned discarded;
    unsigned released;
    bool fail_prepare;
    bool fail_spawn;
    char ended[8]; /* first letters of the names, in the order of their ends */
    unsigned ended_count;
    unsigned restarts;
    gate started;
    gate down;
} boss;

static part child_part = PART_INIT();

static troupe_error child_receive(troupe_actor *self, void *state, const troupe_envelope *e)
{
    (void)state;
    if (troupe_verb_is(e, "fail"))
        return TROUPE_EIO;
    if (troupe_verb_is(e, "exit"))
        troupe_exit(self, TROUPE_OK);
    return TROUPE_OK;
}

static void child_stop(troupe_actor *self, void *state, troupe_error reason)
{
    (void)self;
    (void)reason;
    free(state);
}

static const troupe_behaviour child_behaviour = {
    .kind = "child", .receive = child_receive, .stop = child_stop};

static troupe_error prepare(troupe_actor *self, void *context, troupe_spawn_options *out)
{
    boss *b = context;
    (void)self;
    b->prepared++;
    if (b->fail_prepare)
        return TROUPE_EUNAVAILABLE;
    out->behaviour = &child_behaviour;
    out->state = malloc(16);
    out->name = b->fail_spawn ? "taken" : NULL;
    return TROUPE_OK;
}

static void discard(void *context, void *state)
{
    boss *b = context;
    b->discarded++;
    free(state);
}

static void release(void *context)
{
    boss *b = context;
    b->released++;
}

static void on_event(troupe_actor *self, void *context, const char *name, troupe_address started,
                     troupe_error ended, uint32_t restart_in_ms)
{
    boss *b = context;
    (void)self;
    (void)ended;
    if (started != 0) {
        gate_raise(&b->started);
        return;
    }
    if (b->ended_count < 7)
        b->ended[b->ended_count++] = name[0];
    b->restarts += restart_in_ms != 0;
    gate_raise(&b->down);
}

static troupe_error boss_start(troupe_actor *self, part *p)
{
    static const char *const names[CHILDREN] = {"alpha", "beta", "gamma", "delta"};
    boss *b = p->data;
    troupe_supervisor_options options = {.event = on_event, .context = b};
    cr_assert(troupe_supervisor_create(self, &options, &b->supervisor) == TROUPE_OK);
    for (unsigned i = 0; i < b->children; i++) {
        troupe_child child = b->child;
        child.name = names[i];
        child.prepare = prepare;
        child.discard = discard;
        child.release = release;
        child.context = b;
        p->error = troupe_supervisor_add(b->supervisor, &child, p->count != 0, NULL);
        cr_assert(troupe_supervisor_add(b->supervisor, &child, false, NULL) != TROUPE_OK);
    }
    return TROUPE_OK;
}

static troupe_error boss_receive(troupe_actor *self, part *p, const troupe_envelope *e)
{
    boss *b = p->data;
    if (e->kind == TROUPE_SIGNAL) {
        cr_assert(troupe_supervisor_signal(b->supervisor, e));
    } else if (e->kind == TROUPE_CALL) {
        troupe_buffer out = {0};
        (void)troupe_pack(&out, "U", troupe_supervisor_find(b->supervisor, "alpha"));
        troupe_reply(self, troupe_caller_of(e), troupe_buffer_bytes(&out));
        troupe_buffer_fini(&out);
    } else if (troupe_verb_is(e, "remove")) {
        cr_assert(troupe_supervisor_remove(b->supervisor, "nobody", TROUPE_STOP_NOW) ==
                  TROUPE_ENOTFOUND);
        cr_assert(troupe_supervisor_remove(b->supervisor, "alpha", TROUPE_STOP_DRAIN) == TROUPE_OK);
    }
    return TROUPE_OK;
}

static void children_gone(troupe_actor *self, void *context)
{
    (void)context;
    troupe_exit(self, TROUPE_OK);
}

static bool boss_closing(troupe_actor *self, part *p)
{
    (void)self;
    boss *b = p->data;
    troupe_supervisor_stop(b->supervisor, children_gone, b);
    return false;
}

static void boss_stop(troupe_actor *self, part *p, troupe_error reason)
{
    boss *b = p->data;
    (void)self;
    p->error = reason;
    troupe_supervisor_destroy(b->supervisor);
}

static troupe_address boss_enter(boss *b)
{
    b->part = (part)PART_INIT(.start = boss_start, .receive = boss_receive, .closing = boss_closing,
                              .stop = boss_stop, .data = b, .count = b->part.count);
    b->started = (gate)GATE_INIT;
    b->down = (gate)GATE_INIT;
    b->child.backoff_min_ms = 1;
    b->child.backoff_max_ms = b->child.backoff_max_ms != 0 ? b->child.backoff_max_ms : 2;
    return enter(&b->part);
}

static troupe_address alpha(troupe_address boss_address)
{
    troupe_answer a;
    troupe_address address = 0;
    cr_assert(troupe_guest_call(guest, boss_address, "find", NULL, nothing, LONG_MS, &a) == 0);
    cr_assert(troupe_unpack(a.payload, "U", &address) == TROUPE_OK);
    troupe_answer_fini(&a);
    return address;
}

Test(supervisor, permanent_child_is_restarted_whatever_the_reason)
{
    boss b = {.children = 1, .child = {.restart = TROUPE_PERMANENT}};
    troupe_address address = boss_enter(&b);
    for (unsigned i = 1; i <= 10; i++) {
        gate_await(&b.started, i);
        cast(alpha(address), i % 2 == 0 ? "fail" : "exit");
    }
    gate_await(&b.started, 11);
    leave(address);
    cr_assert(b.prepared == 11 && b.restarts == 10 && b.released == 1);
}

Test(supervisor, transient_child_is_restarted_only_when_it_failed)
{
    boss b = {.children = 1, .child = {.restart = TROUPE_TRANSIENT}};
    troupe_address address = boss_enter(&b);
    gate_await(&b.started, 1);
    cast(alpha(address), "fail");
    gate_await(&b.started, 2);
    cast(alpha(address), "exit");
    gate_await(&b.down, 2);
    cr_assert(alpha(address) == 0);
    leave(address);
    cr_assert(b.prepared == 2 && b.restarts == 1 && b.released == 1);
}

Test(supervisor, temporary_child_is_not_restarted)
{
    boss b = {.children = 1, .child = {.restart = TROUPE_TEMPORARY}};
    troupe_address address = boss_enter(&b);
    gate_await(&b.started, 1);
    cast(alpha(address), "fail");
    gate_await(&b.down, 1);
    leave(address);
    cr_assert(b.prepared == 1 && b.restarts == 0 && b.released == 1);
}

Test(supervisor, too_many_restarts_end_the_owner)
{
    boss b = {.children = 2,
              .child = {.restart = TROUPE_PERMANENT, .intensity = 3, .period_ms = 3600000}};
    troupe_address address = boss_enter(&b);
    gate_await(&b.started, 2);
    for (unsigned i = 0; i < 4; i++) {
        cast(alpha(address), "fail");
        if (i < 3)
            gate_await(&b.started, 3 + i);
    }
    cr_assert(troupe_join(stage, address, LONG_MS) == TROUPE_OK);
    cr_assert(b.part.error == TROUPE_EUNAVAILABLE);
    cr_assert(b.restarts == 3 && b.released == 2);
}

Test(supervisor, stop_goes_backwards_one_at_a_time)
{
    boss b = {.children = CHILDREN, .child = {.restart = TROUPE_PERMANENT}};
    troupe_address address = boss_enter(&b);
    gate_await(&b.started, CHILDREN);
    leave(address);
    cr_assert_str_eq(b.ended, "dgba");
    cr_assert(b.restarts == 0 && b.released == CHILDREN && b.part.error == TROUPE_OK);
}

Test(supervisor, removed_child_is_not_restarted)
{
    boss b = {.children = 2, .child = {.restart = TROUPE_PERMANENT}};
    troupe_address address = boss_enter(&b);
    gate_await(&b.started, 2);
    cast(address, "remove");
    gate_await(&b.down, 1);
    cr_assert(alpha(address) == 0 && b.restarts == 0 && b.released == 1);
    leave(address);
}

Test(supervisor, start_that_fails_is_retried_when_kept)
{
    boss b = {.children = 1,
              .fail_prepare = true,
              .part = {.count = 1},
              .child = {.restart = TROUPE_PERMANENT, .intensity = 4, .period_ms = 3600000}};
    troupe_address address = boss_enter(&b);
    cr_assert(troupe_join(stage, address, LONG_MS) == TROUPE_OK);
    cr_assert(b.prepared == 5 && b.released == 1);
    cr_assert(b.part.error == TROUPE_EUNAVAILABLE);
}

Test(supervisor, start_that_fails_is_not_kept_unless_asked)
{
    child_part = (part)PART_INIT();
    troupe_spawn_options named = {.name = "taken"};
    troupe_address holder = enter_with(&child_part, named);
    boss b = {.children = 1, .fail_spawn = true, .child = {.restart = TROUPE_PERMANENT}};
    troupe_address address = boss_enter(&b);
    cr_assert(alpha(address) == 0);
    cr_assert(b.part.error == TROUPE_ESTATE);
    leave(address);
    cr_assert(b.prepared == 2 && b.discarded == 2 && b.released == 0 && b.started.value == 0);
    leave(holder);
}

/* ---- stopping while somebody waits for its back-off ---- */

typedef struct late {
    troupe_supervisor *supervisor;
    unsigned starts; /* of the one that failed, after the stop began */
    bool stopping;
} late;

static troupe_error fail_at_first(troupe_actor *self, void *state)
{
    late *l = state;
    (void)self;
    l->starts += l->stopping;
    return l->stopping ? TROUPE_OK : TROUPE_EIO;
}

static void go_at_last(troupe_actor *self, void *context)
{
    (void)context;
    troupe_exit(self, TROUPE_OK);
}

static bool take_an_hour(troupe_actor *self, void *state)
{
    (void)state;
    cr_assert(troupe_timer_start(self, 3600000, 0, go_at_last, NULL, NULL) == TROUPE_OK);
    return false;
}

static const troupe_behaviour failing = {.kind = "failing", .start = fail_at_first};
static const troupe_behaviour slow = {.kind = "slow", .closing = take_an_hour};

static troupe_error prepare_failing(troupe_actor *self, void *context, troupe_spawn_options *out)
{
    (void)self;
    out->behaviour = &failing;
    out->state = context;
    return TROUPE_OK;
}

static troupe_error prepare_slow(troupe_actor *self, void *context, troupe_spawn_options *out)
{
    (void)self;
    out->behaviour = &slow;
    out->state = context;
    return TROUPE_OK;
}

static void all_gone(troupe_actor *self, void *context)
{
    (void)context;
    troupe_exit(self, TROUPE_OK);
}

static troupe_error late_start(troupe_actor *self, void *state)
{
    late *l = state;
    const troupe_child children[] = {
        {.name = "failing", .prepare = prepare_failing, .context = l, .backoff_min_ms = 60000},
        {.name = "slow",
         .prepare = prepare_slow,
         .context = l,
         .shutdown_ms = TROUPE_SHUTDOWN_UNLIMITED}};
    cr_assert(troupe_supervisor_create(self, NULL, &l->supervisor) == TROUPE_OK);
    cr_assert(troupe_supervisor_add(l->supervisor, &children[0], true, NULL) == TROUPE_OK);
    return troupe_supervisor_add(l->supervisor, &children[1], true, NULL);
}

static troupe_error late_receive(troupe_actor *self, void *state, const troupe_envelope *e)
{
    late *l = state;
    (void)self;
    (void)troupe_supervisor_signal(l->supervisor, e);
    return TROUPE_OK;
}

static bool late_closing(troupe_actor *self, void *state)
{
    late *l = state;
    (void)self;
    l->stopping = true;
    troupe_supervisor_stop(l->supervisor, all_gone, l);
    return false;
}

static void late_stop(troupe_actor *self, void *state, troupe_error reason)
{
    late *l = state;
    (void)self;
    (void)reason;
    troupe_supervisor_destroy(l->supervisor);
}

static const troupe_behaviour late_behaviour = {.kind = "late",
                                                .start = late_start,
                                                .receive = late_receive,
                                                .closing = late_closing,
                                                .stop = late_stop};

Test(supervisor_stop, nobody_is_restarted_whose_back_off_ends_meanwhile)
{
    late l = {0};
    troupe_address address;
    const troupe_spawn_options options = {.behaviour = &late_behaviour, .state = &l};
    cr_assert(troupe_deterministic_open(NULL, 3, 0, &stage) == TROUPE_OK);
    cr_assert(troupe_spawn(stage, &options, &address) == TROUPE_OK);
    troupe_deterministic_pass(stage, 0);
    cr_assert(troupe_stop(stage, address, TROUPE_STOP_DRAIN) == TROUPE_OK);
    cr_assert(troupe_join(stage, address, 7200000) == TROUPE_OK); /* an hour of its time */
    cr_assert(l.stopping && l.starts == 0);
    troupe_system_close(stage, LONG_MS);
}
