/* SPDX-License-Identifier: MIT */
/**
 * A stream of bytes both ways: the one interface over TCP, TLS, Unix sockets and pipe pairs. Never
 * blocks; the owner polls the descriptors and calls in. stream_connect.h makes them of addresses.
 *
 * How to wait: poll stream_read_fd for POLLIN, and stream_write_fd for POLLOUT while there is
 * something to write or stream_wants_write says so. TLS keeps bytes inside that no poll reports:
 * before each poll, read until a read gives nothing, or ask stream_pending.
 *
 * Owner: one thread at a time.
 */
#ifndef TROUPE_TRANSPORT_STREAM_H
#define TROUPE_TRANSPORT_STREAM_H

#include "troupe/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define STREAM_PEER_MAX 128

/** How reading ended. */
typedef enum stream_end {
    STREAM_END_NONE,  /* it has not */
    STREAM_END_CLEAN, /* the peer ended its side; all that it wrote has been read */
    STREAM_END_CUT,   /* TLS: ended without the peer's goodbye; bytes may be missing */
    STREAM_END_RESET, /* broken off by the peer or the network; bytes may be missing */
    STREAM_END_FAULT, /* by TROUPE_EIO, TROUPE_EPROTOCOL, TROUPE_EUNAUTHORIZED */
} stream_end;

typedef struct stream stream;

typedef struct stream_ops {
    troupe_error (*read)(stream *s, void *data, size_t size, size_t *n, troupe_reason *reason);
    troupe_error (*write)(stream *s, const void *data, size_t len, size_t *n,
                          troupe_reason *reason);
    troupe_error (*shutdown)(stream *s, troupe_reason *reason);
    bool (*pending)(const stream *s);
    void (*destroy)(stream *s);
} stream_ops;

/** Base of every stream; the concrete types begin with it. Read it through the functions below. */
struct stream {
    const stream_ops *ops;
    int read_fd;
    int write_fd; /* may be the same; -1 = ended by stream_shutdown */
    stream_end end;
    troupe_error error; /* of reading, when end is set */
    bool wants_write;
    char peer[STREAM_PEER_MAX];
    troupe_reason why; /* of end */
};

/** Descriptor to poll for POLLIN. */
static inline int stream_read_fd(const stream *s)
{
    return s->read_fd;
}

/** Descriptor to poll for POLLOUT; -1 after stream_shutdown of a pipe (poll ignores it). */
static inline int stream_write_fd(const stream *s)
{
    return s->write_fd;
}

/** Who is at the other end: "127.0.0.1:9222", "unix:/run/x (uid 1000)", "pipe". Never NULL. */
static inline const char *stream_peer(const stream *s)
{
    return s->peer;
}

static inline stream_end stream_ended(const stream *s)
{
    return s->end;
}

/** Reading goes on only when the write descriptor takes bytes (TLS's own messages): poll for
 * POLLOUT too, then read again. Always false without TLS. */
static inline bool stream_wants_write(const stream *s)
{
    return s->wants_write;
}

/** Bytes may stand in a buffer inside, which no poll reports: read before polling. False after a
 * read that gave nothing; always false without TLS. */
static inline bool stream_pending(const stream *s)
{
    return s->end == STREAM_END_NONE && s->ops->pending(s);
}

/**
 * Read what is there, up to `size` bytes. What came before an end is read before the end is told.
 *
 * @param n  bytes read; 0 with TROUPE_OK: nothing is there now (or size is 0)
 * @return TROUPE_OK; TROUPE_ECLOSED: it ended, stream_ended tells how and the reason in words;
 *         TROUPE_EPROTOCOL: what came is not TLS; TROUPE_EUNAUTHORIZED: the peer refused our
 *         certificate or demands one (TLS 1.3 tells it this late); TROUPE_EIO. Any error but for
 *         TROUPE_ENOMEM is for good and repeated by each further call.
 */
static inline troupe_error stream_read(stream *s, void *data, size_t size, size_t *n,
                                       troupe_reason *reason)
{
    *n = 0;
    if (s->end != STREAM_END_NONE) {
        return troupe_fail(reason, s->error, "%s", s->why.text);
    }
    return size == 0 ? TROUPE_OK : s->ops->read(s, data, size, n, reason);
}

/**
 * Write what goes now of `len` bytes.
 *
 * The buffer rule: TLS may have taken bytes that it could not hand on. After a write that was not
 * whole, the next one begins with the first byte not yet written and offers at least as many bytes
 * as were left (they may stand elsewhere in memory): a queue that only grows at its end is right.
 *
 * @param n  bytes written; fewer than len, 0 included: no more now, wait for POLLOUT
 * @return TROUPE_OK; TROUPE_ECLOSED: nobody will read it (what the peer sent can still be read);
 *         TROUPE_EIO; TROUPE_EPROTOCOL
 */
static inline troupe_error stream_write(stream *s, const void *data, size_t len, size_t *n,
                                        troupe_reason *reason)
{
    *n = 0;
    return len == 0 ? TROUPE_OK : s->ops->write(s, data, len, n, reason);
}

/**
 * End the writing side: the peer reads to the end, and can still write. Idempotent. Later writes
 * are TROUPE_ECLOSED.
 *
 * @return TROUPE_OK; TROUPE_EBUSY: TLS's goodbye does not go now: again after POLLOUT;
 *         TROUPE_ECLOSED; TROUPE_EIO
 */
static inline troupe_error stream_shutdown(stream *s, troupe_reason *reason)
{
    return s->ops->shutdown(s, reason);
}

/** Close and free; TLS says goodbye if that does not block. NULL is fine. */
static inline void stream_destroy(stream *s)
{
    if (s != NULL) {
        s->ops->destroy(s);
    }
}

/**
 * Make a stream of open descriptors: a connected socket (TCP or Unix; both the same descriptor) or
 * a pipe pair. Both are set non-blocking. Writing to a pipe whose reader is gone raises SIGPIPE:
 * the process must ignore it (sockets are written with MSG_NOSIGNAL).
 *
 * @param read_fd, write_fd  taken on TROUPE_OK
 * @return TROUPE_OK; TROUPE_EIO; TROUPE_ENOMEM
 */
troupe_error stream_create(int read_fd, int write_fd, stream **out) TROUPE_MUST_USE;

/** The uid of the process at the other end of a Unix socket (when it connected). False if it is
 * none. */
bool stream_peer_uid(const stream *s, uid_t *uid);

/** For implementations: note how reading ended and return the error; s->why is filled from the
 * format. */
troupe_error stream_fail(stream *s, stream_end end, troupe_error error, troupe_reason *reason,
                         const char *format, ...) TROUPE_PRINTF(5, 6);

#endif
