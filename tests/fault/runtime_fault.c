/* SPDX-License-Identifier: MIT */
/*
 * Fails each allocation of the runtime once: the same play runs again and again, and in the k-th
 * run the k-th call of malloc, pthread_create, eventfd… that runtime/ makes fails (fault.h).
 *
 * An error is what is expected. What is not: a hang, a crash, memory that stays allocated, a call
 * that completes never or twice, an actor whose `stop` is not called once, counters that do not
 * balance. In deterministic mode k is exact, and all are tried; with threads it is not, and some
 * hundred runs on each lane take what they meet.
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

#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define SEEDS         4 /* of deterministic mode */
#define THREADED_RUNS 120
#define CALL_MS       150 /* an answer that could not be allocated: its call ends by this */
#define HANG_S        100 /* one run takes far less */
#define LARGE         100000
#define FILL          64 /* more than a mailbox takes */
#define BATCH         20

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

static troupe_error ask(troupe_actor *self, player *p, const char *verb, uint64_t *ref)
{
    troupe_error error = troupe_call(self, troupe_whereis(stage, "second"), verb, NULL, nothing,
                                     CALL_MS / 2, asked, p, ref);
    if (error == TROUPE_OK) {
        p->calls++;
        atomic_fetch_add(&calls_open, 1);
    }
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
    else if (troupe_verb_is(e, "forward"))
        return troupe_forward(self, e, troupe_whereis(stage, "second"));
    else if (troupe_verb_is(e, "name")) {
        for (int i = 0; i < 80 && error == TROUPE_OK; i++) { /* the table of names grows */
            char name[32];
            snprintf(name, sizeof name, "name/%d", i);
            error = troupe_name(self, name);
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
    } else if (troupe_verb_is(e, "ignore")) {
        return TROUPE_OK;
    }
    if (error == TROUPE_OK &&
        (troupe_verb_is(e, "timer") || troupe_verb_is(e, "watch") || troupe_verb_is(e, "fill") ||
         troupe_verb_is(e, "monitor") || troupe_verb_is(e, "observe") || e->verb[0] == 'a'))
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

static troupe_error boss_receive(troupe_actor *self, void *state, const troupe_envelope *e)
{
    boss *b = state;
    if (e->kind == TROUPE_SIGNAL)
        (void)troupe_supervisor_signal(b->supervisor, e);
    else if (e->kind == TROUPE_CALL)
        troupe_reply(self, troupe_caller_of(e), nothing);
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

/* ---- one run ---- */

static bool deterministic(void)
{
    return strcmp(mode, "deterministic") == 0;
}

static troupe_error open_stage(void)
{
    const troupe_system_options options = {.name = "fault", .lane = mode, .actors_max = 16};
    const troupe_system_options threadless = {.name = "fault", .actors_max = 16};
    return deterministic() ? troupe_deterministic_open(&threadless, seed, 50, &stage)
                           : troupe_system_open(&options, &stage);
}

static void call(troupe_guest *guest, troupe_address to, const char *verb)
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
}

static void call_many(troupe_guest *guest, troupe_address to)
{
    int started = 0;
    for (int i = 0; i < BATCH; i++)
        started += troupe_guest_call_start(guest, to, i % 4 == 0 ? "ignore" : "echo", NULL, nothing,
                                           CALL_MS / 5, NULL, NULL) == TROUPE_OK;
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

static void play(troupe_guest *guest, troupe_address boss_address)
{
    static const char *const verbs[] = {"echo",  "json",    "fault",       "forward",      "name",
                                        "large", "observe", "ask",         "fill",         "timer",
                                        "watch", "monitor", "ask-failing", "ask-cancelled"};
    call(guest, boss_address, "ready");
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
        if (strcmp(verbs[i], "monitor") == 0 || strcmp(verbs[i], "observe") == 0)
            (void)!troupe_guest_post(guest, troupe_whereis(stage, "third"), TROUPE_CAST, "die",
                                     NULL, nothing);
        call(guest, troupe_whereis(stage, "first"), verbs[i]);
    }
    call_many(guest, troupe_whereis(stage, "second"));
    int seen = 0;
    troupe_system_inspect(stage, count_one, &seen);
    (void)!troupe_guest_call_start(guest, troupe_whereis(stage, "first"), "ignore", NULL, nothing,
                                   CALL_MS, NULL, NULL);
    troupe_guest_flush(guest);
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
        if (c.sent == c.received + c.dead_letters && c.actors_spawned == c.actors_ended)
            break;
        CHECK(!deterministic() && time(NULL) - begun < HANG_S / 2);
        sched_yield();
    }
}

/* True: the k-th call was reached, and failed. */
static bool run(unsigned long at)
{
    long before = fault_outstanding();
    k = at;
    alarm(HANG_S);
    atomic_store(&living, 0);
    atomic_store(&calls_open, 0);
    atomic_store(&replies, 0);
    fault_arm(at);
    if (open_stage() == TROUPE_OK) {
        troupe_guest *guest;
        troupe_address boss_address;
        if (troupe_guest_create(stage, &guest) == TROUPE_OK) {
            if (spawn_boss(&boss_address) == TROUPE_OK) {
                play(guest, boss_address);
                troupe_guest_destroy(guest); /* sends what it could not send before */
                guest = NULL;
                (void)troupe_stop(stage, boss_address, TROUPE_STOP_DRAIN);
                CHECK(troupe_join(stage, boss_address, HANG_S * 1000) == TROUPE_OK);
            }
            troupe_guest_destroy(guest);
        }
        for (int i = 0; i < 3; i++) { /* whom a boss that failed has left */
            static const char *const names[] = {"first", "second", "third"};
            troupe_address left = troupe_whereis(stage, names[i]);
            if (left != 0) {
                (void)troupe_stop(stage, left, TROUPE_STOP_NOW);
                CHECK(troupe_join(stage, left, HANG_S * 1000) == TROUPE_OK);
            }
        }
        check_balance();
        CHECK(atomic_load(&living) == 0);
        CHECK(atomic_load(&calls_open) == 0);
        troupe_system_close(stage, HANG_S * 1000);
    }
    CHECK(fault_outstanding() == before);
    return fault_hit() != NULL;
}

static void sweep(const char *name)
{
    mode = name;
    (void)run(0);
    unsigned long calls = fault_count();
    int answered = atomic_load(&replies);
    unsigned long step = deterministic() ? 1 : 1 + calls / THREADED_RUNS;
    unsigned long runs = 0;
    bool more = true;
    for (unsigned long at = 1; more; at += step) {
        bool reached = run(at);
        runs += reached;
        more = deterministic() ? reached : at < calls; /* with threads runs differ in length */
    }
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
        bool reached = run(strtoul(argv[2], NULL, 10));
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
    puts("ok");
    return 0;
}
