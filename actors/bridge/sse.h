/* SPDX-License-Identifier: MIT */
/**
 * GET /events: the state as Server-Sent Events (HTML, section 9.2), by an actor for each client.
 *
 * First the full state, then each change as a JSON merge patch; `?full=1`: the full state each
 * time. `id` is INSTANCE-REVISION: with it as Last-Event-ID a client goes on where it was. What a
 * client does not take in time is not kept for it: when it takes again, it gets the full state.
 */
#ifndef TROUPE_BRIDGE_SSE_H
#define TROUPE_BRIDGE_SSE_H

#include "bridge.h"

/** Answer the request: a stream, or an error. Returns the HTTP status. */
int sse_serve(bridge *server, struct mg_connection *conn);

#endif
