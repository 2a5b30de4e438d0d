/* SPDX-License-Identifier: MIT */
/*
 * Supervision as a part of an actor. Everything here runs on the owner's thread.
 *
 * A child is STARTING only within start_child; RUNNING until its `down`; WAITING for its back-off;
 * LEAVING once it was told to stop for good; then it is forgotten.
 */
#include "troupe/supervisor.h"
#include "clock.h"

#include "troupe/log.h"

#include <stdlib.h>
#include <string.h>

#define BACKOFF_MIN_MS 100U
#define BACKOFF_MAX_MS 30000U

typedef enum child_state {
    CHILD_RUNNING,
    CHILD_WAITING,
    CHILD_LEAVING,
} child_state;

typedef struct child {
    troupe_child spec; /* name is ours */
    child_state state;
    troupe_address address; /* 0 while waiting */
    uint64_t timer;
    uint64_t started_ns;
    uint32_t backoff_ms;   /* the next bound */
    uint64_t *restarts_ns; /* ring of the last `intensity` restarts */
    uint32_t restarts;     /* so far */
    struct child *next;    /* started before this one */
    troupe_supervisor *supervisor;
} child;

struct troupe_supervisor {
    troupe_actor *owner;
    troupe_child_event_fn event;
    void *event_context;
    child *last; /* last started first */
    uint64_t random;
    bool stopping;
    void (*done)(troupe_actor *self, void *context);
    void *done_context;
};

static troupe_error start_child(child *c);

static void tell(child *c, troupe_address started, troupe_error ended, uint32_t restart_in_ms)
{
    troupe_supervisor *s = c->supervisor;
    if (s->event != NULL)
        s->event(s->owner, s->event_context, c->spec.name, started, ended, restart_in_ms);
}

static void child_free(child *c)
{
    troupe_timer_cancel(c->supervisor->owner, c->timer);
    if (c->spec.release != NULL)
        c->spec.release(c->spec.context);
    union {
        const char *constant;
        char *ours;
    } name = {.constant = c->spec.name};
    free(name.ours);
    free(c->restarts_ns);
    free(c);
}

static void forget(child *c)
{
    child **at = &c->supervisor->last;
    while (*at != c)
        at = &(*at)->next;
    *at = c->next;
    child_free(c);
}

static child *find_child(const troupe_supervisor *s, const char *name)
{
    child *c = s->last;
    while (c != NULL && strcmp(c->spec.name, name) != 0)
        c = c->next;
    return c;
}

static uint32_t random_below(troupe_supervisor *s, uint32_t bound)
{
    s->random ^= s->random << 13; /* xorshift64 */
    s->random ^= s->random >> 7;
    s->random ^= s->random << 17;
    return (uint32_t)(s->random % bound);
}

/* Full jitter: anything from 1 ms to the present bound, which then doubles. */
static uint32_t next_backoff(child *c)
{
    uint32_t wait = 1 + random_below(c->supervisor, c->backoff_ms);
    c->backoff_ms =
        c->backoff_ms > c->spec.backoff_max_ms / 2 ? c->spec.backoff_max_ms : 2 * c->backoff_ms;
    return wait;
}

/* Note a restart; false: one too many within the period. */
static bool within_intensity(child *c, uint64_t now_ns)
{
    if (c->spec.intensity == 0)
        return true;
    uint64_t *oldest = &c->restarts_ns[c->restarts % c->spec.intensity];
    bool full = c->restarts >= c->spec.intensity;
    if (full && now_ns - *oldest <= c->spec.period_ms * CLOCK_NS_PER_MS)
        return false;
    *oldest = now_ns;
    c->restarts++;
    return true;
}

static void restart_due(troupe_actor *self, void *context);

/* It ended or could not be started: wait, then start it again. */
static void schedule_restart(child *c, troupe_error reason)
{
    troupe_supervisor *s = c->supervisor;
    uint64_t now = clock_now_ns();
    if (!within_intensity(c, now)) {
        troupe_log(TROUPE_LOG_ERROR, "supervisor", "intensity-exceeded", troupe_self_name(s->owner),
                   "child %s failed %u times within %u ms, last: %s", c->spec.name,
                   c->spec.intensity + 1, c->spec.period_ms, troupe_error_name(reason));
        tell(c, 0, reason, 0);
        forget(c);
        troupe_exit(s->owner, TROUPE_EUNAVAILABLE);
        return;
    }
    if (c->started_ns != 0 && now - c->started_ns >= c->spec.backoff_max_ms * CLOCK_NS_PER_MS)
        c->backoff_ms = c->spec.backoff_min_ms; /* it lived long */
    uint32_t wait = next_backoff(c);
    c->state = CHILD_WAITING;
    c->started_ns = 0;
    if (troupe_timer_start(s->owner, wait, 0, restart_due, c, &c->timer) != TROUPE_OK) {
        forget(c);
        troupe_exit(s->owner, TROUPE_ENOMEM);
        return;
    }
    tell(c, 0, reason, wait);
}

static void restart_due(troupe_actor *self, void *context)
{
    child *c = context;
    (void)self;
    c->timer = 0;
    troupe_error error = start_child(c);
    if (error != TROUPE_OK)
        schedule_restart(c, error);
}

static void discard(const child *c, void *state)
{
    if (c->spec.discard != NULL)
        c->spec.discard(c->spec.context, state);
    else
        free(state);
}

static troupe_error start_child(child *c)
{
    troupe_supervisor *s = c->supervisor;
    troupe_spawn_options options;
    memset(&options, 0, sizeof options);
    troupe_error error = c->spec.prepare(s->owner, c->spec.context, &options);
    if (error != TROUPE_OK)
        return error;
    options.monitor = troupe_self_address(s->owner);
    error = troupe_spawn(troupe_self_system(s->owner), &options, &c->address);
    if (error != TROUPE_OK) {
        c->address = 0;
        discard(c, options.state);
        return error;
    }
    c->state = CHILD_RUNNING;
    c->started_ns = clock_now_ns();
    tell(c, c->address, TROUPE_OK, 0);
    return TROUPE_OK;
}

troupe_error troupe_supervisor_create(troupe_actor *self, troupe_child_event_fn fn, void *context,
                                      troupe_supervisor **out)
{
    troupe_supervisor *s = calloc(1, sizeof *s);
    if (s == NULL)
        return TROUPE_ENOMEM;
    s->owner = self;
    s->event = fn;
    s->event_context = context;
    s->random = clock_now_ns() | 1;
    *out = s;
    return TROUPE_OK;
}

void troupe_supervisor_destroy(troupe_supervisor *supervisor)
{
    if (supervisor == NULL)
        return;
    troupe_system *system = troupe_self_system(supervisor->owner);
    while (supervisor->last != NULL) {
        child *c = supervisor->last;
        supervisor->last = c->next;
        if (c->address != 0)
            (void)troupe_stop(system, c->address, TROUPE_STOP_NOW);
        child_free(c);
    }
    free(supervisor);
}

static child *child_create(troupe_supervisor *s, const troupe_child *spec)
{
    child *c = calloc(1, sizeof *c);
    if (c == NULL)
        return NULL;
    c->supervisor = s;
    c->spec = *spec;
    c->spec.release = NULL; /* the context is the caller's until the child is kept */
    c->spec.name = strdup(spec->name);
    if (spec->intensity > 0)
        c->restarts_ns = calloc(spec->intensity, sizeof *c->restarts_ns);
    if (c->spec.name == NULL || (spec->intensity > 0 && c->restarts_ns == NULL)) {
        child_free(c);
        return NULL;
    }
    if (c->spec.backoff_min_ms == 0)
        c->spec.backoff_min_ms = BACKOFF_MIN_MS;
    if (c->spec.backoff_max_ms == 0)
        c->spec.backoff_max_ms = BACKOFF_MAX_MS;
    if (c->spec.backoff_max_ms < c->spec.backoff_min_ms)
        c->spec.backoff_max_ms = c->spec.backoff_min_ms;
    c->backoff_ms = c->spec.backoff_min_ms;
    return c;
}

troupe_error troupe_supervisor_add(troupe_supervisor *supervisor, const troupe_child *spec,
                                   bool keep, troupe_address *out)
{
    if (supervisor->stopping)
        return TROUPE_ECLOSED;
    if (spec->name == NULL || spec->prepare == NULL)
        return TROUPE_EINVAL;
    if (find_child(supervisor, spec->name) != NULL)
        return TROUPE_ESTATE;
    child *c = child_create(supervisor, spec);
    if (c == NULL)
        return TROUPE_ENOMEM;
    troupe_error error = start_child(c);
    if (error != TROUPE_OK && (!keep || spec->restart == TROUPE_TEMPORARY)) {
        child_free(c);
        return error;
    }
    c->spec.release = spec->release;
    c->next = supervisor->last;
    supervisor->last = c;
    if (error == TROUPE_OK && out != NULL)
        *out = c->address;
    if (error != TROUPE_OK)
        schedule_restart(c, error);
    return error;
}

/* Stop it for good; it is forgotten when it is down. */
static void dismiss(child *c, troupe_stop_mode mode)
{
    troupe_supervisor *s = c->supervisor;
    if (c->state == CHILD_WAITING) {
        forget(c);
        return;
    }
    c->state = CHILD_LEAVING;
    (void)troupe_stop(troupe_self_system(s->owner), c->address, mode); /* gone: `down` is coming */
}

troupe_error troupe_supervisor_remove(troupe_supervisor *supervisor, const char *name,
                                      troupe_stop_mode mode)
{
    child *c = find_child(supervisor, name);
    if (c == NULL)
        return TROUPE_ENOTFOUND;
    dismiss(c, mode);
    return TROUPE_OK;
}

troupe_address troupe_supervisor_find(const troupe_supervisor *supervisor, const char *name)
{
    const child *c = find_child(supervisor, name);
    return c != NULL ? c->address : 0;
}

/* One at a time, the last started first: the next is told when this one is down. */
static void stop_next(troupe_supervisor *s)
{
    while (s->last != NULL) {
        child *c = s->last;
        bool waiting = c->state == CHILD_WAITING;
        dismiss(c, TROUPE_STOP_DRAIN);
        if (!waiting)
            return;
    }
    if (s->done != NULL) {
        void (*done)(troupe_actor * self, void *context) = s->done;
        s->done = NULL;
        done(s->owner, s->done_context);
    }
}

void troupe_supervisor_stop(troupe_supervisor *supervisor,
                            void (*done)(troupe_actor *self, void *context), void *context)
{
    bool first = !supervisor->stopping;
    supervisor->stopping = true;
    supervisor->done = done;
    supervisor->done_context = context;
    if (first || supervisor->last == NULL)
        stop_next(supervisor);
}

static bool wants_restart(const child *c, troupe_error reason)
{
    if (c->state == CHILD_LEAVING || c->supervisor->stopping)
        return false;
    return c->spec.restart == TROUPE_PERMANENT ||
           (c->spec.restart == TROUPE_TRANSIENT && reason != TROUPE_OK);
}

bool troupe_supervisor_signal(troupe_supervisor *supervisor, const troupe_envelope *signal)
{
    troupe_down down;
    if (troupe_down_read(signal, &down) != TROUPE_OK)
        return false;
    child *c = supervisor->last;
    while (c != NULL && c->address != down.address)
        c = c->next;
    if (c == NULL || down.ref != 0)
        return false; /* nobody's, or a monitor that the owner asked for itself */
    c->address = 0;
    if (wants_restart(c, down.reason)) {
        schedule_restart(c, down.reason);
        return true;
    }
    bool was_next = c == supervisor->last;
    tell(c, 0, down.reason, 0);
    forget(c);
    if (supervisor->stopping && was_next)
        stop_next(supervisor);
    return true;
}
