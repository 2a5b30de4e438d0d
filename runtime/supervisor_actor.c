/* SPDX-License-Identifier: MIT */
/* A supervisor that is an actor of its own: what an owner has to do, and nothing else. */
#include "troupe/log.h"
#include "troupe/supervisor.h"

#include <stdlib.h>

typedef struct overseer {
    const troupe_supervisor_spec *spec;
    troupe_supervisor *supervisor; /* NULL until `start` created it */
} overseer;

static void on_event(troupe_actor *self, void *context, const char *name, troupe_address started,
                     troupe_error ended, uint32_t restart_in_ms)
{
    (void)context;
    if (started != 0 || ended == TROUPE_OK)
        return;
    troupe_log(TROUPE_LOG_ERROR, "supervisor", "child-failed", troupe_self_name(self),
               "child %s: %s; %s", name, troupe_error_text(ended),
               restart_in_ms != 0 ? "it is started again" : "it is not started again");
}

static troupe_error overseer_start(troupe_actor *self, void *state)
{
    overseer *o = state;
    troupe_supervisor_options options = {.strategy = o->spec->strategy,
                                         .ordered = true,
                                         .intensity = o->spec->intensity,
                                         .period_ms = o->spec->period_ms,
                                         .event = on_event};
    troupe_error error = troupe_supervisor_create(self, &options, &o->supervisor);
    for (size_t i = 0; i < o->spec->count && error == TROUPE_OK; i++)
        error = troupe_supervisor_add(o->supervisor, &o->spec->children[i], true, NULL);
    return error;
}

static troupe_error overseer_receive(troupe_actor *self, void *state,
                                     const troupe_envelope *envelope)
{
    overseer *o = state;
    if (envelope->kind == TROUPE_SIGNAL)
        (void)troupe_supervisor_signal(o->supervisor, envelope);
    else if (!troupe_supervisor_call(o->supervisor, envelope))
        troupe_fault(self, troupe_caller_of(envelope), TROUPE_EMETHOD, NULL, NULL);
    return TROUPE_OK;
}

static void on_children_gone(troupe_actor *self, void *context)
{
    (void)context;
    troupe_exit(self, TROUPE_OK);
}

static bool overseer_closing(troupe_actor *self, void *state)
{
    overseer *o = state;
    (void)self;
    troupe_supervisor_stop(o->supervisor, on_children_gone, o);
    return false;
}

static void overseer_stop(troupe_actor *self, void *state, troupe_error reason)
{
    overseer *o = state;
    (void)self;
    (void)reason;
    troupe_supervisor_destroy(o->supervisor);
    free(o);
}

static const troupe_behaviour overseer_behaviour = {.kind = "supervisor",
                                                    .start = overseer_start,
                                                    .receive = overseer_receive,
                                                    .closing = overseer_closing,
                                                    .stop = overseer_stop};

static troupe_error prepare(const troupe_supervisor_spec *spec, troupe_spawn_options *out)
{
    overseer *o = calloc(1, sizeof *o);
    if (o == NULL)
        return TROUPE_ENOMEM;
    o->spec = spec;
    out->behaviour = &overseer_behaviour;
    out->state = o;
    out->name = spec->name;
    return TROUPE_OK;
}

troupe_error troupe_supervisor_prepare(troupe_actor *self, void *context, troupe_spawn_options *out)
{
    (void)self;
    return prepare(context, out);
}

troupe_error troupe_supervisor_spawn(troupe_system *system, const troupe_supervisor_spec *spec,
                                     troupe_address *out)
{
    troupe_spawn_options options = {.monitor = spec->monitor};
    troupe_error error = prepare(spec, &options);
    if (error != TROUPE_OK)
        return error;
    error = troupe_spawn(system, &options, out);
    if (error != TROUPE_OK)
        free(options.state);
    return error;
}
