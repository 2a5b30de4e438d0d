/* SPDX-License-Identifier: MIT */
/** For tests of message streams: keeps what was delivered. */
#ifndef TROUPE_TESTS_COLLECT_H
#define TROUPE_TESTS_COLLECT_H

#include "transport/message_stream.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>

#define COLLECT_MAX 64

/** The first COLLECT_MAX messages (copies) and the count of all. */
typedef struct collect {
    size_t count;
    char *data[COLLECT_MAX];
    size_t len[COLLECT_MAX];
} collect;

static inline void collect_message(void *context, char *data, size_t len)
{
    collect *c = context;
    if (c->count < COLLECT_MAX) {
        c->data[c->count] = malloc(len + 1);
        memcpy(c->data[c->count], data, len);
        c->data[c->count][len] = '\0';
        c->len[c->count] = len;
    }
    memset(data, '#', len); /* scratch: may be written */
    c->count++;
}

static inline void collect_fini(collect *c)
{
    for (size_t i = 0; i < COLLECT_MAX; i++) {
        free(c->data[i]);
    }
    memset(c, 0, sizeof(*c));
}

/** Poll, write and read until `count` messages are there or the stream ends. */
static inline troupe_error collect_until(message_stream *stream, collect *c, size_t count,
                                         troupe_reason *reason)
{
    while (c->count < count) {
        struct pollfd fds[2] = {
            {message_stream_read_fd(stream), POLLIN, 0},
            {message_stream_write_fd(stream), message_stream_queued(stream) > 0 ? POLLOUT : 0, 0},
        };
        if (message_stream_queued(stream) > 0) {
            (void)message_stream_flush(stream, reason);
        }
        (void)poll(fds, message_stream_queued(stream) > 0 ? 2 : 1,
                   message_stream_pending(stream) ? 0 : -1);
        troupe_error error = message_stream_receive(stream, collect_message, c, reason);
        if (error != TROUPE_OK) {
            return error;
        }
    }
    return TROUPE_OK;
}

#endif
