/* SPDX-License-Identifier: MIT */
/*
 * getaddrinfo waits for name servers, so an actor of its own does. Its answer comes through a
 * socket pair: neither side needs to know whether the other still lives.
 */
#include "resolve.h"

#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct lookup {
    char host[256];
    char port[6];
    int fd;
} lookup;

static bool look_up(const char *host, const char *port, int flags, resolved *out)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV | flags};
    struct addrinfo *list = NULL;
    out->count = 0;
    if (getaddrinfo(host, port, &hints, &list) != 0) {
        return false;
    }
    for (const struct addrinfo *at = list; at != NULL && out->count < RESOLVE_MAX;
         at = at->ai_next) {
        memset(&out->items[out->count], 0, sizeof out->items[0]);
        memcpy(&out->items[out->count++], at->ai_addr, at->ai_addrlen);
    }
    freeaddrinfo(list);
    return out->count > 0;
}

bool resolve_numeric(const char *host, const char *port, resolved *out)
{
    const char *numeric = strcmp(host, "localhost") == 0 ? "127.0.0.1" : host;
    return look_up(numeric, port, AI_NUMERICHOST, out);
}

static troupe_error lookup_start(troupe_actor *self, void *context)
{
    const lookup *state = context;
    resolved found;
    (void)look_up(state->host, state->port, 0, &found);
    (void)!send(state->fd, found.items, found.count * sizeof found.items[0], MSG_NOSIGNAL);
    troupe_exit(self, TROUPE_OK);
    return TROUPE_OK;
}

static void lookup_stop(troupe_actor *self, void *context, troupe_error reason)
{
    (void)self;
    (void)reason;
    lookup *state = context;
    close(state->fd);
    free(state);
}

static const troupe_behaviour lookup_behaviour = {
    .kind = "resolve",
    .start = lookup_start,
    .stop = lookup_stop,
};

int resolve_start(troupe_system *system, const char *host, const char *port)
{
    int pair[2];
    lookup *state = calloc(1, sizeof *state);
    if (state == NULL || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) {
        free(state);
        return -1;
    }
    memcpy(state->host, host, strnlen(host, sizeof state->host - 1));
    memcpy(state->port, port, strnlen(port, sizeof state->port - 1));
    state->fd = pair[1];
    troupe_spawn_options options = {.behaviour = &lookup_behaviour, .state = state};
    if (troupe_spawn(system, &options, NULL) != TROUPE_OK) {
        close(pair[0]);
        close(pair[1]);
        free(state);
        return -1;
    }
    return pair[0];
}

void resolve_read(int fd, resolved *out)
{
    ssize_t got = recv(fd, out->items, sizeof out->items, MSG_DONTWAIT);
    out->count = got > 0 ? (size_t)got / sizeof out->items[0] : 0;
}
