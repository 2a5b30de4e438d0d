/* SPDX-License-Identifier: MIT */
/* Gathers the numbers of the host. */
#include "metrics.h"

#include "actors/json_call.h"
#include "actors/verbs.h"
#include "local.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <utlist.h>

#define STOP_WAIT_MS 5000
#define RECENT_NS    UINT64_C(60000000000)
#define MEMORY_FULL  95.0 /* per cent */

typedef struct metrics_actor metrics_actor;

/* One RPC call that waits for those that were asked. */
typedef struct gathering {
    struct gathering *prev;
    struct gathering *next;
    troupe_caller caller;
    json_t *browsers;
    json_t *launcher; /* NULL = it did not say */
    json_t *warnings;
    size_t open;   /* questions without an answer, and one for who asks them */
    bool pressure; /* only what tells whether there is room */
} gathering;

/* One that was asked. */
typedef struct question {
    struct question *prev;
    struct question *next;
    metrics_actor *owner;
    gathering *of;
    uint32_t restarts;
    bool launcher;
    char name[64]; /* of the actor */
} question;

/* Turned away so far, at a moment. */
typedef struct look {
    uint64_t ns;
    json_int_t rejected;
} look;

struct metrics_actor {
    troupe_actor *self;
    bridge *server;
    look before;  /* the last look that is at least a minute old, or the first */
    look between; /* the next one that may become it */
    gathering *gatherings;
    question *questions;
};

/* Gathering ----------------------------------------------------------------------------------- */

static void gathering_free(metrics_actor *state, gathering *all)
{
    DL_DELETE(state->gatherings, all);
    json_decref(all->browsers);
    json_decref(all->launcher);
    json_decref(all->warnings);
    free(all);
}

/* "KEY:   12345 kB" of /proc/meminfo in KiB; 0 if it is not there. */
static double memory_kib(const char *key)
{
    char line[256];
    unsigned long long kib = 0;
    size_t len = strlen(key);
    FILE *file = fopen("/proc/meminfo", "re");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, key, len) == 0 && sscanf(line + len, "%llu", &kib) == 1) {
            break;
        }
    }
    if (file != NULL) {
        fclose(file);
    }
    return (double)kib;
}

static double percent(double part, double whole)
{
    double value = whole > 0 ? 100 * part / whole : 0;
    return value > 100 ? 100 : (double)(int)(value * 10) / 10;
}

/* How many were turned away in the last minute or so: since a look that is between one and two
 * minutes old, as far as somebody looked. */
static json_int_t recently(metrics_actor *state, json_int_t rejected)
{
    uint64_t now = troupe_now_ns(state->self);
    if (now - state->between.ns >= RECENT_NS) {
        state->before = state->between;
        state->between = (look){now, rejected};
    }
    return rejected - state->before.rejected;
}

static json_int_t launcher_number(const gathering *all, const char *name)
{
    return json_integer_value(json_object_get(all->launcher, name));
}

static json_t *pressure_json(metrics_actor *state, const gathering *all)
{
    bridge *server = state->server;
    double load = 0;
    (void)!getloadavg(&load, 1);
    double cpu = percent(load, (double)sysconf(_SC_NPROCESSORS_ONLN));
    double total = memory_kib("MemTotal:");
    double memory = percent(total - memory_kib("MemAvailable:"), total);
    json_int_t running = launcher_number(all, "running") + launcher_number(all, "starting");
    json_int_t queued = launcher_number(all, "queued");
    json_int_t most = (json_int_t)server->options->browsers_max;
    json_int_t rejected =
        launcher_number(all, "refused") + (json_int_t)atomic_load(&server->counters.overload);
    const char *reason = atomic_load(&server->draining) ? "draining"
                         : all->launcher == NULL        ? "the launcher does not answer"
                         : running + queued >= most     ? "as many browsers as browsers_max"
                         : memory >= MEMORY_FULL        ? "memory is short"
                                                        : "";
    return json_pack("{s:b, s:s, s:f, s:f, s:I, s:I, s:I, s:I, s:I}", "isAvailable",
                     reason[0] == '\0', "reason", reason, "cpu", cpu, "memory", memory, "running",
                     running, "queued", queued, "maxConcurrent", most, "maxQueued", most,
                     "recentlyRejected", recently(state, rejected));
}

static void settle(metrics_actor *state, gathering *all)
{
    if (--all->open > 0) {
        return;
    }
    if (all->pressure) {
        json_reply(state->self, all->caller, pressure_json(state, all));
        gathering_free(state, all);
        return;
    }
    json_t *result = local_metrics(state->server);
    json_object_set(result, "browsers", all->browsers);
    json_object_set(result, "launcher", all->launcher != NULL ? all->launcher : json_null());
    json_object_set(result, "warnings", all->warnings);
    json_reply(state->self, all->caller, result);
    gathering_free(state, all);
}

/* "browser/p1" is p1's actor. */
static const char *shown_name(const question *asked)
{
    size_t prefix = strlen(NAME_BROWSER);
    return strncmp(asked->name, NAME_BROWSER, prefix) == 0 ? asked->name + prefix : asked->name;
}

static void warn(const question *asked, const char *why)
{
    char text[200];
    snprintf(text, sizeof text, "%s %s: %s", asked->launcher ? "the" : "browser", shown_name(asked),
             why);
    json_array_append_new(asked->of->warnings, json_string(text));
}

/* How many connections it had before is its supervisor's knowledge. */
static void take_answer(const question *asked, json_t *value)
{
    if (asked->launcher) {
        asked->of->launcher = json_incref(value);
        return;
    }
    json_object_set_new(value, "reconnects", json_integer(asked->restarts));
    json_object_set(asked->of->browsers, shown_name(asked), value);
}

static void on_answer(troupe_actor *self, void *context, troupe_error error,
                      const troupe_envelope *answer)
{
    (void)self;
    question *asked = context;
    metrics_actor *state = asked->owner;
    json_t *value = error == TROUPE_OK && answer != NULL ? json_payload(answer->payload) : NULL;
    if (json_is_object(value)) {
        take_answer(asked, value);
    } else if (!asked->launcher || error != TROUPE_EMETHOD) {
        warn(asked, error != TROUPE_OK ? troupe_error_text(error) : "its answer is not JSON");
    }
    json_decref(value);
    gathering *all = asked->of;
    DL_DELETE(state->questions, asked);
    free(asked);
    settle(state, all);
}

static void ask(metrics_actor *state, gathering *all, troupe_address to, const char *name,
                uint32_t restarts, bool launcher)
{
    question *asked = calloc(1, sizeof *asked);
    if (asked == NULL) {
        return;
    }
    asked->owner = state;
    asked->of = all;
    asked->restarts = restarts;
    asked->launcher = launcher;
    snprintf(asked->name, sizeof asked->name, "%s", name);
    DL_APPEND(state->questions, asked);
    all->open++;
    const troupe_bytes nil = {NULL, 0};
    troupe_error error =
        troupe_call(state->self, to, launcher ? "launcher.metrics" : VERB_BROWSER_METRICS, NULL,
                    nil, METRICS_WAIT_MS, on_answer, asked, NULL);
    if (error != TROUPE_OK) {
        on_answer(state->self, asked, error, NULL);
    }
}

typedef struct asking {
    metrics_actor *state;
    gathering *all;
} asking;

static void ask_browser(void *context, const troupe_actor_info *info)
{
    const asking *who = context;
    if (strcmp(info->kind, "browser") == 0) {
        ask(who->state, who->all, info->address, info->name, info->restarts, false);
    }
}

static void run_metrics(metrics_actor *state, const troupe_envelope *call, bool pressure)
{
    gathering *all = calloc(1, sizeof *all);
    if (all == NULL) {
        troupe_fault(state->self, troupe_caller_of(call), TROUPE_ENOMEM, NULL, NULL);
        return;
    }
    all->caller = troupe_caller_of(call);
    all->browsers = json_object();
    all->warnings = json_array();
    all->open = 1;
    all->pressure = pressure;
    DL_APPEND(state->gatherings, all);
    asking who = {state, all};
    if (!pressure) {
        troupe_system_inspect(state->server->system, ask_browser, &who);
    }
    troupe_address launcher = troupe_whereis(state->server->system, NAME_LAUNCHER);
    if (launcher != 0) {
        ask(state, all, launcher, NAME_LAUNCHER, 0, true);
    }
    settle(state, all);
}

/* The actor -------------------------------------------------------------------------------------
 */

static troupe_error metrics_begin(troupe_actor *self, void *context)
{
    metrics_actor *state = context;
    state->self = self;
    return TROUPE_OK;
}

static troupe_error metrics_receive(troupe_actor *self, void *context,
                                    const troupe_envelope *envelope)
{
    metrics_actor *state = context;
    if (troupe_verb_is(envelope, "metrics") || troupe_verb_is(envelope, "pressure")) {
        run_metrics(state, envelope, troupe_verb_is(envelope, "pressure"));
    } else {
        troupe_fault(self, troupe_caller_of(envelope), TROUPE_EMETHOD, NULL, NULL);
    }
    return TROUPE_OK;
}

static void metrics_end(troupe_actor *self, void *context, troupe_error reason)
{
    (void)self;
    (void)reason;
    metrics_actor *state = context;
    while (state->questions != NULL) {
        question *asked = state->questions;
        DL_DELETE(state->questions, asked);
        free(asked);
    }
    while (state->gatherings != NULL) {
        gathering_free(state, state->gatherings);
    }
    free(state);
}

static const troupe_behaviour behaviour = {
    .kind = "metrics", .start = metrics_begin, .receive = metrics_receive, .stop = metrics_end};

troupe_error metrics_start(bridge *server)
{
    metrics_actor *state = calloc(1, sizeof *state);
    if (state == NULL) {
        return TROUPE_ENOMEM;
    }
    state->server = server;
    troupe_spawn_options options = {.behaviour = &behaviour, .state = state, .name = NAME_METRICS};
    troupe_error error = troupe_spawn(server->system, &options, &server->metrics);
    if (error != TROUPE_OK) {
        free(state);
        server->metrics = 0;
    }
    return error;
}

void metrics_stop(bridge *server)
{
    if (server->metrics != 0) {
        (void)troupe_stop(server->system, server->metrics, TROUPE_STOP_NOW);
        (void)troupe_join(server->system, server->metrics, STOP_WAIT_MS);
        server->metrics = 0;
    }
}
