/* SPDX-License-Identifier: MIT */
/*
 * Fails each allocation of the runtime once: the same play runs again and again, and in the k-th
 * run the k-th call of malloc, pthread_create, eventfd… that runtime/ makes fails (fault.h). With
 * threads the k-th is another each time; there the n-th call at each site fails. At the end each
 * site that the sources have must have failed.
 *
 * An error is what is expected. What is not: a hang, a crash, memory that stays allocated, a call
 * that completes never or twice, an actor whose `stop` is not called once, counters that do not
 * balance; a subscriber of a topic that waits for ever.
 *
 * Usage: runtime_fault [deterministic|nng|ring [k [seed]]]
 */
#include "fault.h"
#undef malloc
#undef calloc
#undef realloc
#undef aligned_alloc
#undef strdup
#undef free
#undef pthread_create
#undef eventfd
#undef timerfd_create

#include "troupe/deterministic.h"
#include "troupe/log.h"
#include "troupe/observe.h"
#include "troupe/supervisor.h"
#include "troupe/topic.h"

#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define SEEDS        4   /* of deterministic mode */
#define CALLS_A_SITE 64  /* of these the 1st, 2nd, 4th… are tried, with threads */
#define TRIES        5   /* with threads, a call may not come */
#define CALL_MS      150 /* an answer that could not be allocated: its call ends by this */
#define HANG_S       100 /* one run takes far less */
#define LARGE        100000
#define FILL         64 /* more than a mailbox takes */
#define BATCH        20
#define STUCK_MS     20
#define POKES        200 /* deterministic: by then a topic has settled */

static const char *mode;
static unsigned long k;
static uint64_t seed = 1; /* of deterministic mode */

#define CHECK(condition)                                                                        \
    do {                                                                                        \
        if (!(condition)) {                                                                     \
            fprintf(stderr, "%s:%d: %s, k = %lu, seed %d, failed %s: %s\n", __FILE__, __LINE__, \
                    mode, k, (int)seed, fault_hit() != NULL ? fault_hit() : "nothing",          \
                    #condition);                                                                \
            abort();                                                                            \
        }                                                                                       \
    } while (0)

static const troupe_bytes nothing;

/* One run. */
static troupe_system *stage;
static atomic_int living;     /* states handed to actors and not yet stopped */
static atomic_int calls_open; /* of actors, without an end */
static atomic_int replies;
static atomic_bool stuck_seen;

static bool deterministic(void)
{
    return strcmp(mode, "deterministic") == 0;
}

/* ---- players ---- */

typedef struct player {
    troupe_address boss;
    troupe_caller waiting; /* for a timer, a descriptor, room or a death */
    bool waits;
    bool filling;
    int calls;
    int fd;
    uint64_t monitor;
} player;

static void answer_waiting(troupe_actor *self, player *p)
{
    if (p->waits)
        troupe_reply(self, p->waiting, nothing);
    p->waits = false;
}

static void wait_for(player *p, const troupe_envelope *e)
{
    p->waits = true;
    p->waiting = troupe_caller_of(e);
}

static void rang(troupe_actor *self, void *context)
{
    answer_waiting(self, context);
}

static void ready(troupe_actor *self, void *context, int fd, short revents)
{
    (void)revents;
    troupe_unwatch(self, fd);
    answer_waiting(self, context);
}

static void asked(troupe_actor *self, void *context, troupe_error error,
                  const troupe_envelope *answer)
{
    player *p = context;
    CHECK(error != TROUPE_OK || answer != NULL);
    p->calls--;
    CHECK(p->calls >= 0);
    atomic_fetch_sub(&calls_open, 1);
    answer_waiting(self, p);
}

static troupe_error ask_with(troupe_actor *self, player *p, const char *whom, const char *verb,
                             troupe_bytes payload, uint64_t *ref)
{
    troupe_error error = troupe_call(self, troupe_whereis(stage, whom), verb, NULL, payload,
                                     CALL_MS / 2, asked, p, ref);
    if (error == TROUPE_OK) {
        p->calls++;
        atomic_fetch_add(&calls_open, 1);
    }
    return error;
}

static troupe_error ask(troupe_actor *self, player *p, const char *verb, uint64_t *ref)
{
    return ask_with(self, p, "second", verb, nothing, ref);
}

/* To the topic; its own name is the policy. */
static troupe_error subscribe(troupe_actor *self, player *p)
{
    troupe_buffer b = {0};
    troupe_error error =
        troupe_pack(&b, "{s:s,s:s}", "slow", troupe_self_name(self), "prefix", "new");
    if (error == TROUPE_OK)
        error = ask_with(self, p, "press", "subscribe", troupe_buffer_bytes(&b), NULL);
    troupe_buffer_fini(&b);
    return error;
}

static troupe_error fill(troupe_actor *self, player *p)
{
    troupe_address second = troupe_whereis(stage, "second");
    for (int i = 0; i < FILL; i++) {
        troupe_error error = troupe_post(self, second, TROUPE_EVENT, "load", NULL, nothing);
        if (error == TROUPE_EBUSY) {
            p->filling = true;
            return troupe_await_room(self, second);
        }
        if (error != TROUPE_OK)
            return error;
    }
    return TROUPE_EINTERNAL; /* it should have been full */
}

static troupe_error post_large(troupe_actor *self)
{
    static uint8_t bytes[LARGE];
    troupe_buffer b = {0};
    troupe_error error = troupe_pack(&b, "x#", bytes, sizeof bytes);
    if (error == TROUPE_OK)
        error = troupe_post(self, troupe_whereis(stage, "second"), TROUPE_CAST, "load", NULL,
                            troupe_buffer_bytes(&b));
    troupe_buffer_fini(&b);
    return error;
}

/* Links, and all there is to observe others with. */
static troupe_error observe(troupe_actor *self)
{
    troupe_address third = troupe_whereis(stage, "third");
    troupe_trap_links(self, true);
    troupe_error error = troupe_tap(self, troupe_whereis(stage, "second"), true);
    if (error == TROUPE_OK)
        error = troupe_dead_letters_subscribe(self);
    if (error == TROUPE_OK)
        error = troupe_watchdog_subscribe(self);
    if (error == TROUPE_OK)
        error = troupe_link(self, third);
    if (error == TROUPE_OK) {
        troupe_unlink(self, third);
        error = troupe_link(self, third);
    }
    return error;
}

static troupe_error prepare(troupe_actor *self, void *context, troupe_spawn_options *out);
static void discard(void *context, void *state);

/* One that is linked from its birth; its end is a signal. */
static troupe_error spawn_linked(troupe_actor *self)
{
    troupe_spawn_options options = {.link = troupe_self_address(self)};
    troupe_address child;
    troupe_trap_links(self, true);
    (void)!prepare(self, NULL, &options);
    troupe_error error = troupe_spawn(stage, &options, &child);
    if (error != TROUPE_OK)
        discard(NULL, options.state);
    else
        (void)troupe_stop(stage, child, TROUPE_STOP_NOW);
    return error;
}

/* Be stuck until it was noticed, if anybody can. */
static void dawdle(void)
{
    struct timespec begun;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &begun);
    do {
        sched_yield();
        clock_gettime(CLOCK_MONOTONIC, &now);
    } while (!deterministic() && !atomic_load(&stuck_seen) &&
             now.tv_sec - begun.tv_sec < (fault_hit() != NULL ? 1 : HANG_S / 10));
}

/* TROUPE_OK: answered, or will be. */
static troupe_error act(troupe_actor *self, player *p, const troupe_envelope *e)
{
    troupe_error error = TROUPE_OK;
    uint64_t ref;
    if (troupe_verb_is(e, "echo"))
        troupe_reply(self, troupe_caller_of(e), e->payload);
    else if (troupe_verb_is(e, "json"))
        troupe_reply_json(self, troupe_caller_of(e), "{}", 2);
    else if (troupe_verb_is(e, "fault"))
        troupe_fault(self, troupe_caller_of(e), TROUPE_EJS, "{\"a\":1}", "no %d", 1);
    else if (troupe_verb_is(e, "forward") && strcmp(troupe_self_name(self), "second") == 0)
        troupe_reply(self, troupe_caller_of(e), nothing);
    else if (troupe_verb_is(e, "forward")) {
        error = troupe_forward(self, e, troupe_whereis(stage, "second"));
        return error == TROUPE_ECANCELLED ? TROUPE_OK : error; /* it timed out meanwhile */
    } else if (troupe_verb_is(e, "name")) {
        for (int i = 0; i < 80 && error == TROUPE_OK; i++) { /* the table of names grows */
            char name[32];
            snprintf(name, sizeof name, "name/%d", i);
            error = troupe_name(self, name);
        }
        for (int i = 0; i < 80 && error == TROUPE_OK; i++) {
            char name[32];
            snprintf(name, sizeof name, "name/%d", i);
            CHECK(troupe_unname(self, name) == TROUPE_OK && troupe_whereis(stage, name) == 0);
        }
        if (error == TROUPE_OK)
            troupe_reply(self, troupe_caller_of(e), nothing);
    } else if (troupe_verb_is(e, "large")) {
        error = post_large(self);
        if (error == TROUPE_OK)
            troupe_reply(self, troupe_caller_of(e), nothing);
    } else if (troupe_verb_is(e, "ask")) {
        error = ask(self, p, "echo", NULL);
    } else if (troupe_verb_is(e, "ask-failing")) {
        error = ask(self, p, "fault", NULL);
    } else if (troupe_verb_is(e, "ask-cancelled")) {
        error = ask(self, p, "ignore", &ref);
        if (error == TROUPE_OK)
            troupe_cancel(self, ref);
    } else if (troupe_verb_is(e, "timer")) {
        error = troupe_timer_start(self, 1, 0, rang, p, NULL);
        if (error == TROUPE_OK && troupe_timer_start(self, 1000, 5, rang, p, &ref) == TROUPE_OK)
            troupe_timer_cancel(self, ref);
    } else if (troupe_verb_is(e, "watch")) {
        error = troupe_watch(self, p->fd, POLLIN, ready, p);
    } else if (troupe_verb_is(e, "fill")) {
        error = fill(self, p);
    } else if (troupe_verb_is(e, "monitor")) {
        if (p->monitor != 0)
            troupe_demonitor(self, p->monitor);
        error = troupe_monitor(self, troupe_whereis(stage, "third"), &p->monitor);
    } else if (troupe_verb_is(e, "observe")) {
        error = observe(self);
    } else if (troupe_verb_is(e, "subscribe")) {
        error = subscribe(self, p);
    } else if (troupe_verb_is(e, "linked")) {
        error = spawn_linked(self);
    } else if (troupe_verb_is(e, "dawdle")) {
        dawdle();
        troupe_reply(self, troupe_caller_of(e), nothing);
    } else if (troupe_verb_is(e, "ignore")) {
        return TROUPE_OK;
    }
    if (error == TROUPE_OK &&
        (troupe_verb_is(e, "timer") || troupe_verb_is(e, "watch") || troupe_verb_is(e, "fill") ||
         troupe_verb_is(e, "monitor") || troupe_verb_is(e, "observe") ||
         troupe_verb_is(e, "subscribe") || troupe_verb_is(e, "linked") || e->verb[0] == 'a'))
        wait_for(p, e);
    return error;
}

static troupe_error player_receive(troupe_actor *self, void *state, const troupe_envelope *e)
{
    player *p = state;
    if (e->kind == TROUPE_SIGNAL) { /* room, or somebody ended */
        answer_waiting(self, p);
        return TROUPE_OK;
    }
    if (troupe_verb_is(e, "die"))
        return TROUPE_EIO;
    if (troupe_verb_is(e, "stuck"))
        atomic_store(&stuck_seen, true);
    if (e->kind != TROUPE_CALL)
        return TROUPE_OK;
    troupe_error error = act(self, p, e);
    if (error != TROUPE_OK)
        troupe_fault(self, troupe_caller_of(e), error, NULL, NULL);
    return TROUPE_OK;
}

static void player_stop(troupe_actor *self, void *state, troupe_error reason)
{
    player *p = state;
    (void)self;
    (void)reason;
    atomic_fetch_sub(&calls_open, p->calls); /* they are forgotten with their caller */
    close(p->fd);
    free(p);
    CHECK(atomic_fetch_sub(&living, 1) > 0);
}

static const troupe_behaviour player_behaviour = {
    .kind = "player", .receive = player_receive, .stop = player_stop};

/* ---- the press: it has a topic ---- */

static const char *const readers[] = {"shed", "hold", "end"};

typedef struct press {
    troupe_topic *topic;
} press;

static troupe_error press_start(troupe_actor *self, void *state)
{
    press *p = state;
    return troupe_topic_create(self, NULL, &p->topic);
}

/* Nobody waits for anything that it has missed. */
static bool settled(const press *p)
{
    bool all = true;
    for (size_t i = 0; i < sizeof readers / sizeof readers[0]; i++) {
        troupe_subscriber_counters c;
        all = all && (troupe_topic_subscriber(p->topic, troupe_whereis(stage, readers[i]), &c) !=
                          TROUPE_OK ||
                      (c.missed == 0 && c.held == 0));
    }
    return all;
}

static troupe_error press_receive(troupe_actor *self, void *state, const troupe_envelope *e)
{
    press *p = state;
    if (e->kind == TROUPE_SIGNAL)
        (void)troupe_topic_signal(p->topic, e);
    if (e->kind != TROUPE_CALL || troupe_topic_call(p->topic, e))
        return TROUPE_OK;
    for (int i = 0; i < (troupe_verb_is(e, "flood") ? FILL : 1); i++)
        CHECK(troupe_topic_publish(p->topic, "news", NULL, nothing) == TROUPE_OK);
    if (settled(p))
        troupe_reply(self, troupe_caller_of(e), nothing);
    else
        troupe_fault(self, troupe_caller_of(e), TROUPE_EBUSY, NULL, NULL);
    return TROUPE_OK;
}

static void press_stop(troupe_actor *self, void *state, troupe_error reason)
{
    press *p = state;
    (void)self;
    (void)reason;
    troupe_topic_destroy(p->topic);
    free(p);
    CHECK(atomic_fetch_sub(&living, 1) > 0);
}

static const troupe_behaviour press_behaviour = {
    .kind = "press", .start = press_start, .receive = press_receive, .stop = press_stop};

static troupe_error prepare_press(troupe_actor *self, void *context, troupe_spawn_options *out)
{
    press *p = calloc(1, sizeof *p);
    (void)self;
    CHECK(p != NULL);
    atomic_fetch_add(&living, 1);
    out->behaviour = &press_behaviour;
    out->state = p;
    out->name = context;
    return TROUPE_OK;
}

static void discard_press(void *context, void *state)
{
    (void)context;
    free(state);
    CHECK(atomic_fetch_sub(&living, 1) > 0);
}

/* ---- the boss ---- */

typedef struct boss {
    troupe_supervisor *supervisor;
} boss;

static troupe_error prepare(troupe_actor *self, void *context, troupe_spawn_options *out)
{
    player *p = calloc(1, sizeof *p);
    CHECK(p != NULL);
    p->boss = troupe_self_address(self);
    p->fd = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);
    CHECK(p->fd >= 0);
    atomic_fetch_add(&living, 1);
    out->behaviour = &player_behaviour;
    out->state = p;
    out->name = context;
    out->mailbox_envelopes = FILL / 2;
    return TROUPE_OK;
}

static void discard(void *context, void *state)
{
    player *p = state;
    (void)context;
    close(p->fd);
    free(p);
    CHECK(atomic_fetch_sub(&living, 1) > 0);
}

static troupe_error boss_start(troupe_actor *self, void *state)
{
    static char names[3][16] = {"first", "second", "third"};
    boss *b = state;
    troupe_error error = troupe_supervisor_create(self, NULL, &b->supervisor);
    for (int i = 0; i < 3 && error == TROUPE_OK; i++) {
        const troupe_child child = {.name = names[i],
                                    .prepare = prepare,
                                    .discard = discard,
                                    .context = names[i],
                                    .restart = i == 2 ? TROUPE_PERMANENT : TROUPE_TRANSIENT,
                                    .backoff_min_ms = 1,
                                    .backoff_max_ms = 2,
                                    .intensity = 5,
                                    .period_ms = 1000};
        error = troupe_supervisor_add(b->supervisor, &child, false, NULL);
    }
    return error;
}

/* One of many comes and goes. */
static troupe_error hire(boss *b)
{
    static char name[] = "press";
    const troupe_child extra = {.name = name,
                                .prepare = prepare_press,
                                .discard = discard_press,
                                .restart = TROUPE_TEMPORARY,
                                .dynamic = true};
    troupe_address address;
    troupe_error error = troupe_supervisor_add(b->supervisor, &extra, false, &address);
    return error != TROUPE_OK
               ? error
               : troupe_supervisor_remove(b->supervisor,
                                          troupe_supervisor_name(b->supervisor, address),
                                          TROUPE_STOP_DRAIN);
}

static troupe_error boss_receive(troupe_actor *self, void *state, const troupe_envelope *e)
{
    boss *b = state;
    if (e->kind == TROUPE_SIGNAL)
        (void)troupe_supervisor_signal(b->supervisor, e);
    if (e->kind != TROUPE_CALL)
        return TROUPE_OK;
    troupe_error error = troupe_verb_is(e, "hire") ? hire(b) : TROUPE_OK;
    if (error == TROUPE_OK)
        troupe_reply(self, troupe_caller_of(e), nothing);
    else
        troupe_fault(self, troupe_caller_of(e), error, NULL, NULL);
    return TROUPE_OK;
}

static void boss_done(troupe_actor *self, void *context)
{
    (void)context;
    troupe_exit(self, TROUPE_OK);
}

static bool boss_closing(troupe_actor *self, void *state)
{
    boss *b = state;
    (void)self;
    if (b->supervisor == NULL)
        return true;
    troupe_supervisor_stop(b->supervisor, boss_done, NULL);
    return false;
}

static void boss_stop(troupe_actor *self, void *state, troupe_error reason)
{
    boss *b = state;
    (void)self;
    (void)reason;
    troupe_supervisor_destroy(b->supervisor);
    free(b);
    CHECK(atomic_fetch_sub(&living, 1) > 0);
}

static const troupe_behaviour boss_behaviour = {.kind = "boss",
                                                .start = boss_start,
                                                .receive = boss_receive,
                                                .closing = boss_closing,
                                                .stop = boss_stop};

static troupe_error spawn_boss(troupe_address *address)
{
    boss *b = calloc(1, sizeof *b);
    CHECK(b != NULL);
    atomic_fetch_add(&living, 1);
    const troupe_spawn_options options = {.behaviour = &boss_behaviour, .state = b, .name = "boss"};
    troupe_error error = troupe_spawn(stage, &options, address);
    if (error != TROUPE_OK) {
        free(b);
        atomic_fetch_sub(&living, 1);
    }
    return error;
}

/* ---- a tree ---- */

static char reader_names[3][8] = {"shed", "hold", "end"};
static char press_name[] = "press";

#define READER(i)                                                                             \
    {                                                                                         \
        .name = reader_names[i], .prepare = prepare, .discard = discard,                      \
        .context = reader_names[i], .backoff_min_ms = 1, .backoff_max_ms = 2, .intensity = 5, \
        .period_ms = 1000                                                                     \
    }

static const troupe_child inner_children[] = {READER(0), READER(1), READER(2)};

static troupe_supervisor_spec inner = {.name = "inner",
                                       .strategy = TROUPE_ONE_FOR_ALL,
                                       .intensity = 5,
                                       .period_ms = 1000,
                                       .children = inner_children,
                                       .count = 3};

static const troupe_child tree_children[] = {{.name = press_name,
                                              .prepare = prepare_press,
                                              .discard = discard_press,
                                              .context = press_name,
                                              .backoff_min_ms = 1,
                                              .backoff_max_ms = 2},
                                             {.name = "inner",
                                              .prepare = troupe_supervisor_prepare,
                                              .context = &inner,
                                              .backoff_min_ms = 1,
                                              .backoff_max_ms = 2,
                                              .shutdown_ms = TROUPE_SHUTDOWN_UNLIMITED}};

static const troupe_supervisor_spec tree = {.name = "tree", .children = tree_children, .count = 2};

/* ---- one run ---- */

static troupe_error open_stage(void)
{
    const troupe_system_options options = {
        .name = "fault", .lane = mode, .actors_max = 32, .stuck_ms = STUCK_MS};
    const troupe_system_options threadless = {.name = "fault", .actors_max = 32};
    return deterministic() ? troupe_deterministic_open(&threadless, seed, 50, &stage)
                           : troupe_system_open(&options, &stage);
}

static troupe_error call(troupe_guest *guest, troupe_address to, const char *verb)
{
    troupe_answer answer;
    memset(&answer, 0xff, sizeof answer);
    troupe_error error = troupe_guest_call(guest, to, verb, NULL, nothing, CALL_MS, &answer);
    CHECK(answer.error == error);
    CHECK(error == TROUPE_OK ? answer.message == NULL : answer.message != NULL);
    if (fault_hit() == NULL && !deterministic())
        CHECK(error != TROUPE_ENOMEM);
    atomic_fetch_add(&replies, error == TROUPE_OK);
    troupe_answer_fini(&answer);
    return error;
}

/* What could not be sent is kept, and there is memory again. */
static void flush(troupe_guest *guest)
{
    if (troupe_guest_flush(guest) != TROUPE_OK) {
        CHECK(fault_hit() != NULL);
        CHECK(troupe_guest_flush(guest) == TROUPE_OK);
    }
}

static void call_many(troupe_guest *guest, troupe_address to)
{
    int started = 0;
    for (int i = 0; i < BATCH; i++)
        started += troupe_guest_call_start(guest, to, i % 4 == 0 ? "ignore" : "echo", NULL, nothing,
                                           CALL_MS / 5, NULL, NULL) == TROUPE_OK;
    flush(guest);
    for (; started > 0; started--) {
        troupe_answer answer;
        CHECK(troupe_guest_wait(guest, HANG_S * 1000, &answer) == TROUPE_OK);
        troupe_answer_fini(&answer);
    }
    troupe_answer none;
    CHECK(troupe_guest_wait(guest, 1, &none) == TROUPE_ENOTFOUND);
}

static void count_one(void *context, const troupe_actor_info *info)
{
    (void)info;
    (*(int *)context)++;
}

/* Three readers that are too slow, each in its way, and catch up; then their group restarts. */
static void play_topic(troupe_guest *guest)
{
    for (int i = 0; i < 6; i++) /* twice is once */
        (void)call(guest, troupe_whereis(stage, readers[i % 3]), "subscribe");
    (void)call(guest, troupe_whereis(stage, "press"), "flood");
    time_t begun = time(NULL);
    troupe_error error = TROUPE_EBUSY;
    for (int i = 0; error != TROUPE_OK && (!deterministic() || i < POKES); i++) {
        troupe_address address = troupe_whereis(stage, "press");
        error = address != 0 ? call(guest, address, "poke") : TROUPE_OK;
        CHECK(time(NULL) - begun < HANG_S / 2);
    }
    CHECK(error == TROUPE_OK);
    (void)!troupe_guest_post(guest, troupe_whereis(stage, "hold"), TROUPE_CAST, "die", NULL,
                             nothing);
    (void)call(guest, troupe_whereis(stage, "inner"), "which");
    (void)call(guest, troupe_whereis(stage, "press"), "flood");
    (void)call(guest, troupe_whereis(stage, "tree"), "which");
}

static void play(troupe_guest *guest, troupe_address boss_address)
{
    static const char *const verbs[] = {
        "echo", "json",  "fault", "forward", "name",        "large",         "observe", "ask",
        "fill", "timer", "watch", "monitor", "ask-failing", "ask-cancelled", "linked"};
    (void)call(guest, boss_address, "ready");
    (void)call(guest, boss_address, "hire");
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
        if (strcmp(verbs[i], "monitor") == 0 || strcmp(verbs[i], "observe") == 0)
            (void)!troupe_guest_post(guest, troupe_whereis(stage, "third"), TROUPE_CAST, "die",
                                     NULL, nothing);
        (void)call(guest, troupe_whereis(stage, "first"), verbs[i]);
    }
    if (!deterministic()) /* nothing may block there */
        (void)call(guest, troupe_whereis(stage, "second"), "dawdle");
    play_topic(guest);
    call_many(guest, troupe_whereis(stage, "second"));
    int seen = 0;
    troupe_system_inspect(stage, count_one, &seen);
    (void)!troupe_guest_call_start(guest, troupe_whereis(stage, "first"), "ignore", NULL, nothing,
                                   CALL_MS, NULL, NULL);
    flush(guest);
}

/* Everybody has ended: what is under way arrives and becomes dead letters. */
static void check_balance(void)
{
    troupe_system_counters c;
    time_t begun = time(NULL);
    for (;;) {
        if (deterministic())
            troupe_deterministic_pass(stage, 0);
        troupe_system_count(stage, &c);
        if (c.sent == c.received + c.dead_letters + c.shed && c.actors_spawned == c.actors_ended)
            break;
        CHECK(!deterministic() && time(NULL) - begun < HANG_S / 2);
        sched_yield();
    }
}

static void note_address(void *context, const troupe_actor_info *info)
{
    *(troupe_address *)context = info->address;
}

/* End those whom a supervisor that failed has left. */
static void stop_others(void)
{
    for (int none = 0; none < 2;) { /* a look that finds nobody may have failed itself */
        troupe_address left = 0;
        troupe_system_inspect(stage, note_address, &left);
        none = left == 0 ? none + 1 : 0;
        if (left != 0) {
            (void)troupe_stop(stage, left, TROUPE_STOP_NOW);
            CHECK(troupe_join(stage, left, HANG_S * 1000) == TROUPE_OK);
        }
    }
}

/* What was armed is to fail. True: it was reached. */
static bool run(void)
{
    long before = fault_outstanding();
    alarm(HANG_S);
    atomic_store(&living, 0);
    atomic_store(&calls_open, 0);
    atomic_store(&replies, 0);
    atomic_store(&stuck_seen, false);
    if (open_stage() == TROUPE_OK) {
        troupe_guest *guest;
        troupe_address boss_address;
        if (troupe_guest_create(stage, &guest) == TROUPE_OK) {
            troupe_address tree_address = 0;
            if (troupe_supervisor_spawn(stage, &tree, &tree_address) == TROUPE_OK &&
                spawn_boss(&boss_address) == TROUPE_OK) {
                play(guest, boss_address);
                troupe_guest_destroy(guest); /* sends what it could not send before */
                guest = NULL;
                (void)troupe_stop(stage, boss_address, TROUPE_STOP_DRAIN);
                CHECK(troupe_join(stage, boss_address, HANG_S * 1000) == TROUPE_OK);
            }
            if (tree_address != 0) {
                (void)troupe_stop(stage, tree_address, TROUPE_STOP_DRAIN);
                CHECK(troupe_join(stage, tree_address, HANG_S * 1000) == TROUPE_OK);
            }
            troupe_guest_destroy(guest);
        }
        stop_others();
        check_balance();
        CHECK(atomic_load(&living) == 0);
        CHECK(atomic_load(&calls_open) == 0);
        troupe_system_close(stage, HANG_S * 1000);
    }
    CHECK(fault_outstanding() == before);
    return fault_hit() != NULL;
}

static bool run_failing(unsigned long at)
{
    k = at;
    fault_arm(at);
    return run();
}

/* Nothing is random but the seed: each call, one after the other. */
static unsigned long fail_each_call(void)
{
    unsigned long at = 1;
    while (run_failing(at))
        at++;
    return at - 1;
}

/* The first calls at each site that this mode has. */
static unsigned long fail_at_each_site(void)
{
    unsigned long runs = 0;
    unsigned long usual[256] = {0};
    size_t count = fault_sites();
    CHECK(count <= sizeof usual / sizeof usual[0]);
    for (size_t i = 0; i < count; i++)
        usual[i] = fault_site_count(i);
    for (size_t i = 0; i < count; i++) {
        for (unsigned long n = 1; n <= usual[i] && n <= CALLS_A_SITE; n *= 2) {
            bool reached = false;
            for (int tries = 0; !reached && tries < TRIES; tries++) {
                k = n;
                fault_arm_site(i, n);
                reached = run();
            }
            runs += reached;
        }
    }
    return runs;
}

static void sweep(const char *name)
{
    mode = name;
    (void)run_failing(0);
    unsigned long calls = fault_count();
    int answered = atomic_load(&replies);
    unsigned long runs = deterministic() ? fail_each_call() : fail_at_each_site();
    printf("%s: %lu runs, each with one failure of %lu; without one %d calls are replied to\n",
           mode, runs, calls, answered);
    CHECK(runs > 50 && answered > 8);
}

static void log_nothing(void *context, const troupe_log_record *record)
{
    (void)context;
    (void)record;
}

static void hangs(int number)
{
    (void)number;
    static const char text[] = "hangs: ";
    (void)!write(2, text, sizeof text - 1);
    bool in_time = false;
    CHECK(in_time);
}

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    signal(SIGALRM, hangs);
    troupe_log_set_sink(log_nothing, NULL);
    if (argc > 2) {
        mode = argv[1];
        seed = argc > 3 ? strtoull(argv[3], NULL, 10) : 1;
        bool reached = run_failing(strtoul(argv[2], NULL, 10));
        printf("failed %s; %lu calls, %d replies\n", reached ? fault_hit() : "nothing",
               fault_count(), atomic_load(&replies));
        return 0;
    }
    static const char *const modes[] = {"deterministic", "nng", "ring"};
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        if (argc > 1 && strcmp(argv[1], modes[i]) != 0)
            continue;
        for (seed = 1; seed <= (i == 0 ? SEEDS : 1); seed++)
            sweep(modes[i]);
    }
    if (argc == 1 && fault_never_failed(RUNTIME_DIRECTORY) > 0)
        return 1; /* the play does not come there: extend it */
    puts("ok");
    return 0;
}
