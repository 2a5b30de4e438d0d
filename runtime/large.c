/* SPDX-License-Identifier: MIT */
/* The one block of large memory that is kept. `mutex` is held for an exchange, no more. */
#include "large.h"
#include "clock.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

#define KEPT_NS (2 * 1000 * CLOCK_NS_PER_MS)

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static void *kept; /* mutex; NULL = none */
static size_t kept_capacity;
static atomic_uint_fast64_t kept_since_ns; /* 0 = none; written under the mutex */

/* Put that block in the place of the kept one, which becomes the caller's. */
static void *exchange(void *memory, size_t *capacity)
{
    pthread_mutex_lock(&mutex);
    void *old = kept;
    size_t old_capacity = kept_capacity;
    kept = memory;
    kept_capacity = *capacity;
    atomic_store(&kept_since_ns, memory != NULL ? clock_now_ns() : 0);
    pthread_mutex_unlock(&mutex);
    *capacity = old_capacity;
    return old;
}

void *large_take(size_t size, size_t *capacity)
{
    size_t has = 0;
    void *memory = exchange(NULL, &has);
    if (memory != NULL && has >= size) {
        *capacity = has;
        return memory;
    }
    free(memory);
    memory = NULL;
    if (posix_memalign(&memory, LARGE_PAGE, size) != 0)
        return NULL;
    large_hint(memory, size);
    *capacity = size;
    return memory;
}

void large_give(void *memory, size_t capacity)
{
    if (capacity <= LARGE_KEPT) {
        (void)madvise(memory, capacity & ~(LARGE_PAGE - 1), MADV_FREE);
        memory = exchange(memory, &capacity);
    }
    free(memory);
}

void large_rest(void)
{
    uint64_t since_ns = atomic_load_explicit(&kept_since_ns, memory_order_relaxed); /* a hint */
    if (since_ns == 0 || clock_now_ns() - since_ns < KEPT_NS)
        return;
    size_t capacity = 0;
    free(exchange(NULL, &capacity));
}
