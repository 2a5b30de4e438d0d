/* SPDX-License-Identifier: MIT */
/* What becomes known of a dead letter: its sender's count, a log record now and then, an event. */
#include "envelope.h"
#include "subscribe.h"
#include "system.h"

#define LOGGED_IN_FULL 10 /* then each time their count doubles */

typedef struct dead_letter {
    uint64_t n;
    const troupe_envelope *envelope;
    bool left;
} dead_letter;

static troupe_error report(troupe_buffer *out, const void *what, uint64_t missed)
{
    static const char *const kinds[] = {
        [TROUPE_CAST] = "cast",   [TROUPE_CALL] = "call",   [TROUPE_REPLY] = "reply",
        [TROUPE_FAULT] = "fault", [TROUPE_EVENT] = "event", [TROUPE_SIGNAL] = "signal"};
    const dead_letter *letter = what;
    const troupe_envelope *e = letter->envelope;
    return troupe_pack(out, "{s:U,s:s,s:s#,s:U,s:U,s:s,s:U,s:U}", "n", letter->n, "kind",
                       kinds[e->kind], "verb", e->verb, e->verb_len, "to", e->to, "from", e->from,
                       "reason", letter->left ? "left" : "gone", "bytes",
                       (uint64_t)envelope_size(e), "missed", missed);
}

static void log_letter(const dead_letter *letter)
{
    uint64_t n = letter->n;
    const troupe_envelope *e = letter->envelope;
    if ((n > LOGGED_IN_FULL && (n & (n - 1)) != 0) || !troupe_log_enabled(TROUPE_LOG_DEBUG))
        return;
    troupe_log(TROUPE_LOG_DEBUG, "mailbox", "dead-letter", NULL,
               "number %llu: %.*s from %llu to %llu", (unsigned long long)n, (int)e->verb_len,
               e->verb, (unsigned long long)e->from, (unsigned long long)e->to);
}

void dead_letter_note(turn *t, const troupe_envelope *envelope, bool left)
{
    struct troupe_system *system = t->system;
    dead_letter letter = {atomic_fetch_add(&system->dead_letters, 1) + 1, envelope, left};
    slot *sender = system_slot(system, envelope->from);
    if (sender != NULL && slot_holds(sender, envelope->from))
        atomic_fetch_add_explicit(&sender->dead_letters, 1, memory_order_relaxed);
    log_letter(&letter);
    if (subscribers_any(&system->dead_letter_subscribers) && !report_is(envelope, "dead_letter"))
        subscribers_post(&system->dead_letter_subscribers, t, "dead_letter", report, &letter);
}

troupe_error troupe_dead_letters_subscribe(troupe_actor *self)
{
    struct troupe_system *system = troupe_self_system(self);
    return subscribers_join(&system->dead_letter_subscribers, system, troupe_self_address(self));
}

void troupe_dead_letters_unsubscribe(troupe_actor *self)
{
    subscribers_leave(&troupe_self_system(self)->dead_letter_subscribers,
                      troupe_self_address(self));
}
