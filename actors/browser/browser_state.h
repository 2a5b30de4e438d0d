/* SPDX-License-Identifier: MIT */
/** What the two files of the browser actor share: the connection and its commands (browser.c), the
 * targets and their actors (browser_targets.c). */
#ifndef TROUPE_ACTORS_BROWSER_BROWSER_STATE_H
#define TROUPE_ACTORS_BROWSER_BROWSER_STATE_H

#include "browser.h"
#include "pending.h"
#include "roster.h"
#include "transport/cdp.h"

#include <stdatomic.h>

struct browser_end {
    atomic_uint references;
    troupe_reason reason;
};

struct browser {
    troupe_actor *self;
    const troupe_host_options *host;
    char id[BROWSER_ID_MAX];
    char uid[37];
    char endpoint[256]; /* "" = the pipe */
    char url[256];      /* where a discovered endpoint was found */
    char profile[320];
    char product[128];
    bool launched;
    bool attach;
    bool graceful;
    bool by_port_file;
    pid_t pid;
    uint64_t start_timer; /* until the browser's first answer */
    int pid_fd;
    message_stream *stream;
    pending_table pending;
    roster roster;
    bool write_wanted; /* POLLOUT is asked for */
    bool paused;       /* reading is stopped: some target has no room */
    bool flush_due;    /* commands were queued in this turn */
    bool lost;         /* the connection: the actor is about to end */
    uint64_t late_count;
    int64_t wall_us; /* of the batch in hand */
    int64_t mono_us;
    troupe_buffer scratch;
    browser_end *end;
};

/* In browser.c: */

/** Poll for what is wanted now: answers unless paused, room to write while something is queued. */
void browser_want_events(browser *state);
/** Send a command of the actor's own; a failure to send is logged. params: JSON text or NULL. */
void browser_send_own(browser *state, const char *method, const char *params, pending_fn fn,
                      void *context);
/** A pending_fn for answers that only matter when they are errors; context: the method's name. */
void browser_ignore_answer(browser *state, void *context, const char *result, size_t result_len,
                           const char *error);

/* In browser_targets.c: */

/** The string at `path` of a JSON object, without escapes. */
bool browser_member_string(json_span object, const char *path, const char **text, size_t *len);
/** Post an event to a target's actor, or hold it until there is room. */
void browser_post_event(browser *state, roster_target *target, const char *verb, size_t verb_len,
                        troupe_bytes payload);
/** Answer a call, after the events that are held for the caller. */
void browser_answer_caller(browser *state, troupe_caller caller, const char *result, size_t len);
/** Likewise with Chrome's error object. */
void browser_fault_caller(browser *state, troupe_caller caller, json_span error);
/** A target's actor has room again (0: one is gone). */
void browser_on_room(browser *state, troupe_address actor);
/** Tell the actor of that name that the browser answers. */
void browser_tell_up(browser *state, const char *name);
void browser_on_target_info(browser *state, const cdp_message *event);
void browser_on_target_destroyed(browser *state, const cdp_message *event);
/** Both return the target whose actor is to see the event too; NULL if none. */
roster_target *browser_on_attached(browser *state, const cdp_message *event);
roster_target *browser_on_detached(browser *state, const cdp_message *event);
void browser_on_target_down(browser *state, const troupe_down *down);

#endif
