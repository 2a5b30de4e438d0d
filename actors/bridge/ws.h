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

/** Answer the request: 101 and a client actor, or an error. Returns the HTTP status. */
int ws_upgrade(bridge *server, struct mg_connection *conn);

/** Whether the request asks for a WebSocket. */
bool ws_wanted(const struct mg_connection *conn);

#endif
