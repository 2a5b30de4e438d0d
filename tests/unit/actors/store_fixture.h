/* SPDX-License-Identifier: MIT */
/**
 * What the tests of store, query and the services over them share: a real system with the real
 * actors, fed as target actors feed them, and asked as the bridge asks them.
 */
#ifndef TROUPE_TESTS_STORE_FIXTURE_H
#define TROUPE_TESTS_STORE_FIXTURE_H

#include "actors/cast.h"
#include "actors/verbs.h"

#include <jansson.h>

typedef struct recording {
    troupe_host_options options;
    char dir[128]; /* removed at the end */
    char file[160];
    troupe_system *system;
    troupe_guest *guest;
    troupe_address store, query, network, console;
    int64_t clock_us;   /* of the events: advances with each */
    troupe_error error; /* of the last call */
    char message[512];  /* of its fault */
} recording;

/** Options for a store: in memory, or in a new directory. Tests may change them before they open.
 */
void recording_options(recording *rec, bool in_file);
/** Start the actors. */
void recording_open(recording *rec);
/** Stop them; the file stays. */
void recording_stop(recording *rec);
/** Stop them if they run, and remove the file. */
void recording_close(recording *rec);

/** Post an event of target p1:abc123, session S1, browser u1. */
void recording_event(recording *rec, const char *method, const char *params);
void recording_event_of(recording *rec, const char *uid, const char *target, const char *session,
                        const char *method, const char *params);
/** Post all events of a file in data/ for that browser and target; how many. */
int recording_feed(recording *rec, const char *name, const char *uid, const char *target);
void recording_target(recording *rec, const char *uid, const char *target, const char *state);
void recording_browser(recording *rec, const char *uid, const char *browser, const char *state);
void recording_body(recording *rec, const char *request_id, bool ok, bool base64, const char *body,
                    const char *error);

/** Call an actor with JSON params (NULL = nil). New reference; NULL: rec->error says why. */
json_t *recording_call(recording *rec, troupe_address to, const char *verb, const char *params);
/** The same with a deadline. */
json_t *recording_call_within(recording *rec, troupe_address to, const char *verb,
                              const char *params, uint32_t timeout_ms);
/** Rows of user SQL: a list of lists. New reference. */
json_t *recording_rows(recording *rec, const char *sql);
/** The first value of the first row as text: "" if there is none; "null"; numbers as JSON. Valid
 * until the next call. */
const char *recording_value(recording *rec, const char *sql);

/** Whether an actor ends within the time of a test. */
void recording_join(recording *rec, troupe_address address);

#define expect_value(rec, sql, text) cr_expect_str_eq(recording_value(rec, sql), text)

#endif
