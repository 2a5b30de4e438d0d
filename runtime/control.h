/* SPDX-License-Identifier: MIT */
/*
 * The control lane: signals that were allocated when they were asked for, so that delivering one
 * can never fail nor be delayed by a full mailbox.
 *
 * A signal is listed at its subject (guarded by the subject's mailbox mutex) until it fires or is
 * withdrawn; fired, it belongs to the watcher's control lane, and then to the watcher's thread,
 * which frees it. If the watcher is gone, whoever delivers frees it. No two mailbox mutexes are
 * held at once.
 */
#ifndef RUNTIME_CONTROL_H
#define RUNTIME_CONTROL_H

#include "slot.h"

#include "troupe/actor.h"

struct troupe_system;

typedef enum signal_kind {
    SIGNAL_DOWN,
    SIGNAL_ROOM,
    SIGNAL_LINK,
    SIGNAL_STARTED, /* listed nowhere: the actor delivers its own */
} signal_kind;

typedef struct control_signal {
    struct control_signal *next;        /* in the control lane, or in the list of those that fire */
    struct control_signal *listed_prev; /* at the subject; subject's mutex */
    struct control_signal *listed_next;
    bool listed;    /* subject's mutex */
    bool withdrawn; /* watcher's thread: drop it when it comes */
    signal_kind kind;
    troupe_address watcher;
    troupe_address subject;
    uint64_t ref; /* of the monitor or link; 0 = monitored since it was spawned */
    troupe_error reason;
    uint64_t need; /* room: bytes that were refused */
} control_signal;

/* NULL: out of memory. */
control_signal *signal_create(signal_kind kind, troupe_address watcher, troupe_address subject);

/* List it at the subject. False: the subject is gone, the signal stays the caller's. */
bool signal_list(slot *s, control_signal *sig);

/* Take it off the subject's list. False: it has fired and is on its way to the watcher. */
bool signal_unlist(slot *s, control_signal *sig);
void signal_unlist_locked(slot *s, control_signal *sig);

/* The listed signal of that kind for that watcher, or NULL. */
control_signal *signal_find_locked(const slot *s, signal_kind kind, troupe_address watcher);

/* Read the payload of `down` and `link`. TROUPE_EPARAMS if the envelope is no such signal. */
troupe_error signal_read_end(const troupe_envelope *envelope, const char *verb, troupe_down *out);

/* Put it into the watcher's control lane. Takes it. */
void signal_deliver(struct troupe_system *system, control_signal *sig);

/* Take the whole control lane and clear `attention`. */
control_signal *signal_take(slot *s);

/* Whether the wish for room at this slot is fulfilled. */
bool room_is_there(const slot *s, const control_signal *wish);

/* Deliver the wishes that are fulfilled. Called by whoever gave credit back (the consumer, a sender
 * that did not use all of it, whoever disposes of a bundle), and by an actor that has made a wish.
 */
void room_announce(struct troupe_system *system, slot *s);

/* The subject ended: take all its watchers (with the mutex held), then deliver them. */
control_signal *watchers_take_locked(slot *s);
void watchers_deliver(struct troupe_system *system, control_signal *list, troupe_error reason);

#endif
