/* SPDX-License-Identifier: MIT */
/** A queue of bytes in one piece of memory: filled at the tail, taken from the head.
 * Zero-initialised is valid and empty. One thread at a time. */
#ifndef TROUPE_TRANSPORT_BYTE_QUEUE_H
#define TROUPE_TRANSPORT_BYTE_QUEUE_H

#include <stdbool.h>
#include <stddef.h>

/** From here on memory is mapped, not allocated. */
#define BYTE_QUEUE_LARGE ((size_t)4 << 20)

typedef struct byte_queue {
    char *data;
    size_t head; /* first byte still queued */
    size_t tail; /* behind the last one */
    size_t capacity;
} byte_queue;

void byte_queue_fini(byte_queue *queue);

static inline size_t byte_queue_len(const byte_queue *queue)
{
    return queue->tail - queue->head;
}

static inline char *byte_queue_head(const byte_queue *queue)
{
    return queue->data + queue->head;
}

/** Room that can be filled at data + tail without another call. */
static inline size_t byte_queue_room(const byte_queue *queue)
{
    return queue->capacity - queue->tail;
}

/** Make room for `more` bytes at the tail; may move what is queued. Growth is geometric, so that a
 * queue filled bit by bit costs linear time. False without memory (nothing changed). */
bool byte_queue_reserve(byte_queue *queue, size_t more);

/** Append bytes; borrowed. False without memory (nothing changed). */
bool byte_queue_append(byte_queue *queue, const void *data, size_t len);

/** Drop `len` bytes from the head. */
void byte_queue_consume(byte_queue *queue, size_t len);

/** When little is queued (up to half of `keep`) in more than `keep` bytes of memory, give the rest
 * of the memory back. */
void byte_queue_rest(byte_queue *queue, size_t keep);

/** Of all queues, the largest memory given back last (up to 128 MiB) is kept for the next that
 * needs BYTE_QUEUE_LARGE and more; the kernel may take its pages. This gives it back whole. Thread:
 * any. */
void byte_queue_drop_spare(void);

#endif
