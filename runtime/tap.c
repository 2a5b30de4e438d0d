/* SPDX-License-Identifier: MIT */
/*
 * Taps: copies of what one actor receives and sends, for one observer.
 *
 * The slot holds the observer's address: set under the mailbox's mutex, and cleared under it or, by
 * compare and swap, by the actor that lives there when it finds that observer gone. That actor
 * looks at it for each envelope, and posts the copies itself, in its own turn.
 */
#include "envelope.h"
#include "subscribe.h"
#include "system.h"

#define COPY_MAX 4096U /* bytes of an envelope that are shown */

typedef struct copy {
    const char *direction;
    uint64_t time_ns;
    uint64_t size;
    troupe_bytes bytes;
} copy;

static troupe_error report(troupe_buffer *out, const void *what, uint64_t missed)
{
    const copy *c = what;
    return troupe_pack(out, "{s:s,s:U,s:U,s:x#,s:U}", "direction", c->direction, "time_ns",
                       c->time_ns, "size", c->size, "envelope", c->bytes.data, c->bytes.len,
                       "missed", missed);
}

/* The envelope's first bytes. Its payload comes last: what is not shown of it is not copied. */
static troupe_error encode(troupe_buffer *out, const troupe_envelope *envelope)
{
    troupe_envelope e = *envelope;
    if (e.payload.len > COPY_MAX)
        e.payload.len = COPY_MAX;
    troupe_buffer_clear(out);
    troupe_error error = troupe_envelope_write(out, &e);
    if (out->len > COPY_MAX)
        out->len = COPY_MAX;
    return error;
}

void tap_copy(turn *t, const troupe_envelope *envelope, const char *direction)
{
    slot *s = t->owner;
    uint_fast64_t observer = atomic_load(&s->tap);
    if (observer == 0 || report_is(envelope, "tap"))
        return;
    if (t->tap_observer != observer) {
        t->tap_observer = observer;
        t->tap_missed = 0;
    }
    copy c = {.direction = direction,
              .time_ns = system_now_ns(t->system),
              .size = envelope_size(envelope)};
    troupe_error error = encode(&t->copy, envelope);
    if (error == TROUPE_OK) {
        c.bytes = troupe_buffer_bytes(&t->copy);
        error = report_post(t, observer, "tap", report, &c, t->tap_missed);
    }
    if (error == TROUPE_EGONE)
        (void)atomic_compare_exchange_strong(&s->tap, &observer, 0);
    t->tap_missed = error == TROUPE_OK ? 0 : t->tap_missed + 1;
}

static troupe_error set(slot *s, troupe_address address, troupe_address observer, bool on)
{
    troupe_error error = TROUPE_OK;
    pthread_mutex_lock(&s->box.mutex);
    troupe_address present = atomic_load(&s->tap);
    if (!slot_holds(s, address))
        error = TROUPE_EGONE;
    else if (!on && present == observer)
        atomic_store(&s->tap, 0);
    else if (on && present != 0 && present != observer && system_lives(s->system, present))
        error = TROUPE_ESTATE;
    else if (on)
        atomic_store(&s->tap, observer);
    pthread_mutex_unlock(&s->box.mutex);
    return error;
}

troupe_error troupe_tap(troupe_actor *self, troupe_address address, bool on)
{
    slot *s = system_slot(troupe_self_system(self), address);
    return s != NULL ? set(s, address, troupe_self_address(self), on) : TROUPE_EGONE;
}
