/* SPDX-License-Identifier: MIT */
/** What the files of the target actor share: its state, and how it calls the browser. */
#ifndef TROUPE_ACTORS_BROWSER_TARGET_STATE_H
#define TROUPE_ACTORS_BROWSER_TARGET_STATE_H

#include "target.h"

#include "transport/json_scan.h"

#include <jansson.h>
#include <uthash.h>

typedef enum target_phase {
    TARGET_CONNECTING,
    TARGET_CONNECTED,
    TARGET_CRASHED,
    TARGET_SUSPENDED, /* a service worker that was stopped; back when it is needed */
    TARGET_DISCONNECTING,
} target_phase;

typedef struct target target;
typedef struct target_call target_call; /* target_calls.c */

/** A domain that is being enabled. */
typedef struct target_enabling {
    target *owner;
    const struct enable_step *step; /* target.c */
} target_enabling;

#define TARGET_ENABLE_STEPS 8

/** A frame or worker of the target, in a session of its own. */
typedef struct target_part {
    char session[CHROME_ID_MAX];
    char chrome_id[CHROME_ID_MAX];
    char type[32];
    struct target_part *parent; /* NULL = the target itself */
    struct target_part *children;
    struct target_part *prev; /* among the parent's children */
    struct target_part *next;
    UT_hash_handle hh;
} target_part;

typedef struct target_request target_request;

/** What a task does with a command's result (parsed, borrowed; NULL after a pause). */
typedef void (*target_step_fn)(target_request *task, json_t *result);

/** One RPC call in work; in the target's list until it is answered. */
struct target_request {
    struct target_request *prev;
    struct target_request *next;
    target *owner;
    troupe_caller caller;
    char *text;                 /* the kind's own: an answer being prepared, a request id */
    char *session;              /* its session; NULL = the target's own */
    char *part;                 /* id of the part it is for; NULL = the target itself */
    char loader[CHROME_ID_MAX]; /* a navigation waits for this document's load; "" = none */
    bool flag;                  /* the kind's own */
    bool as_object;             /* js: what comes is a remote object, to be awaited or fetched */
    bool holds_objects;         /* js: Chrome keeps objects for it until they are released */
    uint32_t timeout_ms;        /* js: of each command it takes */
    /* Of tasks (target_task.c): */
    json_t *params;                      /* as given */
    json_t *kept;                        /* what it has learned so far; the task's own */
    target_step_fn go_on;                /* goes on with the result of the command under way */
    uint64_t deadline_ns;                /* when the caller gives up */
    uint64_t timer;                      /* of a pause; 0 = none */
    unsigned step;                       /* the task's own */
    size_t place;                        /* the same */
    const struct target_method_row *row; /* what runs once its selection is known */
    uint64_t documents;                  /* of the target, when it sent what brings another */
    target_step_fn then; /* goes on when the element was found fit (target_look.c) */
    uint64_t look_until_ns;
    uint64_t ref;     /* of the command under way */
    double x, y;      /* where it acts, in the viewport */
    bool queued;      /* waits for its turn with mouse and keyboard */
    bool soft;        /* go on, without a result, also when Chrome refuses the command */
    bool interrupted; /* a dialog opened: its command is not waited for */
};

struct target {
    troupe_actor *self;
    const troupe_host_options *host;
    char id[TARGET_ID_MAX];
    char chrome_id[CHROME_ID_MAX];
    char uid[37];
    char type[32];
    char session[CHROME_ID_MAX];
    troupe_address browser;
    troupe_address store;
    target_phase phase;
    uint64_t epoch;
    unsigned enabling; /* domains not yet answered for */
    target_enabling enablings[TARGET_ENABLE_STEPS];
    char reason[300];   /* of the phase */
    char detached[120]; /* what Inspector.detached said */
    char failure[300];  /* why enabling failed; "" = it did not */
    char main_frame[CHROME_ID_MAX];
    char loader[CHROME_ID_MAX]; /* of the document in the main frame */
    bool loaded;                /* its load event came */
    uint64_t documents;         /* that came to the main frame, or moves within one */
    target_request *requests;
    target_part *parts;
    struct target_resumption *resumptions; /* target_parts.c */
    target_call *calls;
    size_t main_calls;      /* of them, those of its own session */
    uint64_t look_timer;    /* looks at how long the oldest call waits; 0 = none is under way */
    uint64_t verdict_timer; /* until a probe counts as unanswered */
    uint64_t probe_ref;
    bool probing;
    bool paused;                /* by a debugger, as far as its own session is told */
    bool inspecting;            /* elements are picked by hand (target_inspect.c) */
    bool casting;               /* pictures are sent (target_screencast.c) */
    int64_t silent_us;          /* since when it does not answer (wall clock); 0 = it does */
    char *dialog;               /* the one that is open: JSON text; NULL = none */
    target_request *at_input;   /* whose turn it is with mouse and keyboard; NULL = nobody's */
    struct target_fetch *fetch; /* target_fetch.c; NULL = no rules yet */
    json_t *injections;         /* target_script.c: [{identifier, code_preview}]; NULL = none yet */
    json_t *bindings;           /* target_script.c: names; NULL = none yet */
    uint64_t gap_count;         /* bodies the store missed */
    uint64_t gap_bytes;
};

/** Call the browser. session NULL: the browser itself; params: JSON text or NULL. As troupe_call;
 * TROUPE_EBUSY also when the target does not answer and enough calls wait for that. The end of the
 * session answers TROUPE_ECLOSED without an envelope. */
troupe_error target_command(target *state, const char *session, const char *method,
                            const char *params, size_t params_len, uint32_t timeout_ms,
                            troupe_answer_fn fn, void *context, uint64_t *ref) TROUPE_MUST_USE;

/** Answer why a command was not sent. */
void target_fault_unsent(target *state, troupe_caller caller, const char *method,
                         troupe_error error);
/** Nobody will answer the calls of that session (NULL: its own) any more. */
void target_calls_lose(target *state, const target_part *part);
/** It is another renderer now: what was known of its silence is void. */
void target_calls_reset(target *state);
void target_calls_fini(target *state);
/** Dialogs and debuggers, as events tell of them. */
void target_follow_health(target *state, const troupe_envelope *event, const char *params,
                          size_t params_len);
/** Tell connections how it fares. */
void target_tell_health(target *state);
/** Post a cast to connections. payload: finished. */
void target_tell(target *state, const char *verb, troupe_buffer *payload);

/* In target_parts.c: */

target_part *target_part_find(const target *state, const char *session);
/** Chrome attached a frame or worker in the session `above`; params of the event. */
void target_part_attached(target *state, const char *above, size_t above_len, const char *params,
                          size_t params_len);
/** false: it was no part. */
bool target_part_detached(target *state, const char *params, size_t params_len);
void target_parts_fini(target *state);
/** Enable what it has (target.c); it goes on afterwards. */
void target_enable_part(target *state, const target_part *part);

void target_script_fini(target *state);

/** Tell connections its phase, epoch, and whether it inspects (target.c). */
void target_tell_state(target *state);
/** Whether that is its own session. */
bool target_session_is(const target *state, const char *session, size_t len);

/** Page.screencastFrame (target_screencast.c). */
void target_follow_screencast(target *state, const char *params, size_t params_len);

/* Picking elements (target_inspect.c): */
/** An event of the domains Overlay and DOM. */
void target_follow_inspect(target *state, const troupe_envelope *event, const char *session,
                           size_t session_len, const char *params, size_t params_len);
/** A part has come; the renderer is a new one; another document came to the main frame. */
void target_inspect_part(target *state, const target_part *part);
void target_inspect_back(target *state);
void target_inspect_document(target *state);
/** Run a method whose params name a `selection`, once they name what that is: `selector`,
 * `backend_node_id`, for one in a frame `session` too. */
void target_with_selection(target *state, const struct target_method_row *row, troupe_caller caller,
                           json_t *params, uint32_t timeout_ms);
/** Make the task's `backend_node_id` the node that $0 names, in its session; then go on. */
void target_inspect_node(target_request *task, target_step_fn then);

/* Fetch rules (target_fetch.c): */
/** It has begun: ask for the rules; target_enable follows. False: there is nobody to ask. */
bool target_fetch_hello(target *state);
/** Enable all domains, and let it go on (target.c). */
void target_enable(target *state);
/** Call VERB_FETCH_APPLY. */
void target_fetch_apply(target *state, const troupe_envelope *call);
/** Fetch.requestPaused in that session. */
void target_fetch_paused(target *state, const char *session, size_t session_len, const char *params,
                         size_t params_len);
/** A part has come: the rules are for it too. */
void target_fetch_part(target *state, const target_part *part);
void target_fetch_fini(target *state);

/** A request record for a call; NULL after answering the fault for lack of memory. */
target_request *target_request_new(target *state, troupe_caller caller);
void target_request_free(target_request *request);

const char *target_phase_name(target_phase phase);

/** Record a body (`len` bytes as Chrome gave it), or why there is none: error, else NULL. One that
 * the store has no room for is counted as a gap. */
void target_record_body(target *state, const char *session, const char *request_id,
                        const char *body, size_t len, bool base64, const char *error);
/** What a screenshot shows. data: base64 text as Chrome sent it; options: what it was asked with.
 */
void target_record_screenshot(target *state, const char *format, const json_t *options,
                              json_span data);
/** A request is paused under that id ("p1:abc123/4"); stage NULL: it goes on. */
void target_record_pause(target *state, const char *id, const char *request_id, const char *stage);
void target_record_fini(target *state);

/* For the methods, in target_methods.c: */

/** A string member; NULL after answering INVALID_PARAMS. */
const char *target_need_string(target *state, troupe_caller caller, json_t *params,
                               const char *key);
bool target_flag_of(json_t *params, const char *key, bool fallback);
/** Send a command for a request; answers the fault, and frees it, if it cannot be sent. params:
 * taken. */
void target_send_for(target_request *request, const char *session, const char *method,
                     json_t *params, uint32_t timeout_ms, troupe_answer_fn fn);
/** The result of an answer as JSON text; false after passing the fault on and freeing the request.
 */
bool target_result_of(target_request *request, troupe_error error, const troupe_envelope *answer,
                      json_span *result);
/** A request for a call, which may be for a part of the target; NULL after answering the fault. */
target_request *target_request_for(target *state, troupe_caller caller, json_t *params);
const char *target_session_of(const target_request *request);
/** RPC `js` (target_js.c). */
void target_run_js(target *state, troupe_caller caller, json_t *params, uint32_t timeout_ms);

/** An RPC method of a target: what runs it once state and epoch were checked. It answers the
 * caller, now or later. params: borrowed. */
typedef void (*target_method_fn)(target *state, troupe_caller caller, json_t *params,
                                 uint32_t timeout_ms);

typedef struct target_method_row {
    const char *name; /* NULL ends a table */
    target_method_fn run;
    bool mutating;   /* a stale target_epoch is refused */
    bool on_crashed; /* also when the renderer crashed */
} target_method_row;

/* The tables, one a subject; target_methods.c lists them. */
extern const target_method_row target_methods_basic[];      /* target_methods.c */
extern const target_method_row target_methods_history[];    /* target_history.c */
extern const target_method_row target_methods_pictures[];   /* target_pictures.c */
extern const target_method_row target_methods_script[];     /* target_script.c */
extern const target_method_row target_methods_pointer[];    /* target_pointer.c */
extern const target_method_row target_methods_keys[];       /* target_keys.c */
extern const target_method_row target_methods_elements[];   /* target_elements.c */
extern const target_method_row target_methods_fetch[];      /* target_fetch_decide.c */
extern const target_method_row target_methods_inspect[];    /* target_inspect.c */
extern const target_method_row target_methods_screencast[]; /* target_screencast.c */

/** Check phase and epoch, and run; answers why it may not. */
void target_run(target *state, const target_method_row *row, troupe_caller caller, json_t *params,
                uint32_t timeout_ms);

/**
 * Look for the element that param `selector` names and whether it can be acted on, until it can
 * (target_look.c). options: taken; for web/injected/input.js.
 *
 * @param then  goes on with what the script answered
 */
void target_look(target_request *task, json_t *options, target_step_fn then);

/** Options of a look: the action, and those params that the script knows too. New reference. */
json_t *target_look_options(const target_request *task, const char *action);

/* Tasks: methods that take several commands, one after the other (target_task.c) ----------------
 */

/** Begin: a request that keeps the params and the caller's deadline. NULL after answering. */
target_request *target_task_start(target *state, troupe_caller caller, json_t *params,
                                  uint32_t timeout_ms);
/** A param as given; NULL = it was not. */
static inline json_t *target_task_param(const target_request *task, const char *name)
{
    return json_object_get(task->params, name);
}

/** Send a command whose answer nobody waits for. params: taken; NULL = none. */
void target_tell_chrome(target *state, const char *session, const char *method, json_t *params);
/** Send a command in its session; `next` goes on with the result. A fault is passed on, and ends
 * the task. params: taken. */
void target_task_call(target_request *task, const char *method, json_t *params,
                      target_step_fn next);
/** The same, in that session (NULL: the browser itself). */
void target_task_call_in(target_request *task, const char *session, const char *method,
                         json_t *params, target_step_fn next);
/** Go on after a pause. */
void target_task_pause(target_request *task, uint32_t ms, target_step_fn next);
/** Answer, and end the task. value: taken. */
void target_task_reply(target_request *task, json_t *value);
/** Answer a fault, and end the task. data: taken; NULL allowed. */
void target_task_fault(target_request *task, troupe_error code, json_t *data, const char *format,
                       ...) TROUPE_PRINTF(4, 5);
/** Go on once it is the task's turn with mouse and keyboard; it ends with the task. */
void target_task_take_turn(target_request *task, target_step_fn next);
/** The task is over: the next one's turn has come. */
void target_task_leave_turn(target_request *task);
/** A dialog opened: who acts is not answered before it closes. */
void target_task_dialog(target *state);
/** Milliseconds until the caller gives up; 0 = it has. */
uint32_t target_task_left_ms(const target_request *task);

/** Param `wait`; false after answering what is wrong with it. */
bool target_wait_mode(target *state, troupe_caller caller, json_t *params, bool *load);
/** Answer with the text prepared: if its flag is set, once the document that came since `documents`
 * was taken, or the next one, has loaded. */
void target_answer_when_loaded(target_request *request);

/** RPC methods (target_methods.c); false: not one of them. */
bool target_method(target *state, const troupe_envelope *call);
/** Nothing under way on its own session will be answered by Chrome: the renderer crashed. */
void target_give_up(target *state);
/** Follows the main frame's documents and answers those who wait for a load. */
void target_follow_page(target *state, const troupe_envelope *event, const char *params,
                        size_t params_len);

#endif
