/* SPDX-License-Identifier: MIT */
/* A binary heap; each timer knows its place, so that taking one out is O(log n). */
#include "timer.h"

#include <stdlib.h>

void timers_fini(timers *t)
{
    free(t->heap);
    t->heap = NULL;
    t->count = 0;
    t->capacity = 0;
}

bool timers_reserve(timers *t, size_t more)
{
    if (t->capacity - t->count >= more)
        return true;
    size_t capacity = t->capacity < 8 ? 8 : 2 * t->capacity;
    while (capacity < t->count + more)
        capacity *= 2;
    timer **heap = realloc(t->heap, capacity * sizeof(timer *));
    if (heap == NULL)
        return false;
    t->heap = heap;
    t->capacity = capacity;
    return true;
}

static bool earlier(const timer *a, const timer *b)
{
    return a->due_ns != b->due_ns ? a->due_ns < b->due_ns : a->sequence < b->sequence;
}

static void put(timers *t, size_t at, timer *item)
{
    t->heap[at] = item;
    item->place = at + 1;
}

static void sift_up(timers *t, size_t at, timer *item)
{
    while (at > 0 && earlier(item, t->heap[(at - 1) / 2])) {
        put(t, at, t->heap[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    put(t, at, item);
}

static void sift_down(timers *t, size_t at, timer *item)
{
    for (;;) {
        size_t child = 2 * at + 1;
        if (child + 1 < t->count && earlier(t->heap[child + 1], t->heap[child]))
            child++;
        if (child >= t->count || !earlier(t->heap[child], item))
            break;
        put(t, at, t->heap[child]);
        at = child;
    }
    put(t, at, item);
}

void timers_add(timers *t, timer *item)
{
    item->sequence = t->sequence++;
    sift_up(t, t->count++, item);
}

void timers_remove(timers *t, timer *item)
{
    if (item->place == 0)
        return;
    size_t at = item->place - 1;
    timer *last = t->heap[--t->count];
    item->place = 0;
    if (last == item)
        return;
    if (at > 0 && earlier(last, t->heap[(at - 1) / 2]))
        sift_up(t, at, last);
    else
        sift_down(t, at, last);
}
