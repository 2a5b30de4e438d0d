/* SPDX-License-Identifier: MIT */
/**
 * Supervision as a part of an actor: the actor that owns a troupe_supervisor starts its children,
 * restarts those that fail, with exponential back-off and full jitter, and stops them in reverse
 * order. troupe_supervisor_spawn is an actor that does nothing else, for trees that need no state
 * of their own.
 *
 * All functions but troupe_supervisor_spawn belong to the owner's thread, and none blocks. A
 * supervisor must not be destroyed from within a callback that it calls.
 */
#ifndef TROUPE_SUPERVISOR_H
#define TROUPE_SUPERVISOR_H

#include "troupe/actor.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum troupe_restart {
    TROUPE_PERMANENT, /* restarted whatever the reason */
    TROUPE_TRANSIENT, /* restarted unless it ended with TROUPE_OK; then it is forgotten */
    TROUPE_TEMPORARY, /* never restarted: forgotten when it ends, and when its group restarts */
} troupe_restart;

/** What else is restarted when a child fails that wants a restart. */
typedef enum troupe_strategy {
    TROUPE_ONE_FOR_ONE,  /* nothing */
    TROUPE_ONE_FOR_ALL,  /* all children */
    TROUPE_REST_FOR_ONE, /* the children that were added after it */
} troupe_strategy;

/** No deadline: a child may take as long as it needs to stop (supervisors of others do). */
#define TROUPE_SHUTDOWN_UNLIMITED UINT32_MAX

typedef struct troupe_child {
    const char *name; /* unique in this supervisor; copied */
    /** Fill in what to spawn (behaviour, fresh state, name…); called for each start. On an error
     * the start counts as failed. `monitor`, `started` and `restarts` are set by the supervisor. */
    troupe_error (*prepare)(troupe_actor *self, void *context, troupe_spawn_options *out);
    /** Release the state of a prepared child that could not be spawned. NULL = free(3). */
    void (*discard)(void *context, void *state);
    void *context;
    /** Called when the child has no more starts (removed, temporary ended, supervisor ends). May be
     * NULL. */
    void (*release)(void *context);
    troupe_restart restart;
    /** One of many that come and go, made from one template: `name` is completed with a number
     * ("worker#17"), no strategy and no order touches it, and all of them are stopped at once,
     * before the other children. Adding, ending and removing one costs the same with thousands. */
    bool dynamic;
    uint32_t backoff_min_ms; /* 0 = 100 */
    uint32_t
        backoff_max_ms; /* 0 = 30000; full jitter; back to the minimum after living that long */
    uint32_t intensity; /* restarts allowed within period_ms; 0 = no limit */
    uint32_t period_ms;
    /** How long it may take to stop when it was told to; then TROUPE_STOP_NOW, and a log record.
     * 0 = 5000. */
    uint32_t shutdown_ms;
} troupe_child;

typedef struct troupe_supervisor troupe_supervisor;

/** Told about each start (address) and end (reason) of a child. restart_in_ms: 0 = it will not be
 * started again; else not before that time. */
typedef void (*troupe_child_event_fn)(troupe_actor *self, void *context, const char *name,
                                      troupe_address started, troupe_error ended,
                                      uint32_t restart_in_ms);

/** Zero-initialised: one for one, no limit, no order, no callback. */
typedef struct troupe_supervisor_options {
    troupe_strategy strategy;
    /** Start a child when the one added before it has started (its `start` returned TROUPE_OK).
     * The strategies other than one-for-one always do. */
    bool ordered;
    uint32_t intensity; /* restarts of all children together within period_ms; 0 = no limit */
    uint32_t period_ms; /* usual: 1 in 5000, 5 in 30000 for what starts slowly */
    troupe_child_event_fn event; /* NULL allowed */
    void *context;               /* handed to `event` */
} troupe_supervisor_options;

/**
 * Create a supervisor without children.
 *
 * @param options  NULL = defaults; borrowed
 * @return TROUPE_OK; TROUPE_ENOMEM
 */
TROUPE_API troupe_error troupe_supervisor_create(troupe_actor *self,
                                                 const troupe_supervisor_options *options,
                                                 troupe_supervisor **out) TROUPE_MUST_USE;
/** Frees the bookkeeping; children that still live are stopped at once, the last first, without
 * waiting. destroy(NULL) is fine. */
TROUPE_API void troupe_supervisor_destroy(troupe_supervisor *supervisor);

/**
 * Add a child and start it, now or, in an ordered supervisor, when its turn has come.
 *
 * @param child  borrowed; its context is taken on TROUPE_OK (see `release`)
 * @param keep   a start that fails at once is retried as any other, unless the child is temporary
 * @param out    stored on TROUPE_OK: the address; 0 if the child has not been spawned yet; NULL
 *               allowed
 * @return TROUPE_OK: the child is there. TROUPE_ESTATE: the name is in use. TROUPE_ECLOSED: the
 *         supervisor is stopping. TROUPE_EINVAL: no name, no prepare. TROUPE_ENOMEM. Else what
 *         `prepare` or troupe_spawn said.
 */
TROUPE_API troupe_error troupe_supervisor_add(troupe_supervisor *supervisor,
                                              const troupe_child *child, bool keep,
                                              troupe_address *out) TROUPE_MUST_USE;
/**
 * Stop a child for good; its end is told as any other. One that is waiting to be started is
 * forgotten at once, without a further event.
 *
 * @return TROUPE_OK; TROUPE_ENOTFOUND (NULL too)
 */
TROUPE_API troupe_error troupe_supervisor_remove(troupe_supervisor *supervisor, const char *name,
                                                 troupe_stop_mode mode);
/** The child's address now; 0 if unknown or between two lives. */
TROUPE_API troupe_address troupe_supervisor_find(const troupe_supervisor *supervisor,
                                                 const char *name);
/** The name of the child that lives at that address, NULL if there is none. Borrowed until the
 * child is forgotten. */
TROUPE_API const char *troupe_supervisor_name(const troupe_supervisor *supervisor,
                                              troupe_address address);

typedef struct troupe_child_info {
    const char *name;
    troupe_address address; /* 0: between two lives, or not started yet */
    const char *state;      /* "pending", "waiting", "starting", "running", "stopping" */
    uint32_t restarts;      /* lives before the present one, or the last */
} troupe_child_info;

/** Report every child: in the order of adding, then the dynamic ones. `fn` must not change the
 * supervisor; info is borrowed. */
TROUPE_API void troupe_supervisor_inspect(const troupe_supervisor *supervisor,
                                          void (*fn)(void *context, const troupe_child_info *info),
                                          void *context);

/**
 * Hand every signal to this.
 *
 * When a child or the supervisor exceeds its intensity, the children are stopped in reverse order
 * and then the owner is ended with TROUPE_EUNAVAILABLE, for its own supervisor to deal with.
 *
 * @return true: it was a child's `started` or `down`, and is dealt with
 */
TROUPE_API bool troupe_supervisor_signal(troupe_supervisor *supervisor,
                                         const troupe_envelope *signal);

/**
 * Hand calls to this to have the supervisor asked from elsewhere: `which` is answered with an array
 * of {name: s, address: U, state: s, restarts: U}, as troupe_supervisor_inspect reports.
 *
 * @return true: it was one, and is answered
 */
TROUPE_API bool troupe_supervisor_call(troupe_supervisor *supervisor, const troupe_envelope *call);

/** Stop all children: the dynamic ones together, then the others, last added first, each drained
 * before the next is told; then `done` is called (at once if there are none). No restarts from now
 * on. */
TROUPE_API void troupe_supervisor_stop(troupe_supervisor *supervisor,
                                       void (*done)(troupe_actor *self, void *context),
                                       void *context);

/** A supervisor that is an actor of its own. Borrowed for as long as that actor lives: what is
 * declared once, static. */
typedef struct troupe_supervisor_spec {
    const char *name; /* registered; NULL = none */
    troupe_strategy strategy;
    uint32_t intensity; /* as in troupe_supervisor_options */
    uint32_t period_ms;
    const troupe_child *children; /* `count`; started in this order */
    size_t count;
    troupe_address monitor; /* gets a `down` when it ends; 0 = none */
} troupe_supervisor_spec;

/**
 * Start an actor that supervises: children start in order, failed starts are retried, ends are
 * logged; it answers `which`, stops its children when it is stopped, and ends with
 * TROUPE_EUNAVAILABLE when the intensity is exceeded. Thread: any.
 *
 * @return as troupe_spawn. A child without name or `prepare`, or with a name that is taken: the
 *         actor's start fails with TROUPE_EINVAL or TROUPE_ESTATE
 */
TROUPE_API troupe_error troupe_supervisor_spawn(troupe_system *system,
                                                const troupe_supervisor_spec *spec,
                                                troupe_address *out) TROUPE_MUST_USE;

/** A `prepare` for a child that is such an actor itself; context: its troupe_supervisor_spec, whose
 * `monitor` is ignored. Give that child TROUPE_SHUTDOWN_UNLIMITED. TROUPE_OK; TROUPE_ENOMEM. */
TROUPE_API troupe_error troupe_supervisor_prepare(troupe_actor *self, void *context,
                                                  troupe_spawn_options *out);

#ifdef __cplusplus
}
#endif

#endif
