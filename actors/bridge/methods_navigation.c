/* SPDX-License-Identifier: MIT */
/* The methods that move a page. */
#include "method_rows.h"

#include "actors/verbs.h"

/* clang-format off */
const rpc_method methods_navigation[] = {
    {.name = "navigate",
     .route = ROUTE_TARGET,
     .mutates = true,
     .doc = "Go to another address",
     .result = "{url, frame_id, loader_id, error}",
     .params = {{"url", S, true, NULL, NULL, "address to go to"}, ONE_TARGET,
                {"wait", S, false, "\"load\"", "none|load", "answer when the page has loaded, or at once"}}},
    {.name = "reload",
     .route = ROUTE_TARGET,
     .mutates = true,
     .doc = "Reload the page",
     .result = "{reloaded, ignore_cache}",
     .params = {ONE_TARGET,
                {"ignore_cache", B, false, "false", NULL, "fetch everything anew"}}},
    {.name = "page",
     .route = ROUTE_TARGET,
     .doc = "Where the page is",
     .result = "{url, title, id, target, type, state, epoch}",
     .params = {ONE_TARGET}},
    {0},
};
