/* SPDX-License-Identifier: MIT */
/* What the plays share (explore.c, explore_bonds.c): one seed a play, in deterministic mode. */
#ifndef TEST_PLAY_H
#define TEST_PLAY_H

#include "troupe/deterministic.h"
#include "troupe/log.h"

#include <stdio.h>
#include <stdlib.h>

static uint64_t seed; /* of the present play */
static const troupe_bytes nothing;

#define CHECK(condition)                                                          \
    do {                                                                          \
        if (!(condition)) {                                                       \
            fprintf(stderr, "%s:%d: seed %llu: failed: %s\n", __FILE__, __LINE__, \
                    (unsigned long long)seed, #condition);                        \
            abort();                                                              \
        }                                                                         \
    } while (0)

/* Perform once for each seed; the arguments are how many, and the first. Returns how many, and
 * leaves a line of output begun, for what they have met. */
static inline uint64_t play_seeds(int argc, char **argv, void (*perform)(void))
{
    uint64_t seeds = argc > 1 ? strtoull(argv[1], NULL, 10) : 10000;
    uint64_t first = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
    troupe_log_set_level(TROUPE_LOG_ERROR);
    for (seed = first; seed < first + seeds; seed++)
        perform();
    printf("%llu seeds from %llu: ", (unsigned long long)seeds, (unsigned long long)first);
    return seeds;
}

/* The exit status: many seeds that never met a thing have not tested it. */
static inline int play_verdict(uint64_t seeds, bool met_all)
{
    if (seeds < 1000 || met_all)
        return 0;
    fputs("something of this never happened: the play tests less than it says\n", stderr);
    return 1;
}

#endif
