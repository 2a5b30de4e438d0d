/* SPDX-License-Identifier: MIT */
/*
 * Links: two actors that end together.
 *
 * A link is a pair of signals with one ref: the one listed at an actor's own slot tells the other
 * of its end. Both are listed and taken off as one under the system's `links_mutex`, so that no
 * half of a link is ever left; only an end takes one side alone. While an actor's own half is
 * listed the link holds for it: a signal whose half is no longer there was unlinked and is dropped.
 */
#include "actor.h"
#include "system.h"

#include <stdlib.h>

/* Take the half that tells `watcher` of this actor's end off its slot. ref 0: whichever. NULL:
 * there is none, or the actor has left the slot. */
static control_signal *take_half(slot *s, troupe_address actor, troupe_address watcher,
                                 uint64_t ref)
{
    control_signal *sig = NULL;
    pthread_mutex_lock(&s->box.mutex);
    if (slot_holds(s, actor)) {
        sig = signal_find_locked(s, SIGNAL_LINK, watcher);
        if (sig != NULL && ref != 0 && sig->ref != ref)
            sig = NULL;
        if (sig != NULL)
            signal_unlist_locked(s, sig);
    }
    pthread_mutex_unlock(&s->box.mutex);
    return sig;
}

static bool has_half(slot *s, troupe_address watcher)
{
    pthread_mutex_lock(&s->box.mutex);
    bool found = signal_find_locked(s, SIGNAL_LINK, watcher) != NULL;
    pthread_mutex_unlock(&s->box.mutex);
    return found;
}

troupe_error link_make(troupe_actor *self, troupe_address other)
{
    struct troupe_system *system = self->system;
    control_signal *own = signal_create(SIGNAL_LINK, other, self->address);
    control_signal *theirs = signal_create(SIGNAL_LINK, self->address, other);
    if (own == NULL || theirs == NULL) {
        free(own);
        free(theirs);
        return TROUPE_ENOMEM;
    }
    own->ref = atomic_fetch_add(&system->next_ref, 1) + 1;
    theirs->ref = own->ref;
    slot *s = system_slot(system, other);
    pthread_mutex_lock(&system->links_mutex);
    bool linked = has_half(self->slot, other);
    bool alive = false;
    if (!linked) {
        signal_list(self->slot, own);
        alive = s != NULL && signal_list(s, theirs);
    }
    pthread_mutex_unlock(&system->links_mutex);
    if (linked) {
        free(own);
        free(theirs);
    } else if (!alive) {
        theirs->reason = TROUPE_EGONE;
        signal_deliver(system, theirs);
    }
    return TROUPE_OK;
}

void link_break(troupe_actor *self, troupe_address other)
{
    struct troupe_system *system = self->system;
    slot *s = system_slot(system, other);
    control_signal *theirs = NULL;
    pthread_mutex_lock(&system->links_mutex);
    control_signal *own = take_half(self->slot, self->address, other, 0);
    if (own != NULL && s != NULL)
        theirs = take_half(s, other, self->address, 0);
    pthread_mutex_unlock(&system->links_mutex);
    free(own);
    free(theirs);
}

bool link_settle(troupe_actor *self, const control_signal *sig)
{
    control_signal *own = take_half(self->slot, self->address, sig->subject, sig->ref);
    if (own == NULL)
        return false;
    free(own);
    if (self->traps_links)
        return true;
    if (sig->reason != TROUPE_OK)
        troupe_exit(self, sig->reason);
    return false;
}

troupe_error troupe_link(troupe_actor *self, troupe_address other)
{
    if (other == 0 || other == self->address)
        return TROUPE_EINVAL;
    return link_make(self, other);
}

void troupe_unlink(troupe_actor *self, troupe_address other)
{
    if (other != 0)
        link_break(self, other);
}

void troupe_trap_links(troupe_actor *self, bool trap)
{
    self->traps_links = trap;
}

troupe_error troupe_link_read(const troupe_envelope *envelope, troupe_down *out)
{
    return signal_read_end(envelope, "link", out);
}
