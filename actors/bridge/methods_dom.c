/* SPDX-License-Identifier: MIT */
/* The methods that pick elements of a page. */
#include "method_rows.h"

#include "actors/verbs.h"

#define INSPECT_RESULT \
    "{inspect_active, inspecting: target or null, selections: {key: selection}, pending_count}"
#define START_ERRORS "NOT_CONNECTED|NOT_FOUND|INVALID_STATE|STALE_EPOCH|CDP_ERROR"

/* clang-format off */
const rpc_method methods_dom[] = {
    {.name = "browser",
     .owner = NAME_INSPECT,
     .mutates = true,
     .doc = "Pick elements of a page by hand: browser.startInspect and browser.stopInspect in one",
     .result = INSPECT_RESULT,
     .states = "connected",
     .errors = START_ERRORS,
     .params = {{"target", S, false, NULL, NULL, "the page; needed to start"},
                {"action", S, false, "\"start\"", "start|stop", "what to do"}}},
    {.name = "browser.startInspect",
     .owner = NAME_INSPECT,
     .mutates = true,
     .doc = "Pick elements of this page by hand: what is clicked becomes a selection. One page at a time",
     .result = "{inspect_active, inspecting, selections: {key: selection}, pending_count, target_epoch}",
     .states = "connected",
     .errors = START_ERRORS,
     .params = {{"target", S, true, NULL, NULL, "id or unambiguous prefix"}}},
    {.name = "browser.stopInspect",
     .owner = NAME_INSPECT,
     .mutates = true,
     .doc = "Pick no more; the selections stay",
     .result = INSPECT_RESULT},
    {.name = "browser.clear",
     .owner = NAME_INSPECT,
     .mutates = true,
     .doc = "Forget all selections",
     .result = "{success, selections: {}}"},
    {.name = "selections",
     .owner = NAME_INSPECT,
     .doc = "The elements that were picked. They end with their page's document",
     .result = "{inspect_active, inspecting, selections: {key: {target, selector, jsPath, xpath, fullXpath, outerHTML, styles, preview: {tag, id, classes, text}, box, nodeId, backendNodeId}}, pending_count}",
     .errors = "NOT_FOUND",
     .params = {{"target", SA, false, NULL, NULL, "only of this one, or of these"}}},
    {0},
};
