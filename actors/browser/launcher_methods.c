/* SPDX-License-Identifier: MIT */
/* The launcher's RPC methods browsers.list, launch and close. */
#include "actors/json_call.h"
#include "launcher.h"
#include "proc.h"

#include <stdio.h>
#include <stdlib.h>

#include <utlist.h>

troupe_error launcher_choose_id(launcher *state, const char *wanted, const char *prefix, char *id,
                                troupe_reason *reason)
{
    if (wanted != NULL) {
        if (!browser_name_is_fine(wanted)) {
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

/* name: NULL = the port it is to listen on, or the next free one. */
static troupe_error queue_one(launcher *state, recipe *made, const char *name, waiter *wait,
                              troupe_reason *reason)
{
    entry *item = calloc(1, sizeof *item);
    if (item == NULL) {
        return TROUPE_ENOMEM;
    }
    char port[16];
    snprintf(port, sizeof port, "%u", made->port_number);
    name = name == NULL && made->port_number != 0 ? port : name;
    troupe_error error = launcher_choose_id(state, name, "p", item->id, reason);
    if (error != TROUPE_OK) {
        free(item);
        return error;
    }
    item->launched = true;
    item->recipe = recipe_ref(made);
    if (wait != NULL) {
        waiter_add(wait, item->id);
    }
    entry_queue(state, item);
    return TROUPE_OK;
}

/* How many; 0 after a reason. */
static size_t read_count(const json_t *params, const recipe *made, troupe_reason *reason)
{
    const json_t *given = json_object_get(params, "count");
    json_int_t count = given != NULL ? json_integer_value(given) : 1;
    bool unique =
        made->profile != NULL || made->port_number != 0 || json_object_get(params, "name") != NULL;
    if (count < 1 || count > LAUNCH_COUNT_MAX || (count > 1 && unique)) {
        (void)troupe_fail(reason, TROUPE_EPARAMS,
                          "`count` must be 1 to %d, and 1 with `profile`, `name` or a fixed `port`",
                          LAUNCH_COUNT_MAX);
        return 0;
    }
    return (size_t)count;
}

/* Checked before any is started: a call launches all it asks for or says why not. */
static troupe_error queue_all(launcher *state, const json_t *params, recipe *made, waiter *wait,
                              size_t count, troupe_reason *reason)
{
    const char *name = json_string_value(json_object_get(params, "name"));
    troupe_error error = TROUPE_OK;
    if (entry_count(state) + count > state->host->browsers_max) {
        state->counters.refused += count;
        error = troupe_fail(reason, TROUPE_EUNAVAILABLE,
                            "there are %zu browsers already, of at most %u ([limits] browsers_max)",
                            entry_count(state), state->host->browsers_max);
    }
    for (size_t i = 0; i < count && error == TROUPE_OK; i++) {
        error = queue_one(state, made, name, wait, reason);
    }
    return error;
}

static void refuse_launch(launcher *state, troupe_caller caller, troupe_error error,
                          const troupe_reason *reason)
{
    const char *why = reason->text[0] != '\0' ? reason->text : troupe_error_text(error);
    troupe_log(TROUPE_LOG_ERROR, "launcher", "launch-failed", NULL, "%s", why);
    troupe_fault(state->self, caller, error, NULL, "%s", why);
}

static void run_launch(launcher *state, troupe_caller caller, json_t *params)
{
    troupe_reason reason = {{0}};
    recipe *made = NULL;
    troupe_error error = recipe_read(state->host, params, &made, &reason);
    size_t count = error == TROUPE_OK ? read_count(params, made, &reason) : 0;
    if (count == 0) {
        refuse_launch(state, caller, error == TROUPE_OK ? TROUPE_EPARAMS : error, &reason);
        recipe_unref(made);
        return;
    }
    waiter *wait = caller.ref != 0 ? waiter_new(state, caller, WAIT_LAUNCH) : NULL;
    if (wait == NULL && caller.ref != 0) {
        recipe_unref(made);
        return;
    }
    error = queue_all(state, params, made, wait, count, &reason);
    if (error != TROUPE_OK) { /* of several none is refused but for lack of memory */
        refuse_launch(state, caller, error, &reason);
        if (wait != NULL) {
            waiter_free(state, wait);
        }
    }
    recipe_unref(made);
    launcher_start_queued(state);
}

void launcher_close(launcher *state, troupe_caller caller, entry *item)
{
    waiter *wait = waiter_new(state, caller, WAIT_CLOSE);
    if (wait == NULL) {
        return;
    }
    waiter_add(wait, item->id);
    if (item->queued) {
        entry_withdraw(item);
        return;
    }
    item->state = ENTRY_CLOSING;
    char name[BROWSER_ID_MAX];
    memcpy(name, item->id, sizeof name); /* the entry may be gone while this runs */
    bool force = item->force;
    if (force) {
        run_let_go(item, NULL);
    }
    if (troupe_supervisor_remove(state->supervisor, name,
                                 force ? TROUPE_STOP_NOW : TROUPE_STOP_DRAIN) == TROUPE_ENOTFOUND) {
        entry_maybe_finish(item); /* it had refused us: nothing lives of it */
    }
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
    item->force = item->force || json_is_true(json_object_get(params, "force"));
    launcher_close(state, caller, item);
}

/* What its processes use; keeper included. */
static void add_memory(json_t *row, const entry *item, proc_table *table)
{
    size_t processes = 0;
    if (item->run != NULL) {
        uint64_t bytes = proc_tree_memory(table, item->run->process->pid, &processes);
        json_object_set_new(row, "memory_bytes", json_integer((json_int_t)bytes));
        json_object_set_new(row, "processes", json_integer((json_int_t)processes));
    }
}

static void run_list(launcher *state, troupe_caller caller, json_t *params)
{
    json_t *list = json_array();
    proc_table table = {0};
    bool memory = json_is_true(json_object_get(params, "memory")) && proc_table_read(&table);
    entry *item;
    DL_FOREACH(state->entries, item)
    {
        json_t *row = entry_json(item);
        if (memory) {
            add_memory(row, item, &table);
        }
        json_array_append_new(list, row);
    }
    proc_table_fini(&table);
    json_reply(state->self, caller, json_pack("{s:o}", "browsers", list));
}

static const struct {
    const char *name;
    void (*run)(launcher *state, troupe_caller caller, json_t *params);
} methods[] = {
    {"browsers.list", run_list},
    {"browsers.launch", run_launch},
    {"browsers.close", run_close},
    {"browsers.log", launcher_log},
    {"launcher.metrics", launcher_metrics},
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
