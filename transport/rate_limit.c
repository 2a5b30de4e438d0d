/* SPDX-License-Identifier: MIT */
/* The bucket is reckoned in units of 1/per_second ns: a nanosecond brings per_second of them and a
 * token is 10^9, so no division loses anything. */
#include "rate_limit.h"

#define TOKEN 1000000000

static uint32_t at_most(uint32_t value)
{
    return value < RATE_LIMIT_MAX ? value : RATE_LIMIT_MAX;
}

void rate_limit_init(rate_limit *limit, uint32_t per_second, uint32_t burst, uint64_t now_ns)
{
    uint32_t tokens = at_most(burst != 0 ? burst : per_second);
    *limit = (rate_limit){.per_second = at_most(per_second),
                          .full = (int64_t)tokens * TOKEN,
                          .credit = (int64_t)tokens * TOKEN,
                          .last_ns = now_ns};
}

/* What came in since the last time. However long that was, nothing overflows: beyond what fills
 * the bucket it is not multiplied. */
static void reckon(rate_limit *limit, uint64_t now_ns)
{
    if (now_ns <= limit->last_ns) {
        return;
    }
    uint64_t elapsed_ns = now_ns - limit->last_ns;
    uint64_t missing = (uint64_t)(limit->full - limit->credit);
    limit->last_ns = now_ns;
    if (elapsed_ns > missing / limit->per_second) {
        limit->credit = limit->full;
    } else {
        limit->credit += (int64_t)(elapsed_ns * limit->per_second);
    }
}

bool rate_limit_take(rate_limit *limit, uint64_t now_ns)
{
    if (limit->per_second == 0) {
        return true;
    }
    reckon(limit, now_ns);
    if (limit->credit < TOKEN) {
        return false;
    }
    limit->credit -= TOKEN;
    return true;
}

void rate_limit_charge(rate_limit *limit, uint64_t now_ns)
{
    if (limit->per_second == 0) {
        return;
    }
    reckon(limit, now_ns);
    limit->credit -= TOKEN;
    if (limit->credit < -limit->full) {
        limit->credit = -limit->full;
    }
}

uint64_t rate_limit_wait_ns(rate_limit *limit, uint64_t now_ns)
{
    if (limit->per_second == 0) {
        return 0;
    }
    reckon(limit, now_ns);
    if (limit->credit >= TOKEN) {
        return 0;
    }
    uint64_t missing = (uint64_t)(TOKEN - limit->credit);
    return (missing + limit->per_second - 1) / limit->per_second;
}
