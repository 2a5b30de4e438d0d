/* SPDX-License-Identifier: MIT */
/** Draining: what is under way goes on, nothing new begins. */
#ifndef TROUPE_BRIDGE_DRAIN_H
#define TROUPE_BRIDGE_DRAIN_H

#include "bridge.h"

#include <jansson.h>

/** Begin or end it. stop: ask for the host's end once nothing is under way (drain_look). Thread:
 * any. */
void drain_set(bridge *server, bool on, bool stop);

/** Ask for the host's end after that time all the same. Thread: any. */
void drain_deadline(bridge *server, uint32_t ms);

/** The bridge stops: nobody is left to end it. */
void drain_fini(bridge *server);

/** {draining, stopping, calls, clients}: what is under way. `own`: calls that are not counted. */
json_t *drain_json(bridge *server, unsigned own);

/** Answer a client that is new: there is no room for it. Returns the HTTP status. */
int drain_refuse(struct mg_connection *conn);

/** Something ended: perhaps it was the last. Thread: any, without bridge.lock. */
void drain_look(bridge *server);

/** Ask for the host's end, if it is to end when drained and has not been asked yet. */
void drain_stop_now(bridge *server);

#endif
