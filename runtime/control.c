/* SPDX-License-Identifier: MIT */
/* Signals: monitors' `down`, links, and the wishes for room. */
#include "control.h"
#include "system.h"

#include <stdlib.h>

control_signal *signal_create(signal_kind kind, troupe_address watcher, troupe_address subject)
{
    control_signal *sig = calloc(1, sizeof *sig);
    if (sig == NULL)
        return NULL;
    sig->kind = kind;
    sig->watcher = watcher;
    sig->subject = subject;
    return sig;
}

bool signal_list(slot *s, control_signal *sig)
{
    pthread_mutex_lock(&s->box.mutex);
    bool alive = slot_holds(s, sig->subject);
    if (alive) {
        sig->listed = true;
        sig->listed_prev = NULL;
        sig->listed_next = s->watchers;
        if (s->watchers != NULL)
            s->watchers->listed_prev = sig;
        s->watchers = sig;
        if (sig->kind == SIGNAL_ROOM)
            atomic_fetch_add(&s->wishes, 1);
    }
    pthread_mutex_unlock(&s->box.mutex);
    return alive;
}

void signal_unlist_locked(slot *s, control_signal *sig)
{
    if (sig->listed_prev != NULL)
        sig->listed_prev->listed_next = sig->listed_next;
    else
        s->watchers = sig->listed_next;
    if (sig->listed_next != NULL)
        sig->listed_next->listed_prev = sig->listed_prev;
    sig->listed = false;
    if (sig->kind == SIGNAL_ROOM)
        atomic_fetch_sub(&s->wishes, 1);
}

control_signal *signal_find_locked(const slot *s, signal_kind kind, troupe_address watcher)
{
    control_signal *sig = s->watchers;
    while (sig != NULL && (sig->kind != kind || sig->watcher != watcher))
        sig = sig->listed_next;
    return sig;
}

bool signal_unlist(slot *s, control_signal *sig)
{
    pthread_mutex_lock(&s->box.mutex);
    bool listed = sig->listed;
    if (listed)
        signal_unlist_locked(s, sig);
    pthread_mutex_unlock(&s->box.mutex);
    return listed;
}

void signal_deliver(struct troupe_system *system, control_signal *sig)
{
    slot *s = system_slot(system, sig->watcher);
    bool wake = false;
    bool alive = false;
    sig->next = NULL;
    if (s != NULL) {
        pthread_mutex_lock(&s->box.mutex);
        alive = slot_holds(s, sig->watcher);
        if (alive) {
            if (s->box.signals == NULL)
                s->box.signals = sig;
            else
                s->box.signals_tail->next = sig;
            s->box.signals_tail = sig;
            wake = mailbox_rouse_locked(&s->box);
        }
        pthread_mutex_unlock(&s->box.mutex);
    }
    if (!alive)
        free(sig);
    if (wake)
        mailbox_wake(&s->box);
}

control_signal *signal_take(slot *s)
{
    pthread_mutex_lock(&s->box.mutex);
    control_signal *list = s->box.signals;
    s->box.signals = NULL;
    s->box.signals_tail = NULL;
    atomic_store(&s->box.attention, false);
    pthread_mutex_unlock(&s->box.mutex);
    return list;
}

bool room_is_there(const slot *s, const control_signal *wish)
{
    uint64_t bytes = mailbox_depth_bytes(&s->box);
    uint32_t depth = mailbox_depth(&s->box);
    uint64_t bytes_max = atomic_load(&s->box.bytes_max);
    if (depth == 0)
        return true;
    return depth <= atomic_load(&s->box.envelopes_max) / 2 && bytes <= bytes_max / 2 &&
           bytes + wish->need <= bytes_max;
}

/*
 * No wake-up is lost: the watcher counts its wish and then looks at the depth, whoever gives credit
 * back lowers the depth and then looks at the count; both in the one order of sequentially
 * consistent atomics.
 */
void room_announce(struct troupe_system *system, slot *s)
{
    if (atomic_load(&s->wishes) == 0)
        return;
    control_signal *fired = NULL;
    pthread_mutex_lock(&s->box.mutex);
    for (control_signal *sig = s->watchers; sig != NULL;) {
        control_signal *next = sig->listed_next;
        if (sig->kind == SIGNAL_ROOM && room_is_there(s, sig)) {
            signal_unlist_locked(s, sig);
            sig->next = fired;
            fired = sig;
        }
        sig = next;
    }
    pthread_mutex_unlock(&s->box.mutex);
    watchers_deliver(system, fired, TROUPE_OK);
}

control_signal *watchers_take_locked(slot *s)
{
    control_signal *list = NULL;
    while (s->watchers != NULL) {
        control_signal *sig = s->watchers;
        signal_unlist_locked(s, sig);
        sig->next = list;
        list = sig;
    }
    return list;
}

void watchers_deliver(struct troupe_system *system, control_signal *list, troupe_error reason)
{
    while (list != NULL) {
        control_signal *next = list->next;
        list->reason = reason;
        signal_deliver(system, list);
        list = next;
    }
}

troupe_error slot_stop(slot *s, troupe_address address, stop_level level)
{
    pthread_mutex_lock(&s->box.mutex);
    bool alive = slot_holds(s, address);
    bool wake = false;
    if (alive) {
        stop_level asked = (stop_level)atomic_load(&s->stop);
        if (level == STOP_LEVEL_NOW && asked != STOP_NONE)
            level = STOP_LEVEL_FORCE; /* asked a second time */
        if (level > asked) {
            atomic_store(&s->stop, (int)level);
            wake = mailbox_rouse_locked(&s->box);
        }
    }
    pthread_mutex_unlock(&s->box.mutex);
    if (wake)
        mailbox_wake(&s->box);
    return alive ? TROUPE_OK : TROUPE_EGONE;
}
