/* SPDX-License-Identifier: MIT */
/* Opening and closing a system, its slots, its counters and what it shows of its actors. */
#include "system.h"
#include "actor.h"
#include "clock.h"
#include "guest.h"
#include "hand.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ACTORS_DEFAULT 4096U
#define STACK_DEFAULT  (256U * 1024U)
#define STUCK_DEFAULT  5000U
#define REPORT_NS      CLOCK_NS_PER_S /* how often a close that waits says for whom */

/* ---- slots ---- */

static slot *slot_create(struct troupe_system *system, uint32_t index)
{
    slot *s = aligned_alloc(_Alignof(slot), sizeof *s);
    if (s == NULL)
        return NULL;
    memset(s, 0, sizeof *s);
    s->system = system;
    s->index = index;
    s->timerfd = -1;
    return s;
}

static troupe_error slot_open(slot *s)
{
    char url[80];
    snprintf(url, sizeof url, "inproc://troupe/%s/%u", s->system->name, s->index);
    troupe_error error = mailbox_init(&s->box, s->system->kind, url, reaper_orphan, s);
    s->opened = error == TROUPE_OK;
    return error;
}

static void slot_destroy(slot *s)
{
    if (s->opened)
        mailbox_fini(&s->box);
    if (s->timerfd >= 0)
        close(s->timerfd);
    free(s);
}

troupe_error system_slot_take(struct troupe_system *system, slot **out)
{
    troupe_error error = TROUPE_OK;
    pthread_mutex_lock(&system->mutex);
    slot *s = system->free_slots;
    if (system->closing)
        error = TROUPE_ECLOSED;
    else if (s != NULL)
        system->free_slots = s->next_free;
    else if (system->slots_used == system->actors_max)
        error = TROUPE_ELIMIT;
    else if ((s = slot_create(system, system->slots_used + 1)) == NULL)
        error = TROUPE_ENOMEM;
    else
        system->slots_used++;
    pthread_mutex_unlock(&system->mutex);
    if (error != TROUPE_OK)
        return error;
    if (!s->opened) {
        error = slot_open(s);
        if (error != TROUPE_OK) {
            system_slot_give(system, s);
            return error;
        }
        atomic_store(&system->slots[s->index], s);
    }
    s->generation = s->generation == SLOT_GENERATION_MAX ? 1 : s->generation + 1;
    *out = s;
    return TROUPE_OK;
}

void system_slot_give(struct troupe_system *system, slot *s)
{
    pthread_mutex_lock(&system->mutex);
    s->next_free = system->free_slots;
    system->free_slots = s;
    pthread_mutex_unlock(&system->mutex);
}

/* ---- opening ---- */

static bool name_valid(const char *name)
{
    size_t len = strnlen(name, 32);
    if (len == 0 || len > 31)
        return false;
    return strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-") == len;
}

static troupe_error configure(struct troupe_system *system, const troupe_system_options *options)
{
    static atomic_uint made_up;
    system->actors_max = options->actors_max == 0 ? ACTORS_DEFAULT : options->actors_max;
    system->stack_bytes = options->stack_bytes == 0 ? STACK_DEFAULT : options->stack_bytes;
    if (options->name != NULL && !name_valid(options->name))
        return TROUPE_EINVAL;
    if (options->name != NULL)
        snprintf(system->name, sizeof system->name, "%s", options->name);
    else
        snprintf(system->name, sizeof system->name, "system-%u", atomic_fetch_add(&made_up, 1));
    if (system->actors_max > SLOT_INDEX_MAX || system->stack_bytes < (size_t)PTHREAD_STACK_MIN)
        return TROUPE_EINVAL;
    return TROUPE_OK;
}

/* The names of a process's open systems: two of one name would share their mailboxes' addresses. */
static pthread_mutex_t open_mutex = PTHREAD_MUTEX_INITIALIZER;
static struct troupe_system *open_systems; /* open_mutex */

static troupe_error claim_name(struct troupe_system *system)
{
    pthread_mutex_lock(&open_mutex);
    const struct troupe_system *other = open_systems;
    while (other != NULL && strcmp(other->name, system->name) != 0)
        other = other->next_open;
    if (other == NULL) {
        system->next_open = open_systems;
        open_systems = system;
    }
    pthread_mutex_unlock(&open_mutex);
    return other == NULL ? TROUPE_OK : TROUPE_EINVAL;
}

static void release_name(struct troupe_system *system)
{
    pthread_mutex_lock(&open_mutex);
    struct troupe_system **at = &open_systems;
    while (*at != NULL && *at != system)
        at = &(*at)->next_open;
    if (*at != NULL)
        *at = system->next_open;
    pthread_mutex_unlock(&open_mutex);
}

void condition_init(pthread_cond_t *condition)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(condition, &attributes);
    pthread_condattr_destroy(&attributes);
}

static uint64_t stuck_ns(const struct troupe_system *system, const troupe_system_options *options)
{
    uint32_t ms = options != NULL && options->stuck_ms != 0 ? options->stuck_ms : STUCK_DEFAULT;
    bool never = ms == TROUPE_STUCK_NEVER || system->deterministic != NULL;
    return never ? 0 : ms * CLOCK_NS_PER_MS;
}

troupe_error system_open(const troupe_system_options *options, const lane_kind *kind,
                         deterministic *d, struct troupe_system **out)
{
    const troupe_system_options defaults = {0};
    troupe_system *system = calloc(1, sizeof *system);
    if (system == NULL)
        return TROUPE_ENOMEM;
    bool named = false;
    system->kind = kind;
    system->deterministic = d;
    troupe_error error = configure(system, options != NULL ? options : &defaults);
    if (error != TROUPE_OK)
        goto out;
    error = TROUPE_ENOMEM;
    system->slots = calloc(system->actors_max + 1, sizeof *system->slots);
    if (system->slots == NULL || names_init(&system->names) != TROUPE_OK)
        goto out;
    named = true;
    pthread_mutex_init(&system->mutex, NULL);
    pthread_mutex_init(&system->links_mutex, NULL);
    condition_init(&system->changed);
    call_table_init(&system->calls);
    error = claim_name(system);
    if (error != TROUPE_OK)
        goto out;
    error = watchdog_start(system, stuck_ns(system, options));
    if (error != TROUPE_OK)
        goto out;
    error = reaper_start(system);
    if (error != TROUPE_OK) {
        watchdog_stop(system);
        goto out;
    }
    *out = system;
    return TROUPE_OK;
out:
    release_name(system);
    if (named) {
        call_table_fini(&system->calls);
        pthread_cond_destroy(&system->changed);
        pthread_mutex_destroy(&system->links_mutex);
        pthread_mutex_destroy(&system->mutex);
        names_fini(&system->names);
    }
    free(system->slots);
    free(system);
    return error;
}

troupe_error troupe_system_open(const troupe_system_options *options, troupe_system **out)
{
    const lane_kind *kind = lane_find(options != NULL ? options->lane : NULL);
    return kind != NULL ? system_open(options, kind, NULL, out) : TROUPE_EUNAVAILABLE;
}

/* ---- closing ---- */

/*
 * Ask to stop: at first only those without a living parent, since a parent that is asked stops its
 * children itself and in order; `force` asks all, whatever they answer. With the mutex held.
 */
static void stop_actors_locked(struct troupe_system *system, bool force)
{
    for (troupe_actor *a = system->actors; a != NULL; a = a->next) {
        if (force)
            (void)slot_stop(a->slot, a->address, STOP_LEVEL_FORCE);
        else if (a->parent == 0 || !system_lives(system, a->parent))
            (void)slot_stop(a->slot, a->address, STOP_LEVEL_DRAIN);
    }
}

static void report_waiting(struct troupe_system *system)
{
    char who[NAME_MAX_LEN + 1] = "";
    unsigned count = 0;
    pthread_mutex_lock(&system->mutex);
    for (troupe_actor *a = system->actors; a != NULL; a = a->next) {
        memcpy(who, a->name, sizeof who);
        count++;
    }
    pthread_mutex_unlock(&system->mutex);
    if (count > 0)
        troupe_log(TROUPE_LOG_WARN, "system", "close-waits", system->name,
                   "%u actors have not ended, one is %s", count, who);
}

/* Until that actor (0: some) was joined, or that time has come (false). With the mutex, which is
 * let go meanwhile. */
static bool await_join_locked(struct troupe_system *system, troupe_address address,
                              uint64_t until_ns)
{
    if (system->deterministic != NULL) {
        pthread_mutex_unlock(&system->mutex);
        bool more = system_now_ns(system) < until_ns && deterministic_drive(system, until_ns);
        pthread_mutex_lock(&system->mutex);
        return more;
    }
    joiner me = {system->joiners, address};
    /* cppcheck-suppress autoVariables ; it is taken off before this returns */
    system->joiners = &me;
    struct timespec until = clock_timespec(until_ns);
    int error = pthread_cond_timedwait(&system->changed, &system->mutex, &until);
    joiner **at = &system->joiners;
    while (*at != &me)
        at = &(*at)->next;
    *at = me.next;
    return error != ETIMEDOUT;
}

static void end_actors(struct troupe_system *system, uint64_t deadline_ns)
{
    bool force = false;
    uint64_t report_ns = UINT64_MAX;
    pthread_mutex_lock(&system->mutex);
    system->closing = true;
    while (system->actors != NULL) {
        uint64_t now = system_now_ns(system);
        if (!force && now >= deadline_ns) {
            force = true;
            report_ns = now + REPORT_NS;
        }
        stop_actors_locked(system, force);
        await_join_locked(system, 0, force ? report_ns : deadline_ns);
        if (system_now_ns(system) >= report_ns) {
            report_ns += REPORT_NS;
            pthread_mutex_unlock(&system->mutex);
            report_waiting(system);
            pthread_mutex_lock(&system->mutex);
        }
    }
    pthread_mutex_unlock(&system->mutex);
}

void troupe_system_close(troupe_system *system, uint32_t timeout_ms)
{
    if (system == NULL)
        return;
    end_actors(system, system_now_ns(system) + timeout_ms * CLOCK_NS_PER_MS);
    watchdog_stop(system);
    reaper_finish(system);
    for (slot *s = system->free_slots; s != NULL;) { /* all are free: nobody lives */
        slot *next = s->next_free;
        slot_destroy(s);
        s = next;
    }
    release_name(system);
    names_fini(&system->names);
    call_table_fini(&system->calls);
    pthread_mutex_destroy(&system->reaper_mutex);
    pthread_cond_destroy(&system->reaper_work);
    pthread_mutex_destroy(&system->mutex);
    pthread_mutex_destroy(&system->links_mutex);
    pthread_cond_destroy(&system->changed);
    free(system->slots);
    free(system->deterministic);
    free(system);
}

/* ---- asking ---- */

troupe_address troupe_whereis(troupe_system *system, const char *name)
{
    return name != NULL ? names_find(&system->names, name) : 0;
}

troupe_error troupe_stop(troupe_system *system, troupe_address address, troupe_stop_mode mode)
{
    slot *s = system_slot(system, address);
    if (s == NULL)
        return TROUPE_EGONE;
    return slot_stop(s, address, mode == TROUPE_STOP_DRAIN ? STOP_LEVEL_DRAIN : STOP_LEVEL_NOW);
}

static bool listed_locked(const struct troupe_system *system, troupe_address address)
{
    const troupe_actor *a = system->actors;
    while (a != NULL && a->address != address)
        a = a->next;
    return a != NULL;
}

troupe_error troupe_join(troupe_system *system, troupe_address address, uint32_t timeout_ms)
{
    uint64_t until = system_now_ns(system) + timeout_ms * CLOCK_NS_PER_MS;
    troupe_error error = TROUPE_OK;
    pthread_mutex_lock(&system->mutex);
    while (error == TROUPE_OK && listed_locked(system, address)) {
        if (!await_join_locked(system, address, until))
            error = TROUPE_ETIMEOUT;
    }
    pthread_mutex_unlock(&system->mutex);
    return error;
}

/* ---- counters ---- */

static void add(troupe_system_counters *sum, const tally *t)
{
    sum->sent += tally_read(&t->sent);
    sum->received += tally_read(&t->received);
    sum->dead_letters += tally_read(&t->dead_letters);
    sum->shed += tally_read(&t->shed);
    sum->dead_left += tally_read(&t->dead_left);
    sum->late_replies += tally_read(&t->late_replies);
    sum->refused += tally_read(&t->refused);
    sum->messages += tally_read(&t->messages);
}

void system_retire_locked(struct troupe_system *system, const tally *t)
{
    add(&system->retired, t);
}

void system_delist_locked(struct troupe_system *system, troupe_actor *actor)
{
    if (actor->prev != NULL)
        actor->prev->next = actor->next;
    else
        system->actors = actor->next;
    if (actor->next != NULL)
        actor->next->prev = actor->prev;
    system_retire_locked(system, &actor->tally);
}

void system_tell_joiners_locked(struct troupe_system *system, troupe_address address)
{
    const joiner *j = system->joiners;
    while (j != NULL && j->address != 0 && j->address != address)
        j = j->next;
    if (j != NULL) /* most often nobody waits for just this one */
        pthread_cond_broadcast(&system->changed);
}

void troupe_system_count(troupe_system *system, troupe_system_counters *out)
{
    pthread_mutex_lock(&system->mutex);
    *out = system->retired;
    for (const troupe_actor *a = system->actors; a != NULL; a = a->next)
        add(out, &a->tally);
    for (const troupe_guest *g = system->guests; g != NULL; g = g->next)
        add(out, &g->tally);
    pthread_mutex_unlock(&system->mutex);
    add(out, &system->reaper_tally);
    add(out, &system->watchdog.tally);
}

/* ---- inspect ---- */

static void describe_hand(const troupe_actor *a, uint64_t now, troupe_actor_info *out)
{
    uint64_t callback;
    char verb[sizeof out->verb];
    uint64_t since = hand_read(a, verb, &callback);
    if (since == 0)
        return;
    memcpy(out->verb, verb, sizeof verb);
    out->verb_ns = now > since ? now - since : 1;
}

static void describe_watchers(slot *s, troupe_actor_info *out)
{
    pthread_mutex_lock(&s->box.mutex);
    for (const control_signal *sig = s->watchers; sig != NULL; sig = sig->listed_next) {
        out->links += sig->kind == SIGNAL_LINK;
        out->monitors += sig->kind == SIGNAL_DOWN;
    }
    pthread_mutex_unlock(&s->box.mutex);
}

static void describe_locked(const troupe_actor *a, uint64_t now, troupe_actor_info *out)
{
    memset(out, 0, sizeof *out);
    out->address = a->address;
    snprintf(out->name, sizeof out->name, "%s", a->name);
    snprintf(out->kind, sizeof out->kind, "%.31s", a->behaviour->kind);
    describe_hand(a, now, out);
    out->depth = mailbox_depth(&a->slot->box);
    out->depth_bytes = mailbox_depth_bytes(&a->slot->box);
    out->depth_peak = atomic_load_explicit(&a->depth_peak, memory_order_relaxed);
    out->received = tally_read(&a->tally.received);
    out->sent = tally_read(&a->tally.sent);
    out->bytes_sent = tally_read(&a->tally.bytes_sent);
    out->bytes_received = tally_read(&a->tally.bytes_received);
    out->restarts = a->restarts;
    hand_describe(a, out);
    out->dead_letters = atomic_load_explicit(&a->slot->dead_letters, memory_order_relaxed);
    out->busy = atomic_load_explicit(&a->slot->box.refused, memory_order_relaxed);
    out->calls_open = atomic_load_explicit(&a->calls_open, memory_order_relaxed);
    describe_watchers(a->slot, out);
    out->age_ns = now - a->spawned_ns;
    out->thread_id = atomic_load_explicit(&a->thread_id, memory_order_relaxed);
}

static int by_slot(const void *a, const void *b)
{
    uint32_t left = address_index(((const troupe_actor_info *)a)->address);
    uint32_t right = address_index(((const troupe_actor_info *)b)->address);
    return left < right ? -1 : left > right;
}

/* Snapshot under the mutex, then the callbacks without it. */
void troupe_system_inspect(troupe_system *system, troupe_inspect_fn fn, void *context)
{
    size_t count = 0;
    size_t room = 0;
    troupe_actor_info *infos = NULL;
    pthread_mutex_lock(&system->mutex);
    for (const troupe_actor *a = system->actors; a != NULL; a = a->next)
        room++;
    if (room > 0)
        infos = malloc(room * sizeof *infos);
    uint64_t now = system_now_ns(system);
    for (const troupe_actor *a = system->actors; infos != NULL && a != NULL; a = a->next) {
        if (slot_holds(a->slot, a->address))
            describe_locked(a, now, &infos[count++]);
    }
    pthread_mutex_unlock(&system->mutex);
    if (count > 0)
        qsort(infos, count, sizeof *infos, by_slot);
    for (size_t i = 0; i < count; i++)
        fn(context, &infos[i]);
    free(infos);
}
