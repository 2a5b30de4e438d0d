/* SPDX-License-Identifier: MIT */
/** The places of clients that hold a connection: WebSockets and event streams. There are
 * clients_max. */
#ifndef TROUPE_BRIDGE_SLOTS_H
#define TROUPE_BRIDGE_SLOTS_H

#include "bridge.h"

/** A free one with a fresh number and name; NULL if there is none. Thread: any. */
client_slot *client_slot_take(bridge *server, const char *peer);
void client_slot_free(bridge *server, client_slot *slot);

/** Start the client's actor under the slot's name. state: the behaviour's; taken on TROUPE_OK. The
 * slot is freed otherwise. */
troupe_error client_slot_start(bridge *server, client_slot *slot, const troupe_behaviour *behaviour,
                               void *state) TROUPE_MUST_USE;

/** Say goodbye to all clients and wait for their actors. Not from an actor's thread. */
void clients_stop(bridge *server);

#endif
