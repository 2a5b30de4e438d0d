/* SPDX-License-Identifier: MIT */
/*
 * The whole runtime for minutes: supervised workers that die and come back, pillars that live as
 * long as the run, short-lived actors, calls that are answered, forwarded, refused, cancelled or
 * forgotten, floods, timers, monitors, links, stops, taps, all at random.
 *
 * Every ten seconds the guests pause, and everything must come to rest by itself:
 *     sent = received + dead letters
 *     sent + late replies = casts accepted + 2 * calls accepted + what the observer was told
 *         (so each call is answered once)
 *     calls started = completed + abandoned                        (none is stuck)
 * and from the third time on descriptors, threads and memory are what they were.
 *
 * Usage: runtime_soak [lane [seconds [seed]]]
 */
#include "tests/conformance/plain.h"

#include "troupe/observe.h"
#include "troupe/supervisor.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#define WORKERS      8 /* supervised, mortal */
#define PILLARS      4 /* as long as the run */
#define PEERS        (WORKERS + PILLARS)
#define ACTORS_MAX   40
#define GUESTS       3
#define CYCLE_S      10
#define WARM_UP      3  /* cycles */
#define STANDSTILL_S 60 /* without a single envelope or death: it hangs */
#define MAILBOX      100
#define OUTCOMES     32 /* more than there are errors */
#define BURST        150U
#define LARGE        (100U * 1024U)
#define HEAP_KIB_MAX 2048U
#define RSS_KIB_MAX  16384U

static troupe_system *stage;
static uint64_t seed;
static atomic_bool pause_guests;
static atomic_bool finished;

static atomic_ulong casts_accepted;
static atomic_ulong calls_accepted;
static atomic_ulong calls_completed;
static atomic_ulong calls_abandoned; /* their caller ended first */
static atomic_ulong temporaries;     /* living */
static atomic_ulong lives;           /* of workers */
static atomic_ulong rooms;
static atomic_ulong downs;
static atomic_ulong rings;
static atomic_ulong links;
static atomic_ulong observed; /* events about dead letters and of taps */
static atomic_ulong outcomes[OUTCOMES];

static uint8_t large[LARGE];
static const troupe_bytes nothing;

static bool accepted(troupe_error error, atomic_ulong *counter)
{
    CHECK(error == TROUPE_OK || error == TROUPE_EGONE || error == TROUPE_EBUSY);
    if (error == TROUPE_OK)
        atomic_fetch_add(counter, 1);
    return error == TROUPE_OK;
}

static void note_outcome(troupe_error error)
{
    CHECK((unsigned)error < OUTCOMES);
    atomic_fetch_add(&outcomes[error], 1);
    atomic_fetch_add(&calls_completed, 1);
}

/* Some worker or pillar, by its name; 0 while a worker is between two lives. */
static troupe_address pick(uint64_t *random)
{
    char name[32];
    uint32_t which = random_below(random, PEERS);
    if (which < WORKERS)
        snprintf(name, sizeof name, "worker/%u", which);
    else
        snprintf(name, sizeof name, "pillar/%u", which - WORKERS);
    return troupe_whereis(stage, name);
}

static const char *pick_verb(uint64_t *random)
{
    static const char *const verbs[] = {"echo", "echo", "fault", "forward", "later", "ignore"};
    return verbs[random_below(random, 6)];
}

/* ---- calls of actors ---- */

typedef struct asker {
    uint64_t random;
    unsigned long started;
    unsigned long completed;
    uint64_t to_cancel;
} asker;

static void answered(troupe_actor *self, void *context, troupe_error error,
                     const troupe_envelope *answer)
{
    asker *a = context;
    (void)self;
    CHECK(error != TROUPE_OK || answer != NULL);
    a->completed++;
    note_outcome(error);
}

static void cancel_later(troupe_actor *self, void *context)
{
    asker *a = context;
    troupe_cancel(self, a->to_cancel);
}

static void call_somebody(troupe_actor *self, asker *a)
{
    uint64_t ref;
    troupe_error error = troupe_call(self, pick(&a->random), pick_verb(&a->random), NULL, nothing,
                                     1 + random_below(&a->random, 30), answered, a, &ref);
    if (!accepted(error, &calls_accepted))
        return;
    a->started++;
    a->to_cancel = ref;
    uint32_t dice = random_below(&a->random, 8);
    if (dice == 0)
        troupe_cancel(self, ref);
    else if (dice == 1)
        CHECK(troupe_timer_start(self, 2, 0, cancel_later, a, NULL) == TROUPE_OK);
}

/* What has not completed when its caller ends never will. */
static void abandon(const asker *a)
{
    CHECK(a->completed <= a->started);
    atomic_fetch_add(&calls_abandoned, a->started - a->completed);
}

/* ---- short-lived actors ---- */

static void temporary_ends(troupe_actor *self, void *context)
{
    asker *a = context;
    troupe_exit(self, random_below(&a->random, 2) == 0 ? TROUPE_OK : TROUPE_EIO);
}

static troupe_error temporary_start(troupe_actor *self, void *state)
{
    asker *a = state;
    troupe_address to = pick(&a->random);
    for (int i = 0; i < 20; i++)
        (void)accepted(troupe_post(self, to, TROUPE_EVENT, "note", NULL, nothing), &casts_accepted);
    call_somebody(self, a);
    return troupe_timer_start(self, random_below(&a->random, 5), 0, temporary_ends, a, NULL);
}

static void temporary_stop(troupe_actor *self, void *state, troupe_error reason)
{
    (void)self;
    (void)reason;
    abandon(state);
    free(state);
    atomic_fetch_sub(&temporaries, 1);
}

static const troupe_behaviour temporary_behaviour = {
    .kind = "temporary", .start = temporary_start, .stop = temporary_stop};

static void spawn_temporary(troupe_actor *self, asker *parent)
{
    asker *a = calloc(1, sizeof *a);
    CHECK(a != NULL);
    a->random = random_from(random_next(&parent->random), 1);
    troupe_spawn_options options = {
        .behaviour = &temporary_behaviour, .state = a, .monitor = troupe_self_address(self)};
    atomic_fetch_add(&temporaries, 1);
    troupe_error error = troupe_spawn(stage, &options, NULL);
    if (error == TROUPE_OK)
        return;
    CHECK(error == TROUPE_ELIMIT);
    atomic_fetch_sub(&temporaries, 1);
    free(a);
}

/* ---- workers and pillars ---- */

typedef struct worker {
    asker asker;
    bool mortal;
    troupe_address flooded; /* whom it floods; 0 = nobody */
    unsigned flood_left;
    uint64_t ticker;
    unsigned ticks;
    troupe_caller later[16];
    unsigned later_count;
} worker;

static void answer_later(troupe_actor *self, void *context)
{
    worker *w = context;
    while (w->later_count > 0)
        troupe_reply(self, w->later[--w->later_count], nothing);
}

static troupe_error serve(troupe_actor *self, worker *w, const troupe_envelope *e)
{
    troupe_caller caller = troupe_caller_of(e);
    if (troupe_verb_is(e, "echo")) {
        troupe_reply(self, caller, e->payload);
        troupe_reply(self, caller, e->payload); /* the second is ignored */
    } else if (troupe_verb_is(e, "fault")) {
        troupe_fault(self, caller, TROUPE_ENOTFOUND, "{\"soak\":true}", "not %s", "here");
    } else if (troupe_verb_is(e, "forward") && random_below(&w->asker.random, 4) != 0) {
        troupe_error error = troupe_forward(self, e, pick(&w->asker.random));
        if (error != TROUPE_OK)
            troupe_fault(self, caller, error, NULL, NULL);
        else
            atomic_fetch_add(&casts_accepted, 1); /* one envelope more, no answer more */
    } else if (troupe_verb_is(e, "later") && w->later_count < 16) {
        w->later[w->later_count++] = caller;
        return troupe_timer_start(self, random_below(&w->asker.random, 20), 0, answer_later, w,
                                  NULL);
    } else if (!w->mortal) {
        troupe_reply(self, caller, nothing);
    }
    return TROUPE_OK; /* "ignore": open until it dies, though the call ends by its deadline */
}

static void flood(troupe_actor *self, worker *w)
{
    while (w->flood_left > 0) {
        troupe_error error = troupe_post(self, w->flooded, TROUPE_EVENT, "note", NULL, nothing);
        if (!accepted(error, &casts_accepted)) {
            if (error == TROUPE_EGONE)
                break;
            CHECK(troupe_await_room(self, w->flooded) == TROUPE_OK);
            return;
        }
        w->flood_left--;
    }
    w->flooded = 0;
}

static void tick(troupe_actor *self, void *context)
{
    worker *w = context;
    atomic_fetch_add(&rings, 1);
    if (--w->ticks == 0) {
        troupe_timer_cancel(self, w->ticker);
        w->ticker = 0;
    }
}

static void post_large(troupe_actor *self, worker *w)
{
    troupe_buffer b = {0};
    CHECK(troupe_pack(&b, "x#", large, sizeof large) == TROUPE_OK);
    (void)accepted(troupe_post(self, pick(&w->asker.random), TROUPE_EVENT, "note", NULL,
                               troupe_buffer_bytes(&b)),
                   &casts_accepted);
    troupe_buffer_fini(&b);
}

static void monitor_somebody(troupe_actor *self, worker *w)
{
    uint64_t ref;
    troupe_address address = pick(&w->asker.random);
    if (address == 0)
        return;
    CHECK(troupe_monitor(self, address, &ref) == TROUPE_OK);
    if (!w->mortal || random_below(&w->asker.random, 4) != 0) /* else until one of them ends */
        troupe_demonitor(self, ref);
}

/* Workers die of it, and come back; pillars only hear of it. */
static void link_with_somebody(troupe_actor *self, worker *w)
{
    troupe_address address = pick(&w->asker.random);
    if (address == 0 || address == troupe_self_address(self))
        return;
    CHECK(troupe_link(self, address) == TROUPE_OK);
    if (random_below(&w->asker.random, 2) == 0)
        troupe_unlink(self, address);
}

/* Whatever it does, it does because it was told to: without orders all comes to rest. */
static troupe_error act(troupe_actor *self, worker *w)
{
    uint64_t *random = &w->asker.random;
    switch (random_below(random, 16)) {
    case 0:
        if (w->flooded != 0 || (w->flooded = pick(random)) == 0)
            break;
        w->flood_left = BURST;
        flood(self, w);
        break;
    case 1:
        if (w->ticker != 0)
            break;
        w->ticks = 1 + random_below(random, 5);
        return troupe_timer_start(self, 1, 1, tick, w, &w->ticker);
    case 2:
        spawn_temporary(self, &w->asker);
        break;
    case 3:
        post_large(self, w);
        break;
    case 4:
        monitor_somebody(self, w);
        break;
    case 5:
        if (w->mortal)
            return random_below(random, 2) == 0 ? TROUPE_EIO : TROUPE_ESTORAGE;
        break;
    case 6:
        if (w->mortal)
            troupe_exit(self, TROUPE_OK);
        break;
    case 7:
        link_with_somebody(self, w);
        break;
    default:
        call_somebody(self, &w->asker);
    }
    return TROUPE_OK;
}

static troupe_error worker_start(troupe_actor *self, void *state)
{
    const worker *w = state;
    troupe_trap_links(self, !w->mortal);
    return TROUPE_OK;
}

static troupe_error worker_receive(troupe_actor *self, void *state, const troupe_envelope *e)
{
    worker *w = state;
    if (e->kind == TROUPE_CALL)
        return serve(self, w, e);
    if (troupe_verb_is(e, "act"))
        return act(self, w);
    if (troupe_verb_is(e, "room")) {
        atomic_fetch_add(&rooms, 1);
        flood(self, w);
    } else if (troupe_verb_is(e, "down")) {
        atomic_fetch_add(&downs, 1);
    } else if (troupe_verb_is(e, "link")) {
        CHECK(!w->mortal);
        atomic_fetch_add(&links, 1);
    }
    return TROUPE_OK;
}

static void worker_stop(troupe_actor *self, void *state, troupe_error reason)
{
    worker *w = state;
    (void)self;
    (void)reason;
    abandon(&w->asker);
    free(w);
}

static const troupe_behaviour worker_behaviour = {
    .kind = "worker", .start = worker_start, .receive = worker_receive, .stop = worker_stop};

/* ---- the observer: lives as long as the run, so that it gets all that was accepted for it ---- */

static troupe_error observer_start(troupe_actor *self, void *state)
{
    (void)state;
    return troupe_dead_letters_subscribe(self);
}

static troupe_error observer_receive(troupe_actor *self, void *state, const troupe_envelope *e)
{
    uint64_t *random = state;
    if (e->kind == TROUPE_EVENT) {
        CHECK(troupe_verb_is(e, "dead_letter") || troupe_verb_is(e, "tap"));
        atomic_fetch_add(&observed, 1);
        return TROUPE_OK;
    }
    troupe_address address = pick(random);
    troupe_error error = troupe_tap(self, address, random_below(random, 4) == 0);
    CHECK(error == TROUPE_OK || error == TROUPE_EGONE);
    return TROUPE_OK;
}

static const troupe_behaviour observer_behaviour = {
    .kind = "observer", .start = observer_start, .receive = observer_receive};

/* ---- the root: supervises the workers ---- */

typedef struct root {
    troupe_supervisor *supervisor;
    char names[PEERS][32];
} root;

static troupe_error prepare(troupe_actor *self, void *context, troupe_spawn_options *out)
{
    worker *w = calloc(1, sizeof *w);
    const char *name = context;
    (void)self;
    CHECK(w != NULL);
    w->asker.random = random_from(seed, atomic_fetch_add(&lives, 1));
    w->mortal = name[0] == 'w';
    out->behaviour = &worker_behaviour;
    out->state = w;
    out->name = name;
    out->mailbox_envelopes = MAILBOX;
    return TROUPE_OK;
}

static troupe_error root_start(troupe_actor *self, void *state)
{
    root *r = state;
    CHECK(troupe_supervisor_create(self, NULL, &r->supervisor) == TROUPE_OK);
    for (unsigned i = 0; i < PEERS; i++) {
        if (i < WORKERS)
            snprintf(r->names[i], sizeof r->names[i], "worker/%u", i);
        else
            snprintf(r->names[i], sizeof r->names[i], "pillar/%u", i - WORKERS);
        troupe_child child = {.name = r->names[i],
                              .prepare = prepare,
                              .context = r->names[i],
                              .restart = TROUPE_PERMANENT,
                              .backoff_min_ms = 1,
                              .backoff_max_ms = 10};
        CHECK(troupe_supervisor_add(r->supervisor, &child, true, NULL) == TROUPE_OK);
    }
    return TROUPE_OK;
}

static troupe_error root_receive(troupe_actor *self, void *state, const troupe_envelope *e)
{
    root *r = state;
    (void)self;
    CHECK(troupe_supervisor_signal(r->supervisor, e));
    return TROUPE_OK;
}

static void all_stopped(troupe_actor *self, void *context)
{
    (void)context;
    troupe_exit(self, TROUPE_OK);
}

static bool root_closing(troupe_actor *self, void *state)
{
    root *r = state;
    (void)self;
    troupe_supervisor_stop(r->supervisor, all_stopped, NULL);
    return false;
}

static void root_stop(troupe_actor *self, void *state, troupe_error reason)
{
    root *r = state;
    (void)self;
    (void)reason;
    troupe_supervisor_destroy(r->supervisor);
}

static const troupe_behaviour root_behaviour = {.kind = "root",
                                                .start = root_start,
                                                .receive = root_receive,
                                                .closing = root_closing,
                                                .stop = root_stop};

/* ---- guests ---- */

typedef struct driver {
    pthread_t thread;
    uint64_t random;
    troupe_guest *guest;
} driver;

static void take_answer(troupe_answer *answer)
{
    CHECK(answer->error == TROUPE_OK || answer->message != NULL);
    note_outcome(answer->error);
    troupe_answer_fini(answer);
}

/* A blocking call may fail at once, and then was never started: this one is always counted. */
static void call_batch(driver *d)
{
    unsigned started = 0;
    for (uint32_t i = random_below(&d->random, 12); i > 0; i--) {
        uint64_t ref;
        if (!accepted(troupe_guest_call_start(d->guest, pick(&d->random), pick_verb(&d->random),
                                              NULL, nothing, 1 + random_below(&d->random, 20), d,
                                              &ref),
                      &calls_accepted))
            continue;
        started++;
        if (random_below(&d->random, 8) == 0)
            troupe_guest_cancel(d->guest, ref);
    }
    for (; started > 0; started--) {
        troupe_answer answer;
        CHECK(troupe_guest_wait(d->guest, 2000 * STANDSTILL_S, &answer) == TROUPE_OK);
        take_answer(&answer);
    }
}

/* A guest that is destroyed while its call is under way. */
static void leave_early(driver *d)
{
    troupe_guest *brief;
    CHECK(troupe_guest_create(stage, &brief) == TROUPE_OK);
    if (accepted(troupe_guest_call_start(brief, pick(&d->random), "later", NULL, nothing, 50, NULL,
                                         NULL),
                 &calls_accepted))
        atomic_fetch_add(&calls_abandoned, 1);
    troupe_guest_destroy(brief);
}

static void count_actor(void *context, const troupe_actor_info *info)
{
    CHECK(info->address != 0 && info->depth <= 2 * 4096);
    ++*(unsigned *)context;
}

static void disturb(driver *d)
{
    unsigned living = 0;
    troupe_stop_mode mode = random_below(&d->random, 2) ? TROUPE_STOP_NOW : TROUPE_STOP_DRAIN;
    char name[32];
    snprintf(name, sizeof name, "worker/%u", random_below(&d->random, WORKERS));
    switch (random_below(&d->random, 5)) {
    case 0:
        (void)troupe_stop(stage, troupe_whereis(stage, name), mode);
        break;
    case 1:
        (void)accepted(troupe_guest_post(d->guest, troupe_whereis(stage, "observer"), TROUPE_CAST,
                                         "tap", NULL, nothing),
                       &casts_accepted);
        break;
    case 2:
        troupe_system_inspect(stage, count_actor, &living);
        CHECK(living <= ACTORS_MAX + 64); /* some have ended and are not joined yet */
        break;
    default:
        leave_early(d);
    }
}

static void *drive(void *arg)
{
    driver *d = arg;
    CHECK(troupe_guest_create(stage, &d->guest) == TROUPE_OK);
    while (!atomic_load(&pause_guests)) {
        uint32_t dice = random_below(&d->random, 100);
        if (dice < 80) {
            const char *verb = dice < 50 ? "act" : "note";
            (void)accepted(
                troupe_guest_post(d->guest, pick(&d->random), TROUPE_CAST, verb, NULL, nothing),
                &casts_accepted);
        } else if (dice < 97) {
            call_batch(d);
        } else {
            disturb(d);
        }
    }
    troupe_guest_destroy(d->guest);
    return NULL;
}

/* ---- the whole ---- */

static troupe_system_counters counters(void)
{
    troupe_system_counters c;
    troupe_system_count(stage, &c);
    return c;
}

static void print_state(FILE *out)
{
    troupe_system_counters c = counters();
    fprintf(out,
            "sent %llu = received %llu + dead %llu; late %llu; casts %lu, calls %lu = completed "
            "%lu + abandoned %lu; observed %lu, refused %llu, actors %llu - %llu\n",
            (unsigned long long)c.sent, (unsigned long long)c.received,
            (unsigned long long)c.dead_letters, (unsigned long long)c.late_replies,
            atomic_load(&casts_accepted), atomic_load(&calls_accepted),
            atomic_load(&calls_completed), atomic_load(&calls_abandoned), atomic_load(&observed),
            (unsigned long long)c.refused, (unsigned long long)c.actors_spawned,
            (unsigned long long)c.actors_ended);
}

/* A thread of its own, since any other may be what hangs. */
static void *watch_progress(void *arg)
{
    uint64_t before = 0;
    unsigned standing = 0;
    (void)arg;
    while (!atomic_load(&finished)) {
        sleep(1);
        troupe_system_counters c = counters();
        uint64_t now = c.sent + c.received + c.dead_letters + c.actors_ended + c.late_replies;
        standing = now == before ? standing + 1 : 0;
        before = now;
        if (standing < STANDSTILL_S)
            continue;
        fprintf(stderr, "it hangs: ");
        print_state(stderr);
        abort();
    }
    return NULL;
}

static void add_open(void *context, const troupe_actor_info *info)
{
    *(uint64_t *)context += info->calls_open;
}

/* Calls that somebody holds unanswered: their deadlines have passed, their answers are to come. */
static uint64_t answers_owed(void)
{
    uint64_t owed = 0;
    troupe_system_inspect(stage, add_open, &owed);
    return owed;
}

/* All workers live, no temporary does, nothing is under way, every call has ended. */
static bool at_rest(void)
{
    uint64_t owed = answers_owed();
    troupe_system_counters c = counters();
    return c.sent == c.received + c.dead_letters &&
           c.actors_spawned - c.actors_ended == PEERS + 2 && atomic_load(&temporaries) == 0 &&
           c.sent + c.late_replies + owed == atomic_load(&casts_accepted) +
                                                 2 * atomic_load(&calls_accepted) +
                                                 atomic_load(&observed) &&
           atomic_load(&calls_accepted) ==
               atomic_load(&calls_completed) + atomic_load(&calls_abandoned);
}

static void await_rest(void)
{
    time_t start = time(NULL);
    bool rest;
    while (!(rest = at_rest()) && time(NULL) - start < STANDSTILL_S)
        dawdle(1000);
    if (rest)
        return;
    fprintf(stderr, "no rest: owed %llu; ", (unsigned long long)answers_owed());
    print_state(stderr);
    abort();
}

static void play_cycle(unsigned cycle)
{
    driver drivers[GUESTS];
    memset(drivers, 0, sizeof drivers);
    atomic_store(&pause_guests, false);
    for (unsigned i = 0; i < GUESTS; i++) {
        drivers[i].random = random_from(seed, 1000000 + GUESTS * cycle + i);
        CHECK(pthread_create(&drivers[i].thread, NULL, drive, &drivers[i]) == 0);
    }
    sleep(CYCLE_S);
    atomic_store(&pause_guests, true);
    for (unsigned i = 0; i < GUESTS; i++)
        pthread_join(drivers[i].thread, NULL);
    await_rest();
}

/* ---- nothing grows ---- */

static void ring_never(troupe_actor *self, void *context)
{
    (void)self;
    (void)context;
}

static troupe_error open_receive(troupe_actor *self, void *state, const troupe_envelope *e)
{
    (void)state;
    troupe_reply(self, troupe_caller_of(e), nothing);
    return e->kind == TROUPE_CALL ? troupe_timer_start(self, 3600000, 0, ring_never, NULL, NULL)
                                  : TROUPE_OK;
}

/* Every slot is opened once, and has slept with a timer: from then on descriptors are constant. */
static void open_all_slots(void)
{
    static const troupe_behaviour behaviour = {.kind = "opener", .receive = open_receive};
    const troupe_spawn_options options = {.behaviour = &behaviour};
    troupe_address addresses[ACTORS_MAX];
    troupe_guest *guest;
    CHECK(troupe_guest_create(stage, &guest) == TROUPE_OK);
    for (int i = 0; i < ACTORS_MAX; i++)
        CHECK(troupe_spawn(stage, &options, &addresses[i]) == TROUPE_OK);
    for (int i = 0; i < 2 * ACTORS_MAX; i++) { /* the second call finds it asleep, or about to be */
        troupe_answer answer;
        CHECK(troupe_guest_call(guest, addresses[i % ACTORS_MAX], "open", NULL, nothing,
                                1000 * STANDSTILL_S, &answer) == TROUPE_OK);
        atomic_fetch_add(&calls_accepted, 1);
        note_outcome(answer.error);
        troupe_answer_fini(&answer);
    }
    troupe_guest_destroy(guest);
    for (int i = 0; i < ACTORS_MAX; i++) {
        CHECK(troupe_stop(stage, addresses[i], TROUPE_STOP_DRAIN) == TROUPE_OK);
        CHECK(troupe_join(stage, addresses[i], 1000 * STANDSTILL_S) == TROUPE_OK);
    }
}

static bool grew(const footprint *before, const footprint *now)
{
    return now->descriptors != before->descriptors || now->threads != before->threads ||
           (footprint_has_memory() && (now->heap_kib > before->heap_kib + HEAP_KIB_MAX ||
                                       now->rss_kib > before->rss_kib + RSS_KIB_MAX));
}

static void print_footprint(const footprint *f)
{
    printf("descriptors %u, threads %u, heap %zu KiB, rss %zu KiB", f->descriptors, f->threads,
           f->heap_kib, f->rss_kib);
}

static void print_verdict(const footprint *warm, const footprint *last)
{
    printf("rooms %lu, downs %lu, links %lu, timer rings %lu, lives of workers %lu\n",
           atomic_load(&rooms), atomic_load(&downs), atomic_load(&links), atomic_load(&rings),
           atomic_load(&lives));
    for (int i = 0; i < OUTCOMES; i++) {
        if (atomic_load(&outcomes[i]) > 0)
            printf("  calls that ended %s: %lu\n", troupe_error_name((troupe_error)i),
                   atomic_load(&outcomes[i]));
    }
    printf("after warm-up: ");
    print_footprint(warm);
    printf("\nat the end:    ");
    print_footprint(last);
    puts("\nok: the counters balance, no call is stuck, nothing grew");
}

int main(int argc, char **argv)
{
    troupe_system_options options = {.name = "soak", .actors_max = ACTORS_MAX};
    unsigned seconds = 300;
    seed = (uint64_t)time(NULL);
    if (argc > 1)
        options.lane = argv[1];
    if (argc > 2)
        seconds = (unsigned)strtoul(argv[2], NULL, 10);
    if (argc > 3)
        seed = strtoull(argv[3], NULL, 10);
    printf("lane %s, %u s, seed %llu\n", argc > 1 ? argv[1] : "default", seconds,
           (unsigned long long)seed);
    fflush(stdout);
    CHECK(troupe_system_open(&options, &stage) == TROUPE_OK);
    pthread_t watchdog;
    CHECK(pthread_create(&watchdog, NULL, watch_progress, NULL) == 0);
    open_all_slots();
    root r = {0};
    uint64_t random = random_from(seed, 999999);
    const troupe_spawn_options roots = {.behaviour = &root_behaviour, .state = &r};
    const troupe_spawn_options observers = {
        .behaviour = &observer_behaviour, .state = &random, .name = "observer"};
    CHECK(troupe_spawn(stage, &roots, NULL) == TROUPE_OK);
    CHECK(troupe_spawn(stage, &observers, NULL) == TROUPE_OK);
    footprint warm = {0};
    footprint last = {0};
    for (unsigned cycle = 0; cycle * CYCLE_S < seconds; cycle++) {
        play_cycle(cycle);
        last = footprint_take();
        printf("%4u s: ", (cycle + 1) * CYCLE_S);
        print_footprint(&last);
        printf("; ");
        print_state(stdout);
        fflush(stdout);
        if (cycle + 1 <= WARM_UP)
            warm = last;
        CHECK(!grew(&warm, &last));
    }
    atomic_store(&finished, true);
    pthread_join(watchdog, NULL);
    troupe_system_close(stage, 10000);
    print_verdict(&warm, &last);
    return 0;
}
