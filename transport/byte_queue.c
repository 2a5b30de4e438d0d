/* SPDX-License-Identifier: MIT */
/* A queue of bytes in one piece of memory. Bytes are moved to the front only when less than half of
 * the memory in use is queued, so that moving stays linear in what passes through. */
#include "byte_queue.h"

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define CAPACITY_MIN 4096
#define SPARE_MAX    ((size_t)128 << 20)

/* Capacities are powers of two, or what byte_queue_rest was told to keep: a mapping is whole large
 * pages (2 MiB), stands at a multiple of them, and is moved without being touched when it grows.
 * Page by page, touching 64 MiB for the first time costs more than filling it. */

static bool is_large(size_t capacity)
{
    return capacity >= BYTE_QUEUE_LARGE;
}

/* The mapping that was given back last, for the next queue that needs one: fresh pages are cleared
 * by the kernel first, which takes longer than reading into them. Whoever holds it has taken it
 * out.
 */
static struct {
    pthread_mutex_t mutex;
    char *data; /* NULL = none */
    size_t capacity;
} spare = {.mutex = PTHREAD_MUTEX_INITIALIZER};

/** Put a mapping in the place of the spare one, which becomes the caller's. */
static char *exchange_spare(char *data, size_t *capacity)
{
    pthread_mutex_lock(&spare.mutex);
    char *old = spare.data;
    size_t old_capacity = spare.capacity;
    spare.data = data;
    spare.capacity = *capacity;
    pthread_mutex_unlock(&spare.mutex);
    *capacity = old_capacity;
    return old;
}

static void unmap(char *data, size_t capacity)
{
    if (data != NULL) {
        (void)munmap(data, capacity);
    }
}

static void release(char *data, size_t capacity)
{
    if (!is_large(capacity)) {
        free(data);
        return;
    }
    if (capacity <= SPARE_MAX) {
        (void)madvise(data, capacity, MADV_FREE); /* the kernel may have the pages meanwhile */
        data = exchange_spare(data, &capacity);
    }
    unmap(data, capacity);
}

void byte_queue_drop_spare(void)
{
    size_t capacity = 0;
    char *data = exchange_spare(NULL, &capacity);
    unmap(data, capacity);
}

/** A mapping, grown from another one, if there is one. NULL: no memory, and nothing has changed. */
static char *map_large(char *data, size_t old, size_t capacity)
{
    void *mapped = data != NULL ? mremap(data, old, capacity, MREMAP_MAYMOVE)
                                : mmap(NULL, capacity, PROT_READ | PROT_WRITE,
                                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapped == MAP_FAILED) {
        return NULL;
    }
    (void)madvise(mapped, capacity, MADV_HUGEPAGE); /* a hint: nothing depends on it */
    return mapped;
}

/** The spare mapping, grown if it is too small, or a fresh one. *capacity: what it is to hold at
 * least, then what it holds. */
static char *take_large(size_t *capacity)
{
    size_t has = 0;
    char *data = exchange_spare(NULL, &has);
    if (data != NULL && has >= *capacity) {
        *capacity = has;
        return data;
    }
    char *grown = map_large(data, has, *capacity);
    if (grown == NULL) {
        unmap(data, has);
    }
    return grown;
}

/** Another capacity, or more, with what is queued up to the tail. False: nothing has changed. */
static bool resize(byte_queue *queue, size_t capacity)
{
    bool was_large = is_large(queue->capacity);
    char *data;
    if (was_large == is_large(capacity)) {
        data = was_large ? map_large(queue->data, queue->capacity, capacity)
                         : realloc(queue->data, capacity);
    } else {
        data = was_large ? malloc(capacity) : take_large(&capacity);
        if (data != NULL && queue->capacity > 0) {
            memcpy(data, queue->data, queue->tail);
            release(queue->data, queue->capacity);
        }
    }
    if (data == NULL) {
        return false;
    }
    queue->data = data;
    queue->capacity = capacity;
    return true;
}

void byte_queue_fini(byte_queue *queue)
{
    release(queue->data, queue->capacity);
    memset(queue, 0, sizeof(*queue));
}

static bool grow(byte_queue *queue, size_t needed)
{
    size_t capacity = queue->capacity < CAPACITY_MIN ? CAPACITY_MIN : queue->capacity;
    while (capacity < needed) {
        if (capacity > SIZE_MAX / 2) {
            return false;
        }
        capacity *= 2;
    }
    return resize(queue, capacity);
}

bool byte_queue_reserve(byte_queue *queue, size_t more)
{
    if (byte_queue_room(queue) >= more) {
        return true;
    }
    size_t len = byte_queue_len(queue);
    if (queue->head > len) {
        memcpy(queue->data, queue->data + queue->head, len);
        queue->head = 0;
        queue->tail = len;
        if (byte_queue_room(queue) >= more) {
            return true;
        }
    }
    return more <= SIZE_MAX - queue->tail && grow(queue, queue->tail + more);
}

bool byte_queue_append(byte_queue *queue, const void *data, size_t len)
{
    if (len == 0) {
        return true;
    }
    if (!byte_queue_reserve(queue, len)) {
        return false;
    }
    memcpy(queue->data + queue->tail, data, len);
    queue->tail += len;
    return true;
}

void byte_queue_consume(byte_queue *queue, size_t len)
{
    queue->head += len;
    if (queue->head == queue->tail) {
        queue->head = 0;
        queue->tail = 0;
    }
}

void byte_queue_rest(byte_queue *queue, size_t keep)
{
    size_t len = byte_queue_len(queue);
    if (queue->capacity <= keep || len > keep / 2) {
        return;
    }
    if (len == 0) {
        byte_queue_fini(queue);
        return;
    }
    memmove(queue->data, queue->data + queue->head, len);
    queue->head = 0;
    queue->tail = len;
    (void)resize(queue, keep);
}
