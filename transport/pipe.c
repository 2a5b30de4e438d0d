/* SPDX-License-Identifier: MIT */
/* Messages ended by a NUL byte over a stream. What was searched for the NUL is remembered,
 * so a message that comes in a thousand pieces is searched once.
 *
 * States: OPEN -> DEAF (the peer reads no more; what it wrote is still delivered) -> CLOSED, or
 * straight to CLOSED. The first reason is kept and repeated. */
#include "pipe.h"

#include "byte_queue.h"
#include "stream.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#define READ_BYTES ((size_t)48 << 10) /* of one read; also what is kept at rest */
#define READ_GROWN ((size_t)1 << 20)  /* of one read inside a long message */
#define PIPE_BYTES                                                                 \
    ((size_t)256 << 10) /* what the kernel holds; all pipes of a user share 64 MiB \
                         */
#define PIPE_WIDE       ((size_t)1 << 20) /* inside a long message: the most that users may ask for */
#define KEEP_OUT_BYTES  ((size_t)16 << 10)
#define TURN_BYTES      ((size_t)1 << 20) /* read in one call of receive */
#define QUEUE_MAX_BYTES ((size_t)16 << 20)

typedef enum pipe_state {
    PIPE_OPEN,
    PIPE_DEAF,
    PIPE_CLOSED,
} pipe_state;

typedef struct pipe_stream {
    message_stream base;
    stream *stream;
    size_t message_max;
    pipe_state state;
    troupe_error error; /* why it is closed; TROUPE_OK while it is open */
    troupe_reason reason;
    byte_queue in;
    size_t searched; /* bytes from in.head that hold no NUL */
    bool wide;       /* the kernel holds PIPE_WIDE */
    byte_queue out;
} pipe_stream;

static pipe_stream *pipe_of(message_stream *s)
{
    return (pipe_stream *)s;
}

static troupe_error refuse(const pipe_stream *p, troupe_reason *reason)
{
    return troupe_fail(reason, p->error, "%s", p->reason.text);
}

/** Enter the state and keep why; the queue to the peer is lost. */
static troupe_error fail(pipe_stream *p, pipe_state state, troupe_error error, const char *why)
{
    p->state = state;
    p->error = error;
    (void)troupe_fail(&p->reason, error, "%s", why);
    byte_queue_fini(&p->out);
    return error;
}

/* --- writing -------------------------------------------------------------------------------- */

static troupe_error pipe_send(message_stream *s, const void *data, size_t len)
{
    pipe_stream *p = pipe_of(s);
    size_t queued = byte_queue_len(&p->out);
    if (p->state != PIPE_OPEN) {
        return TROUPE_ECLOSED;
    }
    if (len > p->message_max) {
        return TROUPE_ELIMIT;
    }
    if (queued > 0 && queued + len > QUEUE_MAX_BYTES) {
        return TROUPE_EBUSY;
    }
    if (len > 0 && memchr(data, 0, len) != NULL) {
        return TROUPE_EINVAL;
    }
    if (!byte_queue_reserve(&p->out, len + 1)) {
        return TROUPE_ENOMEM;
    }
    (void)byte_queue_append(&p->out, data, len);
    (void)byte_queue_append(&p->out, "", 1);
    return TROUPE_OK;
}

static troupe_error pipe_flush(message_stream *s, troupe_reason *reason)
{
    pipe_stream *p = pipe_of(s);
    if (p->state != PIPE_OPEN) {
        return refuse(p, reason);
    }
    while (byte_queue_len(&p->out) > 0) {
        size_t n = 0;
        troupe_reason why;
        troupe_error error =
            stream_write(p->stream, byte_queue_head(&p->out), byte_queue_len(&p->out), &n, &why);
        if (error != TROUPE_OK) {
            (void)fail(p, PIPE_DEAF, error, why.text);
            return refuse(p, reason);
        }
        if (n == 0) {
            return TROUPE_OK;
        }
        byte_queue_consume(&p->out, n);
    }
    byte_queue_rest(&p->out, KEEP_OUT_BYTES);
    return TROUPE_OK;
}

static size_t pipe_queued(const message_stream *s)
{
    return byte_queue_len(&((const pipe_stream *)s)->out);
}

/* --- reading -------------------------------------------------------------------------------- */

/** Hand out every message that is complete. */
static troupe_error deliver(pipe_stream *p, message_stream_fn fn, void *context)
{
    for (;;) {
        size_t len = byte_queue_len(&p->in);
        char *start = byte_queue_head(&p->in);
        char *nul = len > p->searched ? memchr(start + p->searched, 0, len - p->searched) : NULL;
        size_t message = nul != NULL ? (size_t)(nul - start) : len;
        p->searched = nul != NULL ? 0 : len;
        if (message > p->message_max) {
            return fail(p, PIPE_CLOSED, TROUPE_ELIMIT, "a message is longer than the limit");
        }
        if (nul == NULL) {
            return TROUPE_OK;
        }
        if (message > 0) {
            fn(context, start, message);
        }
        byte_queue_consume(&p->in, message + 1);
    }
}

static troupe_error fail_reading(pipe_stream *p, troupe_error error, const char *why)
{
    bool inside = byte_queue_len(&p->in) > 0;
    if (error != TROUPE_ECLOSED) {
        return fail(p, PIPE_CLOSED, error, why);
    }
    return fail(p, PIPE_CLOSED, error,
                inside ? "the peer closed the pipe inside a message" : "the peer closed the pipe");
}

/** Fewer changes of thread inside a long message. Not for sockets; a hint. */
static void set_wide(pipe_stream *p, bool wide)
{
    if (p->wide != wide) {
        p->wide = wide;
        (void)fcntl(stream_read_fd(p->stream), F_SETPIPE_SZ, (int)(wide ? PIPE_WIDE : PIPE_BYTES));
    }
}

/** One read into the queue. *n is 0 when nothing is there now. */
static troupe_error read_some(pipe_stream *p, size_t *n)
{
    size_t want = byte_queue_len(&p->in) < READ_BYTES / 2 ? READ_BYTES / 2 : READ_GROWN;
    troupe_reason why;
    *n = 0;
    if (byte_queue_len(&p->in) >= READ_GROWN) {
        set_wide(p, true);
    }
    if (!byte_queue_reserve(&p->in, want)) {
        return fail(p, PIPE_CLOSED, TROUPE_ENOMEM, "no memory for a message");
    }
    troupe_error error =
        stream_read(p->stream, p->in.data + p->in.tail, byte_queue_room(&p->in), n, &why);
    p->in.tail += *n;
    return error == TROUPE_OK ? TROUPE_OK : fail_reading(p, error, why.text);
}

static troupe_error pipe_receive(message_stream *s, message_stream_fn fn, void *context,
                                 troupe_reason *reason)
{
    pipe_stream *p = pipe_of(s);
    if (p->state == PIPE_CLOSED) {
        return refuse(p, reason);
    }
    for (size_t total = 0; total < TURN_BYTES;) {
        size_t room = 0;
        size_t n = 0;
        troupe_error error = read_some(p, &n);
        room = byte_queue_room(&p->in);
        if (error == TROUPE_OK && n > 0) {
            error = deliver(p, fn, context);
        }
        if (error != TROUPE_OK) {
            byte_queue_fini(&p->in);
            return refuse(p, reason);
        }
        if (n == 0 || room > 0) {
            break; /* it gave less than asked for: nothing more is there */
        }
        total += n;
    }
    if (byte_queue_len(&p->in) < READ_GROWN) {
        set_wide(p, false);
    }
    byte_queue_rest(&p->in, READ_BYTES);
    return TROUPE_OK;
}

/* --- the stream ----------------------------------------------------------------------------- */

static int pipe_read_fd(const message_stream *s)
{
    return stream_read_fd(((const pipe_stream *)s)->stream);
}

static int pipe_write_fd(const message_stream *s)
{
    return stream_write_fd(((const pipe_stream *)s)->stream);
}

/* What was read is delivered at once, but for the beginning of a message. */
static bool pipe_pending(const message_stream *s)
{
    (void)s;
    return false;
}

static void pipe_destroy(message_stream *s)
{
    pipe_stream *p = pipe_of(s);
    stream_destroy(p->stream);
    byte_queue_fini(&p->in);
    byte_queue_fini(&p->out);
    free(p);
}

static const message_stream_ops pipe_ops = {
    .read_fd = pipe_read_fd,
    .write_fd = pipe_write_fd,
    .send = pipe_send,
    .flush = pipe_flush,
    .queued = pipe_queued,
    .receive = pipe_receive,
    .pending = pipe_pending,
    .destroy = pipe_destroy,
};

troupe_error pipe_stream_create(int read_fd, int write_fd, size_t message_max, message_stream **out)
{
    pipe_stream *p = calloc(1, sizeof(*p));
    if (p == NULL) {
        return TROUPE_ENOMEM;
    }
    troupe_error error = stream_create(read_fd, write_fd, &p->stream);
    if (error != TROUPE_OK) {
        free(p);
        return error;
    }
    /* Fewer changes of thread for a long message. Not for sockets; a hint. */
    (void)fcntl(read_fd, F_SETPIPE_SZ, (int)PIPE_BYTES);
    p->base.ops = &pipe_ops;
    p->message_max = message_max == 0 ? PIPE_MESSAGE_MAX : message_max;
    *out = &p->base;
    return TROUPE_OK;
}
