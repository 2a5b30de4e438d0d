/* SPDX-License-Identifier: MIT */
/* The launcher's methods of ports: ports.add, remove, list; and what becomes of an attached browser
 * that is lost. One that refuses us is not tried again: it stays on the list until it is added
 * again, perhaps with another token. */
#include "actors/json_call.h"
#include "launcher.h"

#include <stdio.h>
#include <stdlib.h>

#include <utlist.h>

/* How it fares ------------------------------------------------------------------------------ */

const char *launcher_port_failure(const entry *item)
{
    switch (item->port_error) {
    case TROUPE_EUNAUTHORIZED:
        return "unauthorized";
    case TROUPE_ESTATE:
        return "duplicate";
    default:
        return "unreachable";
    }
}

static const char *port_status(const entry *item)
{
    switch (item->state) {
    case ENTRY_UP:
        return "active";
    case ENTRY_STARTING:
        return "connecting";
    case ENTRY_CLOSING:
        return "closing";
    default:
        return launcher_port_failure(item);
    }
}

void launcher_port_up(entry *item)
{
    item->attempts = 0;
    item->port_error = TROUPE_OK;
    item->since_us = json_wall_us();
}

bool launcher_port_ended(entry *item, troupe_error ended, uint32_t restart_in_ms)
{
    if (item->launched || item->state == ENTRY_CLOSING || item->owner->closing) {
        return false;
    }
    if (item->state == ENTRY_UP || item->since_us == 0) {
        item->since_us = json_wall_us();
    }
    item->attempts += item->state == ENTRY_UP ? 0 : 1;
    item->port_error = ended;
    item->next_ns = troupe_now_ns(item->owner->self) + (uint64_t)restart_in_ms * 1000000u;
    snprintf(item->last_error, sizeof item->last_error, "%s",
             item->ended.text[0] != '\0' ? item->ended.text : troupe_error_text(ended));
    return ended == TROUPE_EUNAUTHORIZED;
}

static json_t *port_json(launcher *state, const entry *item)
{
    bool up = item->state == ENTRY_UP;
    json_t *row = json_pack("{s:s, s:s, s:s, s:s, s:I, s:i, s:s}", "browser", item->id, "endpoint",
                            endpoint_text(item->endpoint), "status", port_status(item), "reason",
                            up ? "" : item->last_error, "since", (json_int_t)item->since_us / 1000,
                            "attempts", (int)item->attempts, "last_error", item->last_error);
    if (row != NULL && item->endpoint->port != 0) {
        json_object_set_new(row, "port", json_integer(item->endpoint->port));
    }
    if (row != NULL && item->state == ENTRY_RETRYING) {
        uint64_t now = troupe_now_ns(state->self);
        json_object_set_new(
            row, "next_ms",
            json_integer(item->next_ns > now ? (json_int_t)((item->next_ns - now) / 1000000u) : 0));
    }
    return row;
}

/* ports.add --------------------------------------------------------------------------------- */

static entry *find_endpoint(const launcher *state, const browser_endpoint *at)
{
    entry *item;
    DL_FOREACH(state->entries, item)
    {
        if (item->endpoint != NULL && endpoint_same(item->endpoint, at)) {
            break;
        }
    }
    return item;
}

/* Start it, the caller waits. Taken: item, which is on no list; if it cannot be started it is gone
 * when that is known, so the waiter is made after. */
static void start_port(launcher *state, troupe_caller caller, entry *item)
{
    troupe_reason reason = {{0}};
    item->since_us = json_wall_us();
    troupe_error error = entry_start(state, item, &reason);
    if (error != TROUPE_OK) {
        troupe_fault(state->self, caller, error, NULL, "%s", reason.text);
        return;
    }
    waiter *wait = waiter_new(state, caller, WAIT_PORT);
    if (wait != NULL) {
        waiter_add(wait, item->id);
    }
}

/* The options given last hold from the next connection on. */
static void replace_endpoint(entry *item, browser_endpoint *at)
{
    endpoint_unref(item->endpoint);
    item->endpoint = endpoint_ref(at);
}

/* It is registered already: tell how it is, or will be. One that refused us is tried again, by what
 * is given now. */
static void add_again(launcher *state, troupe_caller caller, entry *present, browser_endpoint *at)
{
    waiter now = {.caller = caller};
    waiter *wait;
    switch (present->state) {
    case ENTRY_UP:
        replace_endpoint(present, at);
        launcher_answer_port(state, &now, present, NULL);
        return;
    case ENTRY_RETRYING:
        replace_endpoint(present, at);
        launcher_answer_port(state, &now, present, present->last_error);
        return;
    case ENTRY_STARTING:
        wait = waiter_new(state, caller, WAIT_PORT);
        if (wait != NULL) {
            waiter_add(wait, present->id);
        }
        return;
    case ENTRY_REFUSED:
        DL_DELETE(state->entries, present);
        replace_endpoint(present, at);
        present->released = false;
        present->seen_up = false;
        present->failed = false;
        present->ended.text[0] = '\0';
        start_port(state, caller, present);
        return;
    case ENTRY_CLOSING:
        troupe_fault(state->self, caller, TROUPE_ESTATE, NULL, "browser %s is being closed",
                     present->id);
        return;
    }
}

static void add_new(launcher *state, troupe_caller caller, browser_endpoint *at, const char *as)
{
    char number[16];
    troupe_reason reason = {{0}};
    entry *item = calloc(1, sizeof *item);
    if (item == NULL) {
        troupe_fault(state->self, caller, TROUPE_ENOMEM, NULL, NULL);
        return;
    }
    snprintf(number, sizeof number, "%d", at->port);
    bool by_number = as == NULL && at->port != 0 && entry_find(state, number) == NULL;
    troupe_error error = launcher_choose_id(state, by_number ? number : as, "r", item->id, &reason);
    if (error != TROUPE_OK) {
        troupe_fault(state->self, caller, error, NULL, "%s", reason.text);
        free(item);
        return;
    }
    item->endpoint = endpoint_ref(at);
    item->port_number = at->port;
    start_port(state, caller, item);
}

void launcher_ports_add(launcher *state, troupe_caller caller, json_t *params)
{
    browser_endpoint *at = NULL;
    troupe_reason reason = {{0}};
    const char *as = json_string_value(json_object_get(params, "as"));
    troupe_error error = endpoint_create(params, &at, &reason);
    if (error != TROUPE_OK) {
        troupe_fault(state->self, caller, error, NULL, "%s", reason.text);
        return;
    }
    entry *present = find_endpoint(state, at);
    if (present == NULL) {
        add_new(state, caller, at, as);
    } else if (as != NULL && strcmp(as, present->id) != 0) {
        troupe_fault(state->self, caller, TROUPE_ESTATE, NULL, "%s is there already, as %s",
                     endpoint_text(at), present->id);
    } else {
        add_again(state, caller, present, at);
    }
    endpoint_unref(at);
}

/* ports.remove, ports.list ------------------------------------------------------------------ */

/* By its id, or by the address as it was given. */
static entry *find_port(launcher *state, const json_t *params, troupe_reason *reason)
{
    json_t *port = json_object_get(params, "port");
    entry *item = json_is_string(port) ? entry_find(state, json_string_value(port)) : NULL;
    if (item != NULL && item->endpoint != NULL) {
        return item;
    }
    browser_endpoint *at = NULL;
    json_t *alone = json_pack("{s:O}", "port", port);
    item = endpoint_create(alone, &at, reason) == TROUPE_OK ? find_endpoint(state, at) : NULL;
    json_decref(alone);
    endpoint_unref(at);
    return item;
}

void launcher_ports_remove(launcher *state, troupe_caller caller, json_t *params)
{
    troupe_reason reason = {{0}};
    entry *item = find_port(state, params, &reason);
    if (item != NULL) {
        launcher_close(state, caller, item);
    } else if (reason.text[0] != '\0') {
        troupe_fault(state->self, caller, TROUPE_EPARAMS, NULL, "%s", reason.text);
    } else {
        troupe_fault(state->self, caller, TROUPE_ENOTFOUND, NULL, "no such port is registered");
    }
}

void launcher_ports_list(launcher *state, troupe_caller caller, json_t *params)
{
    (void)params;
    json_t *list = json_array();
    const entry *item;
    DL_FOREACH(state->entries, item)
    {
        if (item->endpoint != NULL) {
            json_array_append_new(list, port_json(state, item));
        }
    }
    json_reply(state->self, caller, json_pack("{s:o}", "ports", list));
}
