/* SPDX-License-Identifier: MIT */
/*
 * Mailboxes under churn: actors that live 1 to 50 ms, one after the other in few slots, while
 * senders post to them at full speed, stop them, and die themselves.
 *
 * These are the situations in which bare nng sockets crash, hang or lose messages: receivers that
 * end while others send, stop against receive, death with a full mailbox, senders that end right
 * after sending, the second actor in a slot. A plain program, so that it runs under ThreadSanitizer
 * too.
 *
 * Checked: order and no gap for each pair of sender and receiver; nobody gets what was meant for
 * another; an address that is gone stays gone; each death is told once to each of its two monitors,
 * with slot and name free; after each round
 *     sent = received + dead letters
 *     sent + late replies = casts accepted + 2 * calls accepted    (each call is answered once)
 *     received = what the callbacks saw
 * and descriptors, threads and memory are as after the first round. It hangs when nothing moves any
 * more, however long that takes to become so.
 *
 * Usage: churn [lane [seconds [seed]]]
 */
#include "plain.h"

#include "troupe/actor.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>

#define PLACES        6 /* where receivers live */
#define MORTALS       3 /* where senders live that die at once */
#define GUESTS        4
#define SENDERS       (GUESTS + MORTALS)
#define LIVES         32 /* a mortal's lives that a receiver tells apart */
#define ROUNDS        4
#define GRAVES        64
#define MAILBOX       64
#define MAILBOX_BYTES (512U * 1024U)
#define LARGE         (200U * 1024U)
#define BURST         150U
#define BATCH         8U
#define LIFE_MS_MAX   50U
#define STANDSTILL_S  60 /* without a single envelope or death: it hangs */
#define HEAP_KIB_MAX  1024U
#define RSS_KIB_MAX   8192U

static troupe_system *stage;
static uint64_t seed;
static atomic_bool round_over;
static atomic_bool finished;
static _Atomic(troupe_address) places[PLACES];
static _Atomic(troupe_address) graves[GRAVES]; /* addresses whose `down` was seen */
static atomic_uint grave_next;

static atomic_ulong casts_accepted;
static atomic_ulong calls_accepted;
static atomic_ulong handled; /* casts, calls and answers that callbacks saw */
static atomic_ulong busy_seen;
static atomic_ulong gone_seen;

static uint8_t large[LARGE];
static const troupe_bytes nothing;

/* Count what a post or a call said; true: accepted. */
static bool accepted(troupe_error error, atomic_ulong *counter)
{
    CHECK(error == TROUPE_OK || error == TROUPE_EGONE || error == TROUPE_EBUSY);
    if (error == TROUPE_OK)
        atomic_fetch_add(counter, 1);
    else
        atomic_fetch_add(error == TROUPE_EBUSY ? &busy_seen : &gone_seen, 1);
    return error == TROUPE_OK;
}

/* {whom it is for, who sends, in which of its lives, the how many-th to this receiver, ballast} */
static troupe_bytes pack(troupe_buffer *b, troupe_address to, uint32_t sender, uint64_t life,
                         uint64_t sequence, size_t ballast)
{
    troupe_buffer_clear(b);
    CHECK(troupe_pack(b, "[UUUUx#]", to, (uint64_t)sender, life, sequence, large, ballast) ==
          TROUPE_OK);
    return troupe_buffer_bytes(b);
}

/* ---- receivers ---- */

typedef enum manner {
    MANNER_PLAIN,
    MANNER_SLOW,    /* its mailbox is full most of the time */
    MANNER_FAILING, /* ends with an error in the midst of its envelopes */
    MANNER_STUFFED, /* does nothing until its mailbox is full, then ends */
    MANNERS,
} manner;

typedef struct receiver {
    uint64_t random;
    manner manner;
    unsigned left; /* envelopes until a failing one fails */
    uint64_t life[SENDERS][LIVES];
    uint64_t last[SENDERS][LIVES];
} receiver;

static void check_sequence(troupe_actor *self, receiver *r, const troupe_envelope *e)
{
    uint64_t to;
    uint64_t sender;
    uint64_t life;
    uint64_t sequence;
    CHECK(troupe_unpack(e->payload, "[UUUU]", &to, &sender, &life, &sequence) == TROUPE_OK);
    CHECK(to == troupe_self_address(self));
    CHECK(sender < SENDERS);
    uint64_t *known = &r->life[sender][life % LIVES];
    uint64_t *last = &r->last[sender][life % LIVES];
    CHECK(*known <= life);
    if (*known < life)
        *last = 0;
    *known = life;
    CHECK(sequence == *last + 1);
    *last = sequence;
}

static void life_is_over(troupe_actor *self, void *context)
{
    receiver *r = context;
    if (random_below(&r->random, 2) == 0)
        troupe_exit(self, TROUPE_OK);
    else
        CHECK(troupe_stop(stage, troupe_self_address(self), TROUPE_STOP_DRAIN) == TROUPE_OK);
}

static troupe_error receiver_start(troupe_actor *self, void *state)
{
    receiver *r = state;
    return troupe_timer_start(self, 1 + random_below(&r->random, LIFE_MS_MAX), 0, life_is_over, r,
                              NULL);
}

static troupe_error receiver_receive(troupe_actor *self, void *state, const troupe_envelope *e)
{
    receiver *r = state;
    atomic_fetch_add(&handled, 1);
    if (e->kind == TROUPE_CALL) {
        if (random_below(&r->random, 4) != 0) /* the others are answered by its end */
            troupe_reply(self, troupe_caller_of(e), nothing);
    } else {
        check_sequence(self, r, e);
    }
    if (r->manner == MANNER_SLOW)
        dawdle(100);
    if (r->manner == MANNER_STUFFED) {
        dawdle(3000);
        return TROUPE_EBUSY;
    }
    return r->manner == MANNER_FAILING && r->left-- == 0 ? TROUPE_EIO : TROUPE_OK;
}

static void release(troupe_actor *self, void *state, troupe_error reason)
{
    (void)self;
    (void)reason;
    free(state);
}

static const troupe_behaviour receiver_behaviour = {
    .kind = "receiver", .start = receiver_start, .receive = receiver_receive, .stop = release};

/* ---- senders that die right after sending ---- */

typedef struct mortal {
    uint64_t random;
    uint32_t id;
    uint64_t life;
} mortal;

static void answered(troupe_actor *self, void *context, troupe_error error,
                     const troupe_envelope *answer)
{
    (void)self;
    (void)context;
    (void)error;
    if (answer != NULL)
        atomic_fetch_add(&handled, 1);
}

static void post_burst(troupe_actor *self, mortal *m, troupe_address to)
{
    troupe_buffer b = {0};
    bool flush = random_below(&m->random, 2) == 0;
    for (uint64_t sequence = 1; sequence <= BURST; sequence++) {
        size_t ballast = random_below(&m->random, 100) == 0 ? LARGE : 8;
        troupe_bytes payload = pack(&b, to, m->id, m->life, sequence, ballast);
        if (!accepted(troupe_post(self, to, TROUPE_EVENT, "burst", NULL, payload), &casts_accepted))
            break;
        if (flush && sequence % 16 == 0)
            troupe_flush(self);
    }
    troupe_buffer_fini(&b);
}

static troupe_error mortal_start(troupe_actor *self, void *state)
{
    mortal *m = state;
    uint32_t first = random_below(&m->random, PLACES);
    for (uint32_t i = 0; i < 2; i++) {
        troupe_address to = atomic_load(&places[(first + i) % PLACES]);
        (void)accepted(troupe_call(self, to, "call", NULL, nothing, 5, answered, NULL, NULL),
                       &calls_accepted);
        post_burst(self, m, to);
    }
    if (random_below(&m->random, 2) == 0)
        return TROUPE_EIO;
    troupe_exit(self, TROUPE_OK);
    return TROUPE_OK;
}

static const troupe_behaviour mortal_behaviour = {
    .kind = "mortal", .start = mortal_start, .stop = release};

/* ---- the keeper: spawns all of them, again and again ---- */

typedef struct place {
    struct keeper *keeper;
    unsigned index; /* mortals stand behind the receivers */
    troupe_address address;
    uint64_t monitor;
    bool told_at_spawn; /* the parent's `down`, and the monitor's */
    bool told_by_monitor;
} place;

typedef struct keeper {
    place places[PLACES + MORTALS];
    uint64_t random;
    unsigned living;
    bool finishing;
} keeper;

static atomic_ulong lives; /* over all rounds */

static void *create_state(keeper *k, const place *p)
{
    uint64_t life = atomic_fetch_add(&lives, 1) + 1;
    if (p->index >= PLACES) {
        mortal *m = calloc(1, sizeof *m);
        CHECK(m != NULL);
        *m = (mortal){random_from(seed, life), GUESTS + p->index - PLACES, life};
        return m;
    }
    receiver *r = calloc(1, sizeof *r);
    CHECK(r != NULL);
    r->random = random_from(seed, life);
    r->manner = (manner)random_below(&k->random, MANNERS);
    r->left = random_below(&k->random, 2 * MAILBOX);
    return r;
}

/* The slot and the name of the one before are free, since its `down` was told: there are no more
 * slots than places. */
static void spawn_into(troupe_actor *self, place *p)
{
    keeper *k = p->keeper;
    char name[32];
    snprintf(name, sizeof name, "place/%u", p->index);
    troupe_spawn_options options = {.behaviour =
                                        p->index < PLACES ? &receiver_behaviour : &mortal_behaviour,
                                    .state = create_state(k, p),
                                    .name = name,
                                    .monitor = troupe_self_address(self),
                                    .mailbox_envelopes = MAILBOX,
                                    .mailbox_bytes = MAILBOX_BYTES};
    CHECK(troupe_spawn(stage, &options, &p->address) == TROUPE_OK);
    CHECK(troupe_monitor(self, p->address, &p->monitor) == TROUPE_OK);
    p->told_at_spawn = false;
    p->told_by_monitor = false;
    k->living++;
    if (p->index < PLACES)
        atomic_store(&places[p->index], p->address);
}

static void dead_window_over(troupe_actor *self, void *context)
{
    place *p = context;
    if (!p->keeper->finishing)
        spawn_into(self, p);
}

static void note_death(troupe_actor *self, place *p)
{
    keeper *k = p->keeper;
    atomic_store(&graves[atomic_fetch_add(&grave_next, 1) % GRAVES], p->address);
    k->living--;
    if (!k->finishing)
        CHECK(troupe_timer_start(self, random_below(&k->random, 6), 0, dead_window_over, p, NULL) ==
              TROUPE_OK);
    else if (k->living == 0)
        troupe_exit(self, TROUPE_OK);
}

static void hear_of_death(troupe_actor *self, keeper *k, const troupe_envelope *e)
{
    troupe_down down;
    CHECK(troupe_down_read(e, &down) == TROUPE_OK);
    place *p = k->places;
    while (p < k->places + PLACES + MORTALS && p->address != down.address)
        p++;
    CHECK(p < k->places + PLACES + MORTALS);
    bool *told = down.ref == 0 ? &p->told_at_spawn : &p->told_by_monitor;
    CHECK(!*told && (down.ref == 0 || down.ref == p->monitor));
    *told = true;
    if (p->told_at_spawn && p->told_by_monitor)
        note_death(self, p);
}

static troupe_error keeper_start(troupe_actor *self, void *state)
{
    keeper *k = state;
    for (unsigned i = 0; i < PLACES + MORTALS; i++) {
        k->places[i] = (place){.keeper = k, .index = i};
        spawn_into(self, &k->places[i]);
    }
    return TROUPE_OK;
}

static bool keeper_closing(troupe_actor *self, void *state)
{
    keeper *k = state;
    k->finishing = true;
    for (unsigned i = 0; i < PLACES + MORTALS; i++)
        (void)troupe_stop(stage, k->places[i].address, TROUPE_STOP_NOW);
    if (k->living == 0)
        troupe_exit(self, TROUPE_OK);
    return false;
}

static troupe_error keeper_receive(troupe_actor *self, void *state, const troupe_envelope *e)
{
    CHECK(troupe_verb_is(e, "down"));
    hear_of_death(self, state, e);
    return TROUPE_OK;
}

static const troupe_behaviour keeper_behaviour = {
    .kind = "keeper", .start = keeper_start, .receive = keeper_receive, .closing = keeper_closing};

/* ---- guests: threads that send at full speed ---- */

typedef struct driver {
    pthread_t thread;
    uint32_t id;
    uint64_t random;
    troupe_guest *guest;
    troupe_buffer payload;
    troupe_address to[PLACES]; /* whom `sequence` is about */
    uint64_t sequence[PLACES];
} driver;

static bool post_one(driver *d, unsigned at, size_t ballast)
{
    troupe_address to = atomic_load(&places[at]);
    if (d->to[at] != to) {
        d->to[at] = to;
        d->sequence[at] = 0;
    }
    troupe_bytes payload = pack(&d->payload, to, d->id, 1, d->sequence[at] + 1, ballast);
    if (!accepted(troupe_guest_post(d->guest, to, TROUPE_CAST, "cast", NULL, payload),
                  &casts_accepted))
        return false;
    d->sequence[at]++;
    return true;
}

static void post_many(driver *d)
{
    unsigned at = random_below(&d->random, PLACES);
    size_t ballast = random_below(&d->random, 200) == 0 ? LARGE : 8;
    for (unsigned i = 0; i < BURST && post_one(d, at, ballast); i++)
        ballast = 8;
    sched_yield();
}

static void post_to_the_dead(driver *d)
{
    troupe_address to = atomic_load(&graves[random_below(&d->random, GRAVES)]);
    CHECK(troupe_guest_post(d->guest, to, TROUPE_CAST, "late", NULL, nothing) == TROUPE_EGONE);
}

static void call_some(driver *d)
{
    unsigned started = 0;
    for (unsigned i = 0; i < BATCH; i++) {
        troupe_address to = atomic_load(&places[random_below(&d->random, PLACES)]);
        uint32_t timeout_ms = 1 + random_below(&d->random, 20);
        started += accepted(
            troupe_guest_call_start(d->guest, to, "call", NULL, nothing, timeout_ms, d, NULL),
            &calls_accepted);
    }
    for (; started > 0; started--) {
        troupe_answer answer;
        CHECK(troupe_guest_wait(d->guest, STANDSTILL_S * 2000, &answer) == TROUPE_OK);
        CHECK(answer.context == d);
        CHECK(answer.error == TROUPE_OK || answer.error == TROUPE_ECLOSED ||
              answer.error == TROUPE_EGONE || answer.error == TROUPE_ETIMEOUT);
        if (answer.error != TROUPE_ETIMEOUT)
            atomic_fetch_add(&handled, 1);
        troupe_answer_fini(&answer);
    }
}

static void *drive(void *arg)
{
    driver *d = arg;
    CHECK(troupe_guest_create(stage, &d->guest) == TROUPE_OK);
    while (!atomic_load(&round_over)) {
        uint32_t dice = random_below(&d->random, 100);
        if (dice < 70)
            post_many(d);
        else if (dice < 80)
            post_to_the_dead(d);
        else
            call_some(d);
    }
    troupe_guest_destroy(d->guest);
    troupe_buffer_fini(&d->payload);
    return NULL;
}

/* Ends receivers while the others send to them. */
static void *kill_some(void *arg)
{
    uint64_t random = random_from(seed, *(unsigned *)arg);
    while (!atomic_load(&round_over)) {
        troupe_stop_mode mode = random_below(&random, 2) ? TROUPE_STOP_NOW : TROUPE_STOP_DRAIN;
        (void)troupe_stop(stage, atomic_load(&places[random_below(&random, PLACES)]), mode);
        dawdle(500 + random_below(&random, 5000));
    }
    return NULL;
}

/* ---- the whole ---- */

static troupe_system_counters counters(void)
{
    troupe_system_counters c;
    troupe_system_count(stage, &c);
    return c;
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
        fprintf(stderr, "it hangs: sent %llu, received %llu, dead %llu, spawned %llu, ended %llu\n",
                (unsigned long long)c.sent, (unsigned long long)c.received,
                (unsigned long long)c.dead_letters, (unsigned long long)c.actors_spawned,
                (unsigned long long)c.actors_ended);
        abort();
    }
    return NULL;
}

static bool settled(const troupe_system_counters *c)
{
    return c->sent == c->received + c->dead_letters && c->actors_spawned == c->actors_ended &&
           c->sent + c->late_replies ==
               atomic_load(&casts_accepted) + 2 * atomic_load(&calls_accepted) &&
           c->received == atomic_load(&handled);
}

/* What is under way arrives, and who ended is joined, without our help: wait for it. */
static void check_conservation(unsigned round)
{
    troupe_system_counters c = counters();
    for (unsigned i = 0; !settled(&c) && i < STANDSTILL_S * 1000; i++) {
        dawdle(1000);
        c = counters();
    }
    printf("round %u: sent %llu = received %llu + dead %llu; late %llu, casts %lu, calls %lu, "
           "handled %lu, busy %lu, gone %lu, actors %llu, bundles %llu\n",
           round, (unsigned long long)c.sent, (unsigned long long)c.received,
           (unsigned long long)c.dead_letters, (unsigned long long)c.late_replies,
           atomic_load(&casts_accepted), atomic_load(&calls_accepted), atomic_load(&handled),
           atomic_load(&busy_seen), atomic_load(&gone_seen), (unsigned long long)c.actors_ended,
           (unsigned long long)c.messages);
    fflush(stdout);
    CHECK(settled(&c));
}

static void play_round(unsigned round, unsigned seconds)
{
    keeper k = {.random = random_from(seed, 100 + round)};
    const troupe_spawn_options options = {.behaviour = &keeper_behaviour, .state = &k};
    troupe_address address;
    driver drivers[GUESTS];
    pthread_t killer;
    memset(drivers, 0, sizeof drivers);
    atomic_store(&round_over, false);
    CHECK(troupe_spawn(stage, &options, &address) == TROUPE_OK);
    CHECK(pthread_create(&killer, NULL, kill_some, &round) == 0);
    for (unsigned i = 0; i < GUESTS; i++) {
        drivers[i].id = i;
        drivers[i].random = random_from(seed, 200 + GUESTS * round + i);
        CHECK(pthread_create(&drivers[i].thread, NULL, drive, &drivers[i]) == 0);
    }
    sleep(seconds);
    atomic_store(&round_over, true);
    for (unsigned i = 0; i < GUESTS; i++)
        pthread_join(drivers[i].thread, NULL);
    pthread_join(killer, NULL);
    CHECK(troupe_stop(stage, address, TROUPE_STOP_DRAIN) == TROUPE_OK);
    CHECK(troupe_join(stage, address, STANDSTILL_S * 2000) == TROUPE_OK);
    CHECK(k.living == 0);
    check_conservation(round);
}

static void check_footprint(const footprint *before)
{
    footprint now = footprint_take();
    printf("descriptors %u, threads %u, heap %zu -> %zu KiB, rss %zu -> %zu KiB\n", now.descriptors,
           now.threads, before->heap_kib, now.heap_kib, before->rss_kib, now.rss_kib);
    CHECK(now.descriptors == before->descriptors);
    CHECK(now.threads == before->threads);
    if (footprint_has_memory()) {
        CHECK(now.heap_kib <= before->heap_kib + HEAP_KIB_MAX);
        CHECK(now.rss_kib <= before->rss_kib + RSS_KIB_MAX);
    }
}

int main(int argc, char **argv)
{
    troupe_system_options options = {.name = "churn", .actors_max = PLACES + MORTALS + 1};
    unsigned seconds = 20;
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
    footprint first = {0};
    for (unsigned round = 0; round < ROUNDS; round++) {
        play_round(round, seconds < ROUNDS ? 1 : seconds / ROUNDS);
        if (round == 0)
            first = footprint_take(); /* all slots are open, the heap has its shape */
        else
            check_footprint(&first);
    }
    atomic_store(&finished, true);
    pthread_join(watchdog, NULL);
    troupe_system_close(stage, 1000);
    puts("ok");
    return 0;
}
