/* SPDX-License-Identifier: MIT */
/* Lets a burst gather before it is read. */
#include "burst.h"
#include "clock.h"

#include <sched.h>
#include <time.h>

#define DENSE_NS     50000     /* reads this close together are one burst */
#define EXPENSIVE_NS 1500000   /* a yield that took this long met a machine with other work */
#define PAUSE_NS     250000000 /* so long without yields after that */

void burst_before_read(burst *b)
{
    int64_t now = monotonic_ns();
    if ((b->messages < 2 && now - b->ended_ns > DENSE_NS) || now < b->resume_ns) {
        return;
    }
    sched_yield();
    int64_t back = monotonic_ns();
    if (back - now > EXPENSIVE_NS) {
        b->resume_ns = back + PAUSE_NS;
    }
}

void burst_after_read(burst *b, size_t messages)
{
    b->messages = messages;
    b->ended_ns = monotonic_ns();
}
