/* SPDX-License-Identifier: MIT */
/**
 * GET /ws: the WebSocket handshake (RFC 6455, section 4.2).
 *
 * civetweb pins a worker to every WebSocket, reserves whatever length a frame declares and waits
 * for ever for the rest of one. So only the handshake is its business: then the connection's
 * descriptor is taken over by the client's actor, and civetweb gets a dead socket to close in its
 * place.
 */
#ifndef TROUPE_BRIDGE_WS_H
#define TROUPE_BRIDGE_WS_H

#include "bridge.h"
#include "cdp_peer.h"

/**
 * Answer the request: 101 and a client actor, or an error. Returns the HTTP status.
 * @param cdp  what a client of the DevTools protocol is to drive; NULL: one of our own protocols
 */
int ws_upgrade(bridge *server, struct mg_connection *conn, const cdp_spec *cdp);

/**
 * Take a connection over from civetweb: a descriptor of our own, -1 if there is none.
 *
 * @param theirs  stored: civetweb's, for ws_put_dead_socket
 */
int ws_descriptor(struct mg_connection *conn, int *theirs);
/** Put a socket that leads nowhere in the place of a descriptor that civetweb is going to close. */
bool ws_put_dead_socket(int fd);

/** Whether the request asks for a WebSocket. */
bool ws_wanted(const struct mg_connection *conn);

#endif
