/* SPDX-License-Identifier: MIT */
/**
 * Chrome's discovery endpoints and WebSocket paths: /json/…, /devtools/…, for one browser also
 * behind /b/BROWSER or with ?browser=BROWSER. Answers are Chrome's, word by word.
 */
#ifndef TROUPE_BRIDGE_DISCOVERY_H
#define TROUPE_BRIDGE_DISCOVERY_H

#include "bridge.h"

/** Answer a request whose path is one of them. Returns the HTTP status. Blocks as RPC calls do. */
int discovery_serve(bridge *server, troupe_guest *guest, struct mg_connection *conn);

#endif
