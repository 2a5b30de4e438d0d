/* SPDX-License-Identifier: MIT */
/* The methods that run something in a page. */
#include "method_rows.h"

#include "actors/verbs.h"

/* clang-format off */
const rpc_method methods_script[] = {
    {.name = "js",
     .route = ROUTE_TARGET,
     .mutates = true,
     .doc = "Run JavaScript in the page",
     .result = "{value, type, executed}",
     .params = {{"code", S, true, NULL, NULL, "source text"}, ONE_TARGET,
                {"await_promise", B, false, "false", NULL, "if the value is a promise, wait for it"},
                {"return_value", B, false, "true", NULL, "false: do not answer the value"},
                {"persist", B, false, "false", NULL, "true: declarations stay in the page's scope"}}},
    {.name = "cdp",
     .route = ROUTE_TARGET,
     .mutates = true,
     .doc = "Any command of the Chrome DevTools Protocol",
     .result = "{result}",
     .params = {{"command", S, true, NULL, NULL, "\"Domain.method\""},
                {"params", O, false, NULL, NULL, "its parameters"}, ONE_TARGET}},
    {0},
};
