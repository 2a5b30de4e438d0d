/* SPDX-License-Identifier: MIT */
/* Streams over plain descriptors: sockets and pipe pairs. */
#include "stream.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

typedef struct fd_stream {
    stream base;
    bool socket;      /* written with send: no SIGPIPE */
    bool write_ended; /* by stream_shutdown */
} fd_stream;

static fd_stream *fd_of(stream *s)
{
    return (fd_stream *)s;
}

troupe_error stream_fail(stream *s, stream_end end, troupe_error error, troupe_reason *reason,
                         const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(s->why.text, sizeof(s->why.text), format, args);
    va_end(args);
    s->end = end;
    s->error = error;
    s->wants_write = false;
    return troupe_fail(reason, error, "%s", s->why.text);
}

/** Whether that errno says that the connection is no more. */
static bool is_broken(int code)
{
    return code == ECONNRESET || code == EPIPE || code == ETIMEDOUT || code == ECONNABORTED ||
           code == EHOSTUNREACH || code == ENETUNREACH || code == ENETRESET;
}

static troupe_error fd_read(stream *s, void *data, size_t size, size_t *n, troupe_reason *reason)
{
    for (;;) {
        ssize_t got = read(s->read_fd, data, size);
        if (got > 0) {
            *n = (size_t)got;
            return TROUPE_OK;
        }
        if (got == 0) {
            return stream_fail(s, STREAM_END_CLEAN, TROUPE_ECLOSED, reason,
                               "the peer ended the connection");
        }
        if (errno == EAGAIN || errno == EWOULDBLOCK) {
            return TROUPE_OK;
        }
        if (is_broken(errno)) {
            return stream_fail(s, STREAM_END_RESET, TROUPE_ECLOSED, reason, "read: %s",
                               strerror(errno));
        }
        if (errno != EINTR) {
            return stream_fail(s, STREAM_END_FAULT, TROUPE_EIO, reason, "read: %s",
                               strerror(errno));
        }
    }
}

static troupe_error fd_write(stream *s, const void *data, size_t len, size_t *n,
                             troupe_reason *reason)
{
    const fd_stream *f = fd_of(s);
    if (f->write_ended) {
        return troupe_fail(reason, TROUPE_ECLOSED, "write: our side was ended");
    }
    for (;;) {
        ssize_t sent =
            f->socket ? send(s->write_fd, data, len, MSG_NOSIGNAL) : write(s->write_fd, data, len);
        if (sent >= 0) {
            *n = (size_t)sent;
            return TROUPE_OK;
        }
        if (errno == EAGAIN || errno == EWOULDBLOCK) {
            return TROUPE_OK;
        }
        if (errno != EINTR) {
            return troupe_fail(reason, is_broken(errno) ? TROUPE_ECLOSED : TROUPE_EIO, "write: %s",
                               strerror(errno));
        }
    }
}

static troupe_error fd_shutdown(stream *s, troupe_reason *reason)
{
    fd_stream *f = fd_of(s);
    if (f->write_ended) {
        return TROUPE_OK;
    }
    f->write_ended = true;
    if (f->socket) {
        return shutdown(s->write_fd, SHUT_WR) == 0
                   ? TROUPE_OK
                   : troupe_fail(reason, TROUPE_ECLOSED, "shutdown: %s", strerror(errno));
    }
    if (s->write_fd != s->read_fd) {
        close(s->write_fd);
        s->write_fd = -1;
    }
    return TROUPE_OK;
}

static bool fd_pending(const stream *s)
{
    (void)s;
    return false;
}

static void fd_destroy(stream *s)
{
    close(s->read_fd);
    if (s->write_fd != s->read_fd && s->write_fd >= 0) {
        close(s->write_fd);
    }
    free(s);
}

static const stream_ops fd_ops = {
    .read = fd_read,
    .write = fd_write,
    .shutdown = fd_shutdown,
    .pending = fd_pending,
    .destroy = fd_destroy,
};

bool stream_peer_uid(const stream *s, uid_t *uid)
{
    struct sockaddr_storage address = {0};
    struct ucred peer;
    socklen_t address_len = sizeof(address);
    socklen_t len = sizeof(peer);
    if (getsockname(s->read_fd, (struct sockaddr *)&address, &address_len) != 0 ||
        address.ss_family != AF_UNIX ||
        getsockopt(s->read_fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) != 0) {
        return false;
    }
    *uid = peer.uid;
    return true;
}

static void describe_inet(stream *s, const struct sockaddr_storage *address)
{
    char host[INET6_ADDRSTRLEN] = "?";
    if (address->ss_family == AF_INET) {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)address;
        (void)inet_ntop(AF_INET, &v4->sin_addr, host, sizeof(host));
        snprintf(s->peer, sizeof(s->peer), "%s:%u", host, (unsigned)ntohs(v4->sin_port));
    } else {
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)address;
        (void)inet_ntop(AF_INET6, &v6->sin6_addr, host, sizeof(host));
        snprintf(s->peer, sizeof(s->peer), "[%s]:%u", host, (unsigned)ntohs(v6->sin6_port));
    }
}

static void describe_peer(stream *s)
{
    struct sockaddr_storage address = {0};
    socklen_t len = sizeof(address);
    uid_t uid = 0;
    if (getpeername(s->read_fd, (struct sockaddr *)&address, &len) != 0) {
        snprintf(s->peer, sizeof(s->peer), "%s", fd_of(s)->socket ? "socket" : "pipe");
    } else if (address.ss_family == AF_INET || address.ss_family == AF_INET6) {
        describe_inet(s, &address);
    } else {
        const struct sockaddr_un *local = (const struct sockaddr_un *)&address;
        size_t path_max = len > offsetof(struct sockaddr_un, sun_path)
                              ? len - offsetof(struct sockaddr_un, sun_path)
                              : 0;
        int path_len = (int)strnlen(local->sun_path, path_max);
        (void)stream_peer_uid(s, &uid);
        snprintf(s->peer, sizeof(s->peer), "unix:%.*s (uid %u)", path_len, local->sun_path,
                 (unsigned)uid);
    }
}

static bool set_nonblocking(int fd)
{
    int flags = fcntl(fd, F_GETFL);
    return flags >= 0 && fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0;
}

troupe_error stream_create(int read_fd, int write_fd, stream **out)
{
    struct stat info;
    if (!set_nonblocking(read_fd) || !set_nonblocking(write_fd) || fstat(write_fd, &info) != 0) {
        return TROUPE_EIO;
    }
    fd_stream *f = calloc(1, sizeof(*f));
    if (f == NULL) {
        return TROUPE_ENOMEM;
    }
    f->base.ops = &fd_ops;
    f->base.read_fd = read_fd;
    f->base.write_fd = write_fd;
    f->socket = S_ISSOCK(info.st_mode);
    describe_peer(&f->base);
    *out = &f->base;
    return TROUPE_OK;
}
