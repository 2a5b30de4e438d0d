/* SPDX-License-Identifier: MIT */
/** For tests of clients: an HTTP proxy on a loopback port of its own that takes one connection,
 * answers its CONNECT as told, and after a 200 relays to a loopback port. Plain, or over TLS. */
#ifndef TROUPE_TESTS_PROXY_H
#define TROUPE_TESTS_PROXY_H

#include "stream_pair.h"

#include <pthread.h>

typedef struct proxy {
    int listener;
    int port;
    int target_port;
    const char *answer;    /* NULL = none is given until the client leaves */
    bool drop_by_drop;     /* a byte a segment */
    const char *cert_file; /* spoken to over TLS; NULL = plain */
    const char *ca_file;   /* of the certificates that clients must show; NULL = none */
    char request[4000];
    bool taken; /* somebody came */
    pthread_t thread;
} proxy;

static inline bool proxy_wait(const stream *s, short events)
{
    struct pollfd fd = {stream_read_fd(s), events, 0};
    return poll(&fd, 1, PAIR_LIMIT_MS) > 0;
}

static inline bool proxy_write_all(stream *s, const char *data, size_t len)
{
    while (len > 0) {
        size_t n = 0;
        if (stream_write(s, data, len, &n, NULL) != TROUPE_OK ||
            (n == 0 && !proxy_wait(s, POLLOUT))) {
            return false;
        }
        data += n;
        len -= n;
    }
    return true;
}

static inline bool proxy_read_request(proxy *p, stream *s)
{
    size_t len = 0;
    while (strstr(p->request, "\r\n\r\n") == NULL && len + 1 < sizeof(p->request)) {
        size_t n = 0;
        if (stream_read(s, p->request + len, 1, &n, NULL) != TROUPE_OK) {
            return false;
        }
        if (n == 0 && !proxy_wait(s, POLLIN)) {
            return false;
        }
        len += n;
    }
    return true;
}

/** Move what is there; false at the end. */
static inline bool proxy_move(stream *from, stream *to)
{
    char data[8192];
    size_t n = 0;
    do {
        if (stream_read(from, data, sizeof(data), &n, NULL) != TROUPE_OK ||
            !proxy_write_all(to, data, n)) {
            return false;
        }
    } while (n > 0);
    return true;
}

static inline void proxy_relay(const proxy *p, stream *client)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)p->target_port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    stream *target = NULL;
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0 ||
        stream_create(fd, fd, &target) != TROUPE_OK) {
        close(fd);
        return;
    }
    for (;;) {
        struct pollfd fds[] = {{stream_read_fd(client), POLLIN, 0}, {fd, POLLIN, 0}};
        if (!proxy_move(client, target) || !proxy_move(target, client) ||
            poll(fds, 2, PAIR_LIMIT_MS) <= 0) {
            break;
        }
    }
    stream_destroy(target);
}

static inline void proxy_serve(proxy *p, stream *s)
{
    char byte = 0;
    size_t n = 0;
    if (!proxy_read_request(p, s)) {
        return;
    }
    if (p->answer == NULL) {
        while (stream_read(s, &byte, 1, &n, NULL) == TROUPE_OK && proxy_wait(s, POLLIN)) {
        }
        return;
    }
    size_t len = strlen(p->answer);
    for (size_t at = 0; at < len;) {
        size_t piece = p->drop_by_drop ? 1 : len;
        if (!proxy_write_all(s, p->answer + at, piece)) {
            return;
        }
        at += piece;
    }
    if (strstr(p->answer, " 200 ") != NULL) {
        proxy_relay(p, s);
    }
}

static inline void *proxy_main(void *context)
{
    proxy *p = context;
    stream *s = NULL;
    int fd = accept(p->listener, NULL, NULL);
    if (fd < 0) {
        return NULL;
    }
    p->taken = true;
    int yes = 1;
    (void)setsockopt(fd, IPPROTO_TCP, 1 /* TCP_NODELAY */, &yes, sizeof(yes));
    if (stream_create(fd, fd, &s) != TROUPE_OK) {
        close(fd);
        return NULL;
    }
    if (p->cert_file != NULL) {
        stream_tls_options tls = {.cert_file = p->cert_file, .ca_file = p->ca_file};
        stream *lower = s;
        if (stream_tls_accept(lower, &tls, &s, NULL) != TROUPE_OK) {
            s = lower;
        }
    }
    proxy_serve(p, s);
    stream_destroy(s);
    return NULL;
}

static inline void proxy_start(proxy *p)
{
    signal(SIGPIPE, SIG_IGN);
    p->listener = pair_listen_tcp(&p->port);
    cr_assert_eq(pthread_create(&p->thread, NULL, proxy_main, p), 0);
}

static inline void proxy_stop(proxy *p)
{
    shutdown(p->listener, SHUT_RDWR);
    pthread_join(p->thread, NULL);
    close(p->listener);
}

#endif
