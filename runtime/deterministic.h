/* SPDX-License-Identifier: MIT */
/*
 * Deterministic mode behind troupe/deterministic.h: what the rest of the runtime asks of it.
 * `system->deterministic` is NULL in an ordinary system.
 */
#ifndef RUNTIME_DETERMINISTIC_H
#define RUNTIME_DETERMINISTIC_H

#include <stdbool.h>
#include <stdint.h>

struct troupe_system;

typedef struct deterministic {
    uint64_t seed;
    uint64_t random;
    uint64_t now_ns;
    uint64_t step_ns_max;
    uint64_t digest;
} deterministic;

/* Yes, one time in `of`. */
bool deterministic_chance(struct troupe_system *system, uint32_t of);

/* Do one thing, or else let time pass until something is due, at the latest until then. False:
 * that time has come, and nothing is due. */
bool deterministic_drive(struct troupe_system *system, uint64_t until_ns);

#endif
