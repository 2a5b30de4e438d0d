/* SPDX-License-Identifier: MIT */
/* The launcher's methods of ports: ports.add, remove, list. */
#include "actors/json_call.h"
#include "launcher.h"

#include <stdio.h>
#include <stdlib.h>

#include <utlist.h>

/* 9222, "9222", "HOST:PORT", "ws://…": where to connect, and the port's number if it is loopback.
 */
static bool parse_port(json_t *port, char *endpoint, size_t size, int *number)
{
    *number = 0;
    const char *text = json_string_value(port);
    char *end = NULL;
    long value = json_is_integer(port) ? (long)json_integer_value(port)
                 : text != NULL        ? strtol(text, &end, 10)
                                       : 0;
    if (text == NULL || (end != NULL && end != text && *end == '\0')) {
        if (value < 1 || value > 65535) {
            return false;
        }
        *number = (int)value;
        snprintf(endpoint, size, "http://127.0.0.1:%ld", value);
        return true;
    }
    if (strncmp(text, "ws://", 5) == 0 || strncmp(text, "wss://", 6) == 0 ||
        strncmp(text, "http://", 7) == 0 || strncmp(text, "https://", 8) == 0) {
        snprintf(endpoint, size, "%s", text);
        return strlen(text) < size;
    }
    const char *colon = strrchr(text, ':');
    if (colon == NULL || colon == text || atoi(colon + 1) < 1 || atoi(colon + 1) > 65535) {
        return false;
    }
    if (strncmp(text, "127.0.0.1:", 10) == 0 || strncmp(text, "localhost:", 10) == 0) {
        *number = atoi(colon + 1);
    }
    return snprintf(endpoint, size, "http://%s", text) < (int)size;
}

/* The port is registered already: tell how it is, or will be. */
static void add_again(launcher *state, troupe_caller caller, const entry *present)
{
    waiter now = {.caller = caller};
    waiter *wait;
    switch (present->state) {
    case ENTRY_UP:
        launcher_answer_port(state, &now, present, NULL);
        return;
    case ENTRY_RETRYING:
        launcher_answer_port(state, &now, present, present->ended.text);
        return;
    case ENTRY_STARTING:
        wait = waiter_new(state, caller, WAIT_PORT);
        if (wait != NULL) {
            waiter_add(wait, present->id);
        }
        return;
    case ENTRY_CLOSING:
        troupe_fault(state->self, caller, TROUPE_ESTATE, NULL, "browser %s is being closed",
                     present->id);
        return;
    }
}

void launcher_ports_add(launcher *state, troupe_caller caller, json_t *params)
{
    char endpoint[256];
    char number_text[16];
    int number;
    if (!parse_port(json_object_get(params, "port"), endpoint, sizeof endpoint, &number)) {
        troupe_fault(state->self, caller, TROUPE_EPARAMS, NULL,
                     "`port` must be a port (1 to 65535), \"HOST:PORT\" or a ws:// URL");
        return;
    }
    snprintf(number_text, sizeof number_text, "%d", number);
    const char *wanted = json_string_value(json_object_get(params, "as"));
    if (wanted == NULL && number != 0) {
        wanted = number_text;
    }
    entry *present = wanted != NULL ? entry_find(state, wanted) : NULL;
    if (present != NULL && !present->launched && strcmp(present->endpoint, endpoint) == 0) {
        add_again(state, caller, present);
        return;
    }
    troupe_reason reason = {{0}};
    entry *item = calloc(1, sizeof *item);
    waiter *wait = item != NULL ? waiter_new(state, caller, WAIT_PORT) : NULL;
    if (wait == NULL) {
        free(item);
        return;
    }
    troupe_error error = launcher_choose_id(state, wanted, "r", item->id, &reason);
    if (error == TROUPE_OK) {
        item->endpoint = strdup(endpoint);
        item->port_number = number;
        waiter_add(wait, item->id);
        error = entry_start(state, item, &reason);
    } else {
        free(item);
    }
    if (error != TROUPE_OK) {
        troupe_fault(state->self, caller, error, NULL, "%s", reason.text);
        waiter_free(state, wait);
    }
}

void launcher_ports_remove(launcher *state, troupe_caller caller, json_t *params)
{
    char endpoint[256];
    int number;
    entry *item = NULL;
    if (parse_port(json_object_get(params, "port"), endpoint, sizeof endpoint, &number)) {
        DL_FOREACH(state->entries, item)
        {
            if (item->endpoint != NULL && strcmp(item->endpoint, endpoint) == 0) {
                break;
            }
        }
    }
    if (item == NULL) {
        troupe_fault(state->self, caller, TROUPE_ENOTFOUND, NULL, "no such port is registered");
        return;
    }
    launcher_close(state, caller, item);
}

void launcher_ports_list(launcher *state, troupe_caller caller, json_t *params)
{
    (void)params;
    json_t *list = json_array();
    entry *item;
    DL_FOREACH(state->entries, item)
    {
        if (!item->launched) {
            json_array_append_new(
                list, json_pack("{s:i, s:s, s:s, s:s}", "port", item->port_number, "browser",
                                item->id, "endpoint", item->endpoint, "status",
                                item->state == ENTRY_UP ? "active" : "unreachable"));
        }
    }
    json_reply(state->self, caller, json_pack("{s:o}", "ports", list));
}
