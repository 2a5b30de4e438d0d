/* SPDX-License-Identifier: MIT */
/* The launcher's RPC methods: browsers.list, launch, close; ports.add, remove, list. */
#include "actors/json_call.h"
#include "launcher.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <utlist.h>

static bool name_is_fine(const char *name)
{
    size_t len = strlen(name);
    return len > 0 && len < BROWSER_ID_MAX &&
           strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") == len;
}

/* A fresh id, or the wanted one; TROUPE_EPARAMS and the reason if that cannot be. */
static troupe_error choose_id(launcher *state, const char *wanted, const char *prefix, char *id,
                              troupe_reason *reason)
{
    if (wanted != NULL) {
        if (!name_is_fine(wanted)) {
            return troupe_fail(reason, TROUPE_EPARAMS,
                               "a browser's name has 1 to %d of the characters A-Z a-z 0-9 . _ -",
                               BROWSER_ID_MAX - 1);
        }
        if (entry_find(state, wanted) != NULL) {
            return troupe_fail(reason, TROUPE_ESTATE, "there is a browser %s already", wanted);
        }
        snprintf(id, BROWSER_ID_MAX, "%s", wanted);
        return TROUPE_OK;
    }
    do {
        snprintf(id, BROWSER_ID_MAX, "%s%u", prefix, ++state->next_number);
    } while (entry_find(state, id) != NULL);
    return TROUPE_OK;
}

static size_t entry_count(const launcher *state)
{
    size_t count = 0;
    entry *item;
    DL_COUNT(state->entries, item, count);
    return count;
}

static troupe_error launch_one(launcher *state, json_t *params, const char *executable,
                               waiter *wait, troupe_reason *reason)
{
    if (entry_count(state) >= state->host->browsers_max) {
        return troupe_fail(reason, TROUPE_EUNAVAILABLE,
                           "there are %u browsers already ([limits] browsers)",
                           state->host->browsers_max);
    }
    entry *item = calloc(1, sizeof *item);
    if (item == NULL) {
        return TROUPE_ENOMEM;
    }
    const char *profile = json_string_value(json_object_get(params, "profile"));
    troupe_error error =
        choose_id(state, json_string_value(json_object_get(params, "name")), "p", item->id, reason);
    if (error != TROUPE_OK) {
        free(item);
        return error;
    }
    json_t *headed = json_object_get(params, "headed");
    item->launched = true;
    item->headed = headed != NULL ? json_is_true(headed) : state->host->headed;
    item->port = json_is_true(json_object_get(params, "port"));
    item->executable = strdup(executable);
    item->profile = profile != NULL ? strdup(profile) : NULL;
    if (wait != NULL) {
        waiter_add(wait, item->id);
    }
    return entry_start(state, item, reason);
}

static void run_launch(launcher *state, troupe_caller caller, json_t *params)
{
    json_t *counted = json_object_get(params, "count");
    json_int_t count = json_is_integer(counted) ? json_integer_value(counted) : 1;
    const char *profile = json_string_value(json_object_get(params, "profile"));
    char executable[512];
    troupe_reason reason = {{0}};
    if (count < 1 || count > 16 ||
        (count > 1 && (profile != NULL || json_object_get(params, "name") != NULL))) {
        troupe_fault(state->self, caller, TROUPE_EPARAMS, NULL,
                     "`count` must be 1 to 16, and 1 with `profile` or `name`");
        return;
    }
    if (profile != NULL && mkdir(profile, 0700) != 0 && errno != EEXIST) {
        troupe_fault(state->self, caller, TROUPE_EPARAMS, NULL, "`profile` %s: %s", profile,
                     strerror(errno));
        return;
    }
    json_t *headed = json_object_get(params, "headed");
    troupe_error error = process_find(state->host->executable,
                                      headed != NULL ? json_is_true(headed) : state->host->headed,
                                      executable, sizeof executable, &reason);
    waiter *wait = NULL;
    if (error == TROUPE_OK && caller.ref != 0) {
        wait = waiter_new(state, caller, WAIT_LAUNCH);
        if (wait == NULL) {
            return;
        }
    }
    for (json_int_t i = 0; i < count && error == TROUPE_OK; i++) {
        error = launch_one(state, params, executable, wait, &reason);
    }
    if (error != TROUPE_OK) {
        const char *why = reason.text[0] != '\0' ? reason.text : troupe_error_text(error);
        troupe_log(TROUPE_LOG_ERROR, "launcher", "launch-failed", NULL, "%s", why);
        troupe_fault(state->self, caller, error, NULL, "%s", why);
        if (wait != NULL) {
            waiter_free(state, wait);
        }
    }
}

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

static void run_ports_add(launcher *state, troupe_caller caller, json_t *params)
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
    troupe_error error = choose_id(state, wanted, "r", item->id, &reason);
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

/* Ends a browser for good; the caller hears when its process is gone. */
static void close_entry(launcher *state, troupe_caller caller, entry *item)
{
    waiter *wait = waiter_new(state, caller, WAIT_CLOSE);
    if (wait == NULL) {
        return;
    }
    waiter_add(wait, item->id);
    item->state = ENTRY_CLOSING;
    char name[BROWSER_ID_MAX];
    memcpy(name, item->id, sizeof name); /* the entry may be gone while this runs */
    (void)troupe_supervisor_remove(state->supervisor, name, TROUPE_STOP_DRAIN);
}

static void run_close(launcher *state, troupe_caller caller, json_t *params)
{
    const char *id = json_string_value(json_object_get(params, "browser"));
    entry *item = id != NULL ? entry_find(state, id) : NULL;
    if (item == NULL) {
        troupe_fault(state->self, caller, id == NULL ? TROUPE_EPARAMS : TROUPE_ENOTFOUND, NULL,
                     id == NULL ? "`browser` must be a string" : "no browser %s", id);
        return;
    }
    close_entry(state, caller, item);
}

static void run_ports_remove(launcher *state, troupe_caller caller, json_t *params)
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
    close_entry(state, caller, item);
}

static void run_list(launcher *state, troupe_caller caller, json_t *params)
{
    (void)params;
    json_t *list = json_array();
    entry *item;
    DL_FOREACH(state->entries, item)
    {
        json_array_append_new(list, entry_json(item));
    }
    json_reply(state->self, caller, json_pack("{s:o}", "browsers", list));
}

static void run_ports_list(launcher *state, troupe_caller caller, json_t *params)
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

static const struct {
    const char *name;
    void (*run)(launcher *state, troupe_caller caller, json_t *params);
} methods[] = {
    {"browsers.list", run_list},        {"browsers.launch", run_launch},
    {"browsers.close", run_close},      {"ports.add", run_ports_add},
    {"ports.remove", run_ports_remove}, {"ports.list", run_ports_list},
};

void launcher_method(launcher *state, const troupe_envelope *call)
{
    troupe_caller caller = troupe_caller_of(call);
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        if (!troupe_verb_is(call, methods[i].name)) {
            continue;
        }
        troupe_reason reason = {{0}};
        json_t *params = json_params(call, &reason);
        if (params == NULL) {
            troupe_fault(state->self, caller, TROUPE_EPARAMS, NULL, "%s", reason.text);
            return;
        }
        methods[i].run(state, caller, params);
        json_decref(params);
        return;
    }
    troupe_fault(state->self, caller, TROUPE_EMETHOD, NULL, NULL);
}
