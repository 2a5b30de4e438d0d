/* SPDX-License-Identifier: MIT */
/**
 * Actors: a thread, a mailbox, private state and a behaviour.
 *
 * Every function here that takes a `troupe_actor *self` may be called only by that actor's own
 * thread, inside its callbacks. None of them blocks.
 *
 * What an actor posts while it handles one bundle is gathered by destination and sent when the turn
 * ends, when 64 KiB are gathered, or by troupe_flush. Order from one actor to another is kept.
 */
#ifndef TROUPE_ACTOR_H
#define TROUPE_ACTOR_H

#include "troupe/system.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct troupe_actor troupe_actor;

/**
 * What an actor does. `receive` must not wait: no blocking I/O, no lock held over I/O, no sleep.
 */
typedef struct troupe_behaviour {
    const char *kind; /* "browser"; shown in lists */

    /** First callback, on the actor's thread. An error ends the actor with that reason (`stop` is
     * still called). NULL allowed. */
    troupe_error (*start)(troupe_actor *self, void *state);

    /** One cast, call, event or signal. Replies and faults go to the continuation of their call
     * instead. Signals come with kind TROUPE_SIGNAL: `down` (troupe_monitor), `room`
     * (troupe_await_room), `link` (troupe_trap_links), `started` (troupe_spawn_options). An error
     * ends the actor with that reason. The envelope is borrowed. */
    troupe_error (*receive)(troupe_actor *self, void *state, const troupe_envelope *envelope);

    /** Stop was asked for (once). Return true to end when the mailbox is drained as the mode says;
     * false to go on until troupe_exit: for those who stop their children first. NULL = true. */
    bool (*closing)(troupe_actor *self, void *state);

    /** End of a turn: every envelope, timer and descriptor that was due has been handled; what was
     * posted is sent after this. The place to write out what the turn gathered elsewhere (a
     * socket). NULL allowed. */
    void (*turn)(troupe_actor *self, void *state);

    /** Last callback. Release the state here. reason: TROUPE_OK for a normal end. NULL allowed. */
    void (*stop)(troupe_actor *self, void *state, troupe_error reason);
} troupe_behaviour;

typedef struct troupe_spawn_options {
    const troupe_behaviour *behaviour; /* must outlive the actor */
    void *state;            /* taken on TROUPE_OK: handed to the callbacks, freed by `stop` */
    const char *name;       /* registered before `start`; NULL = none; at most 63 bytes */
    troupe_address monitor; /* an actor that gets a `down` signal when this one ends; 0 = none */
    troupe_address link;    /* an actor linked with this one before `start`; 0 = none */
    bool started; /* have the monitor also get the signal `started` (payload: the address as uint)
                     once `start` has returned TROUPE_OK */
    uint32_t mailbox_envelopes; /* 0 = 4096 */
    size_t mailbox_bytes;       /* 0 = 8 MiB; one larger envelope fits when the box is empty */
    uint32_t restarts; /* how many lives it had before this one; for inspect, set by supervisors */
} troupe_spawn_options;

/**
 * Start an actor. Thread: any (also from another actor). Blocks: never on other actors.
 *
 * @param out  stored on TROUPE_OK; NULL allowed
 * @return TROUPE_OK; TROUPE_ESTATE (name taken); TROUPE_ELIMIT (actors_max, or no more threads or
 *         descriptors); TROUPE_ECLOSED (system closing); TROUPE_ENOMEM; TROUPE_EINVAL (no
 *         behaviour, or one without `kind`; the name is empty or too long; a mailbox of more than
 *         1,048,576 envelopes or 512 GiB). On error the state stays the caller's and `stop` is not
 *         called.
 */
TROUPE_API troupe_error troupe_spawn(troupe_system *system, const troupe_spawn_options *options,
                                     troupe_address *out) TROUPE_MUST_USE;

TROUPE_API troupe_system *troupe_self_system(const troupe_actor *self);
TROUPE_API troupe_address troupe_self_address(const troupe_actor *self);
/** First registered name, else kind and slot ("browser#12"). Valid as long as the actor. */
TROUPE_API const char *troupe_self_name(const troupe_actor *self);
/** True once a stop was asked for; for long work in `start` that should give up early. */
TROUPE_API bool troupe_self_stopping(const troupe_actor *self);
/** Monotonic time of this turn in nanoseconds (read once a turn). */
TROUPE_API uint64_t troupe_now_ns(const troupe_actor *self);

/** Register a further name, 1 to 63 bytes. TROUPE_ESTATE if it is taken, TROUPE_EINVAL,
 * TROUPE_ENOMEM. Names are released at the end. */
TROUPE_API troupe_error troupe_name(troupe_actor *self, const char *name) TROUPE_MUST_USE;
/** Release one of this actor's names now. TROUPE_ENOTFOUND if it is not its. What lists call the
 * actor (troupe_self_name) does not change. */
TROUPE_API troupe_error troupe_unname(troupe_actor *self, const char *name);

/** End with this reason after the present callback. */
TROUPE_API void troupe_exit(troupe_actor *self, troupe_error reason);

/**
 * Post a cast (answer not expected) or an event (one of a stream).
 *
 * @param to       any address
 * @param kind     TROUPE_CAST or TROUPE_EVENT
 * @param verb     1 to 255 bytes
 * @param meta     NULL = none
 * @param payload  borrowed; one MessagePack value; len 0 = nil
 * @return TROUPE_OK: accepted, arrives unless the receiver dies first. TROUPE_EGONE, TROUPE_EBUSY
 *         (see troupe_await_room), TROUPE_ELIMIT (beyond 256 MiB), TROUPE_ENOMEM, TROUPE_EINVAL
 *         (kind or verb outside the contract, payload not one MessagePack value): not delivered,
 *         never will be.
 */
TROUPE_API troupe_error troupe_post(troupe_actor *self, troupe_address to, troupe_kind kind,
                                    const char *verb, const troupe_meta *meta,
                                    troupe_bytes payload) TROUPE_MUST_USE;

/** As troupe_post, with a verb that is not NUL-terminated. */
TROUPE_API troupe_error troupe_post_n(troupe_actor *self, troupe_address to, troupe_kind kind,
                                      const char *verb, size_t verb_len, const troupe_meta *meta,
                                      troupe_bytes payload) TROUPE_MUST_USE;

/** After TROUPE_EBUSY: have the signal `room` (payload: the address as uint) sent to self when that
 * actor's mailbox is at most half full, or when it is gone. One pending wish for each destination:
 * a second one is TROUPE_OK and changes nothing. TROUPE_EINVAL (to is 0); TROUPE_ENOMEM. */
TROUPE_API troupe_error troupe_await_room(troupe_actor *self, troupe_address to) TROUPE_MUST_USE;

/**
 * How a call ended; runs on the caller's thread, exactly once for each call that returned
 * TROUPE_OK.
 *
 * @param error   TROUPE_OK: `answer` is the reply. Else `answer` is the fault (TROUPE_EGONE and
 *                TROUPE_ECLOSED too, when the receiver ended), or NULL when the call ended here:
 *                TROUPE_ETIMEOUT, TROUPE_ECANCELLED, and of a client (client.h) TROUPE_ECLOSED. A
 *                receiver may answer with any code, these too: look at `answer` before reading it.
 * @param answer  borrowed
 * Not called when the caller itself ends first: `stop` releases what its contexts own.
 */
typedef void (*troupe_answer_fn)(troupe_actor *self, void *context, troupe_error error,
                                 const troupe_envelope *answer);

/**
 * Call: `fn` gets the answer. Replies are never refused for lack of room.
 *
 * @param timeout_ms  at least 1; also sent as meta.timeout_ms
 * @param meta        NULL = none; its timeout_ms is ignored
 * @param ref         stored on TROUPE_OK, for troupe_cancel; NULL allowed
 * @return TROUPE_OK: fn will be called. TROUPE_EGONE, TROUPE_EBUSY (also: too many calls pending),
 *         TROUPE_ELIMIT, TROUPE_ENOMEM, TROUPE_EINVAL (as troupe_post; no fn; timeout_ms is 0): it
 *         never will.
 */
TROUPE_API troupe_error troupe_call(troupe_actor *self, troupe_address to, const char *verb,
                                    const troupe_meta *meta, troupe_bytes payload,
                                    uint32_t timeout_ms, troupe_answer_fn fn, void *context,
                                    uint64_t *ref) TROUPE_MUST_USE;

/** Give a pending call up: fn is called with TROUPE_ECANCELLED at this turn's end. An answer that
 * comes later is dropped. Unknown refs are ignored. */
TROUPE_API void troupe_cancel(troupe_actor *self, uint64_t ref);

/** Who waits for an answer: copy it to answer later. Zero-initialised is "nobody". */
typedef struct troupe_caller {
    troupe_address from;
    uint64_t ref;
} troupe_caller;

/** The caller of a call; {0, 0} for anything else (answers to it are ignored). */
static inline troupe_caller troupe_caller_of(const troupe_envelope *envelope)
{
    troupe_caller caller = {0, 0};
    if (envelope->kind == TROUPE_CALL) {
        caller.from = envelope->from;
        caller.ref = envelope->ref;
    }
    return caller;
}

/**
 * Answer a call this actor received, now or in a later turn. Only the first answer counts; an
 * answer to a call that has ended is counted and dropped. Calls left unanswered when this actor
 * ends are answered with a fault TROUPE_ECLOSED. Without memory for the answer the call ends by its
 * deadline, and a log record says so.
 */
TROUPE_API void troupe_reply(troupe_actor *self, troupe_caller caller, troupe_bytes payload);
/** Reply with JSON text (ext type 1). */
TROUPE_API void troupe_reply_json(troupe_actor *self, troupe_caller caller, const char *text,
                                  size_t len);
/** Likewise with text that stands in pieces: they are put together where the answer is sent. */
TROUPE_API void troupe_reply_json_pieces(troupe_actor *self, troupe_caller caller,
                                         const troupe_bytes *pieces, size_t count);
/** Answer with a fault. data: JSON text, or NULL. format: the message, one line; NULL = the code's
 * own text. */
TROUPE_API void troupe_fault(troupe_actor *self, troupe_caller caller, troupe_error code,
                             const char *data, const char *format, ...) TROUPE_PRINTF(5, 6);

/**
 * Whether somebody still waits for the answer to a call this actor received: false once it was
 * answered, and once the caller gave it up, ran into its deadline or ended. One who has much work
 * waiting asks before it does it; the call is to be answered in any case.
 */
TROUPE_API bool troupe_caller_waits(const troupe_actor *self, troupe_caller caller);

/**
 * Hand a call on: the receiver sees the first caller as its caller and answers it directly.
 *
 * @return TROUPE_OK; TROUPE_EGONE, TROUPE_EBUSY, TROUPE_ELIMIT, TROUPE_ENOMEM: still this actor's
 *         to answer; TROUPE_ECANCELLED: it has ended meanwhile, nobody waits for an answer;
 *         TROUPE_EINVAL: not a call, or already answered
 */
TROUPE_API troupe_error troupe_forward(troupe_actor *self, const troupe_envelope *call,
                                       troupe_address to) TROUPE_MUST_USE;

/**
 * Get the signal `down` once when that actor ends, also if it is already gone:
 * payload {s:U address, s:s reason, s:U ref} with the keys "address", "reason" (an error's wire
 * name) and "ref". It comes after the dead actor's names and resources were released. Each monitor
 * is one of its own, with its own `down`.
 *
 * @param ref  stored on TROUPE_OK; NULL allowed
 * @return TROUPE_OK; TROUPE_EINVAL (address is 0); TROUPE_ENOMEM
 */
TROUPE_API troupe_error troupe_monitor(troupe_actor *self, troupe_address address,
                                       uint64_t *ref) TROUPE_MUST_USE;
/** End a monitor: after this its `down` does not come. Unknown refs are ignored. */
TROUPE_API void troupe_demonitor(troupe_actor *self, uint64_t ref);

/** Read a `down` signal. TROUPE_EPARAMS if the envelope is none. */
typedef struct troupe_down {
    troupe_address address;
    uint64_t ref;
    troupe_error reason;
} troupe_down;
TROUPE_API troupe_error troupe_down_read(const troupe_envelope *envelope,
                                         troupe_down *out) TROUPE_MUST_USE;

/**
 * Link with another actor: when either ends with a reason other than TROUPE_OK, the other ends with
 * the same reason, at once: what is in its mailbox becomes dead letters. An actor that traps links
 * goes on and gets a signal instead (troupe_trap_links).
 *
 * A link has no owner: either side may make or break it, twice is once. Linking with an actor that
 * is gone counts as its end, with TROUPE_EGONE. The end of a linked actor comes over the control
 * lane, after the dead actor's names and resources were released.
 *
 * @return TROUPE_OK; TROUPE_EINVAL (0, or self); TROUPE_ENOMEM: not linked
 */
TROUPE_API troupe_error troupe_link(troupe_actor *self, troupe_address other) TROUPE_MUST_USE;

/** Break the link, whoever made it. After this the other's end has no effect here, also if it was
 * on its way. Not linked: nothing happens. */
TROUPE_API void troupe_unlink(troupe_actor *self, troupe_address other);

/**
 * Whether the ends of linked actors are shown as signals from now on, instead of ending this one:
 * verb `link`, payload as of `down` with ref 0, for each end whatever its reason (TROUPE_OK too).
 */
TROUPE_API void troupe_trap_links(troupe_actor *self, bool trap);

/** Read a `link` signal; ref is 0. TROUPE_EPARAMS if the envelope is none. */
TROUPE_API troupe_error troupe_link_read(const troupe_envelope *envelope,
                                         troupe_down *out) TROUPE_MUST_USE;

/** Runs on the actor's thread when the timer is due. */
typedef void (*troupe_timer_fn)(troupe_actor *self, void *context);

/**
 * Start a timer.
 *
 * @param after_ms   until the first time
 * @param period_ms  then each; 0 = once
 * @param id         stored on TROUPE_OK, never 0; NULL allowed
 * @return TROUPE_OK; TROUPE_EINVAL (no fn); TROUPE_ENOMEM
 */
TROUPE_API troupe_error troupe_timer_start(troupe_actor *self, uint32_t after_ms,
                                           uint32_t period_ms, troupe_timer_fn fn, void *context,
                                           uint64_t *id) TROUPE_MUST_USE;
/**
 * Start a timer that runs once, at a moment of troupe_now_ns's clock; at once if it is past. For
 * those who need it finer than milliseconds.
 *
 * @return as troupe_timer_start
 */
TROUPE_API troupe_error troupe_timer_at(troupe_actor *self, uint64_t due_ns, troupe_timer_fn fn,
                                        void *context, uint64_t *id) TROUPE_MUST_USE;
/** After this the timer does not run, also if it was due. Unknown ids (0 too) are ignored. */
TROUPE_API void troupe_timer_cancel(troupe_actor *self, uint64_t id);

/** Runs on the actor's thread when the descriptor is ready. revents as of poll(2). */
typedef void (*troupe_watch_fn)(troupe_actor *self, void *context, int fd, short revents);

/**
 * Have the descriptor polled beside the mailbox. It stays the caller's: unwatch, then close.
 *
 * @param events  as of poll(2); 0 keeps it registered but not polled (errors and hang-ups neither)
 * @return TROUPE_OK; TROUPE_ESTATE (already watched); TROUPE_EINVAL (fd is negative, no fn);
 *         TROUPE_EUNAVAILABLE (deterministic mode); TROUPE_ENOMEM
 */
TROUPE_API troupe_error troupe_watch(troupe_actor *self, int fd, short events, troupe_watch_fn fn,
                                     void *context) TROUPE_MUST_USE;
/** Change the events of a watched descriptor. Unknown descriptors are ignored. */
TROUPE_API void troupe_watch_events(troupe_actor *self, int fd, short events);
/** After this its function is not called, also if it was ready. Unknown descriptors are ignored. */
TROUPE_API void troupe_unwatch(troupe_actor *self, int fd);

/** Send what this turn has gathered so far. */
TROUPE_API void troupe_flush(troupe_actor *self);

/**
 * From now on, what this actor posts to `to` leaves before whatever it posts to others, answers
 * included, after it. So who is told of something finds what was posted about it there.
 *
 * One address at a time, for the actor's life; 0 = none again. Costs nothing while turns are
 * flushed at their end: only the order of sending is another.
 */
TROUPE_API void troupe_flush_first(troupe_actor *self, troupe_address to);

#ifdef __cplusplus
}
#endif

#endif
