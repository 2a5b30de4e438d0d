/* SPDX-License-Identifier: MIT */
/** actor.call and actor.post: any actor by its name or address, with JSON for what is not JSON. */
#ifndef TROUPE_BRIDGE_NAMED_H
#define TROUPE_BRIDGE_NAMED_H

#include "rpc.h"

/** Find the actor and pack what it is sent: the call is then RPC_CALL, RPC_POST or RPC_DONE. */
void named_prepare(bridge *server, rpc_call *call);

/** A payload as JSON: new reference, or NULL if it holds what JSON cannot say (ext types but JSON
 * text, numbers that are not finite, keys that are no strings). Bytes become base64 text. */
json_t *named_value(troupe_bytes payload);

#endif
