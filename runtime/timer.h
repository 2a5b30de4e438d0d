/* SPDX-License-Identifier: MIT */
/* A heap of timers that the caller owns: earliest first, first come first served among equals. */
#ifndef RUNTIME_TIMER_H
#define RUNTIME_TIMER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum timer_kind {
    TIMER_USER, /* troupe_timer_start */
    TIMER_CALL, /* the deadline of a call */
} timer_kind;

/* Embedded in what it belongs to. Zero-initialised is "not in a heap". */
typedef struct timer {
    uint64_t due_ns;   /* monotonic */
    uint64_t sequence; /* set by timers_add */
    size_t place;      /* index in the heap + 1; 0 = not in it */
    timer_kind kind;
} timer;

/* Zero-initialised is valid and empty. One owner. */
typedef struct timers {
    timer **heap;
    size_t count;
    size_t capacity;
    uint64_t sequence;
} timers;

void timers_fini(timers *t);

/* Make sure that `more` timers can be added. False: out of memory. */
bool timers_reserve(timers *t, size_t more);

/* Add at its due_ns. Room was reserved. */
void timers_add(timers *t, timer *item);

/* Take out; nothing happens if it is not in. */
void timers_remove(timers *t, timer *item);

/* The earliest, or NULL. */
static inline timer *timers_head(const timers *t)
{
    return t->count > 0 ? t->heap[0] : NULL;
}

#endif
