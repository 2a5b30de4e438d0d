/* SPDX-License-Identifier: MIT */
/**
 * Supervision as a part of an actor: the actor that owns a troupe_supervisor starts its children,
 * restarts those that fail, with exponential back-off and jitter, and stops them in reverse order.
 */
#ifndef TROUPE_SUPERVISOR_H
#define TROUPE_SUPERVISOR_H

#include "troupe/actor.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum troupe_restart {
    TROUPE_PERMANENT, /* restarted whatever the reason */
    TROUPE_TRANSIENT, /* restarted unless it ended with TROUPE_OK */
    TROUPE_TEMPORARY, /* never restarted */
} troupe_restart;

typedef struct troupe_child {
    const char *name; /* unique in this supervisor; copied */
    /** Fill in what to spawn (behaviour, fresh state, name…); called for each start. On an error
     * the start counts as failed. `monitor` is set by the supervisor. */
    troupe_error (*prepare)(troupe_actor *self, void *context, troupe_spawn_options *out);
    /** Release the state of a prepared child that could not be spawned. NULL = free(3). */
    void (*discard)(void *context, void *state);
    void *context;
    /** Called when the child has no more starts (removed, temporary ended, supervisor ends). May be
     * NULL. */
    void (*release)(void *context);
    troupe_restart restart;
    uint32_t backoff_min_ms; /* 0 = 100 */
    uint32_t
        backoff_max_ms; /* 0 = 30000; full jitter; back to the minimum after living that long */
    uint32_t intensity; /* restarts allowed within period_ms; 0 = no limit */
    uint32_t period_ms;
} troupe_child;

typedef struct troupe_supervisor troupe_supervisor;

/** Told about each start (address) and end (reason) of a child; may be NULL. */
typedef void (*troupe_child_event_fn)(troupe_actor *self, void *context, const char *name,
                                      troupe_address started, troupe_error ended,
                                      uint32_t restart_in_ms);

TROUPE_API troupe_error troupe_supervisor_create(troupe_actor *self, troupe_child_event_fn fn,
                                                 void *context,
                                                 troupe_supervisor **out) TROUPE_MUST_USE;
/** Frees the bookkeeping; children that still live are stopped at once. */
TROUPE_API void troupe_supervisor_destroy(troupe_supervisor *supervisor);

/** Start a child now. TROUPE_ESTATE if the name is in use; else what prepare or spawn said, and
 * then the child is not kept unless it is permanent or transient and `keep` is true (it is
 * retried). */
TROUPE_API troupe_error troupe_supervisor_add(troupe_supervisor *supervisor,
                                              const troupe_child *child, bool keep,
                                              troupe_address *out) TROUPE_MUST_USE;
/** Stop a child for good. TROUPE_ENOTFOUND. */
TROUPE_API troupe_error troupe_supervisor_remove(troupe_supervisor *supervisor, const char *name,
                                                 troupe_stop_mode mode);
/** The child's address now; 0 if unknown or between two lives. */
TROUPE_API troupe_address troupe_supervisor_find(const troupe_supervisor *supervisor,
                                                 const char *name);

/** Hand every `down` signal to this; true: it was a child's, and is dealt with. When a child
 * exceeds its intensity the owner is ended with TROUPE_EUNAVAILABLE. */
TROUPE_API bool troupe_supervisor_signal(troupe_supervisor *supervisor,
                                         const troupe_envelope *signal);

/** Stop all children, last started first, each drained; then `done` is called (at once if there are
 * none). No restarts from now on. */
TROUPE_API void troupe_supervisor_stop(troupe_supervisor *supervisor,
                                       void (*done)(troupe_actor *self, void *context),
                                       void *context);

#ifdef __cplusplus
}
#endif

#endif
