/* SPDX-License-Identifier: MIT */
/* An actor's monitors and its wishes for room: what it asked for and has not yet got. */
#include "actor.h"
#include "system.h"

#include <stdlib.h>
#include <string.h>

/* Ask the subject for the signal; one that is gone answers at once. */
static void ask(troupe_actor *self, control_signal *sig, troupe_error reason_if_gone)
{
    slot *s = system_slot(self->system, sig->subject);
    if (s != NULL && signal_list(s, sig))
        return;
    sig->reason = reason_if_gone;
    signal_deliver(self->system, sig);
}

/* Take it back, or have it dropped when it comes. */
static void withdraw(troupe_actor *self, control_signal *sig)
{
    slot *s = system_slot(self->system, sig->subject);
    if (s != NULL && signal_unlist(s, sig))
        free(sig);
    else
        sig->withdrawn = true;
}

troupe_error troupe_monitor(troupe_actor *self, troupe_address address, uint64_t *ref)
{
    if (address == 0)
        return TROUPE_EINVAL;
    control_signal *sig = signal_create(SIGNAL_DOWN, self->address, address);
    if (sig == NULL)
        return TROUPE_ENOMEM;
    sig->ref = atomic_fetch_add(&self->system->next_ref, 1) + 1;
    if (!map_put(&self->monitors, sig->ref, sig)) {
        free(sig);
        return TROUPE_ENOMEM;
    }
    if (ref != NULL)
        *ref = sig->ref;
    ask(self, sig, TROUPE_EGONE);
    return TROUPE_OK;
}

void troupe_demonitor(troupe_actor *self, uint64_t ref)
{
    void *sig;
    if (map_remove(&self->monitors, ref, &sig))
        withdraw(self, sig);
}

static void ask_for_room(troupe_actor *self, control_signal *sig)
{
    slot *s = system_slot(self->system, sig->subject);
    ask(self, sig, TROUPE_EGONE);
    if (s != NULL)
        room_announce(self->system, s); /* room may have come before the wish was seen */
}

/* What stands in the way may be the actor's own limit of calls: then the wish waits for that first.
 */
troupe_error troupe_await_room(troupe_actor *self, troupe_address to)
{
    if (to == 0)
        return TROUPE_EINVAL;
    if (map_find(&self->wishes, to) != NULL)
        return TROUPE_OK; /* one wish a destination */
    control_signal *sig = signal_create(SIGNAL_ROOM, self->address, to);
    if (sig == NULL || !map_put(&self->wishes, to, sig)) {
        free(sig);
        return TROUPE_ENOMEM;
    }
    sig->need = self->turn.refused_by == to ? self->turn.refused_bytes : 0;
    if (self->calls.count >= atomic_load(&self->slot->box.envelopes_max)) {
        sig->next = self->held_wishes;
        self->held_wishes = sig;
    } else {
        ask_for_room(self, sig);
    }
    return TROUPE_OK;
}

void monitor_release_wishes(troupe_actor *self)
{
    if (self->calls.count > atomic_load(&self->slot->box.envelopes_max) / 2)
        return;
    while (self->held_wishes != NULL) {
        control_signal *sig = self->held_wishes;
        self->held_wishes = sig->next;
        ask_for_room(self, sig);
    }
}

bool monitor_settle(troupe_actor *self, control_signal *sig)
{
    if (sig->withdrawn)
        return false;
    if (sig->kind == SIGNAL_LINK)
        return link_settle(self, sig);
    if (sig->kind == SIGNAL_ROOM)
        map_remove(&self->wishes, sig->subject, NULL);
    else if (sig->ref != 0)
        map_remove(&self->monitors, sig->ref, NULL);
    return true;
}

void monitor_clear(troupe_actor *self)
{
    map_entry entry;
    while (self->held_wishes != NULL) {
        control_signal *sig = self->held_wishes;
        self->held_wishes = sig->next;
        map_remove(&self->wishes, sig->subject, NULL);
        free(sig);
    }
    while (map_pop(&self->monitors, &entry))
        withdraw(self, entry.value);
    while (map_pop(&self->wishes, &entry))
        withdraw(self, entry.value);
    map_fini(&self->monitors);
    map_fini(&self->wishes);
}

troupe_error signal_read_end(const troupe_envelope *envelope, const char *verb, troupe_down *out)
{
    const char *reason;
    size_t len;
    char name[64];
    troupe_down down;
    if (envelope->kind != TROUPE_SIGNAL || !troupe_verb_is(envelope, verb) ||
        troupe_unpack(envelope->payload, "{s:U,s:s#,s:U}", "address", &down.address, "reason",
                      &reason, &len, "ref", &down.ref) != TROUPE_OK ||
        len >= sizeof name)
        return TROUPE_EPARAMS;
    memcpy(name, reason, len);
    name[len] = '\0';
    down.reason = troupe_error_by_name(name);
    *out = down;
    return TROUPE_OK;
}

troupe_error troupe_down_read(const troupe_envelope *envelope, troupe_down *out)
{
    return signal_read_end(envelope, "down", out);
}
