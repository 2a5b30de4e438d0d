/* SPDX-License-Identifier: MIT */
/*
 * Explores interleavings: each seed is one small play of supervised actors that post, call,
 * forward, cancel, monitor, fill each other's mailboxes, time out, fail and are stopped, in
 * deterministic mode. Every seed is another order of turns, arrivals and time.
 *
 * Checked in each: every call completes exactly once, with an end that is possible; casts from one
 * to another arrive in order, none twice; each monitor reports once; nobody handles anything after
 * its `stop`; a `room` that was asked for comes; sent = received + dead letters + shed; everybody
 * who was spawned is stopped exactly once, also when the system closes in the middle.
 *
 * Usage: explore [seeds] [first seed]     a failure prints the seed: explore 1 SEED runs it again
 */
#include "play.h"

#include "troupe/supervisor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NODES      5
#define MAILBOX    6
#define OPERATIONS 160
#define PEERS_MAX  256 /* lives of nodes in one play */
#define STEP_US    200

/* One play. */
static struct {
    troupe_system *system;
    troupe_guest *guest;
    troupe_address boss;
    troupe_address nodes[NODES]; /* who lives in each part now */
    unsigned lives;              /* nodes that started */
    unsigned ended;              /* whose `stop` was called */
    unsigned long calls;         /* started by nodes */
    unsigned long completed;
    unsigned long abandoned; /* their caller ended first */
    unsigned long monitors;
    unsigned long reported;
    unsigned long withdrawn; /* by demonitor, or by the end of who asked */
    unsigned long busy;
} play;

/* What a whole run has met: a run that never met a thing has not tested it. */
static struct {
    unsigned long ends[32]; /* of calls, by error */
    unsigned long rooms;
    unsigned long dead_letters;
    unsigned long late_replies;
    unsigned long restarts;
    unsigned long closed_in_the_middle;
} met;

static uint32_t dice(uint32_t sides)
{
    return troupe_deterministic_random(play.system, sides);
}

/* ---- nodes ---- */

typedef struct question {
    struct question *next; /* of its asker */
    struct question **at;
    struct node *asker;
} question;

typedef struct node {
    unsigned place;
    bool stopped;
    question *questions;      /* calls without an end */
    uint64_t sequence[NODES]; /* of casts to each part, restarted with each life there */
    troupe_address last_peer[NODES];
    uint64_t heard[PEERS_MAX]; /* last sequence heard from each life */
    unsigned life;
    uint64_t monitors[8];
    unsigned monitor_count;
    troupe_address awaited; /* whose room */
    troupe_caller late[4];
    unsigned late_count;
} node;

static void forget_question(question *q)
{
    *q->at = q->next;
    if (q->next != NULL)
        q->next->at = q->at;
    free(q);
}

static void completed(troupe_actor *self, void *context, troupe_error error,
                      const troupe_envelope *answer)
{
    question *q = context;
    (void)self;
    CHECK(!q->asker->stopped);
    CHECK(error == TROUPE_OK || error == TROUPE_ETIMEOUT || error == TROUPE_ECANCELLED ||
          error == TROUPE_EGONE || error == TROUPE_ECLOSED || error == TROUPE_EBUSY);
    CHECK(error != TROUPE_OK || (answer != NULL && answer->kind == TROUPE_REPLY));
    play.completed++;
    met.ends[error]++;
    forget_question(q);
}

static void ask(troupe_actor *self, node *n)
{
    static const char *const verbs[] = {"echo", "ignore", "late", "forward", "die"};
    question *q = calloc(1, sizeof *q);
    CHECK(q != NULL);
    uint64_t ref;
    troupe_error error = troupe_call(self, play.nodes[dice(NODES)], verbs[dice(5)], NULL, nothing,
                                     1 + dice(4), completed, q, &ref);
    if (error != TROUPE_OK) {
        CHECK(error == TROUPE_EGONE || error == TROUPE_EBUSY);
        play.busy += error == TROUPE_EBUSY;
        free(q);
        return;
    }
    play.calls++;
    q->asker = n;
    q->at = &n->questions;
    q->next = n->questions;
    if (q->next != NULL)
        q->next->at = &q->next;
    n->questions = q;
    if (dice(4) == 0)
        troupe_cancel(self, ref);
}

/* A burst that may not fit; then room is asked for. */
static void burst(troupe_actor *self, node *n)
{
    unsigned place = dice(NODES);
    troupe_address to = play.nodes[place];
    if (n->last_peer[place] != to) {
        n->last_peer[place] = to;
        n->sequence[place] = 0;
    }
    for (uint32_t left = 1 + dice(2 * MAILBOX); left > 0; left--) {
        troupe_buffer b = {0};
        CHECK(troupe_pack(&b, "[UU]", (uint64_t)n->life, n->sequence[place] + 1) == TROUPE_OK);
        troupe_error error =
            troupe_post(self, to, TROUPE_CAST, "number", NULL, troupe_buffer_bytes(&b));
        troupe_buffer_fini(&b);
        CHECK(error == TROUPE_OK || error == TROUPE_EGONE || error == TROUPE_EBUSY);
        if (error == TROUPE_OK)
            n->sequence[place]++;
        if (error == TROUPE_EBUSY && n->awaited == 0) {
            CHECK(troupe_await_room(self, to) == TROUPE_OK);
            n->awaited = to;
        }
        if (error != TROUPE_OK)
            return;
    }
}

static void hear(node *n, const troupe_envelope *e)
{
    uint64_t life;
    uint64_t sequence;
    CHECK(troupe_unpack(e->payload, "[UU]", &life, &sequence) == TROUPE_OK && life < PEERS_MAX);
    CHECK(sequence == n->heard[life] + 1);
    n->heard[life] = sequence;
}

static void answer_late(troupe_actor *self, void *context)
{
    node *n = context;
    while (n->late_count > 0)
        troupe_reply(self, n->late[--n->late_count], nothing);
}

static troupe_error answer(troupe_actor *self, node *n, const troupe_envelope *e)
{
    if (troupe_verb_is(e, "echo")) {
        troupe_reply(self, troupe_caller_of(e), e->payload);
        troupe_fault(self, troupe_caller_of(e), TROUPE_EIO, NULL, NULL); /* too late: ignored */
    } else if (troupe_verb_is(e, "forward") && dice(4) != 0) { /* else it might go round for ever */
        troupe_error error = troupe_forward(self, e, play.nodes[dice(NODES)]);
        if (error != TROUPE_OK)
            troupe_fault(self, troupe_caller_of(e), error, NULL, NULL);
    } else if (troupe_verb_is(e, "late") && n->late_count < 4) {
        n->late[n->late_count++] = troupe_caller_of(e);
        return troupe_timer_start(self, dice(6), 0, answer_late, n, NULL);
    } else if (troupe_verb_is(e, "die")) {
        return dice(2) == 0 ? TROUPE_EIO : TROUPE_OK;
    }
    return TROUPE_OK; /* "ignore" */
}

static void watch_somebody(troupe_actor *self, node *n)
{
    if (n->monitor_count == 8)
        return;
    troupe_address who = play.nodes[dice(NODES)];
    if (who == 0)
        return;
    CHECK(troupe_monitor(self, who, &n->monitors[n->monitor_count]) == TROUPE_OK);
    n->monitor_count++;
    play.monitors++;
    if (dice(4) == 0) {
        troupe_demonitor(self, n->monitors[--n->monitor_count]);
        play.withdrawn++;
    }
}

static void reported(node *n, const troupe_envelope *e)
{
    troupe_down down;
    CHECK(troupe_down_read(e, &down) == TROUPE_OK);
    unsigned i = 0;
    while (i < n->monitor_count && n->monitors[i] != down.ref)
        i++;
    CHECK(i < n->monitor_count); /* once, and only if it was not withdrawn */
    n->monitors[i] = n->monitors[--n->monitor_count];
    play.reported++;
}

static troupe_error node_receive(troupe_actor *self, void *state, const troupe_envelope *e)
{
    node *n = state;
    CHECK(!n->stopped);
    if (e->kind == TROUPE_CALL)
        return answer(self, n, e);
    if (troupe_verb_is(e, "number")) {
        hear(n, e);
    } else if (troupe_verb_is(e, "ask")) {
        ask(self, n);
    } else if (troupe_verb_is(e, "burst")) {
        burst(self, n);
    } else if (troupe_verb_is(e, "watch")) {
        watch_somebody(self, n);
    } else if (troupe_verb_is(e, "down")) {
        reported(n, e);
    } else if (troupe_verb_is(e, "room")) {
        uint64_t who;
        CHECK(troupe_unpack(e->payload, "U", &who) == TROUPE_OK && who == n->awaited);
        n->awaited = 0;
        met.rooms++;
    } else if (troupe_verb_is(e, "fail")) {
        return TROUPE_EIO;
    } else if (troupe_verb_is(e, "exit")) {
        troupe_exit(self, TROUPE_OK);
    }
    return TROUPE_OK;
}

static troupe_error node_start(troupe_actor *self, void *state)
{
    node *n = state;
    play.nodes[n->place] = troupe_self_address(self);
    return dice(16) == 0 ? TROUPE_EUNAVAILABLE : TROUPE_OK;
}

static void node_stop(troupe_actor *self, void *state, troupe_error reason)
{
    node *n = state;
    (void)self;
    (void)reason;
    CHECK(!n->stopped);
    n->stopped = true;
    play.ended++;
    play.withdrawn += n->monitor_count;
    while (n->questions != NULL) {
        play.abandoned++;
        forget_question(n->questions);
    }
    free(n);
}

static const troupe_behaviour node_behaviour = {
    .kind = "node", .start = node_start, .receive = node_receive, .stop = node_stop};

/* ---- the boss, who supervises them ---- */

typedef struct boss {
    troupe_supervisor *supervisor;
} boss;

static troupe_error prepare(troupe_actor *self, void *context, troupe_spawn_options *out)
{
    (void)self;
    if (play.lives == PEERS_MAX)
        return TROUPE_ELIMIT;
    node *n = calloc(1, sizeof *n);
    CHECK(n != NULL);
    n->place = (unsigned)(uintptr_t)context;
    n->life = play.lives++;
    out->behaviour = &node_behaviour;
    out->state = n;
    out->mailbox_envelopes = MAILBOX;
    return TROUPE_OK;
}

/* Prepared and not spawned: nobody's `stop` will count it. */
static void discard(void *context, void *state)
{
    (void)context;
    play.ended++;
    free(state);
}

static void on_child(troupe_actor *self, void *context, const char *name, troupe_address started,
                     troupe_error ended, uint32_t restart_in_ms)
{
    (void)self;
    (void)context;
    (void)name;
    (void)started;
    (void)ended;
    met.restarts += restart_in_ms != 0;
}

static troupe_error boss_start(troupe_actor *self, void *state)
{
    static const char *const names[NODES] = {"a", "b", "c", "d", "e"};
    boss *b = state;
    troupe_supervisor_options options = {.strategy = (troupe_strategy)dice(3),
                                         .ordered = dice(2) != 0,
                                         .event = on_child,
                                         .context = b};
    troupe_error error = troupe_supervisor_create(self, &options, &b->supervisor);
    for (uintptr_t i = 0; i < NODES && error == TROUPE_OK; i++) {
        troupe_child child = {.name = names[i],
                              .prepare = prepare,
                              .discard = discard,
                              .context = (void *)i,
                              .restart = (troupe_restart)dice(3),
                              .dynamic = dice(4) == 0,
                              .backoff_min_ms = 1,
                              .backoff_max_ms = 1 + dice(4)};
        error = troupe_supervisor_add(b->supervisor, &child, true, NULL);
    }
    return error;
}

static troupe_error boss_receive(troupe_actor *self, void *state, const troupe_envelope *e)
{
    boss *b = state;
    if (e->kind == TROUPE_SIGNAL)
        CHECK(troupe_supervisor_signal(b->supervisor, e));
    else
        troupe_reply(self, troupe_caller_of(e), nothing);
    return TROUPE_OK;
}

static void all_left(troupe_actor *self, void *context)
{
    (void)context;
    troupe_exit(self, TROUPE_OK);
}

static bool boss_closing(troupe_actor *self, void *state)
{
    boss *b = state;
    (void)self;
    troupe_supervisor_stop(b->supervisor, all_left, b);
    return false;
}

static void boss_stop(troupe_actor *self, void *state, troupe_error reason)
{
    boss *b = state;
    (void)self;
    (void)reason;
    troupe_supervisor_destroy(b->supervisor);
}

static const troupe_behaviour boss_behaviour = {.kind = "boss",
                                                .start = boss_start,
                                                .receive = boss_receive,
                                                .closing = boss_closing,
                                                .stop = boss_stop};

/* ---- the guest ---- */

static void call_from_outside(void)
{
    static const char *const verbs[] = {"echo", "late", "forward", "ignore", "die"};
    troupe_answer answer;
    troupe_error error = troupe_guest_call(play.guest, play.nodes[dice(NODES)], verbs[dice(5)],
                                           NULL, nothing, 1 + dice(8), &answer);
    CHECK(error == answer.error);
    CHECK(error == TROUPE_OK || answer.message != NULL);
    met.ends[error]++;
    troupe_answer_fini(&answer);
}

static void calls_in_flight(void)
{
    unsigned started = 0;
    for (unsigned i = 0; i < 6; i++) {
        uint64_t ref;
        if (troupe_guest_call_start(play.guest, play.nodes[dice(NODES)], dice(2) ? "late" : "echo",
                                    NULL, nothing, 1 + dice(5), NULL, &ref) != TROUPE_OK)
            continue;
        started++;
        if (dice(5) == 0)
            troupe_guest_cancel(play.guest, ref);
    }
    for (; started > 0; started--) {
        troupe_answer answer;
        CHECK(troupe_guest_wait(play.guest, 1000, &answer) == TROUPE_OK);
        met.ends[answer.error]++;
        troupe_answer_fini(&answer);
    }
    troupe_answer none;
    CHECK(troupe_guest_wait(play.guest, 0, &none) == TROUPE_ENOTFOUND);
}

static void post_order(void)
{
    static const char *const verbs[] = {"ask", "ask", "burst", "burst", "watch", "fail", "exit"};
    troupe_error error = troupe_guest_post(play.guest, play.nodes[dice(NODES)], TROUPE_CAST,
                                           verbs[dice(7)], NULL, nothing);
    CHECK(error == TROUPE_OK || error == TROUPE_EGONE || error == TROUPE_EBUSY);
}

static void stop_somebody(void)
{
    troupe_address who = play.nodes[dice(NODES)];
    (void)troupe_stop(play.system, who, dice(2) == 0 ? TROUPE_STOP_NOW : TROUPE_STOP_DRAIN);
    if (dice(2) == 0)
        CHECK(troupe_join(play.system, who, 60000) == TROUPE_OK);
}

static void act(void)
{
    uint32_t what = dice(20);
    if (what < 12)
        post_order();
    else if (what < 15)
        call_from_outside();
    else if (what < 16)
        calls_in_flight();
    else if (what < 17)
        stop_somebody();
    else if (what < 18)
        troupe_deterministic_pass(play.system, dice(5));
    else
        (void)troupe_deterministic_step(play.system);
}

/* All leave, and what is on its way arrives: then every envelope is accounted for. */
static void end_in_order(void)
{
    (void)troupe_stop(play.system, play.boss, TROUPE_STOP_DRAIN);
    CHECK(troupe_join(play.system, play.boss, 60000) == TROUPE_OK);
    troupe_deterministic_pass(play.system, 0);
    troupe_system_counters c;
    troupe_system_count(play.system, &c);
    CHECK(c.sent == c.received + c.dead_letters + c.shed);
    CHECK(c.actors_spawned == c.actors_ended);
    met.dead_letters += c.dead_letters;
    met.late_replies += c.late_replies;
}

static void perform(void)
{
    static const troupe_system_options options = {.name = "explore", .actors_max = NODES + 2};
    static boss b;
    memset(&play, 0, sizeof play);
    CHECK(troupe_deterministic_open(&options, seed, STEP_US, &play.system) == TROUPE_OK);
    CHECK(troupe_guest_create(play.system, &play.guest) == TROUPE_OK);
    const troupe_spawn_options spawn = {.behaviour = &boss_behaviour, .state = &b};
    CHECK(troupe_spawn(play.system, &spawn, &play.boss) == TROUPE_OK);
    bool in_order = dice(2) == 0;
    for (uint32_t left = dice(OPERATIONS); left > 0; left--)
        act();
    if (in_order)
        end_in_order();
    else
        met.closed_in_the_middle++;
    troupe_guest_destroy(play.guest);
    troupe_system_close(play.system, dice(20));
    CHECK(play.ended == play.lives);
    CHECK(play.calls == play.completed + play.abandoned);
    CHECK(play.monitors == play.reported + play.withdrawn);
}

int main(int argc, char **argv)
{
    uint64_t seeds = play_seeds(argc, argv, perform);
    printf("rooms %lu, restarts %lu, dead letters %lu, late replies %lu, "
           "closed in the middle %lu; calls ended by",
           met.rooms, met.restarts, met.dead_letters, met.late_replies, met.closed_in_the_middle);
    for (int i = 0; i < 32; i++) {
        if (met.ends[i] > 0)
            printf(" %s %lu", troupe_error_name((troupe_error)i), met.ends[i]);
    }
    puts("");
    bool all = met.rooms > 0 && met.restarts > 0 && met.dead_letters > 0 && met.late_replies > 0 &&
               met.ends[TROUPE_OK] > 0 && met.ends[TROUPE_ETIMEOUT] > 0 &&
               met.ends[TROUPE_ECANCELLED] > 0 && met.ends[TROUPE_EGONE] > 0 &&
               met.ends[TROUPE_ECLOSED] > 0;
    return play_verdict(seeds, all);
}
