/* SPDX-License-Identifier: MIT */
/*
 * A command may overtake earlier ones of its own session only if no client can tell: because it
 * answers something that the page stands still for (a dialog, a paused request), or because what it
 * ends need not have begun. Everything that clients send in one burst and count on the order of
 * (Page.addScriptToEvaluateOnNewDocument … Runtime.runIfWaitingForDebugger; moves, presses and
 * releases of a mouse; Page.navigate and Page.stopLoading) keeps its place.
 */
#include "command_class.h"

#include <string.h>

static const char *const urgent[] = {
    "Input.*",
    "Debugger.pause",
    "Debugger.resume",
    "Page.close",
    "Page.stopLoading",
    "Runtime.runIfWaitingForDebugger",
    "Target.closeTarget",
    "Target.detachFromTarget",
};

/* Fetch's bodies are asked for before the request is let go: they must not fall behind. */
static const char *const cancel[] = {
    "Browser.close",
    "Browser.crash",
    "Fetch.continueRequest",
    "Fetch.continueResponse",
    "Fetch.continueWithAuth",
    "Fetch.failRequest",
    "Fetch.fulfillRequest",
    "Fetch.getResponseBody",
    "Fetch.takeResponseBodyAsStream",
    "Page.crash",
    "Page.handleJavaScriptDialog",
    "Runtime.terminateExecution",
};

static int fits(const char *pattern, const char *method, size_t len)
{
    size_t size = strlen(pattern);
    if (pattern[size - 1] == '*') {
        return len >= size && memcmp(pattern, method, size - 1) == 0;
    }
    return len == size && memcmp(pattern, method, len) == 0;
}

command_class command_class_of(const char *method, size_t len)
{
    for (size_t i = 0; i < sizeof urgent / sizeof *urgent; i++) {
        if (fits(urgent[i], method, len)) {
            return COMMAND_URGENT;
        }
    }
    for (size_t i = 0; i < sizeof cancel / sizeof *cancel; i++) {
        if (fits(cancel[i], method, len)) {
            return COMMAND_CANCEL;
        }
    }
    return COMMAND_BULK;
}
