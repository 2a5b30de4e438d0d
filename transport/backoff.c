/* SPDX-License-Identifier: MIT */
/* When to try again. */
#include "backoff.h"

#include <string.h>
#include <sys/random.h>
#include <time.h>

#define NS_PER_MS 1000000

static uint32_t or_default(uint32_t value, uint32_t by_default)
{
    return value != 0 ? value : by_default;
}

void backoff_init(backoff *b, const backoff_options *options)
{
    memset(b, 0, sizeof(*b));
    b->options = *options;
    b->options.first_ms = or_default(options->first_ms, BACKOFF_FIRST_MS);
    b->options.max_ms = or_default(options->max_ms, BACKOFF_MAX_MS);
    b->options.healthy_ms = or_default(options->healthy_ms, BACKOFF_HEALTHY_MS);
    b->options.attempts = or_default(options->attempts, BACKOFF_ATTEMPTS);
    b->options.reattempts = or_default(options->reattempts, BACKOFF_ENDLESS);
    if (b->options.max_ms < b->options.first_ms) {
        b->options.max_ms = b->options.first_ms;
    }
    b->bound_ms = b->options.first_ms;
}

void backoff_up(backoff *b, int64_t now_ns)
{
    b->was_up = true;
    b->failures = 0;
    b->up_since_ns = now_ns;
}

static uint64_t random_bits(const backoff *b)
{
    uint64_t bits = 0;
    if (b->options.random != NULL) {
        return b->options.random(b->options.random_context);
    }
    if (getrandom(&bits, sizeof(bits), GRND_NONBLOCK) != (ssize_t)sizeof(bits)) {
        struct timespec now; /* early after boot: better than all at the same moment */
        clock_gettime(CLOCK_MONOTONIC, &now);
        bits = (uint64_t)now.tv_nsec * 0x9E3779B97F4A7C15ULL;
    }
    return bits;
}

/** 1 .. bound_ms; then the bound doubles. */
static uint32_t next_delay(backoff *b)
{
    uint32_t bound = b->bound_ms;
    b->bound_ms = bound > b->options.max_ms / 2 ? b->options.max_ms : 2 * bound;
    return 1 + (uint32_t)((random_bits(b) >> 32) * bound >> 32);
}

static bool helps(troupe_error error)
{
    switch (error) {
    case TROUPE_OK:
    case TROUPE_EUNAUTHORIZED:
    case TROUPE_EFORBIDDEN:
    case TROUPE_EPARAMS:
    case TROUPE_ECANCELLED:
        return false;
    default:
        return true;
    }
}

bool backoff_failed(backoff *b, troupe_error error, uint32_t retry_after_s, int64_t now_ns,
                    uint32_t *delay_ms)
{
    if (b->up_since_ns != 0 &&
        now_ns - b->up_since_ns >= (int64_t)b->options.healthy_ms * NS_PER_MS) {
        b->bound_ms = b->options.first_ms;
    }
    uint32_t allowed = b->was_up ? b->options.reattempts : b->options.attempts;
    /* The loss of a connection is no failed attempt. */
    b->failures += b->up_since_ns == 0 && b->failures < BACKOFF_ENDLESS - 1;
    b->up_since_ns = 0;
    if (!helps(error) || (allowed != BACKOFF_ENDLESS && b->failures >= allowed)) {
        return false;
    }
    uint64_t delay = (uint64_t)retry_after_s * 1000 + next_delay(b);
    *delay_ms = delay < UINT32_MAX ? (uint32_t)delay : UINT32_MAX;
    return true;
}
