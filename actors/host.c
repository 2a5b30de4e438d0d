/* SPDX-License-Identifier: MIT */
/*
 * The host: the root actor supervises the cast; the bridge's and the demo site's threads are
 * guests.
 *
 * On stage in the order of `cast`, off in reverse, each drained before the next is asked: the
 * browsers end first, the store last, so that nothing that happened goes unrecorded.
 */
#include "troupe/host.h"

#include "actors/board.h"
#include "actors/browser/keeper.h"
#include "actors/cast.h"
#include "actors/json_call.h"
#include "actors/verbs.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define STOP_TIMEOUT_MS 10000
#define START_INTENSITY 5
#define START_PERIOD_MS 30000

struct troupe_host {
    troupe_host_options options;
    host_board board;
    troupe_host_info addresses;
    troupe_system *system;
    troupe_address root;
    bridge *bridge;
    demo_site *demo;
};

void troupe_host_options_default(troupe_host_options *options)
{
    const char *tmp = getenv("TMPDIR");
    *options = (troupe_host_options){.name = "default",
                                     .state_dir = ".",
                                     .runtime_dir = tmp != NULL && tmp[0] != '\0' ? tmp : "/tmp",
                                     .mailbox = "nng",
                                     .clients_max = 200,
                                     .store_bytes_max = (uint64_t)2 << 30,
                                     .store_days = 7,
                                     .attach = "launched",
                                     .bodies = "all",
                                     .body_bytes_max = 1u << 20,
                                     .media_bytes_max = 256u << 10,
                                     .screenshot_bytes_max = 4u << 20,
                                     .launch_timeout_ms = 30000,
                                     .browsers_max = 64,
                                     .command_timeout_ms = 30000,
                                     .commands_in_flight = 1024,
                                     .commands_queued = 4096,
                                     .probe_after_ms = 10000,
                                     .enable_timeout_ms = 10000,
                                     .unresponsive_after_ms = 5000,
                                     .ping_interval_ms = 30000,
                                     .ping_timeout_ms = 10000};
}

/* Root -------------------------------------------------------------------------------------- */

typedef struct root {
    const troupe_host_options *options;
    troupe_supervisor *supervisor;
} root;

static const struct {
    const char *name;
    troupe_error (*prepare)(troupe_actor *self, void *context, troupe_spawn_options *out);
} cast[] = {
    {NAME_STORE, store_prepare},       {NAME_QUERY, query_prepare},
    {NAME_SQL, sql_prepare},           {NAME_STATE, state_prepare},
    {NAME_EVENTS, events_prepare},     {NAME_FETCH, fetch_prepare},
    {NAME_REPLAY, replay_prepare},     {NAME_INSPECT, inspect_prepare},
    {NAME_FILTERS, filters_prepare},   {NAME_CONNECTIONS, connections_prepare},
    {NAME_NETWORK, network_prepare},   {NAME_CONSOLE, console_prepare},
    {NAME_LAUNCHER, launcher_prepare},
};

static void on_member(troupe_actor *self, void *context, const char *name, troupe_address started,
                      troupe_error ended, uint32_t restart_in_ms)
{
    (void)self;
    (void)context;
    if (started == 0 && ended != TROUPE_OK) {
        troupe_log(TROUPE_LOG_ERROR, "root", "actor-failed", name, "%s; again in %u ms",
                   troupe_error_text(ended), restart_in_ms);
    }
}

static troupe_error root_start(troupe_actor *self, void *context)
{
    root *state = context;
    troupe_supervisor_options options = {.event = on_member, .context = state};
    troupe_error error = troupe_supervisor_create(self, &options, &state->supervisor);
    for (size_t i = 0; i < sizeof cast / sizeof *cast && error == TROUPE_OK; i++) {
        troupe_child child = {.name = cast[i].name,
                              .prepare = cast[i].prepare,
                              .context = (void *)(uintptr_t)state->options,
                              .restart = TROUPE_PERMANENT,
                              .intensity = START_INTENSITY,
                              .period_ms = START_PERIOD_MS,
                              .shutdown_ms = TROUPE_SHUTDOWN_UNLIMITED};
        error = troupe_supervisor_add(state->supervisor, &child, false, NULL);
        if (error != TROUPE_OK) {
            troupe_log(TROUPE_LOG_ERROR, "root", "actor-not-started", cast[i].name, "%s",
                       troupe_error_text(error));
        }
    }
    return error;
}

/* A call `ready` is answered when everybody is on stage: it waits in the mailbox until `start` is
 * done. */
static troupe_error root_receive(troupe_actor *self, void *context, const troupe_envelope *envelope)
{
    root *state = context;
    if (envelope->kind == TROUPE_SIGNAL) {
        (void)troupe_supervisor_signal(state->supervisor, envelope);
    } else if (troupe_verb_is(envelope, "ready")) {
        troupe_bytes nil = {NULL, 0};
        troupe_reply(self, troupe_caller_of(envelope), nil);
    } else {
        troupe_fault(self, troupe_caller_of(envelope), TROUPE_EMETHOD, NULL, NULL);
    }
    return TROUPE_OK;
}

static void on_stage_empty(troupe_actor *self, void *context)
{
    (void)context;
    troupe_exit(self, TROUPE_OK);
}

static bool root_closing(troupe_actor *self, void *context)
{
    (void)self;
    root *state = context;
    if (state->supervisor == NULL) {
        return true;
    }
    troupe_supervisor_stop(state->supervisor, on_stage_empty, state);
    return false;
}

static void root_stop(troupe_actor *self, void *context, troupe_error reason)
{
    (void)self;
    (void)reason;
    root *state = context;
    troupe_supervisor_destroy(state->supervisor);
    free(state);
}

static const troupe_behaviour root_behaviour = {.kind = "root",
                                                .start = root_start,
                                                .receive = root_receive,
                                                .closing = root_closing,
                                                .stop = root_stop};

/* Start and stop ---------------------------------------------------------------------------- */

static troupe_error start_root(troupe_host *made, troupe_reason *reason)
{
    root *state = calloc(1, sizeof *state);
    if (state == NULL) {
        return troupe_fail(reason, TROUPE_ENOMEM, "out of memory");
    }
    state->options = &made->options;
    troupe_spawn_options options = {
        .behaviour = &root_behaviour, .state = state, .name = NAME_ROOT};
    troupe_error error = troupe_spawn(made->system, &options, &made->root);
    if (error != TROUPE_OK) {
        free(state);
        return troupe_fail(reason, error, "the root actor could not be started: %s",
                           troupe_error_text(error));
    }
    troupe_guest *guest;
    error = troupe_guest_create(made->system, &guest);
    if (error != TROUPE_OK) {
        return troupe_fail(reason, error, "%s", troupe_error_text(error));
    }
    troupe_bytes nil = {NULL, 0};
    troupe_answer answer = {0};
    error = troupe_guest_call(guest, made->root, "ready", NULL, nil, STOP_TIMEOUT_MS, &answer);
    troupe_answer_fini(&answer);
    troupe_guest_destroy(guest);
    if (error != TROUPE_OK) {
        (void)troupe_fail(reason, error, "an actor could not be started: %s",
                          troupe_error_text(error));
    }
    return error;
}

/* Browsers that were asked for at start; how it goes is told by the log and by browsers.list. */
static troupe_error launch(troupe_host *made, troupe_reason *reason)
{
    troupe_guest *guest;
    troupe_error error = troupe_guest_create(made->system, &guest);
    if (error != TROUPE_OK) {
        return troupe_fail(reason, error, "%s", troupe_error_text(error));
    }
    troupe_buffer payload = {0};
    const char *one = "{\"count\":1}";
    (void)troupe_pack(&payload, "j#", one, strlen(one));
    for (uint32_t i = 0; i < made->options.launch && error == TROUPE_OK; i++) {
        error = troupe_guest_post(guest, troupe_whereis(made->system, NAME_LAUNCHER), TROUPE_CAST,
                                  "browsers.launch", NULL, troupe_buffer_bytes(&payload));
    }
    troupe_buffer_fini(&payload);
    troupe_guest_destroy(guest);
    return error == TROUPE_OK ? error : troupe_fail(reason, error, "%s", troupe_error_text(error));
}

/* Without this check a program that does not know "--keeper" would start itself over and over. */
static troupe_error check_keeper(const char *keeper, troupe_reason *reason)
{
    if (keeper == NULL && !keeper_is_self()) {
        return troupe_fail(reason, TROUPE_ESTATE,
                           "no keeper: call troupe_host_keeper_main first in main, or name a "
                           "program that does");
    }
    if (keeper != NULL && access(keeper, X_OK) != 0) {
        return troupe_fail(reason, TROUPE_EPARAMS, "keeper: %s cannot be run", keeper);
    }
    return TROUPE_OK;
}

/* More than that would not fit a browser actor's table, and is nothing anybody wants. */
#define COMMANDS_MAX 28000u
#define RATE_MAX     1000000u

static troupe_error check_limits(const troupe_host_options *options, troupe_reason *reason)
{
    const struct {
        const char *name;
        uint32_t value, min, max;
    } limits[] = {
        {"commands_in_flight", options->commands_in_flight, 1, COMMANDS_MAX},
        {"commands_queued", options->commands_queued, 0, COMMANDS_MAX},
        {"commands_per_second", options->commands_per_second, 0, RATE_MAX},
        {"commands_burst", options->commands_burst, 0, RATE_MAX},
        {"calls_per_second", options->calls_per_second, 0, RATE_MAX},
        {"calls_burst", options->calls_burst, 0, RATE_MAX},
    };
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        if (limits[i].value < limits[i].min || limits[i].value > limits[i].max) {
            return troupe_fail(reason, TROUPE_EPARAMS, "%s must be %u to %u, not %u",
                               limits[i].name, limits[i].min, limits[i].max, limits[i].value);
        }
    }
    return TROUPE_OK;
}

static troupe_error check_options(const troupe_host_options *options, troupe_reason *reason)
{
    if (strcmp(options->attach, "launched") != 0 && strcmp(options->attach, "all") != 0 &&
        strcmp(options->attach, "none") != 0) {
        return troupe_fail(reason, TROUPE_EPARAMS, "attach must be launched, all or none, not %s",
                           options->attach);
    }
    if (options->launch > options->browsers_max) {
        return troupe_fail(reason, TROUPE_EPARAMS,
                           "launch %u is more than the limit of %u browsers", options->launch,
                           options->browsers_max);
    }
    if (access(options->runtime_dir, W_OK | X_OK) != 0) {
        return troupe_fail(reason, TROUPE_ESTORAGE, "no browser profile can be made in %s",
                           options->runtime_dir);
    }
    troupe_error error = check_limits(options, reason);
    return error == TROUPE_OK ? check_keeper(options->keeper, reason) : error;
}

static troupe_error start(troupe_host *made, troupe_reason *reason)
{
    troupe_error error = check_options(&made->options, reason);
    if (error == TROUPE_OK) {
        error = store_check(&made->options, made->addresses.store, sizeof made->addresses.store,
                            reason);
    }
    if (error != TROUPE_OK) {
        return error;
    }
    troupe_system_options system = {.lane = made->options.mailbox};
    error = troupe_system_open(&system, &made->system);
    if (error != TROUPE_OK) {
        return troupe_fail(reason, error,
                           "the actor system could not be opened with mailbox %s: %s",
                           made->options.mailbox, troupe_error_text(error));
    }
    error = start_root(made, reason);
    if (error == TROUPE_OK) {
        error = bridge_start(&made->options, made->system, &made->bridge, &made->addresses, reason);
    }
    if (error == TROUPE_OK && made->options.demo) {
        error = demo_site_start(&made->demo, made->addresses.demo_url,
                                sizeof made->addresses.demo_url, reason);
    }
    return error == TROUPE_OK && made->options.launch > 0 ? launch(made, reason) : error;
}

troupe_error troupe_host_start(const troupe_host_options *options, troupe_host **out,
                               troupe_reason *reason)
{
    troupe_host *made = calloc(1, sizeof *made);
    if (made == NULL) {
        return troupe_fail(reason, TROUPE_ENOMEM, "out of memory");
    }
    made->options = *options;
    made->options.board = &made->board;
    atomic_store(&made->board.changes, 1);
    troupe_error error = start(made, reason);
    if (error != TROUPE_OK) {
        troupe_host_stop(made);
        return error;
    }
    *out = made;
    return TROUPE_OK;
}

troupe_error troupe_host_reload(troupe_host *made, const troupe_host_options *options,
                                troupe_reason *reason)
{
    return bridge_reload(made->bridge, options, reason);
}

void troupe_host_stop(troupe_host *made)
{
    if (made == NULL) {
        return;
    }
    bridge_stop(made->bridge);
    if (made->root != 0) {
        (void)troupe_stop(made->system, made->root, TROUPE_STOP_DRAIN);
        if (troupe_join(made->system, made->root, STOP_TIMEOUT_MS) != TROUPE_OK) {
            troupe_log(TROUPE_LOG_WARN, "host", "stop-slow", NULL,
                       "not everybody left within %d ms; stopping at once", STOP_TIMEOUT_MS);
        }
    }
    demo_site_stop(made->demo);
    if (made->system != NULL) {
        troupe_system_close(made->system, 1000);
    }
    json_decref(made->board.connections);
    free(made);
}

troupe_system *troupe_host_system(troupe_host *made)
{
    return made->system;
}

const troupe_host_info *troupe_host_addresses(const troupe_host *made)
{
    return &made->addresses;
}
