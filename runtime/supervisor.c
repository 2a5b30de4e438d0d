/* SPDX-License-Identifier: MIT */
/*
 * Supervision as a part of an actor. Everything here runs on the owner's thread.
 *
 * Whatever happens (a start, an end, a timer, a wish of the owner) only changes the states of
 * children; `advance` then does what the states call for next: stop the last that is marked, or
 * start the first that is pending. A group restarts thus: the child that failed waits for its
 * back-off, the living others are marked, stopped backwards, and pending; when nothing is waiting,
 * marked or stopping any more, the pending ones are started forwards.
 *
 * Callbacks may add and remove children: no child is touched after a callback that could have
 * freed it.
 */
#include "child.h"
#include "clock.h"

#include "troupe/log.h"

#include <stdlib.h>
#include <string.h>

typedef enum phase {
    PHASE_SUPERVISING,
    PHASE_STOPPING,  /* the owner asked for it */
    PHASE_GIVING_UP, /* the same, and then the owner ends */
} phase;

struct troupe_supervisor {
    troupe_actor *owner;
    troupe_supervisor_options options;
    children children;
    restart_limit limit;
    uint64_t random;
    phase phase;
    troupe_error reason; /* giving up: why the owner ends */
    void (*done)(troupe_actor *self, void *context);
    void *done_context;
};

static void advance(troupe_supervisor *s);

static bool is_group(const troupe_supervisor *s)
{
    return s->options.strategy != TROUPE_ONE_FOR_ONE;
}

static void tell(const child *c, troupe_address started, troupe_error ended, uint32_t restart_in_ms)
{
    const troupe_supervisor *s = c->supervisor;
    if (s->options.event != NULL)
        s->options.event(s->owner, s->options.context, c->spec.name, started, ended, restart_in_ms);
}

static void stop_timer(child *c)
{
    troupe_timer_cancel(c->supervisor->owner, c->timer);
    c->timer = 0;
}

static void forget(child *c)
{
    stop_timer(c);
    children_remove(&c->supervisor->children, c);
    child_free(c);
}

/* The event finds the child gone already, so that it may add another one of that name. */
static void tell_and_forget(child *c, troupe_error reason)
{
    stop_timer(c);
    children_remove(&c->supervisor->children, c);
    tell(c, 0, reason, 0);
    child_free(c);
}

/* ---- restarts ---- */

static uint32_t random_below(troupe_supervisor *s, uint32_t bound)
{
    s->random ^= s->random << 13; /* xorshift64 */
    s->random ^= s->random >> 7;
    s->random ^= s->random << 17;
    return (uint32_t)(s->random % bound);
}

/* Full jitter: anything from 1 ms to the present bound, which then doubles. */
static uint32_t next_backoff(child *c, uint64_t now_ns)
{
    const troupe_child *spec = &c->spec;
    if (c->started_ns != 0 && now_ns - c->started_ns >= spec->backoff_max_ms * CLOCK_NS_PER_MS)
        c->backoff_ms = spec->backoff_min_ms; /* it lived long */
    uint32_t wait = 1 + random_below(c->supervisor, c->backoff_ms);
    c->backoff_ms =
        c->backoff_ms > spec->backoff_max_ms / 2 ? spec->backoff_max_ms : 2 * c->backoff_ms;
    return wait;
}

static void give_up(troupe_supervisor *s, troupe_error reason)
{
    s->phase = PHASE_GIVING_UP;
    s->reason = reason;
}

static bool within_limit(const child *c, restart_limit *limit, const char *whose,
                         troupe_error reason)
{
    const troupe_actor *owner = c->supervisor->owner;
    if (restart_limit_note(limit, troupe_now_ns(owner)))
        return true;
    troupe_log(TROUPE_LOG_ERROR, "supervisor", "intensity-exceeded", troupe_self_name(owner),
               "%s failed %llu times within %u ms, last: %s with %s", whose,
               (unsigned long long)limit->intensity + 1, limit->period_ms, c->spec.name,
               troupe_error_name(reason));
    return false;
}

/* Those that go down and up with this child are to be stopped. */
static void mark_group(const child *c)
{
    troupe_supervisor *s = c->supervisor;
    if (!is_group(s) || c->spec.dynamic)
        return;
    const child *end = s->options.strategy == TROUPE_REST_FOR_ONE ? c : NULL;
    for (child *other = s->children.fixed.last; other != end; other = other->prev) {
        if (other->state != CHILD_STARTING && other->state != CHILD_RUNNING)
            continue;
        other->leaving = other->spec.restart == TROUPE_TEMPORARY;
        child_set_state(&s->children, other, CHILD_MARKED);
    }
}

static void restart_due(troupe_actor *self, void *context);

/* It ended or could not be started: wait, then start it again. */
static void schedule_restart(child *c, troupe_error reason)
{
    troupe_supervisor *s = c->supervisor;
    if (!within_limit(c, &c->limit, "child", reason) ||
        !within_limit(c, &s->limit, "children", reason)) {
        give_up(s, TROUPE_EUNAVAILABLE);
        tell_and_forget(c, reason);
        return;
    }
    uint32_t wait_ms = next_backoff(c, troupe_now_ns(s->owner));
    if (troupe_timer_start(s->owner, wait_ms, 0, restart_due, c, &c->timer) != TROUPE_OK) {
        give_up(s, TROUPE_ENOMEM);
        tell_and_forget(c, reason);
        return;
    }
    c->started_ns = 0;
    child_set_state(&s->children, c, CHILD_WAITING);
    mark_group(c);
    tell(c, 0, reason, wait_ms);
}

static bool wants_restart(const child *c, troupe_error reason)
{
    if (c->leaving || c->supervisor->phase != PHASE_SUPERVISING)
        return false;
    return c->spec.restart == TROUPE_PERMANENT ||
           (c->spec.restart == TROUPE_TRANSIENT && reason != TROUPE_OK);
}

/* It has no life: ended, or never begun. May free it. */
static void has_ended(child *c, troupe_error reason)
{
    troupe_supervisor *s = c->supervisor;
    bool with_group = c->state == CHILD_MARKED || c->state == CHILD_STOPPING;
    if (with_group && !c->leaving && s->phase == PHASE_SUPERVISING) {
        c->started_ns = 0;
        child_set_state(&s->children, c, CHILD_PENDING);
        tell(c, 0, reason, 1);
    } else if (wants_restart(c, reason)) {
        schedule_restart(c, reason);
    } else {
        tell_and_forget(c, reason);
    }
}

/* ---- starting ---- */

static void discard(const child *c, void *state)
{
    if (c->spec.discard != NULL)
        c->spec.discard(c->spec.context, state);
    else
        free(state);
}

static troupe_error spawn_child(child *c)
{
    troupe_supervisor *s = c->supervisor;
    troupe_system *system = troupe_self_system(s->owner);
    troupe_spawn_options options;
    troupe_address address;
    memset(&options, 0, sizeof options);
    troupe_error error = c->spec.prepare(s->owner, c->spec.context, &options);
    if (error != TROUPE_OK)
        return error;
    options.monitor = troupe_self_address(s->owner);
    options.started = true;
    options.restarts = c->lives;
    error = troupe_spawn(system, &options, &address);
    if (error != TROUPE_OK) {
        discard(c, options.state);
        return error;
    }
    if (!child_set_address(&s->children, c, address)) {
        (void)troupe_stop(system, address, TROUPE_STOP_NOW); /* its signals are nobody's */
        return TROUPE_ENOMEM;
    }
    c->lives++;
    c->started_ns = troupe_now_ns(s->owner);
    child_set_state(&s->children, c, CHILD_STARTING);
    return TROUPE_OK;
}

static void start_child(child *c)
{
    troupe_error error = spawn_child(c);
    if (error == TROUPE_OK)
        tell(c, c->address, TROUPE_OK, 0);
    else
        has_ended(c, error);
}

static void restart_due(troupe_actor *self, void *context)
{
    child *c = context;
    troupe_supervisor *s = c->supervisor;
    (void)self;
    c->timer = 0;
    child_set_state(&s->children, c, CHILD_PENDING);
    if (s->phase == PHASE_SUPERVISING && (!is_group(s) || c->spec.dynamic))
        start_child(c);
    advance(s);
}

static bool is_ordered(const child *c)
{
    return !c->spec.dynamic && (c->supervisor->options.ordered || is_group(c->supervisor));
}

/* The one before it has started, and no group is on its way down. */
static bool may_start(const child *c)
{
    const troupe_supervisor *s = c->supervisor;
    const unsigned *count = s->children.count;
    if (!is_ordered(c))
        return true;
    if (is_group(s) && count[CHILD_WAITING] + count[CHILD_MARKED] + count[CHILD_STOPPING] > 0)
        return false;
    return c->prev == NULL || c->prev->state == CHILD_RUNNING || c->prev->leaving;
}

/* ---- stopping ---- */

static void shutdown_due(troupe_actor *self, void *context)
{
    child *c = context;
    c->timer = 0;
    troupe_log(TROUPE_LOG_WARN, "supervisor", "shutdown-deadline", troupe_self_name(self),
               "child %s is not down after %u ms: stopped at once", c->spec.name,
               c->spec.shutdown_ms);
    (void)troupe_stop(troupe_self_system(self), c->address, TROUPE_STOP_NOW);
}

/* Tell it to stop; its `down` follows, also if it is gone already. */
static void stop_child(child *c, troupe_stop_mode mode)
{
    troupe_supervisor *s = c->supervisor;
    troupe_system *system = troupe_self_system(s->owner);
    child_set_state(&s->children, c, CHILD_STOPPING);
    if (c->spec.dynamic)
        child_move_last(&s->children, c);
    (void)troupe_stop(system, c->address, mode);
    if (c->spec.shutdown_ms == TROUPE_SHUTDOWN_UNLIMITED)
        return;
    if (troupe_timer_start(s->owner, c->spec.shutdown_ms, 0, shutdown_due, c, &c->timer) !=
        TROUPE_OK)
        (void)troupe_stop(system, c->address, TROUPE_STOP_NOW);
}

static void finish(troupe_supervisor *s)
{
    void (*done)(troupe_actor * self, void *context) = s->done;
    s->done = NULL;
    if (s->phase == PHASE_GIVING_UP)
        troupe_exit(s->owner, s->reason);
    if (done != NULL)
        done(s->owner, s->done_context);
}

/* All dynamic children at once; then the last of the others, if it is not told yet. */
static bool stop_next(troupe_supervisor *s)
{
    child *c = s->children.dynamic.first;
    if (c == NULL)
        c = s->children.fixed.last;
    if (c == NULL) {
        finish(s);
        return false;
    }
    if (c->state == CHILD_STOPPING)
        return false;
    if (child_alive(c)) {
        c->leaving = true;
        stop_child(c, TROUPE_STOP_DRAIN);
    } else {
        forget(c);
    }
    return true;
}

static bool stop_marked(troupe_supervisor *s)
{
    if (s->children.count[CHILD_STOPPING] > 0)
        return false;
    child *c = s->children.fixed.last;
    while (c->state != CHILD_MARKED)
        c = c->prev;
    stop_child(c, TROUPE_STOP_DRAIN);
    return true;
}

static bool start_pending(troupe_supervisor *s)
{
    if (s->children.count[CHILD_PENDING] == 0)
        return false;
    child *c = s->children.fixed.first;
    while (c->state != CHILD_PENDING)
        c = c->next;
    if (!may_start(c))
        return false;
    start_child(c);
    return true;
}

/* One step; false: nothing to do before something happens. */
static bool step(troupe_supervisor *s)
{
    if (s->phase != PHASE_SUPERVISING)
        return stop_next(s);
    if (s->children.count[CHILD_MARKED] > 0)
        return stop_marked(s);
    return start_pending(s);
}

static void advance(troupe_supervisor *s)
{
    while (step(s))
        continue;
}

/* ---- what the owner calls ---- */

troupe_error troupe_supervisor_create(troupe_actor *self, const troupe_supervisor_options *options,
                                      troupe_supervisor **out)
{
    troupe_supervisor *s = calloc(1, sizeof *s);
    if (s == NULL)
        return TROUPE_ENOMEM;
    s->owner = self;
    if (options != NULL)
        s->options = *options;
    if (!restart_limit_init(&s->limit, s->options.intensity, s->options.period_ms)) {
        free(s);
        return TROUPE_ENOMEM;
    }
    s->random = (troupe_now_ns(self) ^ troupe_self_address(self) << 32) | 1;
    *out = s;
    return TROUPE_OK;
}

void troupe_supervisor_destroy(troupe_supervisor *supervisor)
{
    if (supervisor == NULL)
        return;
    troupe_system *system = troupe_self_system(supervisor->owner);
    children *all = &supervisor->children;
    supervisor->phase = PHASE_STOPPING; /* `release` cannot add */
    while (all->dynamic.last != NULL || all->fixed.last != NULL) {
        child *c = all->dynamic.last != NULL ? all->dynamic.last : all->fixed.last;
        if (c->address != 0)
            (void)troupe_stop(system, c->address, TROUPE_STOP_NOW);
        forget(c);
    }
    children_fini(all);
    restart_limit_fini(&supervisor->limit);
    free(supervisor);
}

troupe_error troupe_supervisor_add(troupe_supervisor *supervisor, const troupe_child *spec,
                                   bool keep, troupe_address *out)
{
    if (spec->name == NULL || spec->prepare == NULL)
        return TROUPE_EINVAL;
    if (supervisor->phase != PHASE_SUPERVISING)
        return TROUPE_ECLOSED;
    child *c = child_create(&supervisor->children, spec, supervisor);
    if (c == NULL)
        return TROUPE_ENOMEM;
    bool taken = children_by_name(&supervisor->children, c->spec.name) != NULL;
    if (taken || !children_add(&supervisor->children, c)) {
        child_free(c);
        return taken ? TROUPE_ESTATE : TROUPE_ENOMEM;
    }
    bool now = may_start(c);
    troupe_error error = now ? spawn_child(c) : TROUPE_OK;
    if (error != TROUPE_OK && (!keep || spec->restart == TROUPE_TEMPORARY)) {
        forget(c);
        return error;
    }
    c->spec.release = spec->release;
    if (out != NULL)
        *out = c->address;
    if (error != TROUPE_OK)
        has_ended(c, error);
    else if (now)
        tell(c, c->address, TROUPE_OK, 0);
    advance(supervisor);
    return TROUPE_OK;
}

troupe_error troupe_supervisor_remove(troupe_supervisor *supervisor, const char *name,
                                      troupe_stop_mode mode)
{
    child *c = name != NULL ? children_by_name(&supervisor->children, name) : NULL;
    if (c == NULL)
        return TROUPE_ENOTFOUND;
    c->leaving = true;
    if (!child_alive(c))
        forget(c);
    else if (c->state != CHILD_STOPPING)
        stop_child(c, mode);
    else
        (void)troupe_stop(troupe_self_system(supervisor->owner), c->address, mode);
    advance(supervisor);
    return TROUPE_OK;
}

troupe_address troupe_supervisor_find(const troupe_supervisor *supervisor, const char *name)
{
    const child *c = children_by_name(&supervisor->children, name);
    return c != NULL ? c->address : 0;
}

const char *troupe_supervisor_name(const troupe_supervisor *supervisor, troupe_address address)
{
    const child *c = children_by_address(&supervisor->children, address);
    return c != NULL ? c->spec.name : NULL;
}

static void inspect_list(const child_list *list,
                         void (*fn)(void *context, const troupe_child_info *info), void *context)
{
    static const char *const names[CHILD_STATES] = {
        [CHILD_PENDING] = "pending", [CHILD_WAITING] = "waiting", [CHILD_STARTING] = "starting",
        [CHILD_RUNNING] = "running", [CHILD_MARKED] = "stopping", [CHILD_STOPPING] = "stopping",
    };
    for (const child *c = list->first; c != NULL; c = c->next) {
        troupe_child_info info = {.name = c->spec.name,
                                  .address = c->address,
                                  .state = names[c->state],
                                  .restarts = c->lives > 0 ? c->lives - 1 : 0};
        fn(context, &info);
    }
}

void troupe_supervisor_inspect(const troupe_supervisor *supervisor,
                               void (*fn)(void *context, const troupe_child_info *info),
                               void *context)
{
    inspect_list(&supervisor->children.fixed, fn, context);
    inspect_list(&supervisor->children.dynamic, fn, context);
}

static bool on_started(troupe_supervisor *s, const troupe_envelope *signal)
{
    troupe_address address;
    if (troupe_unpack(signal->payload, "U", &address) != TROUPE_OK)
        return false;
    child *c = children_by_address(&s->children, address);
    if (c == NULL)
        return false;
    if (c->state == CHILD_STARTING)
        child_set_state(&s->children, c, CHILD_RUNNING);
    return true;
}

static bool on_down(troupe_supervisor *s, const troupe_envelope *signal)
{
    troupe_down down;
    if (troupe_down_read(signal, &down) != TROUPE_OK || down.ref != 0)
        return false; /* a ref: a monitor that the owner asked for itself */
    child *c = children_by_address(&s->children, down.address);
    if (c == NULL)
        return false;
    stop_timer(c);
    (void)child_set_address(&s->children, c, 0); /* taking out cannot fail */
    has_ended(c, down.reason);
    return true;
}

bool troupe_supervisor_signal(troupe_supervisor *supervisor, const troupe_envelope *signal)
{
    if (signal->kind != TROUPE_SIGNAL)
        return false;
    bool ours = troupe_verb_is(signal, "started") ? on_started(supervisor, signal)
                                                  : on_down(supervisor, signal);
    if (ours)
        advance(supervisor);
    return ours;
}

static void pack_child(void *context, const troupe_child_info *info)
{
    (void)troupe_pack(context, "{s:s,s:U,s:s,s:U}", "name", info->name, "address", info->address,
                      "state", info->state, "restarts", (uint64_t)info->restarts);
}

static void count_child(void *context, const troupe_child_info *info)
{
    (void)info;
    ++*(uint32_t *)context;
}

bool troupe_supervisor_call(troupe_supervisor *supervisor, const troupe_envelope *call)
{
    if (call->kind != TROUPE_CALL || !troupe_verb_is(call, "which"))
        return false;
    uint32_t count = 0;
    troupe_buffer list = {0};
    troupe_supervisor_inspect(supervisor, count_child, &count);
    const uint8_t head[] = {0xdd, (uint8_t)(count >> 24), (uint8_t)(count >> 16),
                            (uint8_t)(count >> 8), (uint8_t)count}; /* array 32 */
    (void)troupe_buffer_append(&list, head, sizeof head);
    troupe_supervisor_inspect(supervisor, pack_child, &list);
    if (list.failed)
        troupe_fault(supervisor->owner, troupe_caller_of(call), TROUPE_ENOMEM, NULL, NULL);
    else
        troupe_reply(supervisor->owner, troupe_caller_of(call), troupe_buffer_bytes(&list));
    troupe_buffer_fini(&list);
    return true;
}

void troupe_supervisor_stop(troupe_supervisor *supervisor,
                            void (*done)(troupe_actor *self, void *context), void *context)
{
    if (supervisor->phase == PHASE_SUPERVISING)
        supervisor->phase = PHASE_STOPPING;
    supervisor->done = done;
    supervisor->done_context = context;
    advance(supervisor);
}
