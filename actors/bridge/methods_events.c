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
     .params = {{"topics", SA, false, NULL, NULL, "network, console, target, browser, cdp"},
                {"targets", SA, false, NULL, NULL, "only of these: ids, prefixes, patterns"},
                {"methods", SA, false, NULL, NULL, "events as Chrome sends them (topic cdp), only these: \"Network.*\", \"Page.frameNavigated\""}}},
    {.name = "events.unsubscribe",
     .route = ROUTE_CLIENT,
     .doc = "End live events (WebSocket only)",
     .result = "{topics: […]}",
     .params = {{"topics", SA, false, NULL, NULL, "default: all"}}},
    {.name = "events.wait",
     .owner = NAME_EVENTS,
     .doc = "Wait for the next event that matches",
     .result = "{topic, data}",
     .errors = "LIMIT",
     .params = {{"topics", SA, false, NULL, NULL, "network, console, target, browser, cdp"},
                {"targets", SA, false, NULL, NULL, "only of these: ids, prefixes, patterns"},
                {"methods", SA, false, NULL, NULL, "events as Chrome sends them, only these: patterns"},
                {"where", O, false, NULL, NULL, "only if these members are so: {\"url\": \"*/api/*\", \"status\": 200}"}}},
    {0},
};
