/* SPDX-License-Identifier: MIT */
/* The watchdog's thread. It trusts what it sees itself: a callback is as old as its first sight. */
#include "watchdog.h"
#include "clock.h"
#include "hand.h"
#include "thread.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOOKS 4 /* in the time that counts as stuck */

/* An actor that was reported and has not moved on, as far as is known. */
typedef struct stuck {
    struct stuck *next;
    troupe_address address;
    char name[NAME_MAX_LEN + 1];
    char verb[ACTOR_VERB_WORDS * 8];
    uint64_t ns;
    bool seen;   /* in the present round */
    bool report; /* now */
} stuck;

/* ---- looking ---- */

static stuck *add_stuck(watchdog *w, const troupe_actor *a, const char *verb)
{
    stuck *item = calloc(1, sizeof *item);
    if (item == NULL)
        return NULL; /* the next round tries again */
    item->address = a->address;
    snprintf(item->name, sizeof item->name, "%s", a->name);
    snprintf(item->verb, sizeof item->verb, "%s", verb);
    item->next = w->reported;
    w->reported = item;
    return item;
}

static void look_at_locked(watchdog *w, troupe_actor *a, uint64_t now)
{
    watched *seen = &a->watched;
    char verb[ACTOR_VERB_WORDS * 8];
    uint64_t callback;
    if (hand_read(a, verb, &callback) == 0) {
        *seen = (watched){0};
        return;
    }
    if (seen->since_ns == 0 || seen->callback != callback) {
        *seen = (watched){.callback = callback, .since_ns = now, .due_ns = now + w->stuck_ns};
        return;
    }
    bool due = now >= seen->due_ns;
    if (due && seen->stuck == NULL)
        seen->stuck = add_stuck(w, a, verb);
    if (seen->stuck == NULL)
        return;
    seen->stuck->seen = true;
    seen->stuck->ns = now - seen->since_ns;
    seen->stuck->report = due;
    while (seen->due_ns <= now)
        seen->due_ns += seen->due_ns - seen->since_ns;
}

/* False: all are asleep. */
static bool look_around(struct troupe_system *system)
{
    watchdog *w = &system->watchdog;
    bool awake = false;
    for (stuck *item = w->reported; item != NULL; item = item->next)
        item->seen = false;
    pthread_mutex_lock(&system->mutex);
    uint64_t now = clock_now_ns();
    for (troupe_actor *a = system->actors; a != NULL; a = a->next) {
        if (atomic_load(&a->in_hand.awake)) {
            awake = true;
            look_at_locked(w, a, now);
        } else {
            a->watched = (watched){0};
        }
    }
    pthread_mutex_unlock(&system->mutex);
    return awake;
}

static bool somebody_awake(struct troupe_system *system)
{
    bool awake = false;
    pthread_mutex_lock(&system->mutex);
    for (const troupe_actor *a = system->actors; a != NULL && !awake; a = a->next)
        awake = atomic_load(&a->in_hand.awake);
    pthread_mutex_unlock(&system->mutex);
    return awake;
}

/* ---- reporting ---- */

static troupe_error write_report(troupe_buffer *out, const void *what, uint64_t missed)
{
    const stuck *item = what;
    return troupe_pack(out, "{s:U,s:s,s:s,s:U,s:U}", "address", item->address, "name", item->name,
                       "verb", item->verb, "ms", item->ns / CLOCK_NS_PER_MS, "missed", missed);
}

static void report_stuck(watchdog *w, stuck *item)
{
    item->report = false;
    troupe_log(TROUPE_LOG_WARN, "actor", "stuck", item->name, "in %s for %llu ms", item->verb,
               (unsigned long long)(item->ns / CLOCK_NS_PER_MS));
    subscribers_post(&w->subscribers, &w->turn, "stuck", write_report, item);
}

static void report_unstuck(watchdog *w, const stuck *item)
{
    troupe_log(TROUPE_LOG_INFO, "actor", "unstuck", item->name,
               "done with %s after %llu ms or more", item->verb,
               (unsigned long long)(item->ns / CLOCK_NS_PER_MS));
    subscribers_post(&w->subscribers, &w->turn, "unstuck", write_report, item);
}

static void report_all(watchdog *w)
{
    stuck **at = &w->reported;
    while (*at != NULL) {
        stuck *item = *at;
        if (item->report)
            report_stuck(w, item);
        if (item->seen) {
            at = &item->next;
            continue;
        }
        report_unstuck(w, item);
        *at = item->next;
        free(item);
    }
    turn_flush(&w->turn);
}

/* ---- the thread ---- */

static void watch_round(struct troupe_system *system)
{
    watchdog *w = &system->watchdog;
    bool awake = look_around(system);
    report_all(w);
    if (awake)
        return;
    atomic_store(&w->watching, false);
    if (somebody_awake(system))
        atomic_store(&w->watching, true);
}

/* False: finish. */
static bool wait_locked(watchdog *w)
{
    while (!w->finish && !atomic_load(&w->watching))
        pthread_cond_wait(&w->changed, &w->mutex);
    struct timespec until = clock_timespec(clock_now_ns() + w->stuck_ns / LOOKS);
    int error = 0;
    while (!w->finish && error != ETIMEDOUT)
        error = pthread_cond_timedwait(&w->changed, &w->mutex, &until);
    return !w->finish;
}

static void *watchdog_main(void *arg)
{
    struct troupe_system *system = arg;
    watchdog *w = &system->watchdog;
    pthread_setname_np(pthread_self(), "troupe:watchdog");
    pthread_mutex_lock(&w->mutex);
    while (wait_locked(w)) {
        pthread_mutex_unlock(&w->mutex);
        watch_round(system);
        pthread_mutex_lock(&w->mutex);
    }
    pthread_mutex_unlock(&w->mutex);
    return NULL;
}

void watchdog_arm(struct troupe_system *system)
{
    watchdog *w = &system->watchdog;
    pthread_mutex_lock(&w->mutex);
    if (!atomic_load(&w->watching)) {
        atomic_store(&w->watching, true);
        pthread_cond_signal(&w->changed);
    }
    pthread_mutex_unlock(&w->mutex);
}

troupe_error watchdog_start(struct troupe_system *system, uint64_t stuck_ns)
{
    watchdog *w = &system->watchdog;
    if (stuck_ns == 0) {
        atomic_store(&w->watching, true); /* nobody needs to wake it */
        return TROUPE_OK;
    }
    troupe_error error = turn_init(&w->turn, system, &w->tally);
    if (error != TROUPE_OK)
        return error;
    pthread_mutex_init(&w->mutex, NULL);
    condition_init(&w->changed);
    w->stuck_ns = stuck_ns;
    error = thread_start(&w->thread, 0, watchdog_main, system);
    if (error == TROUPE_OK)
        return TROUPE_OK;
    w->stuck_ns = 0;
    turn_fini(&w->turn);
    pthread_cond_destroy(&w->changed);
    pthread_mutex_destroy(&w->mutex);
    return error;
}

void watchdog_stop(struct troupe_system *system)
{
    watchdog *w = &system->watchdog;
    if (w->stuck_ns == 0)
        return;
    pthread_mutex_lock(&w->mutex);
    w->finish = true;
    pthread_cond_signal(&w->changed);
    pthread_mutex_unlock(&w->mutex);
    pthread_join(w->thread, NULL);
    while (w->reported != NULL) {
        stuck *item = w->reported;
        w->reported = item->next;
        free(item);
    }
    turn_fini(&w->turn);
    pthread_cond_destroy(&w->changed);
    pthread_mutex_destroy(&w->mutex);
}

troupe_error troupe_watchdog_subscribe(troupe_actor *self)
{
    return subscribers_join(&self->system->watchdog.subscribers, self->system, self->address);
}

void troupe_watchdog_unsubscribe(troupe_actor *self)
{
    subscribers_leave(&self->system->watchdog.subscribers, self->address);
}
