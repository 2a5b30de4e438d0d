/* SPDX-License-Identifier: MIT */
/**
 * A token bucket: so many a second, and so many at once after a rest. Exact: whole numbers only,
 * so nothing drifts, and the wait it tells ends at the nanosecond the next token is there.
 *
 * The clock is the caller's: now_ns is monotonic; a time before one that was seen counts as that
 * one. One owner, no locks.
 */
#ifndef TROUPE_TRANSPORT_RATE_LIMIT_H
#define TROUPE_TRANSPORT_RATE_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

#define RATE_LIMIT_MAX 1000000u /* tokens a second, and of a burst */

/** Zero-initialised: no limit. */
typedef struct rate_limit {
    uint64_t per_second; /* 0 = no limit */
    int64_t full;        /* what the bucket holds, in 1/per_second ns: 10^9 a token */
    int64_t credit;      /* what is in it; below 0: debt */
    uint64_t last_ns;    /* when credit was reckoned last */
} rate_limit;

/**
 * Begin with a full bucket.
 *
 * @param per_second  0 = no limit; at most RATE_LIMIT_MAX (more counts as that)
 * @param burst       tokens the bucket holds; 0 = as many as per_second
 */
void rate_limit_init(rate_limit *limit, uint32_t per_second, uint32_t burst, uint64_t now_ns);

/** Take a token. false: none is there, nothing is taken. */
bool rate_limit_take(rate_limit *limit, uint64_t now_ns);

/** Take a token that need not be there: what does not wait, and is counted all the same. The debt
 * grows to one full bucket at most, so that those who wait are not kept for ever. */
void rate_limit_charge(rate_limit *limit, uint64_t now_ns);

/** How long until rate_limit_take takes one, if nobody else does. 0: now. */
uint64_t rate_limit_wait_ns(rate_limit *limit, uint64_t now_ns);

#endif
