/* SPDX-License-Identifier: MIT */
/**
 * A system: slots, mailboxes, names and the calls between the actors that live in it.
 */
#ifndef TROUPE_SYSTEM_H
#define TROUPE_SYSTEM_H

#include "troupe/envelope.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct troupe_system troupe_system;

/** stuck_ms: report nobody. */
#define TROUPE_STUCK_NEVER UINT32_MAX

typedef struct troupe_system_options {
    const char *name;    /* part of the inproc addresses; NULL = made up; [A-Za-z0-9_-]{1,31} */
    const char *lane;    /* what carries mailboxes: "nng" (NULL) or "ring" */
    uint32_t actors_max; /* 0 = 4096; at most 65535 */
    size_t stack_bytes;  /* of actor threads; 0 = 256 KiB */
    uint32_t stuck_ms;   /* one callback for longer is reported (observe.h); 0 = 5000 */
} troupe_system_options;

/**
 * Open a system. Block all signals first: threads are started that inherit the mask.
 *
 * @param options  NULL = defaults
 * @param out      stored on TROUPE_OK; close with troupe_system_close
 * @return TROUPE_OK; TROUPE_EINVAL (the name has other characters or another length, or an open
 *         system of this process has it; actors_max too large; stack_bytes below
 *         PTHREAD_STACK_MIN); TROUPE_ELIMIT (no more threads); TROUPE_ENOMEM; TROUPE_EUNAVAILABLE
 *         (no such lane)
 */
TROUPE_API troupe_error troupe_system_open(const troupe_system_options *options,
                                           troupe_system **out) TROUPE_MUST_USE;

/**
 * Close in three steps: spawning is refused; actors are stopped (draining until the deadline, then
 * at once), their unanswered calls complete with TROUPE_ECLOSED, and they are joined; memory is
 * freed.
 *
 * Actors that were spawned with a `monitor` are asked only when that one has ended, so that parents
 * stop their children themselves and in order (troupe_behaviour.closing).
 *
 * An actor that never returns from `receive` is waited for (and reported each second): a thread
 * cannot be taken away. Not from an actor's thread. All guests must be destroyed before.
 *
 * @param timeout_ms  how long draining may take before actors are stopped at once
 */
TROUPE_API void troupe_system_close(troupe_system *system, uint32_t timeout_ms);

/** The address registered under that name; 0 if there is none. Thread: any. Blocks: never. */
TROUPE_API troupe_address troupe_whereis(troupe_system *system, const char *name);

typedef enum troupe_stop_mode {
    /* Refuse new envelopes, handle all that were accepted, then end. Answers to its own calls are
     * not waited for: who needs them says false in `closing`, and exits when they are there. */
    TROUPE_STOP_DRAIN,
    TROUPE_STOP_NOW, /* end after the present envelope; what is left becomes dead letters */
} troupe_stop_mode;

/**
 * Ask an actor to stop; it goes over the control lane, so a full mailbox does not delay it.
 * Returns TROUPE_OK also when it is already stopping; TROUPE_EGONE. Thread: any. Blocks: never.
 *
 * The actor's `closing` is asked first; TROUPE_STOP_NOW for one that is already stopping ends it
 * whatever `closing` said.
 */
TROUPE_API troupe_error troupe_stop(troupe_system *system, troupe_address address,
                                    troupe_stop_mode mode);

/**
 * Wait until that actor has ended and its resources are released (TROUPE_OK at once if it is gone).
 * TROUPE_ETIMEOUT otherwise. Not from an actor's thread.
 */
TROUPE_API troupe_error troupe_join(troupe_system *system, troupe_address address,
                                    uint32_t timeout_ms);

/** The histogram of the time in callbacks: bucket i counts those of up to 4^i microseconds (1 µs to
 * about 4 s), the last those beyond. */
#define TROUPE_HANDLER_BUCKETS 13

typedef struct troupe_actor_info {
    troupe_address address;
    char name[64]; /* first registered name, else kind and slot */
    char kind[32];
    char verb[64];    /* verb in hand; "(start)", "(timer)"… in other callbacks; empty: idle */
    uint64_t verb_ns; /* for how long; 0 when idle */
    uint32_t depth;   /* envelopes in the mailbox */
    uint64_t depth_bytes;
    uint32_t depth_peak;
    uint64_t received;
    uint64_t sent;
    uint64_t bytes_received; /* of envelopes, headers included */
    uint64_t bytes_sent;     /* of answers to guests, their text or payload alone */
    uint64_t dead_letters;   /* of what it posted: accepted, but the receiver ended first */
    uint64_t busy;           /* posts it was refused, as the receiver */
    uint32_t calls_open;     /* calls it received and has not answered */
    uint32_t links;
    uint32_t monitors; /* that others have on it */
    uint32_t restarts; /* lives before this one, as its supervisor said (troupe_spawn_options) */

    /* Callbacks that have returned, and the time they took. While messages are handled within 2 µs
     * each, they are measured in groups of up to 8, and counted with their mean; a group that takes
     * longer counts as one slow message and fast others, and from then on each is measured alone
     * until 8 in a row were fast. The sum is exact always. */
    uint64_t handled;
    uint64_t handled_ns;
    uint64_t handled_longest_ns;
    uint64_t handled_times[TROUPE_HANDLER_BUCKETS];

    uint64_t age_ns;
    long thread_id; /* Linux tid */
} troupe_actor_info;

/** Called for each living actor; info is borrowed. */
typedef void (*troupe_inspect_fn)(void *context, const troupe_actor_info *info);

/** Report every living actor, by slot. A snapshot: counters may move on. Thread: any. */
TROUPE_API void troupe_system_inspect(troupe_system *system, troupe_inspect_fn fn, void *context);

/** Counters since the system was opened. sent = received + dead_letters + shed + in flight. */
typedef struct troupe_system_counters {
    uint64_t actors_spawned;
    uint64_t actors_ended;
    uint64_t sent;         /* envelopes accepted */
    uint64_t received;     /* envelopes handed to `receive` or to a continuation or guest */
    uint64_t dead_letters; /* accepted, but the receiver died first */
    uint64_t dead_left;    /* of these, left in a mailbox when its actor ended */
    uint64_t shed;         /* events dropped for subscribers that were too slow; counted as sent */
    uint64_t late_replies; /* dropped before a mailbox, or never made: their call had ended */
    uint64_t refused;      /* TROUPE_EBUSY */
    uint64_t messages;     /* bundles passed through the lane */
} troupe_system_counters;

TROUPE_API void troupe_system_count(troupe_system *system, troupe_system_counters *out);

/**
 * A guest: a thread that is no actor (a worker of a server, an embedding program's own thread).
 * One guest belongs to one thread at a time. Only guests may block, and only with a deadline.
 */
typedef struct troupe_guest troupe_guest;

/** TROUPE_OK; TROUPE_ENOMEM. Thread: any. */
TROUPE_API troupe_error troupe_guest_create(troupe_system *system,
                                            troupe_guest **out) TROUPE_MUST_USE;

/** Cancels its pending calls. destroy(NULL) is fine. */
TROUPE_API void troupe_guest_destroy(troupe_guest *guest);

/** How a call ended. Freed with troupe_answer_fini. */
typedef struct troupe_answer {
    uint64_t ref;         /* of the call */
    void *context;        /* as given to troupe_guest_call_start */
    troupe_error error;   /* TROUPE_OK: `payload` holds the reply */
    troupe_bytes payload; /* owned by this answer */
    char *message;        /* of a fault or local failure, NUL-terminated; NULL when ok */
    char *data;           /* JSON text of a fault's data, NUL-terminated; NULL if none */
    void *owner;          /* private */
} troupe_answer;

TROUPE_API void troupe_answer_fini(troupe_answer *answer);

/**
 * Post a cast or event. payload: borrowed, one MessagePack value, len 0 = nil.
 * @return TROUPE_OK (accepted, sent at once); the errors of troupe_post
 */
TROUPE_API troupe_error troupe_guest_post(troupe_guest *guest, troupe_address to, troupe_kind kind,
                                          const char *verb, const troupe_meta *meta,
                                          troupe_bytes payload) TROUPE_MUST_USE;

/**
 * Call and wait. Completes exactly once: reply, fault, timeout or gone; `out` is always filled
 * (error in out->error, which is also returned). If the call could not be sent, the error is one of
 * troupe_call: TROUPE_EBUSY with 16,384 calls pending. Blocks: up to timeout_ms (at least 1).
 */
TROUPE_API troupe_error troupe_guest_call(troupe_guest *guest, troupe_address to, const char *verb,
                                          const troupe_meta *meta, troupe_bytes payload,
                                          uint32_t timeout_ms, troupe_answer *out);

/**
 * Start a call without waiting; many may be in flight. It may be held back to travel with others
 * until troupe_guest_flush, troupe_guest_wait or a full bundle (64 KiB). What is held back counts
 * as accepted: its receiver cannot finish draining before it came, so do not keep it.
 *
 * @param context  handed back in the answer
 * @param ref      stored on TROUPE_OK, for troupe_guest_cancel; NULL allowed
 * @return TROUPE_OK: it will complete once through troupe_guest_wait. Any other (as
 *         troupe_guest_call): it never will.
 */
TROUPE_API troupe_error troupe_guest_call_start(troupe_guest *guest, troupe_address to,
                                                const char *verb, const troupe_meta *meta,
                                                troupe_bytes payload, uint32_t timeout_ms,
                                                void *context, uint64_t *ref) TROUPE_MUST_USE;

/** Send what is held back. TROUPE_ENOMEM: some of it still is, and goes with the next flush. */
TROUPE_API troupe_error troupe_guest_flush(troupe_guest *guest);

/**
 * The next call that completed, in order of completion. If none has, flush and wait for one: a
 * guest that starts a call for each one completed thus sends them in bundles.
 * @return TROUPE_OK: out is filled. TROUPE_ETIMEOUT: none completed within timeout_ms (calls go
 * on). TROUPE_ENOTFOUND: no call is in flight.
 */
TROUPE_API troupe_error troupe_guest_wait(troupe_guest *guest, uint32_t timeout_ms,
                                          troupe_answer *out) TROUPE_MUST_USE;

/** Give a call up: it completes with TROUPE_ECANCELLED unless its answer is already there. */
TROUPE_API void troupe_guest_cancel(troupe_guest *guest, uint64_t ref);

#ifdef __cplusplus
}
#endif

#endif
