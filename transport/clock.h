/* SPDX-License-Identifier: MIT */
/** The monotonic clock, for deadlines. */
#ifndef TROUPE_TRANSPORT_CLOCK_H
#define TROUPE_TRANSPORT_CLOCK_H

#include <stdint.h>
#include <time.h>

/** Nanoseconds on CLOCK_MONOTONIC. */
static inline int64_t monotonic_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/** Milliseconds on CLOCK_MONOTONIC. */
static inline int64_t monotonic_ms(void)
{
    return monotonic_ns() / 1000000;
}

#endif
