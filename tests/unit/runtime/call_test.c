/* SPDX-License-Identifier: MIT */
/* Calls between actors and from guests: each completes once, whoever ends it. */
#include "stage.h"

#include "troupe/deterministic.h"

#include <stdio.h>

TestSuite(call, .init = stage_open, .fini = stage_close);

/* ---- from guests ---- */

static troupe_error serve(troupe_actor *self, part *p, const troupe_envelope *e)
{
    troupe_caller caller = troupe_caller_of(e);
    if (troupe_verb_is(e, "json")) {
        troupe_reply_json(self, caller, "{\"a\":1}", 7);
    } else if (troupe_verb_is(e, "fault")) {
        troupe_fault(self, caller, TROUPE_ENOTFOUND, "{\"id\":5}", "no page %d", 5);
    } else if (troupe_verb_is(e, "long fault")) {
        char text[2001] = "";
        for (size_t i = 0; i < 1000; i++)
            memcpy(text + 2 * i, "\xc3\xa9", 3);
        troupe_fault(self, caller, TROUPE_EJS, NULL, "%s%s", (const char *)p->data, text);
    } else if (troupe_verb_is(e, "plain fault")) {
        troupe_fault(self, caller, TROUPE_EBUSY, NULL, NULL);
    } else if (troupe_verb_is(e, "twice")) {
        troupe_fault(self, caller, TROUPE_EIO, NULL, NULL);
        troupe_reply(self, caller, nothing);
    } else if (troupe_verb_is(e, "forward")) {
        return troupe_forward(self, e, p->peer);
    } else if (troupe_verb_is(e, "timeout_ms")) {
        troupe_buffer b = {0};
        (void)troupe_pack(&b, "U", (uint64_t)e->meta.timeout_ms);
        troupe_reply(self, caller, troupe_buffer_bytes(&b));
        troupe_buffer_fini(&b);
    } else if (troupe_verb_is(e, "die")) {
        return TROUPE_EIO;
    } else if (!troupe_verb_is(e, "ignore")) {
        troupe_reply(self, caller, e->payload);
    }
    return TROUPE_OK;
}

/* The message of a fault that is too long, behind `start`, and how long it is then. */
static void expect_message(const char *start, const char *seen_start, size_t seen_len)
{
    part p = PART_INIT(.receive = serve, .data = (void *)start);
    troupe_address address = enter(&p);
    troupe_answer a;
    cr_assert(troupe_guest_call(guest, address, "long fault", NULL, nothing, LONG_MS, &a) ==
              TROUPE_EJS);
    cr_expect_eq(strlen(a.message), seen_len);
    cr_expect_eq(strncmp(a.message, seen_start, strlen(seen_start)), 0, "%s", a.message);
    cr_expect_eq((unsigned char)a.message[seen_len - 1], 0xa9);
    troupe_answer_fini(&a);
    leave(address);
}

Test(call, messages_of_faults_are_whole_characters)
{
    expect_message("", "\xc3\xa9", 1022);
    expect_message("x", "x\xc3\xa9", 1023);
    expect_message("\xff\xc3:", "??:\xc3\xa9", 1023);
    expect_message("\xed\xa0\x80\xf4\x90\x80\x80\xe0\x80\x80",
                   "???"
                   "????"
                   "???\xc3\xa9",
                   1022);
    expect_message("\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80\xc3\xa9", 1022);
}

Test(call, guest_gets_reply_json_and_faults)
{
    part p = PART_INIT(.receive = serve);
    troupe_address address = enter(&p);
    troupe_answer a;
    const char *text;
    size_t len;
    cr_assert(troupe_guest_call(guest, address, "json", NULL, nothing, LONG_MS, &a) == TROUPE_OK);
    cr_assert(troupe_payload_json(a.payload, &text, &len) == TROUPE_OK);
    cr_assert(len == 7 && memcmp(text, "{\"a\":1}", 7) == 0 && a.message == NULL);
    troupe_answer_fini(&a);
    cr_assert(troupe_guest_call(guest, address, "fault", NULL, nothing, LONG_MS, &a) ==
              TROUPE_ENOTFOUND);
    cr_assert_str_eq(a.message, "no page 5");
    cr_assert_str_eq(a.data, "{\"id\":5}");
    troupe_answer_fini(&a);
    cr_assert(troupe_guest_call(guest, address, "plain fault", NULL, nothing, LONG_MS, &a) ==
              TROUPE_EBUSY);
    cr_assert_str_eq(a.message, troupe_error_text(TROUPE_EBUSY));
    cr_assert(a.data == NULL);
    troupe_answer_fini(&a);
    cr_assert(ask(address, "twice", LONG_MS) == TROUPE_EIO);
    leave(address);
}

Test(call, guest_times_out_and_the_callee_may_answer_for_nothing)
{
    part p = PART_INIT(.receive = serve);
    troupe_address address = enter(&p);
    cr_assert(ask(address, "ignore", 5) == TROUPE_ETIMEOUT);
    leave(address); /* its death answers the open call */
    cr_assert(counters().late_replies == 1);
}

Test(call, death_completes_open_calls_as_closed)
{
    part p = PART_INIT(.receive = serve);
    troupe_address address = enter(&p);
    for (int i = 0; i < 50; i++)
        cr_assert(troupe_guest_call_start(guest, address, "ignore", NULL, nothing, LONG_MS, NULL,
                                          NULL) == TROUPE_OK);
    cr_assert(ask(address, "die", LONG_MS) == TROUPE_ECLOSED);
    for (int i = 0; i < 50; i++) {
        troupe_answer a;
        cr_assert(troupe_guest_wait(guest, LONG_MS, &a) == TROUPE_OK);
        cr_assert(a.error == TROUPE_ECLOSED);
        troupe_answer_fini(&a);
    }
    cr_assert(ask(address, "x", LONG_MS) == TROUPE_EGONE);
}

Test(call, forwarded_call_is_answered_by_the_receiver)
{
    part last = PART_INIT(.receive = serve);
    part first = PART_INIT(.receive = serve);
    troupe_address end = enter(&last);
    first.peer = end;
    troupe_address address = enter(&first);
    last.peer = 0;
    /* The last one cannot forward any further: the call ends with it, not with the first. */
    cr_assert(ask(address, "forward", LONG_MS) == TROUPE_ECLOSED);
    cr_assert(troupe_join(stage, end, LONG_MS) == TROUPE_OK);
    cr_assert(ask(address, "json", LONG_MS) == TROUPE_OK);
    leave(address);
}

typedef struct watched {
    troupe_caller kept;
    bool before, after, answered;
} watched;

/* "keep" is kept; "look" tells whether its caller still waits; then it is answered. */
static troupe_error keep_and_look(troupe_actor *self, part *p, const troupe_envelope *e)
{
    watched *w = p->data;
    if (troupe_verb_is(e, "keep")) {
        w->kept = troupe_caller_of(e);
        w->before = troupe_caller_waits(self, w->kept);
        gate_raise(&p->arrived);
    } else {
        w->after = troupe_caller_waits(self, w->kept);
        troupe_reply(self, w->kept, nothing);
        w->answered = troupe_caller_waits(self, w->kept);
        troupe_reply(self, troupe_caller_of(e), nothing);
    }
    return TROUPE_OK;
}

Test(call, callee_can_tell_whether_its_caller_still_waits)
{
    watched w = {{0, 0}, false, false, true};
    part p = PART_INIT(.receive = keep_and_look, .data = &w);
    troupe_address address = enter(&p);
    for (unsigned round = 1; round <= 2; round++) {
        uint64_t ref;
        troupe_answer a;
        cr_assert(troupe_guest_call_start(guest, address, "keep", NULL, nothing, LONG_MS, NULL,
                                          &ref) == TROUPE_OK);
        cr_assert(troupe_guest_flush(guest) == TROUPE_OK);
        gate_await(&p.arrived, round);
        if (round == 2) {
            troupe_guest_cancel(guest, ref);
            cr_assert(troupe_guest_wait(guest, LONG_MS, &a) == TROUPE_OK);
            troupe_answer_fini(&a);
        }
        cr_assert(troupe_guest_call_start(guest, address, "look", NULL, nothing, LONG_MS, NULL,
                                          NULL) == TROUPE_OK);
        for (unsigned i = round; i <= 2; i++) {
            cr_assert(troupe_guest_wait(guest, LONG_MS, &a) == TROUPE_OK);
            cr_assert(a.error == TROUPE_OK);
            troupe_answer_fini(&a);
        }
        cr_assert(w.before && w.after == (round == 1) && !w.answered);
    }
    leave(address);
}

Test(call, meta_carries_the_time_out)
{
    part p = PART_INIT(.receive = serve);
    troupe_address address = enter(&p);
    troupe_answer a;
    uint64_t ms = 0;
    cr_assert(troupe_guest_call(guest, address, "timeout_ms", NULL, nothing, 12345, &a) == 0);
    cr_assert(troupe_unpack(a.payload, "U", &ms) == TROUPE_OK && ms == 12345);
    troupe_answer_fini(&a);
    leave(address);
}

Test(call, large_payload_comes_back_whole)
{
    part p = PART_INIT(.receive = serve);
    troupe_address address = enter(&p);
    size_t len = 20U << 20;
    uint8_t *data = malloc(len);
    for (size_t i = 0; i < len; i++)
        data[i] = (uint8_t)(i * 7 + i / 1000);
    troupe_buffer b = {0};
    cr_assert(troupe_pack(&b, "x#", data, len) == TROUPE_OK);
    troupe_answer a;
    cr_assert(troupe_guest_call(guest, address, "echo", NULL, troupe_buffer_bytes(&b), LONG_MS,
                                &a) == TROUPE_OK);
    cr_assert(a.payload.len == b.len && memcmp(a.payload.data, b.data, b.len) == 0);
    troupe_answer_fini(&a);
    troupe_buffer_fini(&b);
    free(data);
    leave(address);
}

Test(call, guest_waits_for_nothing_is_enotfound)
{
    troupe_answer a;
    cr_assert(troupe_guest_wait(guest, 1, &a) == TROUPE_ENOTFOUND);
    part p = PART_INIT(.receive = serve);
    troupe_address address = enter(&p);
    uint64_t ref;
    int context;
    cr_assert(troupe_guest_call_start(guest, address, "ignore", NULL, nothing, LONG_MS, &context,
                                      &ref) == TROUPE_OK);
    cr_assert(troupe_guest_wait(guest, 1, &a) == TROUPE_ETIMEOUT);
    troupe_guest_cancel(guest, ref + 1);
    troupe_guest_cancel(guest, ref);
    cr_assert(troupe_guest_wait(guest, LONG_MS, &a) == TROUPE_OK);
    cr_assert(a.error == TROUPE_ECANCELLED && a.ref == ref && a.context == &context);
    troupe_answer_fini(&a);
    cr_assert(troupe_guest_wait(guest, 1, &a) == TROUPE_ENOTFOUND);
    leave(address);
}

Test(call, blocking_call_among_those_in_flight_gets_its_own_answer)
{
    part p = PART_INIT(.receive = serve);
    troupe_address address = enter(&p);
    for (uint64_t i = 0; i < 20; i++) {
        troupe_buffer b = {0};
        (void)troupe_pack(&b, "U", i);
        cr_assert(troupe_guest_call_start(guest, address, "echo", NULL, troupe_buffer_bytes(&b),
                                          LONG_MS, NULL, NULL) == TROUPE_OK);
        troupe_buffer_fini(&b);
    }
    cr_assert(ask(address, "fault", LONG_MS) == TROUPE_ENOTFOUND);
    for (uint64_t i = 0; i < 20; i++) {
        troupe_answer a;
        uint64_t number;
        cr_assert(troupe_guest_wait(guest, LONG_MS, &a) == TROUPE_OK && a.error == TROUPE_OK);
        cr_assert(troupe_unpack(a.payload, "U", &number) == TROUPE_OK && number == i);
        troupe_answer_fini(&a);
    }
    leave(address);
}

Test(call, guest_destroyed_with_calls_in_flight_drops_their_answers)
{
    part p = PART_INIT(.receive = serve);
    troupe_address address = enter(&p);
    for (int round = 0; round < 50; round++) {
        troupe_guest *brief;
        cr_assert(troupe_guest_create(stage, &brief) == TROUPE_OK);
        for (int i = 0; i < 20; i++)
            cr_assert(troupe_guest_call_start(brief, address, "echo", NULL, nothing, LONG_MS, NULL,
                                              NULL) == TROUPE_OK);
        troupe_guest_flush(brief);
        troupe_guest_destroy(brief);
    }
    leave(address);
    troupe_system_counters c = counters();
    cr_assert(c.sent == c.received + c.dead_letters);
    cr_assert(c.sent - 1000 + c.late_replies == 1000);
}

/* ---- between actors ---- */

typedef struct outcome {
    unsigned times;
    troupe_error error;
    bool had_answer;
    part *caller;
} outcome;

static void note_outcome(troupe_actor *self, void *context, troupe_error error,
                         const troupe_envelope *answer)
{
    (void)self;
    outcome *o = context;
    o->times++;
    o->error = error;
    o->had_answer = answer != NULL;
    gate_raise(&o->caller->arrived);
}

/* "call VERB": calls the peer; then by the first letter cancels. */
static troupe_error call_peer(troupe_actor *self, part *p, const troupe_envelope *e)
{
    outcome *o = p->data;
    uint64_t ref = 0;
    char verb[32];
    o->caller = p;
    snprintf(verb, sizeof verb, "%.*s", (int)e->verb_len, e->verb);
    bool cancel = strncmp(verb, "cancel", 6) == 0;
    p->error = troupe_call(self, p->peer, cancel ? "ignore" : verb, NULL, nothing,
                           strcmp(verb, "ignore") == 0 ? 5 : LONG_MS, note_outcome, o, &ref);
    if (cancel) {
        troupe_cancel(self, ref);
        troupe_cancel(self, ref);
    }
    if (p->error != TROUPE_OK)
        gate_raise(&p->arrived);
    return TROUPE_OK;
}

static void expect_outcome(const char *verb, troupe_error error, bool answer)
{
    outcome o = {0};
    part callee = PART_INIT(.receive = serve);
    part caller = PART_INIT(.receive = call_peer, .data = &o);
    caller.peer = enter(&callee);
    troupe_address address = enter(&caller);
    cast(address, verb);
    gate_await(&caller.arrived, 1);
    leave(address);
    leave(caller.peer);
    cr_assert(o.times == 1 && o.error == error && o.had_answer == answer, "%s: %u times, %s", verb,
              o.times, troupe_error_name(o.error));
}

Test(call, actor_gets_each_kind_of_end_once)
{
    expect_outcome("json", TROUPE_OK, true);
    expect_outcome("fault", TROUPE_ENOTFOUND, true);
    expect_outcome("twice", TROUPE_EIO, true);
    expect_outcome("ignore", TROUPE_ETIMEOUT, false);
    expect_outcome("cancel", TROUPE_ECANCELLED, false);
    expect_outcome("die", TROUPE_ECLOSED, true);
}

Test(call, dead_callee_is_egone_at_the_call)
{
    outcome o = {0};
    part callee = PART_INIT(.receive = serve);
    part caller = PART_INIT(.receive = call_peer, .data = &o);
    caller.peer = enter(&callee);
    leave(caller.peer);
    troupe_address address = enter(&caller);
    cast(address, "json");
    gate_await(&caller.arrived, 1);
    leave(address);
    cr_assert(caller.error == TROUPE_EGONE && o.times == 0);
}

static troupe_error call_many(troupe_actor *self, part *p, const troupe_envelope *e)
{
    outcome *o = p->data;
    (void)e;
    o->caller = p;
    while ((p->error = troupe_call(self, p->peer, "ignore", NULL, nothing, LONG_MS, note_outcome, o,
                                   NULL)) == TROUPE_OK)
        p->count++;
    gate_raise(&p->go);
    return TROUPE_OK;
}

Test(call, pending_calls_are_bounded_by_the_callers_mailbox)
{
    outcome o = {0};
    part callee = PART_INIT(.receive = serve);
    part caller = PART_INIT(.receive = call_many, .data = &o);
    troupe_spawn_options small = {.mailbox_envelopes = 25};
    caller.peer = enter(&callee);
    troupe_address address = enter_with(&caller, small);
    cast(address, "go");
    gate_await(&caller.go, 1);
    cr_assert(caller.count == 25 && caller.error == TROUPE_EBUSY);
    leave(caller.peer);
    gate_await(&caller.arrived, 25);
    leave(address);
    cr_assert(o.times == 25 && o.error == TROUPE_ECLOSED);
}

static troupe_error wish_at_own_limit(troupe_actor *self, part *p, const troupe_envelope *e)
{
    if (troupe_verb_is(e, "room")) {
        p->count = 0;
        gate_raise(&p->go);
        return TROUPE_OK;
    }
    troupe_error error = call_many(self, p, e);
    return error != TROUPE_OK ? error : troupe_await_room(self, p->peer);
}

Test(call, room_at_the_own_limit_comes_when_calls_complete)
{
    outcome o = {0};
    part callee = PART_INIT(.receive = serve);
    part caller = PART_INIT(.receive = wish_at_own_limit, .data = &o);
    troupe_spawn_options small = {.mailbox_envelopes = 10};
    caller.peer = enter(&callee);
    troupe_address address = enter_with(&caller, small);
    cast(address, "go");
    gate_await(&caller.go, 1);
    leave(caller.peer); /* completes the ten calls */
    gate_await(&caller.arrived, 10);
    gate_await(&caller.go, 2);
    leave(address);
}

/* Deadlines race with answers: every call completes, none twice. */
Test(call, answers_that_race_with_deadlines_complete_once)
{
    part p = PART_INIT(.receive = serve);
    troupe_address address = enter(&p);
    unsigned ended[2] = {0, 0};
    for (int round = 0; round < 200; round++) {
        unsigned started = 0;
        for (int i = 0; i < 20; i++)
            started += troupe_guest_call_start(guest, address, "echo", NULL, nothing, 1, NULL,
                                               NULL) == TROUPE_OK;
        for (; started > 0; started--) {
            troupe_answer a;
            cr_assert(troupe_guest_wait(guest, LONG_MS, &a) == TROUPE_OK);
            cr_assert(a.error == TROUPE_OK || a.error == TROUPE_ETIMEOUT);
            ended[a.error != TROUPE_OK]++;
            troupe_answer_fini(&a);
        }
    }
    leave(address);
    troupe_system_counters c = counters();
    cr_assert(ended[0] + ended[1] == 4000);
    cr_assert(c.late_replies == ended[1]);
    cr_assert(c.sent == c.received + c.dead_letters);
}

static void cancel_at_turn(troupe_actor *self, void *state)
{
    part *p = state;
    outcome *o = p->data;
    if (p->peer != 0 && p->count == 1) {
        uint64_t ref;
        p->count = 2;
        cr_assert(troupe_call(self, p->peer, "ignore", NULL, nothing, LONG_MS, note_outcome, o,
                              &ref) == TROUPE_OK);
        troupe_cancel(self, ref);
    }
}

static troupe_error arm_turn(troupe_actor *self, part *p, const troupe_envelope *e)
{
    (void)self;
    (void)e;
    p->count = 1;
    return TROUPE_OK;
}

Test(call, cancelled_at_the_end_of_a_turn_completes_without_another_event)
{
    static const troupe_behaviour behaviour = {
        .kind = "part", .receive = part_receive, .turn = cancel_at_turn};
    outcome o = {0};
    part callee = PART_INIT(.receive = serve);
    part caller = PART_INIT(.receive = arm_turn, .data = &o);
    o.caller = &caller;
    caller.peer = enter(&callee);
    troupe_spawn_options options = {.behaviour = &behaviour, .state = &caller};
    troupe_address address;
    cr_assert(troupe_spawn(stage, &options, &address) == TROUPE_OK);
    cast(address, "go");
    gate_await(&caller.arrived, 1);
    leave(address);
    leave(caller.peer);
    cr_assert(o.times == 1 && o.error == TROUPE_ECANCELLED);
}

/* Calls that nobody answers end at their callers; who received them does not keep them for ever. */
static troupe_error keep_unanswered(troupe_actor *self, part *p, const troupe_envelope *e)
{
    (void)self;
    if (e->kind == TROUPE_CALL)
        p->count++;
    return TROUPE_OK;
}

static void find_calls_open(void *context, const troupe_actor_info *info)
{
    unsigned *most = context;
    *most = info->calls_open > *most ? info->calls_open : *most;
}

Test(open_call, unanswered_ones_that_ended_are_forgotten)
{
    part p = PART_INIT(.receive = keep_unanswered);
    cr_assert(troupe_deterministic_open(NULL, 1, 0, &stage) == TROUPE_OK);
    cr_assert(troupe_guest_create(stage, &guest) == TROUPE_OK);
    troupe_address address = enter(&p);
    for (int i = 0; i < 5000; i++)
        cr_assert(ask(address, "x", 1) == TROUPE_ETIMEOUT);
    unsigned open = 0;
    troupe_system_inspect(stage, find_calls_open, &open);
    cr_assert(p.count == 5000 && open <= 128, "%u are kept", open);
    stage_close();
}

static troupe_error forward_on(troupe_actor *self, part *p, const troupe_envelope *e)
{
    p->count++;
    p->error = troupe_forward(self, e, p->peer);
    return TROUPE_OK;
}

Test(open_call, one_that_ended_is_forwarded_no_further)
{
    part a = PART_INIT(.receive = forward_on);
    part b = PART_INIT(.receive = forward_on);
    cr_assert(troupe_deterministic_open(NULL, 2, 100, &stage) == TROUPE_OK);
    cr_assert(troupe_guest_create(stage, &guest) == TROUPE_OK);
    a.peer = enter(&b);
    b.peer = enter(&a);
    cr_assert(ask(a.peer, "round", 5) == TROUPE_ETIMEOUT);
    troupe_deterministic_pass(stage, 0); /* comes to rest */
    cr_assert(a.count + b.count > 2);
    cr_assert(a.error == TROUPE_ECANCELLED || b.error == TROUPE_ECANCELLED);
    stage_close();
}
