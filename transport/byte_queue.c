/* SPDX-License-Identifier: MIT */
/* A queue of bytes in one piece of memory. Bytes are moved to the front only when less than half of
 * the memory in use is queued, so that moving stays linear in what passes through. */
#include "byte_queue.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define CAPACITY_MIN 4096

void byte_queue_fini(byte_queue *queue)
{
    free(queue->data);
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
    char *data = realloc(queue->data, capacity);
    if (data == NULL) {
        return false;
    }
    queue->data = data;
    queue->capacity = capacity;
    return true;
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
    char *data = realloc(queue->data, keep);
    if (data != NULL) {
        queue->data = data;
        queue->capacity = keep;
    }
}
