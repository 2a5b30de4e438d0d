/* SPDX-License-Identifier: MIT */
/**
 * A call that is answered from the store: its params, the targets it is about, its questions to the
 * query actor, its one answer. Shared by the services that list what was recorded.
 */
#ifndef TROUPE_SERVICE_LOOKUP_H
#define TROUPE_SERVICE_LOOKUP_H

#include "actors/json_call.h"

typedef struct lookup lookup;

/** All calls of one actor that are not answered yet. Zero-initialised is empty. */
typedef struct lookups {
    lookup *first;
} lookups;

/** The next step of a call; it must end in lookup_reply or lookup_fault, or take a further step. */
typedef void (*lookup_step_fn)(troupe_actor *self, lookup *lookup);
/** The same with the reply's JSON (borrowed). */
typedef void (*lookup_answer_fn)(troupe_actor *self, lookup *lookup, const json_t *answer);

/** The same with the reply as JSON text (borrowed; NULL: an error that was tolerated), for answers
 * that are passed on as they are. */
typedef void (*lookup_text_fn)(troupe_actor *self, lookup *lookup, const char *text, size_t len);

struct lookup {
    lookup *next;
    lookups *all;
    troupe_caller caller;
    uint64_t deadline_ns; /* as troupe_now_ns */
    json_t *params;       /* an object */
    json_t *targets;      /* list of target ids; NULL = all */
    json_t *warnings;     /* list */
    json_t *entry;        /* what the service gathers; NULL at first */
    lookup_step_fn resolved;
    lookup_answer_fn answered;
    lookup_text_fn answered_text; /* instead of it; NULL = none */
    lookup_step_fn failed; /* runs before an error of lookup_call ends it; NULL = nothing does */
    bool tolerant;         /* lookup_call: an error is handed to `answered` as NULL */
    troupe_reason error;   /* and its text stands here */
};

/** A method of a service. */
typedef struct lookup_method {
    const char *name;
    lookup_step_fn run;
} lookup_method;

/** Run the method that the call names. False: it is none of these. */
bool lookup_run(lookups *all, troupe_actor *self, const troupe_envelope *call,
                const lookup_method *methods, size_t count);

/** Begin with a call. NULL: its params are no object, or no memory; it was answered with a fault.
 */
lookup *lookup_begin(lookups *all, troupe_actor *self, const troupe_envelope *call);

/** Free all that are open; their callers are told by the runtime. */
void lookups_fini(lookups *all);

/** Answer and free. value: taken. */
void lookup_reply(troupe_actor *self, lookup *lookup, json_t *value);
void lookup_fault(troupe_actor *self, lookup *lookup, troupe_error code, const char *format, ...)
    TROUPE_PRINTF(4, 5);

/**
 * Resolve params.target (string, list, "*", or none: the tracked ones, else all) into `targets`,
 * then take the step. A target that is gone is found by its exact id if it was recorded. Without
 * the connections actor, ids are taken as they are.
 */
void lookup_resolve(troupe_actor *self, lookup *lookup, lookup_step_fn resolved);

/** SQL with its bound values, put together piece by piece. */
typedef struct lookup_sql {
    troupe_buffer text;
    troupe_buffer values;
    uint32_t count;
} lookup_sql;

void lookup_sql_add(lookup_sql *sql, const char *text);
void lookup_sql_text(lookup_sql *sql, const char *value, size_t len);
void lookup_sql_integer(lookup_sql *sql, int64_t value);
/** " AND target IN (…)" if the lookup is about some targets only. */
void lookup_sql_targets(lookup_sql *sql, const lookup *lookup);

/** Ask the query actor; `answered` gets {columns, rows, truncated}. sql: taken (freed). */
void lookup_query(troupe_actor *self, lookup *lookup, lookup_sql *sql, int64_t limit,
                  lookup_answer_fn answered);

/** The same, of at most so many bytes of rows; 0: the query actor's limit. */
void lookup_query_within(troupe_actor *self, lookup *lookup, lookup_sql *sql, int64_t limit,
                         int64_t bytes, lookup_answer_fn answered);
/** SQL that is not asked for after all. */
void lookup_sql_drop(lookup_sql *sql);

/** The same, answered with text. */
void lookup_query_text(troupe_actor *self, lookup *lookup, lookup_sql *sql, int64_t limit,
                       lookup_text_fn answered);

/** Answer with JSON text and free. out: taken. */
void lookup_reply_text(troupe_actor *self, lookup *lookup, troupe_buffer *out);

/** Call any actor with JSON params (taken). An error ends the lookup with the same fault, unless it
 * is tolerant. */
void lookup_call(troupe_actor *self, lookup *lookup, troupe_address to, const char *verb,
                 json_t *params, lookup_answer_fn answered);

/* Params: each returns false after answering the call with INVALID_PARAMS (the lookup is gone
 * then). Absent and null leave *out as it is. */
bool lookup_param_integer(troupe_actor *self, lookup *lookup, const char *name, int64_t min,
                          int64_t max, int64_t *out);
/** *out: borrowed from the params. */
bool lookup_param_string(troupe_actor *self, lookup *lookup, const char *name, const char **out);
bool lookup_param_boolean(troupe_actor *self, lookup *lookup, const char *name, bool *out);
/** One of the words (NULL-terminated list). */
bool lookup_param_word(troupe_actor *self, lookup *lookup, const char *name,
                       const char *const *words, const char **out);

/** The targets the answer is about: those asked for, or those that occur in the rows. New
 * reference. */
json_t *lookup_targets(const lookup *lookup, const json_t *rows);

#endif
