/* SPDX-License-Identifier: MIT */
/*
 * TLS for the bridge. Each connection is a pair of streams, and two ways with a buffer each: what
 * was read is written before more is read, so a slow end holds the other back.
 */
#include "tls_front.h"

#include "transport/stream_tls.h"
#include "troupe/log.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <utlist.h>

#define WAY_BYTES     8192
#define BACKLOG       200
#define TAKEN_AT_ONCE 32
#define TICK_MS       2000
#define PATIENCE_NS   UINT64_C(5000000000)
#define TURNS_AT_ONCE 64

typedef struct way {
    size_t start;
    size_t len;
    bool ended; /* the source; what is in the buffer may still be written */
    bool told;  /* the sink was told of it */
    char bytes[WAY_BYTES];
} way;

typedef struct tls_pair {
    struct tls_pair *prev;
    struct tls_pair *next;
    struct tls_front *owner;
    stream *outer;     /* TLS */
    stream *inner;     /* to the HTTP server; NULL during the handshake */
    uint64_t since_ns; /* it began, or its client was told of the end */
    way in;            /* from outer to inner */
    way out;           /* from inner to outer */
} tls_pair;

typedef struct tls_front {
    tls_front_options options;
    int fd;
    tls_pair *pairs;
    uint32_t count;
} tls_front;

/* Pairs ------------------------------------------------------------------------------------- */

static void pair_end(troupe_actor *self, tls_pair *pair)
{
    troupe_unwatch(self, stream_read_fd(pair->outer));
    if (pair->inner != NULL) {
        troupe_unwatch(self, stream_read_fd(pair->inner));
    }
    stream_destroy(pair->outer);
    stream_destroy(pair->inner);
    DL_DELETE(pair->owner->pairs, pair);
    pair->owner->count--;
    free(pair);
}

/* Move what can be moved. False: this way is broken. *moved: something was. */
static bool way_move(way *at, stream *from, stream *to, bool *moved)
{
    size_t n;
    if (at->len == 0 && !at->ended) {
        troupe_error error = stream_read(from, at->bytes, sizeof at->bytes, &n, NULL);
        at->start = 0;
        at->len = n;
        at->ended = error != TROUPE_OK;
        *moved |= n > 0 || at->ended;
        if (at->ended && stream_ended(from) != STREAM_END_CLEAN &&
            stream_ended(from) != STREAM_END_CUT) {
            return false;
        }
    }
    if (at->len > 0) {
        if (stream_write(to, at->bytes + at->start, at->len, &n, NULL) != TROUPE_OK) {
            return false;
        }
        at->start += n;
        at->len -= n;
        *moved |= n > 0;
    }
    if (at->ended && at->len == 0 && !at->told) {
        at->told = stream_shutdown(to, NULL) != TROUPE_EBUSY;
    }
    return true;
}

static void watch_pair(troupe_actor *self, const tls_pair *pair)
{
    bool out = pair->out.len > 0 || stream_wants_write(pair->outer) ||
               (pair->out.ended && !pair->out.told);
    bool in = pair->in.len == 0 && !pair->in.ended;
    troupe_watch_events(self, stream_read_fd(pair->outer),
                        (short)((in ? POLLIN : 0) | (out ? POLLOUT : 0)));
    if (pair->inner != NULL) {
        bool back = pair->out.len == 0 && !pair->out.ended;
        troupe_watch_events(self, stream_read_fd(pair->inner),
                            (short)((back ? POLLIN : 0) | (pair->in.len > 0 ? POLLOUT : 0)));
    }
}

static void on_pair(troupe_actor *self, void *context, int fd, short revents);

/* The handshake is done: now the HTTP server. */
static bool reach_inner(troupe_actor *self, tls_pair *pair)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons(pair->owner->options.inner_port)};
    int on = 1;
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return false;
    }
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(fd, (struct sockaddr *)&to, sizeof to) != 0 ||
        stream_create(fd, fd, &pair->inner) != TROUPE_OK) {
        close(fd);
        return false;
    }
    return troupe_watch(self, stream_read_fd(pair->inner), POLLIN, on_pair, pair) == TROUPE_OK;
}

static void on_pair(troupe_actor *self, void *context, int fd, short revents)
{
    tls_pair *pair = context;
    (void)fd;
    (void)revents;
    if (pair->inner == NULL) {
        bool done = false;
        troupe_reason reason = {""};
        if (stream_tls_handshake(pair->outer, &done, &reason) != TROUPE_OK) {
            troupe_log(TROUPE_LOG_DEBUG, "bridge", "tls-refused", stream_peer(pair->outer), "%s",
                       reason.text);
            pair_end(self, pair);
            return;
        }
        if (!done) {
            watch_pair(self, pair);
            return;
        }
        if (!reach_inner(self, pair)) {
            pair_end(self, pair);
            return;
        }
    }
    bool moved = true;
    for (int i = 0; moved && i < TURNS_AT_ONCE; i++) {
        moved = false;
        bool told = pair->out.told;
        if (!way_move(&pair->in, pair->outer, pair->inner, &moved) ||
            !way_move(&pair->out, pair->inner, pair->outer, &moved)) {
            pair_end(self, pair);
            return;
        }
        if (pair->out.told && !told) {
            pair->since_ns = troupe_now_ns(self);
        }
    }
    if (pair->in.told && pair->out.told) {
        pair_end(self, pair);
        return;
    }
    watch_pair(self, pair);
    if (stream_pending(pair->outer) && pair->in.len == 0) { /* no poll would tell of it */
        troupe_watch_events(self, stream_read_fd(pair->outer), POLLIN | POLLOUT);
    }
}

/* Connections ------------------------------------------------------------------------------- */

static void take(troupe_actor *self, tls_front *state, int fd)
{
    int on = 1;
    stream *lower = NULL;
    stream_tls_options tls = {.cert_file = state->options.cert_file,
                              .key_file = state->options.key_file};
    tls_pair *pair = state->count < state->options.connections_max ? calloc(1, sizeof *pair) : NULL;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (pair == NULL || stream_create(fd, fd, &lower) != TROUPE_OK) {
        close(fd);
        free(pair);
        return;
    }
    if (stream_tls_accept(lower, &tls, &pair->outer, NULL) != TROUPE_OK) {
        stream_destroy(lower);
        free(pair);
        return;
    }
    pair->owner = state;
    pair->since_ns = troupe_now_ns(self);
    DL_APPEND(state->pairs, pair);
    state->count++;
    if (troupe_watch(self, stream_read_fd(pair->outer), POLLIN, on_pair, pair) != TROUPE_OK) {
        pair_end(self, pair);
    }
}

static void on_listening(troupe_actor *self, void *context, int fd, short revents)
{
    (void)revents;
    for (int i = 0; i < TAKEN_AT_ONCE; i++) {
        int taken = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
        if (taken < 0) {
            return;
        }
        take(self, context, taken);
    }
}

/* Who does not get through the handshake, or holds what the HTTP server has closed. */
static void on_tick(troupe_actor *self, void *context)
{
    tls_front *state = context;
    tls_pair *pair;
    tls_pair *next;
    uint64_t now_ns = troupe_now_ns(self);
    DL_FOREACH_SAFE(state->pairs, pair, next)
    {
        if ((pair->inner == NULL || pair->out.told) && now_ns > pair->since_ns + PATIENCE_NS) {
            pair_end(self, pair);
        }
    }
}

/* The actor --------------------------------------------------------------------------------- */

static troupe_error front_start(troupe_actor *self, void *context)
{
    tls_front *state = context;
    troupe_error error = troupe_watch(self, state->fd, POLLIN, on_listening, state);
    return error == TROUPE_OK ? troupe_timer_start(self, TICK_MS, TICK_MS, on_tick, state, NULL)
                              : error;
}

static void front_stop(troupe_actor *self, void *context, troupe_error reason)
{
    tls_front *state = context;
    (void)reason;
    while (state->pairs != NULL) {
        pair_end(self, state->pairs);
    }
    troupe_unwatch(self, state->fd);
    close(state->fd);
    free(state);
}

static const troupe_behaviour behaviour = {.kind = "tls", .start = front_start, .stop = front_stop};

/* Certificate and key, tried on a connection that nobody has. */
troupe_error tls_front_check(const char *cert_file, const char *key_file, troupe_reason *reason)
{
    int fds[2];
    stream *lower = NULL;
    stream *tls = NULL;
    stream_tls_options wanted = {.cert_file = cert_file, .key_file = key_file};
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0) {
        return troupe_fail(reason, TROUPE_EIO, "%s", strerror(errno));
    }
    troupe_error error = stream_create(fds[0], fds[0], &lower);
    if (error != TROUPE_OK) {
        close(fds[0]);
    } else {
        error = stream_tls_accept(lower, &wanted, &tls, reason);
        stream_destroy(error == TROUPE_OK ? tls : lower);
    }
    close(fds[1]);
    return error;
}

static int listen_at(const tls_front_options *options, uint16_t *port)
{
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons(options->port)};
    socklen_t len = sizeof name;
    int on = 1;
    inet_pton(AF_INET, options->address, &name.sin_addr);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0 &&
        (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
         bind(fd, (struct sockaddr *)&name, sizeof name) != 0 || listen(fd, BACKLOG) != 0 ||
         getsockname(fd, (struct sockaddr *)&name, &len) != 0)) {
        int saved = errno;
        close(fd);
        errno = saved;
        return -1;
    }
    *port = ntohs(name.sin_port);
    return fd;
}

troupe_error tls_front_start(troupe_system *system, const tls_front_options *options,
                             troupe_address *out, uint16_t *port, troupe_reason *reason)
{
    tls_front *state = calloc(1, sizeof *state);
    if (state == NULL) {
        return TROUPE_ENOMEM;
    }
    state->options = *options;
    state->fd = listen_at(options, port);
    if (state->fd < 0) {
        troupe_error error =
            troupe_fail(reason, TROUPE_EUNAVAILABLE, "cannot listen on %s:%u: %s", options->address,
                        (unsigned)options->port, strerror(errno));
        free(state);
        return error;
    }
    troupe_spawn_options spawn = {.behaviour = &behaviour, .state = state, .name = "tls"};
    troupe_error error = troupe_spawn(system, &spawn, out);
    if (error != TROUPE_OK) {
        close(state->fd);
        free(state);
    }
    return error;
}
