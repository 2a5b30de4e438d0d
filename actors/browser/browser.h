/* SPDX-License-Identifier: MIT */
/**
 * The browser actor: owns the one CDP connection to a browser. Gives commands their ids, matches
 * answers in O(1), routes events by session to the target actors, starts a target actor for each
 * target that is attached. Ends when the connection is lost; its supervisor starts the next one.
 *
 * Verbs (besides those of the family below):
 *   browser.command, browser.metrics, driver.*  (actors/verbs.h)
 */
#ifndef TROUPE_ACTORS_BROWSER_BROWSER_H
#define TROUPE_ACTORS_BROWSER_BROWSER_H

#include "endpoint.h"
#include "transport/message_stream.h"
#include "troupe/actor.h"
#include "troupe/host.h"

#include <sys/types.h>

#define BROWSER_ID_MAX 33  /* with NUL; an actor's name, 63 bytes, is to hold a target id */
#define CHROME_ID_MAX  96  /* target and session ids as Chrome gives them */
#define TARGET_ID_MAX  192 /* BROWSER:short */

/* Inside the family ------------------------------------------------------------------------- */

/** To launcher (cast) and connections (call): {browser:s, uid:s, address:U, origin:s, product:s,
 * endpoint:s, pid:I}: the connection is made and the browser answers. Connections answers JSON
 * {targets: [{chrome_id, id, epoch}]}: what it knows from earlier connections to this run. */
#define VERB_BROWSER_UP "browser.up"
/** To connections: cast {browser:s, uid:s}: all targets that are there were told. */
#define VERB_BROWSER_SETTLED "browser.settled"
/** To a browser: cast nil: tell connections everything again (it was started anew). */
#define VERB_BROWSER_REPORT "browser.report"
/** To a browser: call nil -> JSON {targets, sessions, parts, paused, held}: what its roster holds.
 */
#define VERB_BROWSER_COUNTS "browser.counts"

/** From the launcher to connections: cast nil: a browser is off the list that never
 * came up. */
#define VERB_BROWSER_FAILED "browser.failed"
/** From the launcher to connections: cast {browser:s}: it is off the list and will not come back.
 */
#define VERB_BROWSER_REMOVED "browser.removed"

/** To connections: cast {browser:s, uid:s, target:s, held:b, info:j}: a target appeared or changed;
 * held: it has an actor, which tells of its state; info is Chrome's TargetInfo. */
#define VERB_TARGET_INFO "target.info"
/** To connections: cast {browser:s, target:s}: Chrome destroyed it. */
#define VERB_TARGET_DESTROYED "target.destroyed"
/** To connections: cast {target:s, why:s}: its renderer crashed, and how. */
#define VERB_TARGET_CRASHED "target.crashed"
/** To connections: cast {target:s, parent:s, session:s, state:s, epoch:U}: it is a part (frame,
 * worker) of another target, whose actor owns its session; parent "": it is no longer. */
#define VERB_TARGET_PART "target.part"
/** From the target to connections: cast {target:s, address:U, state:s, epoch:U, reason:s?} */
#define VERB_TARGET_STATE "target.state"
/** From the target to connections: cast {target:s, silent_us:I, waiting:U, dialog:j?, paused:b}:
 * since when (wall clock) it does not answer (0: it does) and how many calls wait for that; the
 * dialog that is open {type, message, url}; whether a debugger holds it. */
#define VERB_TARGET_HEALTH "target.health"
/** From the browser to connections: cast {target:s, epoch:U, reason:s}: its actor ended. */
#define VERB_TARGET_ENDED "target.ended"
/** From the browser to a target: event {count:U, bytes:U}: so many events of the data kind were not
 * passed on because it had no room; it stands where the first would have been. */
#define VERB_TARGET_GAP "target.gap"
/** From a target to its browser: call nil -> nil: its epoch will move on; the next actor gets one
 * that is higher. */
#define VERB_TARGET_STEP "target.step"
/** To a target: call nil -> nil: detach, then end. */
#define VERB_TARGET_DETACH "target.detach"
/** To a target: cast nil: tell connections state and health again. */
#define VERB_TARGET_REPORT "target.report"

/** Why a browser actor ended: written by the actor, read by its supervisor after `down`. Shared,
 * because either may be the last to leave. */
typedef struct browser_end browser_end;
browser_end *browser_end_create(void);
browser_end *browser_end_ref(browser_end *end);
void browser_end_unref(browser_end *end);
/** "" while nothing was said. Only when the actor has ended. */
const char *browser_end_text(const browser_end *end);

/** What one connection may carry; 0 = as the host's options say. */
typedef struct browser_limits {
    uint32_t commands_in_flight;
    uint32_t commands_queued;
    uint32_t commands_per_second; /* BROWSER_NO_RATE: no limit */
    uint32_t commands_burst;
    uint32_t hold_ms; /* a target without room may have reading paused for so long; 0 = 250 */
} browser_limits;

#define BROWSER_NO_RATE UINT32_MAX

/** Whether users may call a browser or a context so: 1 to BROWSER_ID_MAX - 1 of A-Z a-z 0-9 . _ -
 */
bool browser_name_is_fine(const char *name);

/** What a browser actor is made from. Strings are copied. */
typedef struct browser_spec {
    const troupe_host_options *host;
    const char *id; /* "p1", "9222" */
    bool launched;
    bool attach;                /* connect every target at birth */
    bool graceful;              /* ask it to close itself first (a profile that is kept) */
    pid_t pid;                  /* of the keeper; 0 = not ours */
    uint32_t start_timeout_ms;  /* 0 = the host's launch_timeout_ms */
    message_stream *stream;     /* open connection, taken; NULL = connect to endpoint */
    browser_endpoint *endpoint; /* where it is, a reference is made; NULL: wait for
                                   DevToolsActivePort in profile */
    const char *profile;
    int pid_fd;       /* ends the wait for the port file; -1 = none; duplicated */
    browser_end *end; /* a reference of the actor's own is made */
    browser_limits limits;
} browser_spec;

/** Fill in what to spawn for a browser. On TROUPE_OK the stream is taken, and out->state is to be
 * given to troupe_spawn or to browser_discard. */
troupe_error browser_prepare(const browser_spec *spec, troupe_spawn_options *out) TROUPE_MUST_USE;
void browser_discard(void *context, void *state);

#endif
