/* SPDX-License-Identifier: MIT */
/*
 * The actor's loop: control first, then a few bundles, timers, one flush; then the wait.
 *
 * Up to TURN_BUNDLES bundles that are there already make one turn, unless they take long: under
 * load more posts travel together, and an idle system still answers at once.
 */
#include "actor.h"
#include "envelope.h"
#include "hand.h"
#include "system.h"
#include "thread.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define TURN_BUNDLES 16
#define TURN_NS      1000000U
#define SWEEP_MIN    64 /* open calls */
#define SPENT_PART   64 /* of the mailbox that may be handled before its credit goes back */

troupe_system *troupe_self_system(const troupe_actor *self)
{
    return self->system;
}

troupe_address troupe_self_address(const troupe_actor *self)
{
    return self->address;
}

const char *troupe_self_name(const troupe_actor *self)
{
    return self->name;
}

bool troupe_self_stopping(const troupe_actor *self)
{
    return atomic_load(&self->slot->stop) != STOP_NONE;
}

uint64_t troupe_now_ns(const troupe_actor *self)
{
    return self->now_ns;
}

void troupe_exit(troupe_actor *self, troupe_error reason)
{
    if (self->ending)
        return;
    self->ending = true;
    self->reason = reason;
}

void actor_shed(troupe_actor *self, uint64_t count)
{
    tally_add(&self->tally.sent, count);
    tally_add(&self->tally.shed, count);
}

/* ---- calls that complete ---- */

void actor_complete(troupe_actor *self, call *c, troupe_error error, const troupe_envelope *answer)
{
    troupe_answer_fn fn = c->fn;
    void *context = c->context;
    timers_remove(&self->timers, &c->timer);
    call_close(&self->system->calls, &self->cache, &self->calls, c);
    if (self->held_wishes != NULL)
        monitor_release_wishes(self);
    hand_take_callback(self, "(answer)");
    fn(self, context, error, answer);
}

void actor_end_call(troupe_actor *self, call *c, troupe_error error)
{
    if (!call_end_own(c, error))
        return; /* it has ended already */
    timers_remove(&self->timers, &c->timer);
    c->next_ended = NULL;
    if (self->ended == NULL)
        self->ended = c;
    else
        self->ended_tail->next_ended = c;
    self->ended_tail = c;
}

void actor_complete_ended(troupe_actor *self)
{
    while (self->ended != NULL && !self->ending) {
        call *c = self->ended;
        self->ended = c->next_ended;
        actor_complete(self, c, c->error, NULL);
        hand_done(self);
    }
}

static void handle_answer(troupe_actor *self, const troupe_envelope *e)
{
    call *c = call_find(&self->system->calls, e->ref);
    if (c == NULL)
        return; /* it ended here while the answer was on its way */
    troupe_error error = TROUPE_OK;
    if (e->kind == TROUPE_FAULT) {
        troupe_fault_view fault;
        troupe_fault_read(e, &fault);
        error = fault.code;
    }
    actor_complete(self, c, error, e);
}

/* ---- one envelope ---- */

static void receive(troupe_actor *self, const troupe_envelope *e)
{
    if (self->behaviour->receive == NULL)
        return;
    hand_take(self, e->verb, e->verb_len);
    troupe_error error = self->behaviour->receive(self, self->state, e);
    if (error != TROUPE_OK)
        troupe_exit(self, error);
}

static void note_calls_open(troupe_actor *self)
{
    atomic_store_explicit(&self->calls_open, (unsigned)self->open_calls.count,
                          memory_order_relaxed);
}

static bool has_ended(void *context, const map_entry *entry)
{
    troupe_actor *self = context;
    if (call_pending(&self->system->calls, entry->key))
        return false;
    tally_add(&self->tally.late_replies, 1); /* its answer would have been */
    return true;
}

/* Callers do not tell when they give up: calls that nobody answers would gather for ever. */
static void sweep_open_calls(troupe_actor *self)
{
    if (self->open_calls.count < self->sweep_at)
        return;
    map_sweep(&self->open_calls, has_ended, self);
    self->sweep_at = 2 * self->open_calls.count;
    if (self->sweep_at < SWEEP_MIN)
        self->sweep_at = SWEEP_MIN;
}

static void receive_call(troupe_actor *self, const troupe_envelope *e)
{
    sweep_open_calls(self);
    if (!map_put(&self->open_calls, e->ref, (void *)(uintptr_t)e->from)) {
        troupe_caller caller = {e->from, e->ref};
        answer_text fault = {.code = TROUPE_ENOMEM};
        (void)turn_answer(&self->turn, caller, &fault);
        return;
    }
    note_calls_open(self);
    receive(self, e);
}

/* Credit goes back for some envelopes together: senders and receiver share one word for it. */
static void return_spent(troupe_actor *self)
{
    if (self->spent == 0)
        return;
    mailbox_credit_return(&self->slot->box, self->spent, self->spent_bytes);
    self->spent = 0;
    self->spent_bytes = 0;
    room_announce(self->system, self->slot);
}

/* last: of its bundle. So what is handled for long, alone, does not count as waiting. */
static void spend(troupe_actor *self, size_t size, bool last)
{
    const mailbox *box = &self->slot->box;
    self->spent++;
    self->spent_bytes += size;
    if (last ||
        self->spent * SPENT_PART >
            atomic_load_explicit(&box->envelopes_max, memory_order_relaxed) ||
        self->spent_bytes * SPENT_PART >
            atomic_load_explicit(&box->bytes_max, memory_order_relaxed))
        return_spent(self);
}

static void handle(troupe_actor *self, const troupe_envelope *e, size_t size, bool last)
{
    bool is_answer = envelope_is_answer(e);
    if (!is_answer)
        spend(self, size, last);
    if (e->to != self->address) { /* for one who lived here before */
        turn_dead_letter(&self->turn, e, false);
        return;
    }
    tally_add(&self->tally.received, 1);
    tally_add(&self->tally.bytes_received, size);
    hand_handled(self);
    tap_note(&self->turn, e, "in");
    if (is_answer)
        handle_answer(self, e);
    else if (e->kind == TROUPE_CALL)
        receive_call(self, e);
    else
        receive(self, e);
}

/* ---- the inbox ---- */

static void refill_inbox(troupe_actor *self)
{
    uint32_t depth = mailbox_depth(&self->slot->box);
    if (depth > atomic_load_explicit(&self->depth_peak, memory_order_relaxed))
        atomic_store_explicit(&self->depth_peak, depth, memory_order_relaxed);
    self->inbox = mailbox_take(&self->slot->box);
}

static bool must_break(const troupe_actor *self)
{
    return self->ending || atomic_load_explicit(&self->slot->box.attention, memory_order_relaxed) ||
           (self->system->deterministic != NULL && deterministic_chance(self->system, 4));
}

/* Handle the first bundle; true if it is done. Control and time may break in between envelopes. */
static bool handle_bundle(troupe_actor *self, uint64_t until_ns)
{
    bundle *b = self->inbox;
    for (unsigned n = 1; self->offset < b->len; n++) {
        troupe_bytes rest = {b->data + self->offset, b->len - self->offset};
        troupe_envelope e;
        size_t used;
        if (troupe_envelope_read(rest, &e, &used) != TROUPE_OK) {
            assert(false); /* it was encoded by us */
            break;
        }
        self->offset += used;
        handle(self, &e, used, self->offset == b->len);
        if (n % CLOCK_EVERY == 0 || hand_is_slow(self))
            hand_clock(self);
        if (self->offset < b->len && (must_break(self) || self->now_ns > until_ns))
            return false;
    }
    self->inbox = b->next;
    self->offset = 0;
    mailbox_bundle_done(&self->slot->box, b);
    return true;
}

static void handle_bundles(troupe_actor *self)
{
    uint64_t until_ns = self->now_ns + TURN_NS;
    for (int i = 0; i < TURN_BUNDLES && self->now_ns <= until_ns; i++) {
        if (self->inbox == NULL)
            refill_inbox(self);
        if (self->inbox == NULL || !handle_bundle(self, until_ns) || must_break(self))
            break;
        hand_clock(self);
    }
    if (self->handling.gathered > 0)
        hand_clock(self);
    return_spent(self);
    hand_idle(self);
}

/* ---- control ---- */

/* Left over from this turn, whoever is waiting. */
static bool has_work(const troupe_actor *self)
{
    return self->inbox != NULL || self->ended != NULL; /* `turn` may cancel calls */
}

static void show_signal(troupe_actor *self, const control_signal *sig)
{
    troupe_buffer_clear(&self->payload);
    troupe_error error = sig->kind == SIGNAL_ROOM || sig->kind == SIGNAL_STARTED
                             ? troupe_pack(&self->payload, "U", sig->subject)
                             : troupe_pack(&self->payload, "{s:U,s:s,s:U}", "address", sig->subject,
                                           "reason", troupe_error_name(sig->reason), "ref",
                                           sig->kind == SIGNAL_LINK ? (uint64_t)0 : sig->ref);
    assert(error == TROUPE_OK); /* its room was there before the actor */
    (void)error;
    static const char *const verbs[] = {[SIGNAL_DOWN] = "down",
                                        [SIGNAL_ROOM] = "room",
                                        [SIGNAL_LINK] = "link",
                                        [SIGNAL_STARTED] = "started"};
    const char *verb = verbs[sig->kind];
    troupe_envelope e = {.kind = TROUPE_SIGNAL,
                         .to = self->address,
                         .verb = verb,
                         .verb_len = strlen(verb),
                         .payload = troupe_buffer_bytes(&self->payload)};
    tap_note(&self->turn, &e, "in");
    receive(self, &e);
    hand_done(self);
}

static void handle_signals(troupe_actor *self)
{
    if (!atomic_load(&self->slot->box.attention))
        return;
    control_signal *sig = signal_take(self->slot);
    while (sig != NULL) {
        control_signal *next = sig->next;
        bool shown = monitor_settle(self, sig);
        if (shown && !self->ending)
            show_signal(self, sig);
        free(sig);
        sig = next;
    }
    hand_idle(self);
}

static void begin_draining(troupe_actor *self)
{
    self->draining = true;
    atomic_store(&self->slot->open, 0);
}

/* Whether to end once the mailbox is drained, or to go on until it exits by itself. */
static bool ask_closing(troupe_actor *self)
{
    if (self->behaviour->closing == NULL)
        return true;
    hand_take_callback(self, "(closing)");
    bool drain = self->behaviour->closing(self, self->state);
    hand_done(self);
    return drain;
}

/* `closing` is asked once; whoever says false goes on until it exits, or is forced. */
static void handle_stop(troupe_actor *self)
{
    stop_level level = (stop_level)atomic_load(&self->slot->stop);
    if (level == self->stop_seen || self->ending)
        return;
    bool first = self->stop_seen == STOP_NONE;
    self->stop_seen = level;
    if (first && ask_closing(self))
        begin_draining(self);
    if (level == STOP_LEVEL_FORCE || (level == STOP_LEVEL_NOW && self->draining))
        troupe_exit(self, TROUPE_OK);
}

/* ---- the loop ---- */

static void tell_started(troupe_actor *self)
{
    control_signal *sig = self->start_signal;
    self->start_signal = NULL;
    if (sig != NULL)
        signal_deliver(self->system, sig);
}

static void start(troupe_actor *self)
{
    self->started = true;
    hand_clock(self);
    if (self->behaviour->start != NULL) {
        hand_take_callback(self, "(start)");
        troupe_error error = self->behaviour->start(self, self->state);
        hand_done(self);
        hand_idle(self);
        if (error != TROUPE_OK)
            troupe_exit(self, error);
    }
    if (!self->ending)
        tell_started(self);
}

/* Everything but the wait. */
static void take_turn(troupe_actor *self)
{
    hand_clock(self);
    handle_signals(self);
    handle_stop(self);
    if (!self->ending)
        handle_bundles(self);
    if (!self->ending)
        alarm_run(self);
    actor_complete_ended(self);
    if (self->behaviour->turn != NULL) {
        hand_take_callback(self, "(turn)");
        self->behaviour->turn(self, self->state);
        hand_done(self);
    }
    hand_idle(self);
    turn_flush(&self->turn);
    if (!self->ending && self->draining && !has_work(self) && mailbox_quiet(&self->slot->box))
        troupe_exit(self, TROUPE_OK);
}

static void run(troupe_actor *self)
{
    while (!self->ending) {
        take_turn(self);
        if (self->ending)
            break;
        if (has_work(self))
            watch_check(self);
        else
            watch_wait(self);
    }
}

bool actor_ready(const troupe_actor *self)
{
    const mailbox *box = &self->slot->box;
    if (self->buried)
        return false;
    const timer *head = timers_head(&self->timers);
    return !self->started || self->ending || has_work(self) || self->turn.count > 0 ||
           atomic_load(&box->box) != NULL || atomic_load(&box->attention) ||
           (head != NULL && head->due_ns <= system_now_ns(self->system)) ||
           (self->draining && mailbox_quiet(&self->slot->box));
}

void actor_step(troupe_actor *self)
{
    if (!self->started)
        start(self);
    else if (!self->ending)
        take_turn(self);
    if (!self->ending)
        return;
    self->buried = true;
    actor_end(self);
    reaper_bury(self->system, self);
}

static void name_thread(const troupe_actor *self)
{
    char name[16];
    snprintf(name, sizeof name, "%.15s", self->name);
    pthread_setname_np(pthread_self(), name);
}

void *actor_main(void *arg)
{
    troupe_actor *self = arg;
    self->thread = pthread_self();
    name_thread(self);
    atomic_store(&self->thread_id, syscall(SYS_gettid));
    hand_awake(self);
    start(self);
    run(self);
    actor_end(self);
    reaper_bury(self->system, self);
    return NULL;
}

/* ---- names ---- */

troupe_error troupe_unname(troupe_actor *self, const char *name)
{
    return names_remove(&self->system->names, name, &self->names) ? TROUPE_OK : TROUPE_ENOTFOUND;
}

troupe_error troupe_name(troupe_actor *self, const char *name)
{
    troupe_error error = names_add(&self->system->names, name, self->address, &self->names);
    if (error != TROUPE_OK || self->named)
        return error;
    self->named = true;
    pthread_mutex_lock(&self->system->mutex);
    snprintf(self->name, sizeof self->name, "%s", name);
    pthread_mutex_unlock(&self->system->mutex);
    return TROUPE_OK;
}
