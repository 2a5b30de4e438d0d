/* SPDX-License-Identifier: MIT */
/** For tests of streams: both ends of a connection of each kind, in one thread. The client's end
 * was made by stream_connect_*, but for a pipe pair. */
#ifndef TROUPE_TESTS_STREAM_PAIR_H
#define TROUPE_TESTS_STREAM_PAIR_H

#include "certificates.h"
#include "transport/stream_connect.h"
#include "transport/stream_tls.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#define PAIR_LIMIT_MS 20000

typedef enum pair_kind { PAIR_TCP, PAIR_TLS, PAIR_UNIX, PAIR_PIPE } pair_kind;

typedef struct pair {
    pair_kind kind;
    stream *client;
    stream *server;
    certificates files; /* of PAIR_TLS */
} pair;

/** A listener on a loopback port of its own. */
static inline int pair_listen_tcp(int *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t len = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    cr_assert_eq(bind(fd, (struct sockaddr *)&address, len), 0);
    cr_assert_eq(listen(fd, 8), 0);
    cr_assert_eq(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    *port = ntohs(address.sin_port);
    return fd;
}

static inline int pair_listen_unix(struct sockaddr_un *address)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    memset(address, 0, sizeof(*address));
    address->sun_family = AF_UNIX;
    snprintf(address->sun_path, sizeof(address->sun_path), "/tmp/troupe-stream-%ld-%d",
             (long)getpid(), fd);
    cr_assert_eq(bind(fd, (struct sockaddr *)address, sizeof(*address)), 0);
    cr_assert_eq(listen(fd, 8), 0);
    return fd;
}

/** Go on with both sides until both are connected, or the client's attempt fails. */
static inline troupe_error pair_meet(int listener, const stream_connect_options *options,
                                     const stream_tls_options *tls, stream **client,
                                     stream **server, troupe_reason *reason)
{
    stream_attempt *attempt = NULL;
    bool greeted = tls == NULL;
    *client = *server = NULL;
    troupe_error error = stream_connect_begin(options, &attempt, reason);
    while (error == TROUPE_OK && (*client == NULL || *server == NULL || !greeted)) {
        struct pollfd fds[] = {
            {*client == NULL ? stream_connect_fd(attempt) : -1, POLLIN, 0},
            {*server == NULL ? listener : stream_read_fd(*server), POLLIN, 0},
        };
        cr_assert_gt(poll(fds, 2, PAIR_LIMIT_MS), 0, "nothing happens");
        if (*server == NULL && fds[1].revents != 0) {
            int fd = accept(listener, NULL, NULL);
            cr_assert_eq(stream_create(fd, fd, server), TROUPE_OK);
            stream *lower = *server;
            if (tls != NULL) {
                cr_assert_eq(stream_tls_accept(lower, tls, server, reason), TROUPE_OK, "%s",
                             reason->text);
            }
        }
        if (*server != NULL && !greeted) {
            troupe_reason refused = {{0}};
            greeted = stream_tls_handshake(*server, &greeted, &refused) != TROUPE_OK || greeted;
        }
        if (*client == NULL && fds[0].revents != 0) {
            error = stream_connect_step(attempt, client, reason);
        }
    }
    stream_connect_end(attempt);
    return error;
}

static inline void pair_open_socket(pair *p)
{
    struct sockaddr_un local;
    char url[60];
    int port = 1;
    uri_parts uri;
    troupe_reason reason = {{0}};
    int listener = p->kind == PAIR_UNIX ? pair_listen_unix(&local) : pair_listen_tcp(&port);
    snprintf(url, sizeof(url), "%s://127.0.0.1:%d/", p->kind == PAIR_TLS ? "wss" : "ws", port);
    cr_assert_eq(uri_parse(url, &uri, NULL), TROUPE_OK);
    stream_tls_options tls = {.cert_file = p->files.server};
    stream_connect_options options = {.uri = &uri,
                                      .unix_path = p->kind == PAIR_UNIX ? local.sun_path : NULL,
                                      .ca_file = p->kind == PAIR_TLS ? p->files.ca : NULL};
    cr_assert_eq(pair_meet(listener, &options, p->kind == PAIR_TLS ? &tls : NULL, &p->client,
                           &p->server, &reason),
                 TROUPE_OK, "%s", reason.text);
    if (p->kind == PAIR_UNIX) {
        unlink(local.sun_path);
    }
    close(listener);
    uri_parts_fini(&uri);
}

static inline void pair_open(pair *p, pair_kind kind)
{
    signal(SIGPIPE, SIG_IGN);
    memset(p, 0, sizeof(*p));
    p->kind = kind;
    if (kind == PAIR_TLS) {
        certificates_make(&p->files);
    }
    if (kind != PAIR_PIPE) {
        pair_open_socket(p);
        return;
    }
    int down[2];
    int up[2];
    cr_assert(pipe(down) == 0 && pipe(up) == 0);
    cr_assert_eq(stream_create(down[0], up[1], &p->client), TROUPE_OK);
    cr_assert_eq(stream_create(up[0], down[1], &p->server), TROUPE_OK);
}

static inline void pair_close(pair *p)
{
    stream_destroy(p->client);
    stream_destroy(p->server);
    if (p->kind == PAIR_TLS) {
        certificates_remove(&p->files);
    }
}

#endif
