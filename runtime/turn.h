/* SPDX-License-Identifier: MIT */
/*
 * A turn: what one thread (actor, guest, reaper) posts, gathered by destination until it is
 * flushed.
 *
 * The outbox keeps, for each destination slot, a scratch buffer of envelopes; a flush copies it
 * into an exact-size bundle. Envelopes that do not fit into a bundle travel alone, after what was
 * gathered before them. Answers to guests skip the lane: they are put on the guest's list.
 */
#ifndef RUNTIME_TURN_H
#define RUNTIME_TURN_H

#include "control.h"
#include "tally.h"

#include "troupe/actor.h"

#define TURN_BUNDLE_MAX   (64U * 1024U)
#define TURN_ENVELOPE_MAX (256U * 1024U * 1024U) /* one envelope; beyond: TROUPE_ELIMIT */
#define TURN_DESTINATIONS 256U                   /* gathered for at once */
#define TURN_ANSWERS      128U                   /* to guests, then they are delivered */

/* The answer to a guest's call, on its way. bytes: payload; or message NUL data NUL. */
typedef struct guest_answer {
    struct guest_answer *next;
    uint64_t ref;
    struct call *call; /* set when it is delivered */
    troupe_error error;
    size_t len;      /* of the payload, or of the message */
    size_t data_len; /* a fault's data */
    bool has_data;
    size_t capacity; /* of the large memory it is in; 0 = it is in the heap */
    uint8_t bytes[];
} guest_answer;

void guest_answer_free(guest_answer *answer);

/*
 * What is gathered for one destination. A stream takes credit in advance, a little more each time:
 * the atomic word that all its senders and its receiver share is then touched seldom. What is left
 * of it goes back with the flush.
 */
typedef struct outlet {
    slot *to;
    troupe_buffer scratch;
    uint32_t gathered; /* envelopes since the last flush */
    uint32_t advance;  /* credit taken and not used: envelopes */
    uint64_t advance_bytes;
} outlet;

/* One thread's; the thread that owns it. */
typedef struct turn {
    struct troupe_system *system;
    struct tally *tally;
    slot *owner; /* of the actor whose turn it is; NULL: a guest's or the system's */
    lane_sender *sender;
    outlet *outlets; /* `capacity`; the first `count` are in use */
    unsigned count;
    unsigned capacity;
    uint8_t hints[TURN_DESTINATIONS]; /* by slot: where its outlet may be */
    unsigned next_victim;             /* flushed when there is no further outlet */
    slot *first;                      /* flushed before all else; NULL: none is */
    bool large;                       /* some scratch buffer is */
    guest_answer *answers;            /* in the order given */
    guest_answer *answers_tail;
    unsigned answer_count;
    troupe_buffer fault;  /* a fault's payload while it is built */
    troupe_buffer report; /* an observer's event while it is built */
    troupe_buffer copy;   /* a tapped envelope */
    troupe_address tap_observer;
    uint64_t tap_missed;       /* copies it had no room for since the last it got */
    troupe_address refused_by; /* who said TROUPE_EBUSY last, and to how much */
    uint64_t refused_bytes;
} turn;

troupe_error turn_init(turn *t, struct troupe_system *system, struct tally *tally);
/* Ends with turn_finish. */
void turn_fini(turn *t);

/* Accept a cast, event or call: takes credit. The errors of troupe_post. */
troupe_error turn_post(turn *t, const troupe_envelope *envelope);

/* What an answer says: a reply (payload) or a fault (code, message, data). */
typedef struct answer_text {
    troupe_error code; /* TROUPE_OK: a reply */
    troupe_bytes payload;
    const troupe_bytes
        *pieces; /* `piece_count`: the rest of the payload; only payload is checked */
    size_t piece_count;
    const char *message; /* NULL: the code's own */
    const char *data;    /* JSON text, NULL: none */
} answer_text;

/* Answer a call, whoever made it, if it has not ended. TROUPE_ENOMEM: not answered. */
troupe_error turn_answer(turn *t, troupe_caller caller, const answer_text *text);

/* An accepted envelope whose receiver is gone: count it; a call is answered with TROUPE_EGONE.
 * left: it was in the mailbox when the receiver ended. */
void turn_dead_letter(turn *t, const troupe_envelope *envelope, bool left);

/* All of a bundle from `offset` on is dead letters of that slot: gives credit back, frees it.
 * leaving: the actor whose mailbox it was in; 0 = nobody's. */
void turn_dispose(turn *t, slot *s, bundle *b, size_t offset, troupe_address leaving);

/* Show what the owner received ("in") or sent ("out") to whoever taps it (tap.c). */
void tap_copy(turn *t, const troupe_envelope *envelope, const char *direction);

static inline bool tap_on(const turn *t)
{
    return t->owner != NULL && atomic_load_explicit(&t->owner->tap, memory_order_relaxed) != 0;
}

static inline void tap_note(turn *t, const troupe_envelope *envelope, const char *direction)
{
    if (tap_on(t))
        tap_copy(t, envelope, direction);
}

/* Make a dead letter known (dead_letter.c). */
void dead_letter_note(turn *t, const troupe_envelope *envelope, bool left);

/* Send all. False: out of memory, something is left and keeps its order. */
bool turn_flush(turn *t);
/* Send all, for those who have nothing better to do without memory than to wait for it. */
void turn_finish(turn *t);

/* Free large scratch buffers (if `large`); for a long sleep. */
void turn_trim(turn *t);

#endif
