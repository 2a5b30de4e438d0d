/* SPDX-License-Identifier: MIT */
/* Calls that wait for browsers to come up, or to be gone. */
#include "actors/json_call.h"
#include "launcher.h"

#include <stdio.h>
#include <stdlib.h>

#include <utlist.h>

static bool waits_for(const waiter *item, const char *id)
{
    for (size_t i = 0; i < item->id_count; i++) {
        if (strcmp(item->ids[i], id) == 0) {
            return true;
        }
    }
    return false;
}

waiter *waiter_new(launcher *state, troupe_caller caller, waiter_kind kind)
{
    waiter *item = calloc(1, sizeof *item);
    if (item != NULL) {
        item->ids = calloc(kind == WAIT_LAUNCH ? LAUNCH_COUNT_MAX : 1, sizeof *item->ids);
    }
    if (item == NULL || item->ids == NULL) {
        free(item);
        troupe_fault(state->self, caller, TROUPE_ENOMEM, NULL, NULL);
        return NULL;
    }
    item->caller = caller;
    item->kind = kind;
    item->browsers = json_array();
    item->failed = json_array();
    DL_APPEND(state->waiters, item);
    return item;
}

void waiter_free(launcher *state, waiter *item)
{
    DL_DELETE(state->waiters, item);
    json_decref(item->browsers);
    json_decref(item->failed);
    free(item->ids);
    free(item);
}

void waiter_add(waiter *item, const char *id)
{
    size_t room = item->kind == WAIT_LAUNCH ? LAUNCH_COUNT_MAX : 1;
    if (item->id_count < room) {
        snprintf(item->ids[item->id_count++], BROWSER_ID_MAX, "%s", id);
        item->expected++;
    }
}

void launcher_answer_port(launcher *state, const waiter *wait, const entry *item,
                          const char *failure)
{
    json_t *result = json_pack("{s:s, s:s}", "browser", item->id, "status",
                               failure == NULL ? "registered" : launcher_port_failure(item));
    if (item->port_number != 0) {
        json_object_set_new(result, "port", json_integer(item->port_number));
    }
    if (failure != NULL) {
        json_object_set_new(result, "warning", json_string(failure));
    }
    json_reply(state->self, wait->caller, result);
}

/* Those that are up stay, and are answered; a fault tells that there are none. */
static void answer_launch(launcher *state, const waiter *wait)
{
    size_t failed = json_array_size(wait->failed);
    if (json_array_size(wait->browsers) > 0) {
        json_reply(state->self, wait->caller,
                   json_pack("{s:O, s:O}", "browsers", wait->browsers, "failed", wait->failed));
        return;
    }
    const json_t *first = json_array_get(wait->failed, 0);
    char more[80] = "";
    if (failed > 1) {
        snprintf(more, sizeof more, " (none of the %zu did)", failed);
    }
    troupe_fault(state->self, wait->caller, wait->failure, NULL, "browser %s did not start: %s%s",
                 json_string_value(json_object_get(first, "browser")),
                 json_string_value(json_object_get(first, "reason")), more);
}

static void settle_launch(launcher *state, waiter *wait, const entry *item, const char *failure)
{
    if (failure == NULL) {
        json_array_append_new(wait->browsers, entry_json(item));
    } else {
        wait->failure = wait->failure != TROUPE_OK   ? wait->failure
                        : item->failure != TROUPE_OK ? item->failure
                                                     : TROUPE_EUNAVAILABLE;
        json_array_append_new(wait->failed,
                              json_pack("{s:s, s:s}", "browser", item->id, "reason", failure));
    }
    if (++wait->settled == wait->expected) {
        answer_launch(state, wait);
        waiter_free(state, wait);
    }
}

void launcher_settle(launcher *state, const entry *item, const char *failure)
{
    waiter *wait;
    waiter *next;
    DL_FOREACH_SAFE(state->waiters, wait, next)
    {
        if (wait->kind == WAIT_CLOSE || !waits_for(wait, item->id)) {
            continue;
        }
        if (wait->kind == WAIT_PORT) {
            launcher_answer_port(state, wait, item, failure);
            waiter_free(state, wait);
        } else {
            settle_launch(state, wait, item, failure);
        }
    }
}

void launcher_settle_closed(launcher *state, const char *id)
{
    waiter *wait;
    waiter *next;
    DL_FOREACH_SAFE(state->waiters, wait, next)
    {
        if (wait->kind == WAIT_CLOSE && waits_for(wait, id)) {
            json_reply(state->self, wait->caller,
                       json_pack("{s:b, s:s}", "closed", true, "browser", id));
            waiter_free(state, wait);
        }
    }
}
