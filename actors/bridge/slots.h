/* SPDX-License-Identifier: MIT */
/** The places of clients that hold a connection: WebSockets and event streams. There are
 * clients_max. */
#ifndef TROUPE_BRIDGE_SLOTS_H
#define TROUPE_BRIDGE_SLOTS_H

#include "bridge.h"

/** A free one with a fresh number and name; NULL if there is none. Thread: any. */
client_slot *client_slot_take(bridge *server, const char *peer);
void client_slot_free(bridge *server, client_slot *slot);
/** Its actor is there, unless it has ended already. */
void client_slot_address(bridge *server, client_slot *slot, uint64_t number,
                         troupe_address address);

/** Say goodbye to all clients and wait for their actors. Not from an actor's thread. */
void clients_stop(bridge *server);

#endif
