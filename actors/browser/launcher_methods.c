/* SPDX-License-Identifier: MIT */
/* The launcher's RPC methods: browsers.list, launch, close; those of ports are in launcher_ports.c.
 */
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

troupe_error launcher_choose_id(launcher *state, const char *wanted, const char *prefix, char *id,
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
    troupe_error error = launcher_choose_id(
        state, json_string_value(json_object_get(params, "name")), "p", item->id, reason);
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

void launcher_close(launcher *state, troupe_caller caller, entry *item)
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
    launcher_close(state, caller, item);
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

static const struct {
    const char *name;
    void (*run)(launcher *state, troupe_caller caller, json_t *params);
} methods[] = {
    {"browsers.list", run_list},
    {"browsers.launch", run_launch},
    {"browsers.close", run_close},
    {"ports.add", launcher_ports_add},
    {"ports.remove", launcher_ports_remove},
    {"ports.list", launcher_ports_list},
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
