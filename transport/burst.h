/* SPDX-License-Identifier: MIT */
/** Lets a burst gather before it is read. A reader that wakes for each small message makes its peer
 * wake for each answer, and both spend their time in the scheduler; giving the processor away once
 * lets more messages arrive, and halves the cost of each (measured with Chromium on two cores). */
#ifndef TROUPE_TRANSPORT_BURST_H
#define TROUPE_TRANSPORT_BURST_H

#include <stddef.h>
#include <stdint.h>

/** Zero-initialised is valid. One thread at a time. */
typedef struct burst {
    int64_t ended_ns;  /* when the last read ended */
    int64_t resume_ns; /* do not yield before: the last yield was expensive */
    size_t messages;   /* of the last read */
} burst;

/** Before a read: yields the processor when messages come densely. A single question and answer is
 * never delayed. Where other threads want the processor a yield can cost a time slice: then none is
 * tried for a while. */
void burst_before_read(burst *b);

/** After a read that delivered so many messages. */
void burst_after_read(burst *b, size_t messages);

#endif
