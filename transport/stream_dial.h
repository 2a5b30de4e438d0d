/* SPDX-License-Identifier: MIT */
/** The part of connecting that libcurl does: names, TCP over IPv4 and IPv6, proxies. Inside of
 * stream_connect.c. */
#ifndef TROUPE_TRANSPORT_STREAM_DIAL_H
#define TROUPE_TRANSPORT_STREAM_DIAL_H

#include "stream_connect.h"

#include <sys/epoll.h>

typedef struct stream_dial stream_dial;

/**
 * Begin. Nothing is waited for.
 *
 * @param options  with timeout_ms set; borrowed until stream_dial_end, or until it is connected
 * @param epoll    descriptor where the sockets to wait for are entered; outlives the call
 * @return as stream_connect_begin
 */
troupe_error stream_dial_begin(const stream_connect_options *options, int epoll, stream_dial **out,
                               troupe_reason *reason) TROUPE_MUST_USE;

/** When stream_dial_step wants to be called at the latest: monotonic ms; -1 = no such time. */
int64_t stream_dial_due_ms(const stream_dial *dial);

/**
 * Go on.
 *
 * @param ready  `count` events of the epoll descriptor; those of others are passed over
 * @param out    set when it is connected
 * @return as stream_connect_step, the reason without the address
 */
troupe_error stream_dial_step(stream_dial *dial, const struct epoll_event *ready, int count,
                              stream **out, troupe_reason *reason) TROUPE_MUST_USE;

/** Give up or clean up. NULL is fine. */
void stream_dial_end(stream_dial *dial);

#endif
