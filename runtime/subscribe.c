/* SPDX-License-Identifier: MIT */
/* Subscribers of the system's own events. */
#include "subscribe.h"
#include "system.h"

troupe_error subscribers_join(subscribers *all, struct troupe_system *system,
                              troupe_address address)
{
    for (unsigned i = 0; i < TROUPE_SUBSCRIBERS_MAX; i++) {
        if (atomic_load(&all->list[i].address) == address)
            return TROUPE_OK;
    }
    for (unsigned i = 0; i < TROUPE_SUBSCRIBERS_MAX; i++) {
        subscriber *s = &all->list[i];
        uint_fast64_t before = atomic_load(&s->address);
        if (before != 0 && system_lives(system, before))
            continue;
        if (atomic_compare_exchange_strong(&s->address, &before, address)) {
            atomic_store(&s->missed, 0);
            return TROUPE_OK;
        }
    }
    return TROUPE_ELIMIT;
}

void subscribers_leave(subscribers *all, troupe_address address)
{
    for (unsigned i = 0; i < TROUPE_SUBSCRIBERS_MAX; i++) {
        uint_fast64_t expected = address;
        (void)atomic_compare_exchange_strong(&all->list[i].address, &expected, 0);
    }
}

troupe_error report_post(turn *t, troupe_address to, const char *verb, report_fn fn,
                         const void *what, uint64_t missed)
{
    troupe_buffer_clear(&t->report);
    troupe_error error = fn(&t->report, what, missed);
    if (error != TROUPE_OK)
        return error;
    troupe_envelope e = {.kind = TROUPE_EVENT,
                         .to = to,
                         .verb = verb,
                         .verb_len = strlen(verb),
                         .payload = troupe_buffer_bytes(&t->report)};
    troupe_address refused_by = t->refused_by; /* of the owner's own posts, for its next wish */
    uint64_t refused_bytes = t->refused_bytes;
    error = turn_post(t, &e);
    t->refused_by = refused_by;
    t->refused_bytes = refused_bytes;
    return error;
}

void subscribers_post(subscribers *all, turn *t, const char *verb, report_fn fn, const void *what)
{
    for (unsigned i = 0; i < TROUPE_SUBSCRIBERS_MAX; i++) {
        subscriber *s = &all->list[i];
        troupe_address to = atomic_load(&s->address);
        if (to == 0)
            continue;
        uint64_t missed = atomic_exchange(&s->missed, 0);
        troupe_error error = report_post(t, to, verb, fn, what, missed);
        if (error == TROUPE_EGONE)
            subscribers_leave(all, to);
        else if (error != TROUPE_OK)
            atomic_fetch_add(&s->missed, missed + 1);
    }
}

bool report_is(const troupe_envelope *envelope, const char *verb)
{
    return envelope->kind == TROUPE_EVENT && envelope->from == 0 && troupe_verb_is(envelope, verb);
}
