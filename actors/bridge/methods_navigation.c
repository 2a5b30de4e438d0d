/* SPDX-License-Identifier: MIT */
/* The methods that move a page. */
#include "method_rows.h"

#include "actors/verbs.h"

/* clang-format off */
#define WAIT_FOR_LOAD {"wait", S, false, "\"load\"", "none|load", "answer when the page has loaded, or at once"}

const rpc_method methods_navigation[] = {
    {.name = "navigate",
     .route = ROUTE_TARGET,
     .mutates = true,
     .doc = "Go to another address",
     .result = "{url, frame_id, loader_id, error}",
     .params = {{"url", S, true, NULL, NULL, "address to go to"}, ONE_TARGET,
                WAIT_FOR_LOAD}},
    {.name = "reload",
     .route = ROUTE_TARGET,
     .mutates = true,
     .doc = "Reload the page",
     .result = "{reloaded, ignore_cache}",
     .params = {ONE_TARGET,
                {"ignore_cache", B, false, "false", NULL, "fetch everything anew"}}},
    {.name = "back",
     .route = ROUTE_TARGET,
     .mutates = true,
     .doc = "Go back to the document before",
     .result = "{navigated: true, title, url, index, total} or {navigated: false, reason: \"Already at first entry\"}",
     .states = "connected",
     .errors = "NOT_CONNECTED|NOT_FOUND|INVALID_STATE|STALE_EPOCH|CDP_ERROR",
     .params = {ONE_TARGET, WAIT_FOR_LOAD}},
    {.name = "forward",
     .route = ROUTE_TARGET,
     .mutates = true,
     .doc = "Go forward to the document after",
     .result = "{navigated: true, title, url, index, total} or {navigated: false, reason: \"Already at last entry\"}",
     .states = "connected",
     .errors = "NOT_CONNECTED|NOT_FOUND|INVALID_STATE|STALE_EPOCH|CDP_ERROR",
     .params = {ONE_TARGET, WAIT_FOR_LOAD}},
    {.name = "history",
     .route = ROUTE_TARGET,
     .doc = "Where the page has been",
     .result = "{target, entries: [{id, url, title, type, current}], current_index}",
     .states = "connected",
     .errors = "NOT_CONNECTED|NOT_FOUND|INVALID_STATE|CDP_ERROR",
     .params = {ONE_TARGET}},
    {.name = "page",
     .route = ROUTE_TARGET,
     .doc = "Where the page is",
     .result = "{url, title, id, target, type, state, epoch}",
     .params = {ONE_TARGET}},
    {0},
};
