/* SPDX-License-Identifier: MIT */
/*
 * Deterministic mode: the choice of what happens next, the clock, and a lane that holds bundles
 * back until it is their turn to arrive.
 *
 * The runtime's own code runs as ever, on one thread; only what threads and the kernel decide
 * elsewhere is decided here: who runs, for how long, when something arrives, what time it is.
 */
#include "deterministic.h"
#include "actor.h"
#include "clock.h"
#include "lane.h"
#include "system.h"

#include "troupe/deterministic.h"

#include <stdlib.h>
#include <sys/random.h>

#define BEGIN_NS CLOCK_NS_PER_S

/* ---- chance ---- */

static uint64_t draw(deterministic *d)
{
    d->random += 0x9e3779b97f4a7c15ULL; /* splitmix64: any seed will do */
    uint64_t z = d->random;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
}

uint32_t troupe_deterministic_random(troupe_system *system, uint32_t bound)
{
    return bound > 1 && system->deterministic != NULL
               ? (uint32_t)(draw(system->deterministic) % bound)
               : 0;
}

bool deterministic_chance(struct troupe_system *system, uint32_t of)
{
    return draw(system->deterministic) % of == 0;
}

/* ---- the lane ---- */

struct lane {
    mailbox *box;
    bundle *held; /* in the order they were sent */
};

struct lane_sender {
    uint64_t number; /* bundles sent: so that each sender has an address of its own */
};

static troupe_error held_lane_open(mailbox *box, const char *url, lane **out)
{
    (void)url;
    lane *l = calloc(1, sizeof *l);
    if (l == NULL)
        return TROUPE_ENOMEM;
    l->box = box;
    *out = l;
    return TROUPE_OK;
}

static void held_lane_close(lane *l)
{
    free(l);
}

static troupe_error held_sender_create(lane_sender **out)
{
    *out = calloc(1, sizeof **out);
    return *out != NULL ? TROUPE_OK : TROUPE_ENOMEM;
}

static void held_sender_destroy(lane_sender *sender)
{
    free(sender);
}

static void held_lane_send(lane *l, lane_sender *sender, bundle *b)
{
    sender->number++;
    b->owner = sender; /* compared only: the sender may be gone when it arrives */
    b->next = NULL;
    bundle **tail = &l->held;
    while (*tail != NULL)
        tail = &(*tail)->next;
    *tail = b;
}

static bool held_lane_idle(const lane *l)
{
    return l->held == NULL;
}

/* Whether an earlier bundle of the same sender is still held. */
static bool must_wait(const lane *l, const bundle *b)
{
    for (const bundle *earlier = l->held; earlier != b; earlier = earlier->next) {
        if (earlier->owner == b->owner)
            return true;
    }
    return false;
}

/* Some bundle arrives, the first of its sender. */
static void let_arrive(struct troupe_system *system, lane *l)
{
    bundle **chosen = &l->held;
    uint32_t seen = 0;
    for (bundle **at = &l->held; *at != NULL; at = &(*at)->next) {
        if (!must_wait(l, *at) && deterministic_chance(system, ++seen))
            chosen = at;
    }
    bundle *b = *chosen;
    *chosen = b->next;
    mailbox_arrived(l->box, b, NULL);
}

/* Bundles are plain memory, as on the ring lane. */
static const lane_kind lane_held = {
    .name = "held",
    .wakeless = true,
    .bundle_create = lane_bundle_create,
    .bundle_destroy = lane_bundle_destroy,
    .open = held_lane_open,
    .close = held_lane_close,
    .sender_create = held_sender_create,
    .sender_destroy = held_sender_destroy,
    .send = held_lane_send,
    .idle = held_lane_idle,
};

/* ---- what happens next ---- */

typedef struct choice {
    troupe_actor *actor; /* its turn; or */
    slot *slot;          /* an arrival there; or neither: the reaper */
    uint32_t seen;
} choice;

/* Each of those that are offered is as likely as the others. */
static void offer(struct troupe_system *system, choice *c, troupe_actor *actor, slot *s)
{
    if (!deterministic_chance(system, ++c->seen))
        return;
    c->actor = actor;
    c->slot = s;
}

static void note(deterministic *d, uint64_t number)
{
    d->digest = (d->digest ^ number) * 1099511628211ULL; /* FNV-1a */
}

bool troupe_deterministic_step(troupe_system *system)
{
    deterministic *d = system->deterministic;
    choice c = {0};
    if (d == NULL)
        return false;
    for (troupe_actor *a = system->actors; a != NULL; a = a->next) {
        if (actor_ready(a))
            offer(system, &c, a, NULL);
    }
    for (uint32_t i = 1; i <= system->slots_used; i++) {
        slot *s = atomic_load(&system->slots[i]);
        if (s != NULL && s->box.lane->held != NULL)
            offer(system, &c, NULL, s);
    }
    if (reaper_has_work(system))
        offer(system, &c, NULL, NULL);
    if (c.seen == 0)
        return false;
    if (d->step_ns_max > 0)
        d->now_ns += draw(d) % d->step_ns_max;
    note(d, c.actor != NULL ? c.actor->address : c.slot != NULL ? c.slot->index : UINT64_MAX);
    if (c.actor != NULL)
        actor_step(c.actor);
    else if (c.slot != NULL)
        let_arrive(system, c.slot->box.lane);
    else
        reaper_step(system);
    return true;
}

/* ---- time ---- */

static uint64_t next_timer_ns(const struct troupe_system *system)
{
    uint64_t next = UINT64_MAX;
    for (const troupe_actor *a = system->actors; a != NULL; a = a->next) {
        const timer *head = timers_head(&a->timers);
        if (head != NULL && head->due_ns < next)
            next = head->due_ns;
    }
    return next;
}

bool deterministic_drive(struct troupe_system *system, uint64_t until_ns)
{
    deterministic *d = system->deterministic;
    if (troupe_deterministic_step(system))
        return true;
    uint64_t next = next_timer_ns(system);
    if (next <= until_ns) { /* later than now: else its actor would have been ready */
        d->now_ns = next;
        return true;
    }
    if (d->now_ns < until_ns)
        d->now_ns = until_ns;
    return false;
}

void troupe_deterministic_pass(troupe_system *system, uint32_t ms)
{
    if (system->deterministic == NULL)
        return;
    uint64_t until = system->deterministic->now_ns + ms * CLOCK_NS_PER_MS;
    while (deterministic_drive(system, until))
        continue;
}

uint64_t troupe_deterministic_now_ns(const troupe_system *system)
{
    return system_now_ns(system);
}

uint64_t troupe_deterministic_seed(const troupe_system *system)
{
    return system->deterministic != NULL ? system->deterministic->seed : 0;
}

uint64_t troupe_deterministic_digest(const troupe_system *system)
{
    return system->deterministic != NULL ? system->deterministic->digest : 0;
}

/* ---- opening ---- */

static uint64_t make_up_seed(void)
{
    uint64_t seed = 0;
    while (seed == 0) {
        if (getrandom(&seed, sizeof seed, 0) != sizeof seed)
            seed = clock_now_ns();
    }
    return seed;
}

troupe_error troupe_deterministic_open(const troupe_system_options *options, uint64_t seed,
                                       uint32_t step_us, troupe_system **out)
{
    deterministic *d = calloc(1, sizeof *d);
    if (d == NULL)
        return TROUPE_ENOMEM;
    d->seed = seed != 0 ? seed : make_up_seed();
    d->random = d->seed;
    d->now_ns = BEGIN_NS;
    d->step_ns_max = step_us * 1000ULL;
    d->digest = 14695981039346656037ULL;
    troupe_error error = system_open(options, &lane_held, d, out);
    if (error != TROUPE_OK)
        free(d);
    return error;
}
