/* SPDX-License-Identifier: MIT */
/* The methods of live events. */
#include "method_rows.h"

#include "actors/verbs.h"

/* clang-format off */
const rpc_method methods_events[] = {
    {.name = "events.subscribe",
     .route = ROUTE_CLIENT,
     .doc = "Have live events sent as notifications `event` {topic, data} (WebSocket only)",
     .result = "{topics: […], targets: […]}",
     .params = {{"topics", SA, true, NULL, NULL, "network, console, target"},
                {"targets", SA, false, NULL, NULL, "only of these: ids or prefixes"}}},
    {.name = "events.unsubscribe",
     .route = ROUTE_CLIENT,
     .doc = "End live events (WebSocket only)",
     .result = "{topics: […]}",
     .params = {{"topics", SA, false, NULL, NULL, "default: all"}}},
    {0},
};
