/* SPDX-License-Identifier: MIT */
/**
 * A connection that carries whole messages both ways: the one interface over a pipe pair and a
 * WebSocket. Never blocks after it was made; the owner polls the descriptors and calls in.
 *
 * Owner: one thread at a time. States: open -> closed (by the peer, by a fault, by close).
 */
#ifndef TROUPE_TRANSPORT_MESSAGE_STREAM_H
#define TROUPE_TRANSPORT_MESSAGE_STREAM_H

#include "troupe/error.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct message_stream message_stream;

/** One whole message: `len` bytes, borrowed for the call, not NUL-terminated, writable scratch. */
typedef void (*message_stream_fn)(void *context, char *data, size_t len);

typedef struct message_stream_ops {
    int (*read_fd)(const message_stream *s);
    int (*write_fd)(const message_stream *s);
    troupe_error (*send)(message_stream *s, const void *data, size_t len);
    troupe_error (*flush)(message_stream *s, troupe_reason *reason);
    size_t (*queued)(const message_stream *s);
    troupe_error (*receive)(message_stream *s, message_stream_fn fn, void *context,
                            troupe_reason *reason);
    bool (*pending)(const message_stream *s);
    void (*destroy)(message_stream *s);
} message_stream_ops;

/** Base of every stream; the concrete types begin with it. */
struct message_stream {
    const message_stream_ops *ops;
};

/** Descriptor to poll for POLLIN. */
static inline int message_stream_read_fd(const message_stream *s)
{
    return s->ops->read_fd(s);
}

/** Descriptor to poll for POLLOUT while message_stream_queued() > 0; may equal the read one. */
static inline int message_stream_write_fd(const message_stream *s)
{
    return s->ops->write_fd(s);
}

/**
 * Queue one whole message (copied). Nothing is written before flush.
 *
 * @return TROUPE_OK; TROUPE_EINVAL what the stream cannot carry (a pipe: a NUL byte; a WebSocket:
 * what is not UTF-8); TROUPE_ELIMIT larger than the stream's message limit; TROUPE_EBUSY the queue
 * is full (try again after flush); TROUPE_ECLOSED; TROUPE_ENOMEM
 */
static inline troupe_error message_stream_send(message_stream *s, const void *data, size_t len)
{
    return s->ops->send(s, data, len);
}

/** Write what the descriptor takes now. TROUPE_OK also when something stays queued;
 * TROUPE_ECLOSED with the reason. */
static inline troupe_error message_stream_flush(message_stream *s, troupe_reason *reason)
{
    return s->ops->flush(s, reason);
}

/** Bytes queued and not yet written. */
static inline size_t message_stream_queued(const message_stream *s)
{
    return s->ops->queued(s);
}

/**
 * Read what is there (at most about 1 MiB a call, so that others get their turn), and call `fn` for
 * each message that is complete. `fn` must not call back into receive or destroy.
 *
 * @return TROUPE_OK (also when nothing was complete); TROUPE_ECLOSED the peer ended it: reason says
 *         how (end of file, close code); TROUPE_EPROTOCOL, TROUPE_ELIMIT, TROUPE_EIO: it is
 * unusable. Messages that were complete before the end are delivered first.
 */
static inline troupe_error message_stream_receive(message_stream *s, message_stream_fn fn,
                                                  void *context, troupe_reason *reason)
{
    return s->ops->receive(s, fn, context, reason);
}

/** Whether something was read already that receive has not looked at, so that no poll tells of it:
 * over TLS, when receive has stopped at its limit. Then call receive again, after others. */
static inline bool message_stream_pending(const message_stream *s)
{
    return s->ops->pending(s);
}

/** Close and free; a WebSocket sends its close frame if that does not block. NULL is fine. */
static inline void message_stream_destroy(message_stream *s)
{
    if (s != NULL) {
        s->ops->destroy(s);
    }
}

#endif
