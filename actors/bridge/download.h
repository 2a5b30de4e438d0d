/* SPDX-License-Identifier: MIT */
/** What one gets by address: pictures of a page, bodies. */
#ifndef TROUPE_BRIDGE_DOWNLOAD_H
#define TROUPE_BRIDGE_DOWNLOAD_H

#include "bridge.h"

#include <civetweb.h>

/** GET PREFIX + what: a call of that RPC method, its base64 data sent as bytes. The query's members
 * are params. Returns the status. */
int download_serve(bridge *server, troupe_guest *guest, struct mg_connection *conn,
                   const char *method, const char *what);

/** GET /har/TARGET (or "*", or nothing: all): the recorded requests as one HAR, sent as it is read
 * from the store. Returns the status. */
int download_har(bridge *server, troupe_guest *guest, struct mg_connection *conn, const char *what);

#endif
