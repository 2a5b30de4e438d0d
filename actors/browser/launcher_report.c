/* SPDX-License-Identifier: MIT */
/* What the launcher tells of its processes: RPC browsers.log, launcher.metrics. */
#include "actors/json_call.h"
#include "launcher.h"
#include "tree.h"

#include <stdio.h>
#include <stdlib.h>

#include <utlist.h>

#define NS_PER_MS UINT64_C(1000000)

static json_t *text_json(char *text)
{
    json_t *value = json_string(text != NULL ? text : "");
    free(text);
    return value;
}

static json_t *running_log(launcher *state, const running *run)
{
    return json_pack("{s:s, s:s, s:b, s:s, s:I, s:o, s:b}", "browser", run->browser, "executable",
                     run->recipe->executable, "running", true, "reason", run->why, "age_ms",
                     (json_int_t)((troupe_now_ns(state->self) - run->start_ns) / NS_PER_MS),
                     "output", text_json(output_text(&run->process->output)), "truncated",
                     (int)(run->process->output.total > OUTPUT_MAX));
}

static json_t *ended_log(const ended_run *run)
{
    return json_pack("{s:s, s:s?, s:b, s:s, s:b, s:f, s:s}", "browser", run->browser, "executable",
                     run->executable, "running", false, "reason", run->reason, "failed",
                     (int)run->failed, "ended_at", (double)run->wall_us / 1e6, "output",
                     run->output != NULL ? run->output : "");
}

/* {browser?, failed?: only those that failed} -> {logs: […]}, the latest last. */
void launcher_log(launcher *state, troupe_caller caller, json_t *params)
{
    const char *id = json_string_value(json_object_get(params, "browser"));
    bool failed = json_is_true(json_object_get(params, "failed"));
    json_t *list = json_array();
    const ended_run *ended;
    DL_FOREACH(state->ended, ended)
    {
        if ((id == NULL || strcmp(id, ended->browser) == 0) && (!failed || ended->failed)) {
            json_array_append_new(list, ended_log(ended));
        }
    }
    const running *run;
    DL_FOREACH(state->running, run)
    {
        if ((id == NULL || strcmp(id, run->browser) == 0) && !failed) {
            json_array_append_new(list, running_log(state, run));
        }
    }
    if (id != NULL && json_array_size(list) == 0 && entry_find(state, id) == NULL) {
        json_decref(list);
        troupe_fault(state->self, caller, TROUPE_ENOTFOUND, NULL,
                     "no browser %s, nor one of the few that ended last", id);
        return;
    }
    json_reply(state->self, caller, json_pack("{s:o}", "logs", list));
}

static json_t *counters_json(const launcher_counters *counters)
{
    return json_pack(
        "{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "launched",
        (json_int_t)counters->launched, "ended", (json_int_t)counters->ended, "closed",
        (json_int_t)counters->closed, "failed", (json_int_t)counters->failed, "crashed",
        (json_int_t)counters->crashed, "killed", (json_int_t)counters->killed, "restarted",
        (json_int_t)counters->restarted, "refused", (json_int_t)counters->refused, "keepers_lost",
        (json_int_t)counters->keepers_lost, "left_processes", (json_int_t)counters->left_processes,
        "left_directories", (json_int_t)counters->left_directories, "swept_directories",
        (json_int_t)counters->swept_directories, "swept_processes",
        (json_int_t)counters->swept_processes);
}

static void count_now(const launcher *state, json_t *result)
{
    int running_count = 0;
    int starting = 0;
    int queued = 0;
    const running *run;
    const entry *item;
    DL_COUNT(state->running, run, running_count);
    DL_FOREACH(state->entries, item)
    {
        queued += item->queued;
        starting += item->launched && !item->queued && item->state == ENTRY_STARTING;
    }
    json_object_set_new(result, "running", json_integer(running_count));
    json_object_set_new(result, "starting", json_integer(starting));
    json_object_set_new(result, "queued", json_integer(queued));
    json_object_set_new(result, "parallel", json_integer(launcher_parallel(state)));
}

static json_t *disk_json(const launcher *state)
{
    uint64_t profiles = 0;
    uint64_t scratch = 0;
    const running *run;
    DL_FOREACH(state->running, run)
    {
        scratch += tree_bytes(run->process->scratch);
        profiles += run->recipe->profile != NULL ? tree_bytes(run->recipe->profile) : 0;
    }
    return json_pack("{s:I, s:I}", "temporary_bytes", (json_int_t)scratch, "profile_bytes",
                     (json_int_t)profiles);
}

/* {disk?: measure the profiles} -> {counters…, running, starting, queued, parallel, leftovers:
 * {processes, directories}, breakers: […], disk?} */
void launcher_metrics(launcher *state, troupe_caller caller, json_t *params)
{
    json_t *result = counters_json(&state->counters);
    scratch_leftovers left = scratch_look(state->host->runtime_dir, state->host->name);
    count_now(state, result);
    json_object_set_new(result, "leftovers",
                        json_pack("{s:I, s:I}", "processes", (json_int_t)left.processes,
                                  "directories", (json_int_t)left.directories));
    json_object_set_new(result, "breakers",
                        breakers_json(&state->breakers, troupe_now_ns(state->self)));
    if (json_is_true(json_object_get(params, "disk"))) {
        json_object_set_new(result, "disk", disk_json(state));
    }
    json_reply(state->self, caller, result);
}
