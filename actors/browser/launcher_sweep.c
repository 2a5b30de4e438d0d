/* SPDX-License-Identifier: MIT */
/* Orphans of earlier hosts of this name are removed by an actor of its own: a profile may be large.
 */
#include "actors/verbs.h"
#include "launcher.h"

#include <stdlib.h>

static bool asked_to_stop(void *context)
{
    return troupe_self_stopping(context);
}

static troupe_error sweep_start(troupe_actor *self, void *context)
{
    const troupe_host_options *host = *(const troupe_host_options **)context;
    scratch_leftovers done = scratch_sweep(host->runtime_dir, host->name, asked_to_stop, self);
    if (done.failed > 0) {
        troupe_log(TROUPE_LOG_ERROR, "launcher", "sweep-failed", NULL,
                   "%zu directories of browsers whose host is gone, or their control groups, "
                   "cannot be removed; see %s/troupe-%s-*",
                   done.failed, host->runtime_dir, host->name);
    }
    troupe_address to = troupe_whereis(troupe_self_system(self), NAME_LAUNCHER);
    if (done.directories + done.processes > 0 && to != 0) {
        troupe_log(TROUPE_LOG_WARN, "launcher", "swept", NULL,
                   "%zu directories and %zu processes of browsers whose host is gone",
                   done.directories, done.processes);
        troupe_buffer payload = {0};
        troupe_pack(&payload, "{s:U,s:U}", "directories", (uint64_t)done.directories, "processes",
                    (uint64_t)done.processes);
        if (troupe_post(self, to, TROUPE_CAST, VERB_LAUNCHER_SWEPT, NULL,
                        troupe_buffer_bytes(&payload)) != TROUPE_OK) {
            troupe_log(TROUPE_LOG_WARN, "launcher", "notice-lost", NULL, VERB_LAUNCHER_SWEPT);
        }
        troupe_buffer_fini(&payload);
    }
    troupe_exit(self, TROUPE_OK);
    return TROUPE_OK;
}

static void sweep_stop(troupe_actor *self, void *context, troupe_error reason)
{
    (void)self;
    (void)reason;
    free(context);
}

static troupe_error sweep_receive(troupe_actor *self, void *context,
                                  const troupe_envelope *envelope)
{
    (void)context;
    troupe_fault(self, troupe_caller_of(envelope), TROUPE_EMETHOD, NULL, NULL);
    return TROUPE_OK;
}

static const troupe_behaviour behaviour = {
    .kind = "sweeper", .start = sweep_start, .receive = sweep_receive, .stop = sweep_stop};

void launcher_start_sweep(launcher *state)
{
    const troupe_host_options **context = malloc(sizeof *context);
    if (context == NULL) {
        return;
    }
    *context = state->host;
    troupe_spawn_options options = {.behaviour = &behaviour, .state = context};
    if (troupe_spawn(troupe_self_system(state->self), &options, NULL) != TROUPE_OK) {
        free(context);
        troupe_log(TROUPE_LOG_WARN, "launcher", "not-swept", NULL,
                   "what earlier hosts may have left is not looked for");
    }
}
