/* SPDX-License-Identifier: MIT */
/**
 * Deterministic mode: a system without threads, for tests.
 *
 * All actors run on the thread that drives the system, one turn at a time. Who is next, how far a
 * turn goes and when a bundle arrives is drawn from a seed; time is a clock of the system's own
 * that passes only here. The same seed and the same program give the same run, so that a failure
 * found by trying many seeds can be looked at again with its own.
 *
 * What differs from an ordinary system: one thread drives it and makes all calls; a guest that
 * waits (troupe_guest_call, troupe_guest_wait), troupe_join and troupe_system_close drive it
 * themselves; troupe_watch answers TROUPE_EUNAVAILABLE, since descriptors belong to the world
 * outside; nothing may block in a callback. Order from one actor to another, credit, calls,
 * signals, timers, supervision and shutdown are those of an ordinary system, by the same code.
 */
#ifndef TROUPE_DETERMINISTIC_H
#define TROUPE_DETERMINISTIC_H

#include "troupe/system.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Open a system in deterministic mode; closed with troupe_system_close as any other.
 *
 * @param options  NULL = defaults; `lane` and `stack_bytes` have no meaning here
 * @param seed     0 = made up; troupe_deterministic_seed tells it
 * @param step_us  a step takes up to this many microseconds of the system's time, drawn at random;
 *                 0 = none: then time passes only when there is nothing else to do
 * @return as troupe_system_open
 */
TROUPE_API troupe_error troupe_deterministic_open(const troupe_system_options *options,
                                                  uint64_t seed, uint32_t step_us,
                                                  troupe_system **out) TROUPE_MUST_USE;

/* With an ordinary system the functions below do nothing and return 0 or false, but for
 * troupe_deterministic_now_ns: its time is the monotonic clock's. */

/** The seed of a deterministic system; print it where a test fails. 0 for an ordinary system. */
TROUPE_API uint64_t troupe_deterministic_seed(const troupe_system *system);

/** The system's time in nanoseconds; it begins at one second. */
TROUPE_API uint64_t troupe_deterministic_now_ns(const troupe_system *system);

/**
 * Do one thing that is due: a turn of some actor, the arrival of some bundle, the burial of someone
 * dead. False: nothing is due before time passes.
 */
TROUPE_API bool troupe_deterministic_step(troupe_system *system);

/** Let that much time pass, doing all that becomes due meanwhile. 0: all that is due now. */
TROUPE_API void troupe_deterministic_pass(troupe_system *system, uint32_t ms);

/** A number from 0 to bound - 1 from the system's own seeded source; for a test's own choices. */
TROUPE_API uint32_t troupe_deterministic_random(troupe_system *system, uint32_t bound);

/** A digest of all choices so far: equal for equal runs. */
TROUPE_API uint64_t troupe_deterministic_digest(const troupe_system *system);

#ifdef __cplusplus
}
#endif

#endif
