/* SPDX-License-Identifier: MIT */
/* `troupe doctor`: a host that runs, and what one that does not has left. */
#include "actors/browser/scratch.h"
#include "doctor.h"
#include "value.h"

#include <string.h>

#define LINES_MAX 600 /* bytes of a failed browser's output that are shown */

static const char *text_of(const json_t *row, const char *key)
{
    const char *text = json_string_value(json_object_get(row, key));
    return text != NULL ? text : "";
}

static long long number_of(const json_t *row, const char *key)
{
    return (long long)json_integer_value(json_object_get(row, key));
}

/* Orphans are found by their locks: a host of that name need not run. */
static void check_leftovers(const cli *self, json_t *list, bool runs)
{
    const troupe_host_options *host = &self->config.settings.host;
    scratch_leftovers left = scratch_look(host->runtime_dir, host->name);
    bool none = left.directories + left.processes == 0;
    char todo[160];
    snprintf(todo, sizeof todo, "%s host '%s': it removes them when it starts",
             runs ? "restart the" : "start the", host->name);
    doctor_add(list, "leftovers", none ? "ok" : "warning", none ? NULL : todo,
               "%zu processes and %zu directories of browsers that nobody keeps", left.processes,
               left.directories);
}

static void check_browsers(json_t *list, const json_t *metrics)
{
    doctor_add(list, "browsers", "ok", NULL,
               "%lld run, %lld are starting, %lld wait; launched %lld, closed %lld, failed %lld, "
               "crashed %lld, restarted %lld",
               number_of(metrics, "running"), number_of(metrics, "starting"),
               number_of(metrics, "queued"), number_of(metrics, "launched"),
               number_of(metrics, "closed"), number_of(metrics, "failed"),
               number_of(metrics, "crashed"), number_of(metrics, "restarted"));
    long long left = number_of(metrics, "left_processes") + number_of(metrics, "left_directories");
    if (left > 0) {
        doctor_add(list, "reaping", "warning", "see the log: event `leftovers` names them",
                   "%lld processes and %lld directories were not gone when they were reaped",
                   number_of(metrics, "left_processes"), number_of(metrics, "left_directories"));
    }
}

static void check_breakers(json_t *list, const json_t *metrics)
{
    size_t index;
    json_t *row;
    json_array_foreach(json_object_get(metrics, "breakers"), index, row)
    {
        bool closed = strcmp(text_of(row, "state"), "closed") == 0;
        char when[32];
        human_ms((double)number_of(row, "retry_in_ms"), when, sizeof when);
        doctor_add(list, "breaker", closed ? "warning" : "error",
                   "mend what the reason says; the next success ends it",
                   "%s%s%s: %s after %lld "
                   "failures, tried again in %s; last: %s",
                   text_of(row, "executable"), *text_of(row, "profile") != '\0' ? " with " : "",
                   text_of(row, "profile"), text_of(row, "state"), number_of(row, "failures"), when,
                   text_of(row, "reason"));
    }
}

/* The end of what it printed, in one line. */
static void last_lines(const char *output, char *out, size_t size)
{
    size_t len = strlen(output);
    const char *from = len < size ? output : output + len - size + 1;
    while ((*from & 0xc0) == 0x80) { /* not from within a character */
        from++;
    }
    snprintf(out, size, "%s", from);
    for (char *at = out; *at != '\0'; at++) {
        *at = (unsigned char)*at < ' ' ? ' ' : *at;
    }
}

static void check_failed(json_t *list, const json_t *logs)
{
    size_t index;
    json_t *row;
    json_array_foreach(json_object_get(logs, "logs"), index, row)
    {
        char lines[LINES_MAX];
        last_lines(text_of(row, "output"), lines, sizeof lines);
        doctor_add(list, "failed", "warning", "all it printed: `troupe browsers --log BROWSER`",
                   "%s (%s): %s%s%s", text_of(row, "browser"), text_of(row, "executable"),
                   text_of(row, "reason"), lines[0] != '\0' ? "; it printed: " : "", lines);
    }
}

static void check_running(cli *self, json_t *list)
{
    json_t *metrics = NULL;
    json_t *logs = NULL;
    if (cli_call(self, "launcher.metrics", NULL, &metrics) != CLI_OK ||
        cli_call(self, "browsers.log", json_pack("{s:b}", "failed", 1), &logs) != CLI_OK) {
        doctor_add(list, "host", "error", "see its log; `troupe stop`, then start it again",
                   "it runs, but does not answer");
    } else {
        check_browsers(list, metrics);
        check_breakers(list, metrics);
        check_failed(list, logs);
    }
    json_decref(metrics);
    json_decref(logs);
}

void doctor_host(cli *self, json_t *list)
{
    const troupe_host_options *options = &self->config.settings.host;
    host_state state;
    bool runs = state_find(options->state_dir, options->name, &state, NULL) == TROUPE_OK;
    if (runs) {
        doctor_add(list, "host", "ok", NULL, "'%s' runs at %s (pid %ld)", options->name, state.url,
                   (long)state.pid);
        check_running(self, list);
    } else {
        doctor_add(list, "host", "ok", NULL, "'%s' does not run", options->name);
    }
    check_leftovers(self, list, runs);
}
