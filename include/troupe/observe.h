/* SPDX-License-Identifier: MIT */
/**
 * Observing a system: its dead letters, what one actor receives and sends, who is stuck.
 *
 * All of it comes to an actor as events from nobody (from 0), in its own mailbox and within its
 * bounds. Observing never slows down or stops whom it observes: an event that finds no room is
 * dropped, and the next one that is delivered says in `missed` how many were. At most
 * TROUPE_SUBSCRIBERS_MAX actors subscribe to each of the system's streams; a subscription ends with
 * its actor. After an unsubscribe, events that were on their way may still come.
 */
#ifndef TROUPE_OBSERVE_H
#define TROUPE_OBSERVE_H

#include "troupe/actor.h"

#ifdef __cplusplus
extern "C" {
#endif

#define TROUPE_SUBSCRIBERS_MAX 8

/**
 * Have each dead letter of the system reported to self: an envelope that was accepted, and whose
 * receiver ended before it handled it. Twice is once.
 *
 * Event `dead_letter`, payload {s:U n, s:s kind, s:s# verb, s:U to, s:U from, s:s reason, s:U
 * bytes, s:U missed}: n counts the system's dead letters from 1, kind is "cast", "call", "reply",
 * "fault" or "event", reason is "left" (in the mailbox when its receiver ended) or "gone" (arrived
 * later), bytes the envelope's size. A `dead_letter` event that becomes a dead letter itself is
 * counted and not reported. So is an answer to a guest that was destroyed meanwhile.
 *
 * @return TROUPE_OK; TROUPE_ELIMIT (TROUPE_SUBSCRIBERS_MAX actors have subscribed)
 */
TROUPE_API troupe_error troupe_dead_letters_subscribe(troupe_actor *self) TROUPE_MUST_USE;
TROUPE_API void troupe_dead_letters_unsubscribe(troupe_actor *self);

/**
 * Have actors that are stuck reported to self: those that are in one callback for longer than the
 * system's `stuck_ms`.
 *
 * Event `stuck`, payload {s:U address, s:s name, s:s verb, s:U ms, s:U missed}: the verb in hand,
 * or the callback: "(start)", "(answer)", "(timer)", "(watch)", "(turn)", "(closing)", "(stop)"; ms
 * is for how long at least (it is looked at four times in each stuck_ms). Again each time that the
 * duration has doubled; then, once the actor moves on or ends, `unstuck` with the same payload.
 * Logged as well. Nothing else happens to the actor: a thread cannot be taken away.
 *
 * @return TROUPE_OK; TROUPE_ELIMIT (TROUPE_SUBSCRIBERS_MAX actors have subscribed)
 */
TROUPE_API troupe_error troupe_watchdog_subscribe(troupe_actor *self) TROUPE_MUST_USE;
TROUPE_API void troupe_watchdog_unsubscribe(troupe_actor *self);

/**
 * Have copies of all that an actor receives and sends come to self, or no longer (on false).
 *
 * Event `tap`, payload {s:s direction, s:U time_ns, s:U size, s:x# envelope, s:U missed}: direction
 * is "in" (about to be handled; signals too) or "out" (accepted), time_ns monotonic, size the
 * envelope's, envelope its bytes (docs/envelope.md), cut after 4096. Answers to guests are shown as
 * the envelopes they would be. `tap` events are not shown by another tap. The copies are posted by
 * the tapped actor and counted as sent by it. One actor taps another at a time; a tap ends with
 * either. An actor may tap itself.
 *
 * @return TROUPE_OK; TROUPE_EGONE (no such actor); TROUPE_ESTATE (somebody else taps it)
 */
TROUPE_API troupe_error troupe_tap(troupe_actor *self, troupe_address address,
                                   bool on) TROUPE_MUST_USE;

#ifdef __cplusplus
}
#endif

#endif
