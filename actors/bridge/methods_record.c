/* SPDX-License-Identifier: MIT */
/* The methods that ask what was recorded. */
#include "method_rows.h"

#include "actors/verbs.h"

/* clang-format off */
/* Which requests. */
#define REQUEST_FILTERS \
    {"status", I, false, NULL, NULL, "HTTP status"}, \
    {"method", S, false, NULL, NULL, "HTTP method"}, \
    {"resource_type", S, false, NULL, NULL, "Document, Script, XHR, Fetch, WebSocket, …"}, \
    {"url", S, false, NULL, NULL, "pattern with *"}, \
    {"state", S, false, NULL, "pending|loading|complete|failed|paused|connecting|open|closed", "where it stands"}, \
    {"search", S, false, NULL, NULL, "text in headers, case ignored"}, \
    {"text", S, false, NULL, NULL, "words in URL, headers and bodies, all of them: word \"a phrase\" begin* -without url:word header:word body:word"}

const rpc_method methods_record[] = {
    {.name = "network",
     .route = ROUTE_ACTOR,
     .owner = NAME_NETWORK,
     .doc = "Recorded requests, one row a hop",
     .result = "{targets, requests: […], warnings: […]}",
     .errors = "NOT_FOUND|STORAGE",
     .params = {{"limit", I, false, "50", NULL, "at most this many"},
                REQUEST_FILTERS,
                {"show_all", B, false, "false", NULL, "also what filters hide"},
                {"order", S, false, "\"desc\"", "asc|desc", "newest first, or oldest first"},
                SOME_TARGET,
                {"type", S, false, NULL, NULL, "same as resource_type"},
                {"wait", I, false, NULL, NULL, "if there is none, wait up to so many seconds (60) for one that matches to end"}}},
    {.name = "request",
     .route = ROUTE_ACTOR,
     .owner = NAME_NETWORK,
     .doc = "One request in detail",
     .result = "{entry, resolution?}",
     .errors = "NOT_FOUND|STORAGE",
     .params = {{"id", I, true, NULL, NULL, "id of its row"}, ONE_TARGET,
                {"fields", SA, false, NULL, NULL, "only these: \"request\", \"response.headers\", …"},
                {"body", B, false, "false", NULL, "with the body of the response"}}},
    {.name = "body",
     .route = ROUTE_ACTOR,
     .owner = NAME_NETWORK,
     .doc = "The body of a response",
     .result = "{body, base64Encoded, …}",
     .errors = "NOT_FOUND|STORAGE",
     .params = {{"id", I, true, NULL, NULL, "id of its row"}, ONE_TARGET}},
    {.name = "har",
     .route = ROUTE_ACTOR,
     .owner = NAME_NETWORK,
     .doc = "Recorded requests as HAR 1.2, a piece at a time",
     .result = "{log: {version, creator, browser, pages, entries}, next: id or null, warnings: […]}",
     .errors = "NOT_FOUND|STORAGE",
     .params = {SOME_TARGET,
                {"browser", S, false, NULL, NULL, "only requests of that browser"},
                {"since", I, false, NULL, NULL, "begun then or later, ms since 1970"},
                {"until", I, false, NULL, NULL, "begun before then, ms since 1970"},
                REQUEST_FILTERS,
                {"bodies", B, false, "true", NULL, "with bodies"},
                {"after", I, false, "0", NULL, "the `next` of the piece before"},
                {"limit", I, false, "500", NULL, "entries at most, up to 5000; large ones come in smaller pieces"}}},
    {.name = "clear",
     .route = ROUTE_ACTOR,
     .owner = NAME_NETWORK,
     .mutates = true,
     .doc = "Hide what was recorded until now, or delete it",
     .result = "{cleared: […], purged}",
     .errors = "STORAGE",
     .params = {{"purge", B, false, "false", NULL, "delete instead of hide"}}},
    {.name = "console",
     .route = ROUTE_ACTOR,
     .owner = NAME_CONSOLE,
     .doc = "Recorded console messages and exceptions",
     .result = "{targets, messages: [{id, level, source, message, timestamp, target}], warnings: […]}",
     .errors = "NOT_FOUND|STORAGE",
     .params = {{"limit", I, false, "50", NULL, "at most this many"},
                {"level", S, false, NULL, "error|warning|info|log|debug|warn|verbose", "only these"},
                SOME_TARGET,
                {"order", S, false, "\"desc\"", "asc|desc", "newest first, or oldest first"}}},
    {.name = "entry",
     .owner = NAME_CONSOLE,
     .doc = "One console message in detail",
     .result = "{entry: {id, level, type, source, message, timestamp, target, url, line, column, request_id, session, stack}}; without fields: {id, level, message, source, timestamp}",
     .errors = "NOT_FOUND|STORAGE",
     .params = {{"id", I, true, NULL, NULL, "id of its row"}, ONE_TARGET,
                {"fields", SA, false, NULL, NULL, "only these; \"*\": all"}}},
    {.name = "query.sql",
     .route = ROUTE_ACTOR,
     .owner = NAME_SQL,
     .doc = "Read-only SQL over the store",
     .result = "{columns: […], rows: [[…]], truncated}",
     .errors = "STORAGE|FORBIDDEN|LIMIT",
     .params = {{"sql", S, true, NULL, NULL, "one statement"},
                {"params", A, false, NULL, NULL, "values to bind, in order"},
                {"limit", I, false, NULL, NULL, "at most this many rows"}}},
    {0},
};
