/* SPDX-License-Identifier: MIT */
/** The client at the other end of a scripted peer: connects, takes what comes, and sums it up. */
#ifndef TEST_PEER_CLIENT_H
#define TEST_PEER_CLIENT_H

#include "peer.h"
#include "transport/websocket.h"

#define CLIENT_UNTIL_THE_END ((unsigned long)-1)

#define CLIENT_WAIT_MS 20000 /* never reached, unless something hangs */

/** How a connection went, seen from the client. */
typedef struct outcome {
    troupe_error error; /* TROUPE_OK: as many messages came as were wanted */
    troupe_reason reason;
    unsigned long messages;
    uint64_t bytes;
    uint64_t digest; /* of all messages: order, kind, length, bytes */
} outcome;

/** Options for that peer; `url` (64 bytes) holds its address. */
websocket_options client_options(const peer *p, char *url);

/** Receive until that many messages came, or the end; TROUPE_EINTERNAL: neither. */
void client_converse(message_stream *stream, unsigned long wanted, outcome *o);

/** Connect, converse, and end it. `wanted` as above. */
void client_run(const websocket_options *options, unsigned long wanted, outcome *o);

/** Entries of /proc/self/fd. */
unsigned client_descriptors(void);

#endif
