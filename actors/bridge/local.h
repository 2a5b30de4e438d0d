/* SPDX-License-Identifier: MIT */
/** Methods that the bridge answers itself. */
#ifndef TROUPE_BRIDGE_LOCAL_H
#define TROUPE_BRIDGE_LOCAL_H

#include "bridge.h"
#include "methods.h"

/**
 * Answer a method whose route is ROUTE_LOCAL.
 *
 * @param params  named, borrowed
 * @param result  stored on TROUPE_OK: new reference
 * @return TROUPE_OK; TROUPE_ENOTFOUND, TROUPE_EFORBIDDEN with the reason; TROUPE_ENOMEM
 */
troupe_error local_answer(bridge *server, const rpc_method *method, const json_t *params,
                          json_t **result, troupe_reason *reason) TROUPE_MUST_USE;

/** {system, bridge, process}: what `metrics` says of the host itself. New reference; NULL: out of
 * memory. Thread: any. */
json_t *local_metrics(bridge *server);

#endif
