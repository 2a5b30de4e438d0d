/* SPDX-License-Identifier: MIT */
/*
 * The peer's program.
 *
 *   bench_peer [--port=PORT]             listens on loopback (0: any port) and prints
 *                                        "DevTools listening on ws://…" to stderr
 *   bench_peer --remote-debugging-pipe   speaks on descriptors 3 and 4, as a browser does: so it
 *                                        can be launched in a browser's place
 *   bench_peer --remote-debugging-port=0 --user-data-dir=DIR   likewise on a port, told in
 *                                        DIR/DevToolsActivePort
 */
#include "peer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define READY_MAX 64

int peer_port;
static connection *connections;
static int epoll_fd;

static void die(const char *what)
{
    fprintf(stderr, "bench_peer: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void add(connection *c)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    if (fcntl(c->in, F_SETFL, O_NONBLOCK) != 0 || epoll_ctl(epoll_fd, EPOLL_CTL_ADD, c->in, &event))
        die("epoll");
    c->next = connections;
    connections = c;
}

static void drop(connection *c)
{
    bool was_pipe = c->kind == CONNECTION_PIPE;
    for (connection **at = &connections; *at != NULL; at = &(*at)->next) {
        if (*at == c) {
            *at = c->next;
            break;
        }
    }
    connection_destroy(c);
    if (was_pipe)
        exit(0); /* the host has gone */
}

static int listen_on(int port)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    int on = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        bind(fd, (struct sockaddr *)&at, sizeof at) != 0 || listen(fd, 64) != 0 ||
        getsockname(fd, (struct sockaddr *)&at, &len) != 0)
        die("listen");
    peer_port = ntohs(at.sin_port);
    fprintf(stderr, "\nDevTools listening on ws://127.0.0.1:%d/devtools/browser/peer\n", peer_port);
    return fd;
}

static void write_port_file(const char *profile)
{
    char path[1024];
    char made[1100];
    snprintf(path, sizeof path, "%s/DevToolsActivePort", profile);
    snprintf(made, sizeof made, "%s.new", path);
    FILE *file = fopen(made, "we");
    if (file == NULL)
        die(made);
    fprintf(file, "%d\n/devtools/browser/00000000-0000-0000-0000-000000000000", peer_port);
    fclose(file);
    if (rename(made, path) != 0)
        die(path);
}

static void take_client(int listener)
{
    int on = 1;
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0)
        return;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    add(connection_create(CONNECTION_HTTP, fd, fd));
}

static uint64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Bursts at a rate; returns how long to wait at most, ms. */
static int tick(void)
{
    static uint64_t next;
    uint64_t now = now_ms();
    bool wanted = false;
    for (connection *c = connections; c != NULL; c = c->next)
        wanted |= c->burst.id != 0 && c->burst.per_tick > 0;
    if (!wanted) {
        next = now;
        return -1;
    }
    for (; next <= now; next += TICK_MS) {
        for (connection *c = connections; c != NULL; c = c->next)
            script_tick(c);
    }
    return (int)(next - now);
}

static void run(int listener)
{
    struct epoll_event ready[READY_MAX];
    for (;;) {
        int count = epoll_wait(epoll_fd, ready, READY_MAX, tick());
        for (int i = 0; i < count; i++) {
            connection *c = ready[i].data.ptr;
            if (c == NULL)
                take_client(listener);
            else if (!connection_read(c, script_answer))
                drop(c);
        }
    }
}

static const char *option(int argc, char **argv, const char *name)
{
    size_t len = strlen(name);
    for (int i = 1; i < argc; i++) {
        if (strncmp(argv[i], name, len) == 0 && (argv[i][len] == '=' || argv[i][len] == '\0'))
            return argv[i][len] == '=' ? argv[i] + len + 1 : "";
    }
    return NULL;
}

int main(int argc, char **argv)
{
    if (option(argc, argv, "--version") != NULL) {
        puts("BenchPeer 1.0");
        return 0;
    }
    signal(SIGPIPE, SIG_IGN);
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (option(argc, argv, "--remote-debugging-pipe") != NULL) {
        add(connection_create(CONNECTION_PIPE, 3, 4));
        run(-1);
    }
    const char *port = option(argc, argv, "--port");
    int listener = listen_on(port != NULL ? atoi(port) : 0);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listener, &event) != 0)
        die("epoll");
    const char *profile = option(argc, argv, "--user-data-dir");
    if (option(argc, argv, "--remote-debugging-port") != NULL && profile != NULL)
        write_port_file(profile);
    run(listener);
}
