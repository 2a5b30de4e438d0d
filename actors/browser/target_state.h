/* SPDX-License-Identifier: MIT */
/** What the files of the target actor share: its state, and how it calls the browser. */
#ifndef TROUPE_ACTORS_BROWSER_TARGET_STATE_H
#define TROUPE_ACTORS_BROWSER_TARGET_STATE_H

#include "target.h"

#include "transport/json_scan.h"

#include <jansson.h>

typedef enum target_phase {
    TARGET_CONNECTING,
    TARGET_CONNECTED,
    TARGET_CRASHED,
    TARGET_DISCONNECTING,
} target_phase;

typedef struct target target;

/** One RPC call in work; in the target's list until it is answered. */
typedef struct target_request {
    struct target_request *prev;
    struct target_request *next;
    target *owner;
    troupe_caller caller;
    char *text;                 /* the kind's own: an answer being prepared, a request id */
    char *session;              /* likewise */
    char loader[CHROME_ID_MAX]; /* a navigation waits for this document's load; "" = none */
    bool flag;                  /* the kind's own */
    bool as_object;             /* js: what comes is a remote object, to be awaited or fetched */
    bool holds_objects;         /* js: Chrome keeps objects for it until they are released */
    uint32_t timeout_ms;        /* js: of each command it takes */
    uint64_t ref;               /* of the command under way, to cancel it */
} target_request;

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
    char failure[200]; /* why enabling failed; "" = it did not */
    char main_frame[CHROME_ID_MAX];
    char loader[CHROME_ID_MAX]; /* of the document in the main frame */
    bool loaded;                /* its load event came */
    target_request *requests;
    uint64_t gap_count; /* bodies the store missed */
    uint64_t gap_bytes;
};

/** Call the browser. session NULL: the browser itself; params: JSON text or NULL. As troupe_call.
 */
troupe_error target_command(target *state, const char *session, const char *method,
                            const char *params, size_t params_len, uint32_t timeout_ms,
                            troupe_answer_fn fn, void *context, uint64_t *ref) TROUPE_MUST_USE;

/** A request record for a call; NULL after answering the fault for lack of memory. */
target_request *target_request_new(target *state, troupe_caller caller);
void target_request_free(target_request *request);

const char *target_phase_name(target_phase phase);

/** Post a body to the store; one that it has no room for is counted as a gap. */
void target_record_body(target *state, troupe_bytes payload);
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
/** RPC `js` (target_js.c). */
void target_run_js(target *state, troupe_caller caller, json_t *params, uint32_t timeout_ms);

/** RPC methods (target_methods.c); false: not one of them. */
bool target_method(target *state, const troupe_envelope *call);
/** The renderer crashed: nothing under way will be answered by Chrome. */
void target_give_up(target *state);
/** Follows the main frame's documents and answers those who wait for a load. */
void target_follow_page(target *state, const troupe_envelope *event, const char *params,
                        size_t params_len);

#endif
