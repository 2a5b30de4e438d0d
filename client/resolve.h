/* SPDX-License-Identifier: MIT */
/* Where a host is: numeric addresses at once, other names through an actor that may wait. */
#ifndef CLIENT_RESOLVE_H
#define CLIENT_RESOLVE_H

#include "troupe/actor.h"

#include <sys/socket.h>

#define RESOLVE_MAX 4 /* addresses of one name that are tried */

typedef struct resolved {
    struct sockaddr_storage items[RESOLVE_MAX];
    size_t count;
} resolved;

/* A numeric address or "localhost" (127.0.0.1, where hosts listen). False: it must be looked up. */
bool resolve_numeric(const char *host, const char *port, resolved *out);

/* Look a name up. The descriptor becomes readable when the answer is there; it is the caller's to
 * close, at any time. -1: out of memory or descriptors. */
int resolve_start(troupe_system *system, const char *host, const char *port);

/* The answer; no items: the name is not known. */
void resolve_read(int fd, resolved *out);

#endif
