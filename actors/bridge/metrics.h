/* SPDX-License-Identifier: MIT */
/**
 * The actor "metrics": RPC `metrics`. Asks every browser and the launcher at once, and answers when
 * all have, or METRICS_WAIT_MS after the question; who has not is named in `warnings`.
 */
#ifndef TROUPE_BRIDGE_METRICS_H
#define TROUPE_BRIDGE_METRICS_H

#include "bridge.h"

#define METRICS_WAIT_MS 1000

/** Start it; it reads the bridge's counters for as long as it lives. Thread: the starter's. */
troupe_error metrics_start(bridge *server) TROUPE_MUST_USE;
/** Stop it and wait for its end. Nothing if it was never started. */
void metrics_stop(bridge *server);

#endif
