/* SPDX-License-Identifier: MIT */
/** What the files of the browser actor share: the connection (browser.c), its commands
 * (browser_commands.c), the targets and their actors (browser_targets.c), what others are told of
 * them (browser_notices.c). */
#ifndef TROUPE_ACTORS_BROWSER_BROWSER_STATE_H
#define TROUPE_ACTORS_BROWSER_BROWSER_STATE_H

#include "browser.h"
#include "browser_metrics.h"
#include "capture.h"
#include "command_queue.h"
#include "drivers.h"
#include "pending.h"
#include "roster.h"
#include "transport/cdp.h"
#include "transport/rate_limit.h"

#include <stdatomic.h>
#include <string.h>

struct browser_end {
    atomic_uint references;
    troupe_reason reason;
};

/** Counted since the actor started, which is since the connection was made. */
typedef struct browser_counts {
    uint64_t sent;         /* commands handed to the stream */
    uint64_t answered;     /* answers that found their command */
    uint64_t errors;       /* of these, errors */
    uint64_t timeouts;     /* commands that nobody answered in time, waiting ones too */
    uint64_t abandoned;    /* given up by their callers, and noticed */
    uint64_t late;         /* answers to commands that had ended by their deadline or caller */
    uint64_t duplicate;    /* second answers */
    uint64_t unknown;      /* answers to ids that were never sent */
    uint64_t misrouted;    /* answers on another session than their command's */
    uint64_t malformed;    /* messages that could not be read */
    uint64_t busy;         /* commands refused: too many wait already */
    uint64_t waits_flight; /* commands that waited: too many in flight */
    uint64_t waits_rate;   /* … for the rate limit */
    uint64_t waits_stream; /* … for the peer to read */
    uint64_t waits_turn;   /* … behind others that wait */
    uint64_t rate_passed;  /* urgent and own ones that went beyond the rate limit */
    uint64_t events;       /* messages without id */
    uint64_t events_shed;  /* of these, not passed on to a target that had no room */
    uint64_t messages_in;
    uint64_t bytes_in; /* of whole messages */
    uint64_t bytes_out;
    uint64_t probes;
    uint64_t unresponsive; /* times */
    uint32_t in_flight_peak;
    uint32_t queued_peak;
} browser_counts;

/** What is on its way to the store (browser_record.c). */
typedef struct browser_recording {
    troupe_address store; /* 0: to be looked up */
    bool waiting;         /* reading is stopped: the store has no room */
    bool shedding;        /* it had none for too long: events are counted, not kept */
    uint64_t timer;       /* until it is too long; 0 = none */
    struct browser_held *first;
    struct browser_held *last;
    uint64_t gap_count; /* events that the store missed and was not told of */
    uint64_t gap_bytes;
} browser_recording;

#define BROWSER_DOCUMENTS 32

/** Bodies that the store wants (browser_bodies.c). */
typedef struct browser_bodies {
    uint64_t documents[BROWSER_DOCUMENTS]; /* request ids (session_key) of documents that load */
    uint64_t asked[BROWSER_DOCUMENTS];     /* those that were asked for at once */
    uint32_t next;                         /* of documents, round and round */
    uint32_t asked_next;
    struct browser_body *waiting;
    uint32_t count; /* of those */
    uint32_t under_way;
} browser_bodies;

/** Notices that found no room (browser_tell.c). */
typedef struct browser_notices {
    struct browser_notice *first;
    struct browser_notice *last;
    size_t bytes;
} browser_notices;

struct browser {
    troupe_actor *self;
    const troupe_host_options *host;
    char id[BROWSER_ID_MAX];
    char uid[37];
    browser_endpoint *endpoint; /* NULL = the pipe, or as the port file says */
    char url[256];              /* where a discovered endpoint was found */
    char profile[320];
    char product[128];
    bool launched;
    uint32_t start_timeout_ms;
    bool attach;
    bool graceful;
    pid_t pid;
    uint64_t start_timer; /* until the browser's first answer */
    int pid_fd;
    message_stream *stream;
    pending_table pending;
    roster roster;
    browser_recording recording;
    browser_bodies bodies;
    uint64_t read_timer;  /* to take what the stream has read already; 0 = none */
    uint64_t spare_timer; /* until memory kept for large messages is given back; 0 = none */
    browser_notices notices;
    drivers drivers;
    char born_target[CHROME_ID_MAX]; /* of the browser session that was made last */
    bool write_wanted;               /* POLLOUT is asked for */
    bool paused;                     /* reading is stopped: some target has no room */
    bool flush_due;                  /* commands were queued in this turn */
    bool lost;                       /* the connection: the actor is about to end */
    uint64_t deadline_timer;         /* 0 = none */
    uint64_t deadline_ns;            /* when it comes */
    command_queue queue;             /* commands that cannot be sent yet */
    browser_limits limits;           /* with the host's in place of 0; a rate of 0 is none */
    rate_limit rate;
    uint64_t rate_timer; /* until the next one may be sent; 0 = none */
    uint32_t in_flight;  /* commands sent and pending */
    uint32_t hand;       /* of the look for abandoned ones */
    uint64_t hold_timer; /* for the target that has reading paused for the longest; 0 = none */
    uint64_t quiet_ns;   /* since when nothing came though something is pending */
    capture_queue captures;
    uint64_t probe_timer;
    uint64_t health_timer;
    bool probing;
    bool unresponsive;
    metrics_table metrics;
    browser_counts counts;
    int64_t wall_us; /* of the batch in hand */
    int64_t mono_us;
    troupe_buffer scratch;
    browser_end *end;
};

/* In browser.c: */

/** Poll for what is wanted now: answers unless paused, room to write while something is queued. */
void browser_want_events(browser *state);

/** Write out what is queued in the stream; sets what is polled for. */
void browser_flush(browser *state);

/* In browser_bodies.c: */

/** An event of a target, recorded already: a document that is complete is asked for at once. */
void browser_bodies_event(browser *state, const roster_target *target, const cdp_message *event);
/** A cast VERB_BROWSER_BODY. */
void browser_on_body(browser *state, const troupe_envelope *cast);
/** Those that wait are recorded as missing. */
void browser_bodies_fini(browser *state);

/* In browser_drivers.c: */

/** A call VERB_DRIVER_OPEN; a cast VERB_DRIVER_MESSAGE. */
void browser_on_driver_open(browser *state, const troupe_envelope *call);
void browser_on_driver_message(browser *state, const troupe_envelope *cast);
/** What comes from Chrome: true if it was a driver's alone. text: the whole message. */
bool browser_drivers_event(browser *state, const cdp_message *event, const char *text, size_t len);
/** How a command of a driver ended; call: freed. */
void browser_driver_answer(browser *state, driver_call *call, const cdp_message *answer);
void browser_driver_failed(browser *state, driver_call *call, const char *why);
/** True if it was about a driver. */
bool browser_on_driver_down(browser *state, const troupe_down *down);
bool browser_on_driver_room(browser *state, troupe_address actor);
void browser_drivers_fini(browser *state);

/* In browser_commands.c: */

/** Send a command of a driver, for which there is no deadline. TROUPE_EPARAMS: what it calls a
 * method cannot be one. */
troupe_error browser_send_driver(browser *state, const char *method, size_t method_len,
                                 const char *session, const char *params, size_t params_len,
                                 driver_call *call) TROUPE_MUST_USE;

/** Set the limits: the given ones, the host's in place of 0. */
void browser_limits_init(browser *state, const browser_limits *given);
/** Send a command of the actor's own; its deadline is the host's command_timeout_ms. A failure to
 * send is logged, and fn is not called. params: JSON text or NULL. */
void browser_send_own(browser *state, const char *method, const char *params, pending_fn fn,
                      void *context);
/** The same with another deadline, for those who go on otherwise when it was not sent. */
troupe_error browser_send_own_in(browser *state, const char *method, const char *params,
                                 uint32_t timeout_ms, pending_fn fn, void *context);
/** A command of the actor's own on a session, behind those of clients. As browser_send_own_in. */
troupe_error browser_send_behind(browser *state, const char *session, const char *method,
                                 const char *params, uint32_t timeout_ms, pending_fn fn,
                                 void *context);
/** The same on a session; NULL = the browser itself. */
void browser_send_session(browser *state, const char *session, const char *method,
                          const char *params, pending_fn fn, void *context);
/** Send what waits and may be sent now. */
void browser_pump(browser *state);
/** A pending_fn for answers that only matter when they are errors; context: the method's name. */
void browser_ignore_answer(browser *state, void *context, troupe_error error, const char *text,
                           size_t len);
/** A call `browser.command`. */
void browser_on_command(browser *state, const troupe_envelope *call);
/** A row was taken out of the table: what it had of the queue or in flight is free. */
void browser_let_go(browser *state, const pending *row);
/** Send a screenshot for a caller; capture_ended is told when it has ended, however. */
void browser_send_capture(browser *state, troupe_caller caller, const char *method,
                          const char *session, size_t session_len, const char *params,
                          size_t params_len, uint64_t deadline_ns, uint32_t number);
/** Have the earliest deadline looked after. */
void browser_arm_deadline(browser *state);
/** End all that are pending, with TROUPE_ECLOSED and the reason. */
void browser_end_commands(browser *state, const char *why);

/** Whether the n-th of something unusual is worth a log record: the 1st, 2nd, 4th, 8th … */
static inline bool browser_worth_logging(uint64_t count)
{
    return (count & (count - 1)) == 0;
}

/** What stands for a session in tables: 0 for none (NULL), another number for each text (that two
 * are alike is as good as impossible, and only blurs the order of commands and a counter). */
static inline uint64_t session_key(const char *session, size_t len)
{
    if (session == NULL) {
        return 0;
    }
    uint64_t key = len + 1;
    while (len > 0) {
        uint64_t word = 0;
        size_t take = len < sizeof word ? len : sizeof word;
        memcpy(&word, session, take);
        key = (key ^ word) * 0x9e3779b97f4a7c15u;
        key ^= key >> 29;
        session += take;
        len -= take;
    }
    return key != 0 ? key : 1;
}

/* In browser_answers.c: */

/** A message with an id. len: of all of it. */
void browser_on_answer(browser *state, const cdp_message *answer, size_t len);

/* In browser_probe.c: */

/** A command was sent, or a message came: see that silence is noticed. */
void browser_probe_arm(browser *state);
/** Something came. */
void browser_probe_heard(browser *state);

/* In browser_health.c: */

/** The connection is made: have it pinged if it is a WebSocket to a browser that is not ours. */
void browser_health_start(browser *state);

/* In browser_report.c: */

/** A call `browser.metrics`. */
void browser_on_metrics(browser *state, troupe_caller caller);

/* In browser_record.c: */

/** Have the store record an event of a target (NULL: of the browser itself). */
void browser_record(browser *state, const roster_target *target, const cdp_message *event);
/** Post what is no event; what the store has no room for is counted. */
void browser_record_cast(browser *state, const char *verb, troupe_bytes payload);
/** There is room at that address. False: it is not the store's. */
bool browser_record_room(browser *state, troupe_address actor);
/** Give up what the store had no room for, and tell it so if it has room for that. */
void browser_record_fini(browser *state);

/* In browser_hold.c: */

/** Post an event to a target's actor, or hold it until there is room. */
void browser_post_event(browser *state, roster_target *target, const char *verb, size_t verb_len,
                        troupe_bytes payload);
/** Answer a call, after the events that are held for the caller. */
void browser_answer_caller(browser *state, troupe_caller caller, const char *result, size_t len);
/** Likewise with Chrome's error object. */
void browser_fault_caller(browser *state, troupe_caller caller, json_span error);
/** A target's actor has room again. */
void browser_on_room(browser *state, troupe_address actor);
/** Read on, or have the timer set, as those say that have reading paused. */
void browser_hold_review(browser *state);

/* In browser_targets.c: */

/** The string at `path` of a JSON object, without escapes. */
bool browser_member_string(json_span object, const char *path, const char **text, size_t *len);
/** The target that `info` (Chrome's TargetInfo) is about; added when it is new. NULL: not usable.
 */
roster_target *browser_note_target(browser *state, json_span info);
void browser_on_target_info(browser *state, const cdp_message *event);
void browser_on_target_destroyed(browser *state, const cdp_message *event);
void browser_on_target_crashed(browser *state, const cdp_message *event);
/** Have what was attached, on that session, go on, and let go of it. */
void browser_refuse_session(browser *state, const char *parent, const cdp_message *attached);
/** An event of the Inspector domain, of a session that a target's actor handles. */
void browser_on_inspector(browser *state, roster_target *owner, const cdp_message *event);
/** Both return the target whose actor is to see the event too; NULL if none. */
roster_target *browser_on_attached(browser *state, const cdp_message *event);
roster_target *browser_on_detached(browser *state, const cdp_message *event);
/** VERB_TARGET_STEP. */
void browser_on_target_step(browser *state, const troupe_envelope *call);
void browser_on_target_down(browser *state, const troupe_down *down);

/* In browser_tell.c: */

/** Post a cast to the actor of that name, now or when it has room, in order. payload: finished. */
void browser_tell(browser *state, const char *name, const char *verb, troupe_buffer *payload);
/** Some actor has room, or is gone: perhaps one that notices are kept for. */
void browser_tell_room(browser *state);
void browser_tell_fini(browser *state);

/* In browser_notices.c: */

void browser_tell_info(browser *state, const roster_target *target, json_span info);
void browser_tell_destroyed(browser *state, const roster_target *target);
void browser_tell_crashed(browser *state, const roster_target *target, const char *why, size_t len);
/** parent NULL: it is no longer a part of anything. how: "connected", "crashed", "available" */
void browser_tell_part(browser *state, const roster_target *target, const roster_target *parent,
                       const char *session, const char *how);
void browser_tell_connecting(browser *state, const roster_target *target);
void browser_tell_ended(browser *state, const roster_target *target, troupe_error reason);
/** An id for this run of the browser that is the same in the next connection to it, if it can be
 * told which run it is. */
void browser_identify(browser *state);
/** Enter the set of connections, then have Chrome tell and attach the targets. */
void browser_discover(browser *state);
/** Tell connections everything again. */
void browser_report(browser *state);

#endif
