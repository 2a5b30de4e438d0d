/* SPDX-License-Identifier: MIT */
/**
 * A WebSocket client as an actor: it owns the connection, reads requests from it, makes the calls
 * and is the only one that writes to it. A peer that speaks envelopes is an actor through it
 * (external.h).
 *
 * Nothing in it blocks. Results wait in its queue until the peer takes them. While more than 4 MiB
 * are queued it reads no further requests and drops events, counting them (the peer gets a `gap`
 * event with the number). A peer that takes nothing for 10 s while something waits is disconnected.
 */
#ifndef TROUPE_BRIDGE_CLIENT_H
#define TROUPE_BRIDGE_CLIENT_H

#include "bridge.h"
#include "cdp_peer.h"

/** What the peer speaks: by the subprotocol that the handshake agreed on. */
typedef enum client_protocol {
    CLIENT_ANY,      /* none was agreed on: JSON-RPC in text frames, envelopes in binary ones */
    CLIENT_JSONRPC,  /* "jsonrpc" */
    CLIENT_ENVELOPE, /* "troupe.envelope.v1" */
    CLIENT_CDP,      /* by the address: a client of the Chrome DevTools Protocol */
} client_protocol;

/**
 * Start an actor on a connection.
 *
 * @param fd        connected TCP socket; taken on TROUPE_OK
 * @param cdp       of CLIENT_CDP what it drives; copied; else NULL
 * @param greeting  what is to be written first: the handshake's answer; copied
 * @param peer      other end, for lists
 * @return TROUPE_OK; TROUPE_ELIMIT: clients_max reached; TROUPE_ECLOSED; TROUPE_ENOMEM
 */
troupe_error client_start(bridge *server, int fd, client_protocol protocol, const cdp_spec *cdp,
                          const char *greeting, const char *peer) TROUPE_MUST_USE;

#endif
