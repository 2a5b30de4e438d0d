/* SPDX-License-Identifier: MIT */
/*
 * How an actor comes to be and ceases to be: spawning, entering its slot, and leaving it.
 *
 * Whoever spawns it does all that can fail before its thread starts, and undoes it if that fails.
 * Its end is its own thread's, but for the joining (reaper.c).
 */
#include "actor.h"
#include "hand.h"
#include "system.h"
#include "thread.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SIGNAL_BYTES 256 /* more than the payload of any signal */

/* ---- the end ---- */

static void close_open_calls(troupe_actor *self)
{
    map_entry entry;
    while (map_pop(&self->open_calls, &entry)) {
        troupe_caller caller = {(troupe_address)(uintptr_t)entry.value, entry.key};
        answer_text fault = {.code = TROUPE_ECLOSED};
        (void)turn_answer(&self->turn, caller, &fault);
    }
    map_fini(&self->open_calls);
}

/* Answers on their way to this actor will be dead letters; nobody else touches these records. */
static void forget_calls(troupe_actor *self)
{
    while (self->calls.first != NULL) {
        call *c = self->calls.first;
        (void)call_end(c, TROUPE_ECLOSED);
        timers_remove(&self->timers, &c->timer);
        call_close(&self->system->calls, &self->cache, &self->calls, c);
    }
    call_cache_fini(&self->system->calls, &self->cache);
}

static void free_signals(control_signal *sig)
{
    while (sig != NULL) {
        control_signal *next = sig->next;
        free(sig);
        sig = next;
    }
}

/* From here on the address is nobody's. Returns those who wait for that. */
static control_signal *leave_slot(troupe_actor *self)
{
    slot *s = self->slot;
    pthread_mutex_lock(&s->box.mutex);
    atomic_store(&s->address, 0);
    atomic_store(&s->open, 0);
    atomic_store(&s->tap, 0);
    atomic_store(&s->box.consumed, false);
    atomic_store(&s->box.sleeping, false);
    bundle *rest = mailbox_take(&s->box);
    control_signal *watchers = watchers_take_locked(s);
    pthread_mutex_unlock(&s->box.mutex);
    free_signals(signal_take(s));
    mailbox_drop_spare(&s->box);

    while (self->inbox != NULL) {
        bundle *b = self->inbox;
        self->inbox = b->next;
        turn_dispose(&self->turn, s, b, self->offset, self->address);
        self->offset = 0;
    }
    while (rest != NULL) {
        bundle *b = rest;
        rest = b->next;
        turn_dispose(&self->turn, s, b, 0, self->address);
    }
    return watchers;
}

/* The order matters: a monitor that gets `down` finds names, calls and the slot released. */
void actor_end(troupe_actor *self)
{
    if (self->behaviour->stop != NULL) {
        hand_take_callback(self, "(stop)");
        self->behaviour->stop(self, self->state, self->reason);
        hand_idle(self);
    }
    forget_calls(self);
    alarm_clear(self);
    watch_fini(self);
    monitor_clear(self);
    names_release(&self->system->names, &self->names);
    close_open_calls(self);
    control_signal *watchers = leave_slot(self);
    turn_fini(&self->turn);
    troupe_buffer_fini(&self->payload);
    free(self->start_signal);
    system_slot_give(self->system, self->slot);
    watchers_deliver(self->system, watchers, self->reason);
}

/* ---- the beginning ---- */

static void enlist(troupe_actor *self)
{
    troupe_system *system = self->system;
    pthread_mutex_lock(&system->mutex);
    self->prev = NULL;
    self->next = system->actors;
    if (system->actors != NULL)
        system->actors->prev = self;
    system->actors = self;
    system->retired.actors_spawned++;
    pthread_mutex_unlock(&system->mutex);
}

/* Never started: as if it had not been. */
static void delist(troupe_actor *self)
{
    troupe_system *system = self->system;
    pthread_mutex_lock(&system->mutex);
    system_delist_locked(system, self);
    system->retired.actors_spawned--;
    pthread_mutex_unlock(&system->mutex);
}

static void enter_slot(troupe_actor *self, const troupe_spawn_options *options)
{
    slot *s = self->slot;
    uint32_t envelopes = options->mailbox_envelopes;
    pthread_mutex_lock(&s->box.mutex);
    atomic_store(&s->box.envelopes_max, envelopes == 0 ? 4096 : envelopes);
    atomic_store(&s->box.bytes_max,
                 options->mailbox_bytes == 0 ? 8U << 20 : options->mailbox_bytes);
    atomic_store(&s->box.consumed, true);
    atomic_store(&s->box.sleeping, false);
    atomic_store(&s->box.attention, false);
    atomic_store(&s->box.refused, 0);
    atomic_store(&s->dead_letters, 0);
    atomic_store(&s->stop, STOP_NONE);
    atomic_store(&s->address, self->address);
    atomic_store(&s->open, self->address);
    pthread_mutex_unlock(&s->box.mutex);
}

static troupe_error start_thread(troupe_actor *self)
{
    if (self->system->deterministic != NULL)
        return TROUPE_OK; /* its turn will come */
    pthread_t thread;     /* the actor keeps its own: it may be gone before this returns */
    return thread_start(&thread, self->system->stack_bytes, actor_main, self);
}

/* Register the name, the parent's monitor, and let it run. */
static troupe_error begin(troupe_actor *self, const troupe_spawn_options *options)
{
    if (options->name != NULL) {
        troupe_error error =
            names_add(&self->system->names, options->name, self->address, &self->names);
        if (error != TROUPE_OK)
            return error;
    }
    if (options->monitor != 0) {
        control_signal *sig = signal_create(SIGNAL_DOWN, options->monitor, self->address);
        if (sig == NULL)
            return TROUPE_ENOMEM;
        signal_list(self->slot, sig);
    }
    if (options->started) {
        self->start_signal = signal_create(SIGNAL_STARTED, options->monitor, self->address);
        if (self->start_signal == NULL)
            return TROUPE_ENOMEM;
    }
    if (options->link != 0) {
        troupe_error error = link_make(self, options->link);
        if (error != TROUPE_OK)
            return error;
    }
    return start_thread(self);
}

/* Who spawned it has the error and needs no signal; whoever found it by its name does. */
static void tell_finders(troupe_actor *self, control_signal *watchers)
{
    while (watchers != NULL) {
        control_signal *sig = watchers;
        watchers = sig->next;
        sig->next = NULL;
        if (sig->kind == SIGNAL_DOWN && sig->ref == 0)
            free(sig);
        else
            watchers_deliver(self->system, sig, TROUPE_EGONE);
    }
}

/* Spawning failed after the slot was entered. */
static void undo(troupe_actor *self, troupe_address link)
{
    names_release(&self->system->names, &self->names);
    if (link != 0)
        link_break(self, link);
    watch_fini(self);
    control_signal *watchers = leave_slot(self);
    turn_fini(&self->turn);
    troupe_buffer_fini(&self->payload);
    delist(self);
    system_slot_give(self->system, self->slot);
    tell_finders(self, watchers);
    free(self->start_signal);
    free(self);
}

static troupe_actor *create(troupe_system *system, slot *s, const troupe_spawn_options *options)
{
    troupe_actor *self = calloc(1, sizeof *self);
    if (self == NULL)
        return NULL;
    self->system = system;
    self->slot = s;
    self->address = s->generation << SLOT_INDEX_BITS | s->index;
    self->behaviour = options->behaviour;
    self->state = options->state;
    self->parent = options->monitor;
    self->restarts = options->restarts;
    self->spawned_ns = system_now_ns(self->system);
    self->named = options->name != NULL;
    if (self->named)
        snprintf(self->name, sizeof self->name, "%s", options->name);
    else
        snprintf(self->name, sizeof self->name, "%.40s#%u", options->behaviour->kind, s->index);
    self->turn.owner = s;
    if (turn_init(&self->turn, system, &self->tally) == TROUPE_OK) {
        if (watch_init(self) == TROUPE_OK &&
            troupe_buffer_reserve(&self->payload, SIGNAL_BYTES) == TROUPE_OK)
            return self;
        turn_fini(&self->turn);
    }
    watch_fini(self);
    free(self);
    return NULL;
}

static bool options_valid(const troupe_spawn_options *options)
{
    return options != NULL && options->behaviour != NULL && options->behaviour->kind != NULL &&
           options->mailbox_envelopes <= MAILBOX_COUNT_MAX &&
           options->mailbox_bytes <= MAILBOX_BYTES_MAX &&
           (options->name == NULL ||
            (options->name[0] != '\0' && strnlen(options->name, NAME_MAX_LEN + 1) <= NAME_MAX_LEN));
}

troupe_error troupe_spawn(troupe_system *system, const troupe_spawn_options *options,
                          troupe_address *out)
{
    if (!options_valid(options))
        return TROUPE_EINVAL;
    slot *s;
    troupe_error error = system_slot_take(system, &s);
    if (error != TROUPE_OK)
        return error;
    troupe_actor *self = create(system, s, options);
    if (self == NULL) {
        system_slot_give(system, s);
        return TROUPE_ENOMEM;
    }
    troupe_address address = self->address; /* the actor may be gone before we return */
    enlist(self);
    enter_slot(self, options);
    error = begin(self, options);
    if (error != TROUPE_OK) {
        undo(self, options->link);
        return error;
    }
    if (out != NULL)
        *out = address;
    return TROUPE_OK;
}
