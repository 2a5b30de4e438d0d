/* SPDX-License-Identifier: MIT */
/*
 * The reaper: a system's one thread that joins the dead, and disposes of bundles that arrive where
 * nobody lives, answering the calls among them. It sleeps on a condition until there is something.
 */
#include "actor.h"
#include "system.h"
#include "thread.h"

#include "troupe/deterministic.h"

#include <stdlib.h>

void reaper_bury(struct troupe_system *system, troupe_actor *actor)
{
    pthread_mutex_lock(&system->reaper_mutex);
    actor->next_dead = system->dead;
    system->dead = actor;
    pthread_cond_signal(&system->reaper_work);
    pthread_mutex_unlock(&system->reaper_mutex);
}

void reaper_orphan(void *slot_context)
{
    slot *s = slot_context;
    struct troupe_system *system = s->system;
    pthread_mutex_lock(&system->reaper_mutex);
    if (!s->orphaned) {
        s->orphaned = true;
        s->next_orphaned = system->orphaned;
        system->orphaned = s;
    }
    pthread_cond_signal(&system->reaper_work);
    pthread_mutex_unlock(&system->reaper_mutex);
}

static void join_dead(struct troupe_system *system, troupe_actor *actor)
{
    if (system->deterministic == NULL)
        pthread_join(actor->thread, NULL);
    pthread_mutex_lock(&system->mutex);
    system_delist_locked(system, actor);
    system->retired.actors_ended++;
    system_tell_joiners_locked(system, actor->address);
    pthread_mutex_unlock(&system->mutex);
    free(actor);
}

/* If an actor moved in meanwhile, what is there is its to look through. */
static void dispose_orphans(struct troupe_system *system, slot *s)
{
    pthread_mutex_lock(&s->box.mutex);
    bundle *b = atomic_load(&s->box.consumed) ? NULL : mailbox_take(&s->box);
    pthread_mutex_unlock(&s->box.mutex);
    while (b != NULL) {
        bundle *next = b->next;
        turn_dispose(&system->reaper_turn, s, b, 0, 0);
        b = next;
    }
    turn_finish(&system->reaper_turn); /* nobody would come back for the rest */
}

/* Every bundle that was sent has arrived and was disposed of. Only once all actors are joined. */
static bool all_drained(struct troupe_system *system)
{
    for (uint32_t i = 1; i <= system->actors_max; i++) {
        slot *s = atomic_load(&system->slots[i]);
        if (s != NULL && !mailbox_drained(&s->box))
            return false;
    }
    return true;
}

/* One piece of work; false if there is none. Called and returns with the reaper's mutex held. */
static bool work_locked(struct troupe_system *system)
{
    troupe_actor *actor = system->dead;
    slot *s = system->orphaned;
    if (actor == NULL && s == NULL)
        return false;
    if (actor != NULL) {
        system->dead = actor->next_dead;
    } else {
        system->orphaned = s->next_orphaned;
        s->orphaned = false;
    }
    pthread_mutex_unlock(&system->reaper_mutex);
    if (actor != NULL)
        join_dead(system, actor);
    else
        dispose_orphans(system, s);
    pthread_mutex_lock(&system->reaper_mutex);
    return true;
}

static bool finished_locked(struct troupe_system *system)
{
    if (!system->finish)
        return false;
    pthread_mutex_unlock(&system->reaper_mutex);
    bool drained = all_drained(system);
    pthread_mutex_lock(&system->reaper_mutex);
    return drained;
}

static void *reaper_main(void *arg)
{
    struct troupe_system *system = arg;
    pthread_setname_np(pthread_self(), "troupe:reaper");
    pthread_mutex_lock(&system->reaper_mutex);
    for (;;) {
        if (work_locked(system))
            continue;
        if (finished_locked(system))
            break;
        if (system->dead == NULL && system->orphaned == NULL)
            pthread_cond_wait(&system->reaper_work, &system->reaper_mutex);
    }
    pthread_mutex_unlock(&system->reaper_mutex);
    turn_fini(&system->reaper_turn);
    return NULL;
}

troupe_error reaper_start(struct troupe_system *system)
{
    troupe_error error = turn_init(&system->reaper_turn, system, &system->reaper_tally);
    if (error != TROUPE_OK)
        return error;
    pthread_mutex_init(&system->reaper_mutex, NULL);
    pthread_cond_init(&system->reaper_work, NULL);
    if (system->deterministic != NULL)
        return TROUPE_OK;
    error = thread_start(&system->reaper, 0, reaper_main, system);
    if (error == TROUPE_OK)
        return TROUPE_OK;
    turn_fini(&system->reaper_turn);
    pthread_mutex_destroy(&system->reaper_mutex);
    pthread_cond_destroy(&system->reaper_work);
    return error;
}

bool reaper_has_work(struct troupe_system *system)
{
    return system->dead != NULL || system->orphaned != NULL;
}

void reaper_step(struct troupe_system *system)
{
    pthread_mutex_lock(&system->reaper_mutex);
    (void)work_locked(system);
    pthread_mutex_unlock(&system->reaper_mutex);
}

void reaper_finish(struct troupe_system *system)
{
    if (system->deterministic != NULL) { /* nobody lives: what is left comes to an end by itself */
        while (troupe_deterministic_step(system))
            continue;
        turn_fini(&system->reaper_turn);
        return;
    }
    pthread_mutex_lock(&system->reaper_mutex);
    system->finish = true;
    pthread_cond_signal(&system->reaper_work);
    pthread_mutex_unlock(&system->reaper_mutex);
    pthread_join(system->reaper, NULL);
}
