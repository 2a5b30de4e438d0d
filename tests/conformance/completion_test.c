/* SPDX-License-Identifier: MIT */
/* Promise 2: every call ends once, and a post that returned an error was not delivered. Promise 4:
 * nobody waits inside. */
#include "tests/unit/runtime/stage.h"

#include <unistd.h>

TestSuite(completion, .init = stage_open, .fini = stage_close);

typedef struct outcome {
    unsigned times;
    troupe_error error;
    part *caller;
} outcome;

static void note_outcome(troupe_actor *self, void *context, troupe_error error,
                         const troupe_envelope *answer)
{
    outcome *o = context;
    (void)self;
    (void)answer;
    o->times++;
    o->error = error;
    gate_raise(&o->caller->arrived);
}

/* ---- death at each point of a call's way ---- */

static troupe_error call_peer(troupe_actor *self, part *p, const troupe_envelope *e)
{
    char verb[32] = "";
    memcpy(verb, e->verb, e->verb_len < sizeof verb ? e->verb_len : sizeof verb - 1);
    if (strcmp(verb, "sync") == 0) {
        troupe_reply(self, troupe_caller_of(e), nothing);
        return TROUPE_OK;
    }
    troupe_error error =
        troupe_call(self, p->peer, verb, NULL, nothing, LONG_MS, note_outcome, p->data, NULL);
    cr_assert(error == TROUPE_OK, "%s", troupe_error_name(error));
    return TROUPE_OK;
}

static troupe_error serve(troupe_actor *self, part *p, const troupe_envelope *e)
{
    if (troupe_verb_is(e, "block"))
        return play_blocked(self, p, e);
    if (troupe_verb_is(e, "reply and die")) {
        troupe_reply(self, troupe_caller_of(e), nothing);
        return TROUPE_EIO;
    }
    if (troupe_verb_is(e, "die"))
        return TROUPE_EIO;
    if (troupe_verb_is(e, "pass on"))
        return troupe_forward(self, e, p->peer);
    return TROUPE_OK; /* "keep" */
}

typedef struct duo {
    part caller;
    part callee;
    part third; /* blocked; where calls are passed on to */
    outcome outcome;
    troupe_address caller_address;
} duo;

static void duo_open(duo *d)
{
    *d = (duo){.caller = PART_INIT(.receive = call_peer),
               .callee = PART_INIT(.receive = serve),
               .third = PART_INIT(.receive = serve)};
    d->outcome.caller = &d->caller;
    d->caller.data = &d->outcome;
    d->callee.peer = enter(&d->third);
    d->caller.peer = enter(&d->callee);
    d->caller_address = enter(&d->caller);
}

static void duo_close(duo *d, troupe_error expected)
{
    gate_await(&d->caller.arrived, 1);
    leave(d->caller_address);
    leave(d->caller.peer);
    leave(d->callee.peer);
    cr_assert(d->outcome.times == 1);
    cr_assert(d->outcome.error == expected, "%s", troupe_error_name(d->outcome.error));
}

static void call(duo *d, const char *verb)
{
    cast(d->caller_address, verb);
    cr_assert(ask(d->caller_address, "sync", LONG_MS) == TROUPE_OK); /* the call is on its way */
}

Test(completion, callee_that_dies_before_it_takes_the_call_is_egone)
{
    duo d;
    duo_open(&d);
    cast(d.caller.peer, "block");
    gate_await(&d.callee.arrived, 1);
    call(&d, "keep");
    cr_assert(troupe_stop(stage, d.caller.peer, TROUPE_STOP_NOW) == TROUPE_OK);
    gate_raise(&d.callee.go);
    duo_close(&d, TROUPE_EGONE);
}

Test(completion, callee_that_dies_with_the_call_in_hand_is_eclosed)
{
    duo d;
    duo_open(&d);
    call(&d, "die");
    duo_close(&d, TROUPE_ECLOSED);
}

Test(completion, callee_that_dies_with_the_call_put_aside_is_eclosed)
{
    duo d;
    duo_open(&d);
    call(&d, "keep");
    leave(d.caller.peer);
    duo_close(&d, TROUPE_ECLOSED);
}

Test(completion, callee_that_answers_and_dies_has_answered)
{
    duo d;
    duo_open(&d);
    call(&d, "reply and die");
    duo_close(&d, TROUPE_OK);
}

Test(completion, last_of_a_forwarded_call_that_dies_ends_it)
{
    duo d;
    duo_open(&d);
    cast(d.callee.peer, "block");
    gate_await(&d.third.arrived, 1);
    call(&d, "pass on");
    leave(d.caller.peer); /* who passed it on has nothing to do with it any more */
    cr_assert(d.outcome.times == 0);
    cr_assert(troupe_stop(stage, d.callee.peer, TROUPE_STOP_NOW) == TROUPE_OK);
    gate_raise(&d.third.go);
    duo_close(&d, TROUPE_EGONE);
}

/* The caller dies first: no continuation runs, and what comes later enters nobody's mailbox. */
Test(completion, dead_callers_continuation_never_runs)
{
    duo d;
    duo_open(&d);
    call(&d, "keep");
    leave(d.caller_address);
    leave(d.caller.peer); /* answers the call it kept */
    leave(d.callee.peer);
    cr_assert(d.outcome.times == 0);
    cr_assert(counters().late_replies == 1);
}

/* ---- late answers ---- */

static troupe_error answer_later(troupe_actor *self, part *p, const troupe_envelope *e)
{
    static troupe_caller kept;
    (void)p;
    if (troupe_verb_is(e, "keep"))
        kept = troupe_caller_of(e);
    else
        troupe_reply(self, kept, nothing);
    return TROUPE_OK;
}

static troupe_error call_shortly(troupe_actor *self, part *p, const troupe_envelope *e)
{
    if (troupe_verb_is(e, "go"))
        return troupe_call(self, p->peer, "keep", NULL, nothing, 1, note_outcome, p->data, NULL);
    p->count++;
    return TROUPE_OK;
}

Test(completion, answer_after_the_deadline_never_enters_a_mailbox)
{
    outcome o = {0};
    part callee = PART_INIT(.receive = answer_later);
    part caller = PART_INIT(.receive = call_shortly, .data = &o);
    o.caller = &caller;
    caller.peer = enter(&callee);
    troupe_address address = enter(&caller);
    cast(address, "go");
    gate_await(&caller.arrived, 1);
    cr_assert(o.error == TROUPE_ETIMEOUT);
    uint64_t sent = counters().sent;
    cast(caller.peer, "answer it now");
    leave(caller.peer);
    cr_assert(counters().sent == sent + 1 && counters().late_replies == 1);
    leave(address);
    cr_assert(o.times == 1 && caller.count == 0);
}

/* ---- refused means not delivered ---- */

static troupe_error count_kinds(troupe_actor *self, part *p, const troupe_envelope *e)
{
    p->count++;
    if (p->count == 1) {
        gate_raise(&p->arrived);
        gate_await(&p->go, 1);
    }
    troupe_reply(self, troupe_caller_of(e), nothing);
    return TROUPE_OK;
}

Test(completion, refused_posts_and_calls_are_never_delivered)
{
    part p = PART_INIT(.receive = count_kinds);
    troupe_spawn_options small = {.mailbox_envelopes = 5};
    troupe_address address = enter_with(&p, small);
    cast(address, "first");
    gate_await(&p.arrived, 1);
    unsigned delivered = 1;
    for (int i = 0; i < 100; i++) {
        delivered +=
            troupe_guest_post(guest, address, TROUPE_CAST, "x", NULL, nothing) == TROUPE_OK;
        cr_assert(troupe_guest_call_start(guest, address, "x", NULL, nothing, LONG_MS, NULL,
                                          NULL) == (i < 2 ? TROUPE_OK : TROUPE_EBUSY));
        delivered += i < 2;
    }
    gate_raise(&p.go);
    for (int i = 0; i < 2; i++) {
        troupe_answer a;
        cr_assert(troupe_guest_wait(guest, LONG_MS, &a) == TROUPE_OK && a.error == TROUPE_OK);
        troupe_answer_fini(&a);
    }
    troupe_answer none;
    cr_assert(troupe_guest_wait(guest, 1, &none) == TROUPE_ENOTFOUND);
    leave(address);
    cr_assert(delivered == 6 && p.count == delivered, "%u delivered, %u came", delivered, p.count);
}

/* ---- nobody waits inside ---- */

/* A callee that hangs takes nobody with it: its caller goes on serving others. */
static troupe_error call_stuck_and_serve(troupe_actor *self, part *p, const troupe_envelope *e)
{
    if (troupe_verb_is(e, "go"))
        return troupe_call(self, p->peer, "x", NULL, nothing, 50, note_outcome, p->data, NULL);
    return play_echo(self, p, e);
}

Test(completion, callee_that_hangs_hangs_nobody_else)
{
    outcome o = {0};
    part stuck = PART_INIT(.receive = play_blocked);
    part caller = PART_INIT(.receive = call_stuck_and_serve, .data = &o);
    o.caller = &caller;
    caller.peer = enter(&stuck);
    troupe_address address = enter(&caller);
    cast(caller.peer, "block");
    gate_await(&stuck.arrived, 1);
    for (int i = 0; i < 20; i++)
        cast(address, "go");
    cr_assert(ask(address, "echo", LONG_MS) == TROUPE_OK);
    gate_await(&caller.arrived, 20);
    cr_assert(o.times == 20 && o.error == TROUPE_ETIMEOUT);
    cr_assert(ask(address, "echo", LONG_MS) == TROUPE_OK);
    gate_raise(&stuck.go);
    leave(address);
    leave(caller.peer);
}

/* The answer is given, but stays with the callee until its turn ends: it may never end. */
static troupe_error reply_and_hang(troupe_actor *self, part *p, const troupe_envelope *e)
{
    if (e->kind != TROUPE_CALL)
        return TROUPE_OK;
    troupe_reply(self, troupe_caller_of(e), nothing);
    gate_raise(&p->arrived);
    gate_await(&p->go, 1);
    return TROUPE_OK;
}

Test(completion, callee_that_answers_and_hangs_does_not_hold_the_deadline_up)
{
    outcome o = {0};
    part stuck = PART_INIT(.receive = reply_and_hang);
    part caller = PART_INIT(.receive = call_stuck_and_serve, .data = &o);
    o.caller = &caller;
    caller.peer = enter(&stuck);
    troupe_address address = enter(&caller);
    cast(address, "go");
    gate_await(&stuck.arrived, 1);
    gate_await(&caller.arrived, 1); /* `go` is still shut */
    cr_assert(o.times == 1 && o.error == TROUPE_ETIMEOUT);
    gate_raise(&stuck.go);
    leave(caller.peer);
    cr_assert(ask(address, "echo", LONG_MS) == TROUPE_OK);
    cr_assert(o.times == 1); /* the answer came to nobody */
    leave(address);
}

/* ---- the edge of sleep ---- */

static void spin(uint64_t ns)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    uint64_t end = (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec + ns;
    while ((uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec < end)
        clock_gettime(CLOCK_MONOTONIC, &now);
}

/* The first wakes the receiver; the second comes when it has handled the first and is about to
 * sleep, sooner or later by some microseconds each time. Nothing else would wake it. */
Test(completion, what_arrives_at_the_edge_of_sleep_wakes)
{
    part p = PART_INIT(.receive = play_echo);
    troupe_address address = enter(&p);
    uint64_t random = 88172645463325252ULL;
    for (int i = 0; i < 3000; i++) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        cast(address, "wake");
        spin(random % 60000);
        cr_assert(ask(address, "again", LONG_MS) == TROUPE_OK, "round %d", i);
    }
    leave(address);
}

/* ---- all of an actor runs on its one thread ---- */

typedef struct owned {
    pid_t thread;
    unsigned callbacks;
    int pipe[2];
    gate done;
} owned;

static void own(owned *o)
{
    cr_assert(gettid() == o->thread);
    o->callbacks++;
}

static void owned_ring(troupe_actor *self, void *context)
{
    (void)self;
    own(context);
}

static void owned_ready(troupe_actor *self, void *context, int fd, short revents)
{
    owned *o = context;
    char byte;
    (void)self;
    (void)revents;
    own(o);
    cr_assert(read(fd, &byte, 1) == 1);
    gate_raise(&o->done);
}

static troupe_error owned_start(troupe_actor *self, void *state)
{
    owned *o = state;
    o->thread = gettid();
    o->callbacks++;
    cr_assert(troupe_watch(self, o->pipe[0], 1 /* POLLIN */, owned_ready, o) == TROUPE_OK);
    return troupe_timer_start(self, 0, 0, owned_ring, o, NULL);
}

static void owned_answered(troupe_actor *self, void *context, troupe_error error,
                           const troupe_envelope *answer)
{
    owned *o = context;
    (void)self;
    (void)error;
    (void)answer;
    own(o);
    cr_assert(write(o->pipe[1], "x", 1) == 1);
}

static troupe_error owned_receive(troupe_actor *self, void *state, const troupe_envelope *e)
{
    own(state);
    if (e->kind == TROUPE_CALL)
        troupe_reply(self, troupe_caller_of(e), nothing);
    else
        return troupe_call(self, troupe_self_address(self), "self", NULL, nothing, LONG_MS,
                           owned_answered, state, NULL);
    return TROUPE_OK;
}

static bool owned_closing(troupe_actor *self, void *state)
{
    (void)self;
    own(state);
    return true;
}

static void owned_turn(troupe_actor *self, void *state)
{
    (void)self;
    own(state);
}

static void owned_stop(troupe_actor *self, void *state, troupe_error reason)
{
    (void)self;
    (void)reason;
    own(state);
}

Test(completion, every_callback_runs_on_the_actors_own_thread)
{
    static const troupe_behaviour behaviour = {.kind = "owned",
                                               .start = owned_start,
                                               .receive = owned_receive,
                                               .closing = owned_closing,
                                               .turn = owned_turn,
                                               .stop = owned_stop};
    owned o = {.done = GATE_INIT};
    troupe_spawn_options options = {.behaviour = &behaviour, .state = &o};
    troupe_address address;
    cr_assert(pipe(o.pipe) == 0);
    cr_assert(troupe_spawn(stage, &options, &address) == TROUPE_OK);
    cast(address, "go");
    gate_await(&o.done, 1);
    leave(address);
    cr_assert(o.callbacks >= 8); /* start, timer, two receives, answer, watch, closing, stop */
    close(o.pipe[0]);
    close(o.pipe[1]);
}
