/* SPDX-License-Identifier: MIT */
/*
 * The actors `query/1` (our own SQL) and `query/sql` (users'): each answers with rows from a
 * read-only handle. Each call first has the store commit what it received before (read your
 * writes), then runs here; nothing else waits for it but the queries behind it. User SQL and our
 * own differ in what they may do, not in how they run.
 */
#include "actors/cast.h"
#include "actors/json_call.h"
#include "actors/verbs.h"
#include "schema.h"
#include "sql_guard.h"

#include <stdlib.h>
#include <string.h>

#define TIMEOUT_MS       30000 /* of a call that gives none */
#define USER_ROWS        1000
#define USER_ROWS_MAX    10000
#define TRUSTED_ROWS_MAX 100000
#define BYTES_MAX        (32u * 1024 * 1024)

typedef struct pending pending;

typedef struct query {
    char path[SCHEMA_PATH_MAX];
    sqlite3 *db; /* opened when first needed: the store makes the file */
    sql_guard guard;
    pending *pending; /* those that wait for the store */
} query;

/* A query that waits for the store to commit. */
struct pending {
    pending *next;
    query *owner;
    troupe_caller caller;
    int64_t deadline_ns;
    bool trusted;
    size_t len;
    uint8_t payload[];
};

/* What is to run. Text is borrowed from the payload or the params. */
typedef struct question {
    const char *sql;
    size_t sql_len;
    sql_limits limits;
} question;

static void drop(pending *item)
{
    pending **at = &item->owner->pending;
    while (*at != item) {
        at = &(*at)->next;
    }
    *at = item->next;
    free(item);
}

static bool stopping(void *context)
{
    return troupe_self_stopping(context);
}

static troupe_error open_handle(query *me, troupe_reason *reason)
{
    if (me->db != NULL) {
        return TROUPE_OK;
    }
    troupe_error error = schema_open_reader(me->path, &me->db, reason);
    if (error == TROUPE_OK) {
        sql_guard_prepare(&me->guard, me->db);
        me->guard.give_up = stopping;
    }
    return error;
}

/* Values ------------------------------------------------------------------------------------ */

/* Bind one MessagePack value. TROUPE_EPARAMS for what is neither text, number, boolean nor nil. */
static troupe_error bind_packed(sqlite3_stmt *statement, int at, troupe_bytes value)
{
    const char *text;
    size_t len;
    int64_t integer;
    double number;
    int boolean;
    if (value.len > 0 && value.data[0] == 0xc0) {
        sqlite3_bind_null(statement, at);
    } else if (troupe_unpack(value, "b", &boolean) == TROUPE_OK) {
        sqlite3_bind_int(statement, at, boolean);
    } else if (troupe_unpack(value, "I", &integer) == TROUPE_OK) {
        sqlite3_bind_int64(statement, at, integer);
    } else if (troupe_unpack(value, "f", &number) == TROUPE_OK) {
        sqlite3_bind_double(statement, at, number);
    } else if (troupe_unpack(value, "s#", &text, &len) == TROUPE_OK) {
        sqlite3_bind_text64(statement, at, text, len, SQLITE_STATIC, SQLITE_UTF8);
    } else {
        return TROUPE_EPARAMS;
    }
    return TROUPE_OK;
}

/* Length of the head of an array and its count; 0 if it is no array. */
static size_t array_head(troupe_bytes list, size_t *count)
{
    if (list.len >= 1 && (list.data[0] & 0xf0) == 0x90) {
        *count = list.data[0] & 0x0f;
        return 1;
    }
    if (list.len >= 3 && list.data[0] == 0xdc) {
        *count = (size_t)list.data[1] << 8 | list.data[2];
        return 3;
    }
    return 0;
}

static troupe_error bind_list(sqlite3_stmt *statement, troupe_bytes list, troupe_reason *reason)
{
    size_t count = 0;
    size_t at = array_head(list, &count);
    if (at == 0 || (int)count != sqlite3_bind_parameter_count(statement)) {
        return troupe_fail(reason, TROUPE_EPARAMS, "args: %d values are needed",
                           sqlite3_bind_parameter_count(statement));
    }
    for (size_t i = 0; i < count; i++) {
        size_t used;
        troupe_bytes rest = {list.data + at, list.len - at};
        if (troupe_pack_walk(rest, &used) != TROUPE_OK ||
            bind_packed(statement, (int)i + 1, (troupe_bytes){rest.data, used}) != TROUPE_OK) {
            return troupe_fail(reason, TROUPE_EPARAMS, "args[%zu]: no text, number or nil", i);
        }
        at += used;
    }
    return TROUPE_OK;
}

static troupe_error bind_json(sqlite3_stmt *statement, int at, const json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_NULL:
        sqlite3_bind_null(statement, at);
        break;
    case JSON_TRUE:
    case JSON_FALSE:
        sqlite3_bind_int(statement, at, json_is_true(value));
        break;
    case JSON_INTEGER:
        sqlite3_bind_int64(statement, at, json_integer_value(value));
        break;
    case JSON_REAL:
        sqlite3_bind_double(statement, at, json_real_value(value));
        break;
    case JSON_STRING:
        sqlite3_bind_text64(statement, at, json_string_value(value), json_string_length(value),
                            SQLITE_STATIC, SQLITE_UTF8);
        break;
    default:
        return TROUPE_EPARAMS;
    }
    return TROUPE_OK;
}

static troupe_error bind_params(sqlite3_stmt *statement, const json_t *params,
                                troupe_reason *reason)
{
    size_t needed = (size_t)sqlite3_bind_parameter_count(statement);
    if (json_array_size(params) != needed) {
        return troupe_fail(reason, TROUPE_EPARAMS, "params: %zu values for %zu placeholders",
                           json_array_size(params), needed);
    }
    for (size_t i = 0; i < needed; i++) {
        if (bind_json(statement, (int)i + 1, json_array_get(params, i)) != TROUPE_OK) {
            return troupe_fail(reason, TROUPE_EPARAMS,
                               "params[%zu]: text, number, boolean or null is needed", i);
        }
    }
    return TROUPE_OK;
}

/* Running ----------------------------------------------------------------------------------- */

/* Binds what a question brings along. */
typedef troupe_error (*bind_fn)(sqlite3_stmt *statement, const void *values, troupe_reason *reason);

static troupe_error bind_list_of(sqlite3_stmt *statement, const void *values, troupe_reason *reason)
{
    return bind_list(statement, *(const troupe_bytes *)values, reason);
}

static troupe_error bind_params_of(sqlite3_stmt *statement, const void *values,
                                   troupe_reason *reason)
{
    return bind_params(statement, values, reason);
}

static troupe_error run(query *me, bool restricted, const question *ask, bind_fn bind,
                        const void *values, troupe_buffer *out, troupe_reason *reason)
{
    sqlite3_stmt *statement = NULL;
    sql_guard_restrict(&me->guard, restricted);
    troupe_error error = sql_guard_compile(&me->guard, ask->sql, ask->sql_len, &statement, reason);
    if (error == TROUPE_OK) {
        error = bind(statement, values, reason);
    }
    if (error == TROUPE_OK) {
        error = sql_guard_run(&me->guard, statement, &ask->limits, out, reason);
    }
    sqlite3_finalize(statement);
    return error;
}

static troupe_error run_trusted(query *me, troupe_bytes payload, troupe_buffer *out,
                                troupe_reason *reason)
{
    question ask = {.limits = {TRUSTED_ROWS_MAX, BYTES_MAX, BYTES_MAX, true}};
    static const uint8_t none[] = {0x90};
    troupe_bytes args = {none, sizeof none};
    int64_t bytes = 0;
    if (troupe_unpack(payload, "{s:s#,s?:r#,s?:I,s?:I}", "sql", &ask.sql, &ask.sql_len, "args",
                      &args.data, &args.len, "limit", &ask.limits.rows, "bytes",
                      &bytes) != TROUPE_OK) {
        return troupe_fail(reason, TROUPE_EPARAMS,
                           "query.rows: {sql, args, limit, bytes} is needed");
    }
    if (bytes > 0 && bytes < (int64_t)BYTES_MAX) {
        ask.limits.bytes = (size_t)bytes;
    }
    return run(me, false, &ask, bind_list_of, &args, out, reason);
}

/* Reads {sql, params?, limit?}. */
static troupe_error read_params(const json_t *params, question *ask, const json_t **values,
                                troupe_reason *reason)
{
    const json_t *sql = json_object_get(params, "sql");
    const json_t *limit = json_object_get(params, "limit");
    *values = json_object_get(params, "params");
    if (!json_is_string(sql)) {
        return troupe_fail(reason, TROUPE_EPARAMS, "sql: a string is needed");
    }
    if (*values != NULL && !json_is_array(*values) && !json_is_null(*values)) {
        return troupe_fail(reason, TROUPE_EPARAMS, "params: a list is needed");
    }
    json_int_t rows = USER_ROWS;
    if (limit != NULL && !json_is_null(limit)) {
        rows = json_is_integer(limit) ? json_integer_value(limit) : 0;
    }
    if (rows < 1 || rows > USER_ROWS_MAX) {
        return troupe_fail(reason, TROUPE_EPARAMS, "limit: an integer from 1 to %d is needed",
                           USER_ROWS_MAX);
    }
    ask->sql = json_string_value(sql);
    ask->sql_len = json_string_length(sql);
    ask->limits = (sql_limits){rows, BYTES_MAX, BYTES_MAX, false};
    return TROUPE_OK;
}

static troupe_error run_user(query *me, const pending *item, troupe_buffer *out,
                             troupe_reason *reason)
{
    question ask = {0};
    const json_t *values = NULL;
    troupe_envelope call = {.payload = {item->payload, item->len}};
    json_t *params = json_params(&call, reason);
    if (params == NULL) {
        return TROUPE_EPARAMS;
    }
    troupe_error error = read_params(params, &ask, &values, reason);
    if (error == TROUPE_OK) {
        error = run(me, true, &ask, bind_params_of, values, out, reason);
    }
    json_decref(params);
    return error;
}

static void answer(troupe_actor *self, const pending *item)
{
    query *me = item->owner;
    troupe_buffer out = {0};
    troupe_reason reason = {""};
    troupe_error error = open_handle(me, &reason);
    if (error == TROUPE_OK) {
        me->guard.deadline_ns = item->deadline_ns;
        me->guard.context = self;
        troupe_bytes payload = {item->payload, item->len};
        error = item->trusted ? run_trusted(me, payload, &out, &reason)
                              : run_user(me, item, &out, &reason);
        sqlite3_db_release_memory(me->db);
    }
    if (error == TROUPE_OK) {
        troupe_reply_json(self, item->caller, (const char *)out.data, out.len);
    } else {
        troupe_fault(self, item->caller, error, NULL, "%s", reason.text);
    }
    troupe_buffer_fini(&out);
}

/* The store has committed; or it is gone, and then what is there is answered all the same. */
static void synced(troupe_actor *self, void *context, troupe_error error,
                   const troupe_envelope *reply)
{
    pending *item = context;
    if (error == TROUPE_ETIMEOUT || error == TROUPE_ECANCELLED) {
        troupe_fault(self, item->caller, error, NULL, "the store did not commit in time");
    } else if (error != TROUPE_OK && error != TROUPE_EGONE && error != TROUPE_ECLOSED) {
        json_fault_forward(self, item->caller, error, reply);
    } else {
        answer(self, item);
    }
    drop(item);
}

static pending *keep(query *me, const troupe_envelope *call, bool trusted)
{
    pending *item = malloc(sizeof *item + call->payload.len);
    if (item == NULL) {
        return NULL;
    }
    uint32_t timeout_ms = call->meta.timeout_ms != 0 ? call->meta.timeout_ms : TIMEOUT_MS;
    *item = (pending){.next = me->pending,
                      .owner = me,
                      .caller = troupe_caller_of(call),
                      .deadline_ns = sql_guard_now_ns() + (int64_t)timeout_ms * 1000000,
                      .trusted = trusted,
                      .len = call->payload.len};
    if (call->payload.len > 0) {
        memcpy(item->payload, call->payload.data, call->payload.len);
    }
    me->pending = item;
    return item;
}

static void receive_query(query *me, troupe_actor *self, const troupe_envelope *call, bool trusted)
{
    pending *item = keep(me, call, trusted);
    if (item == NULL) {
        troupe_fault(self, troupe_caller_of(call), TROUPE_ENOMEM, NULL, NULL);
        return;
    }
    uint32_t timeout_ms = call->meta.timeout_ms != 0 ? call->meta.timeout_ms : TIMEOUT_MS;
    troupe_address store = troupe_whereis(troupe_self_system(self), NAME_STORE);
    troupe_error error = TROUPE_EGONE;
    if (store != 0) {
        error = troupe_call(self, store, VERB_STORE_SYNC, NULL, (troupe_bytes){NULL, 0}, timeout_ms,
                            synced, item, NULL);
    }
    if (error == TROUPE_EGONE) {
        answer(self, item);
        drop(item);
    } else if (error != TROUPE_OK) {
        troupe_fault(self, item->caller, error, NULL, NULL);
        drop(item);
    }
}

/* The actor --------------------------------------------------------------------------------- */

static troupe_error query_receive(troupe_actor *self, void *state, const troupe_envelope *envelope)
{
    if (envelope->kind != TROUPE_CALL) {
        return TROUPE_OK;
    }
    if (troupe_verb_is(envelope, VERB_QUERY_ROWS)) {
        receive_query(state, self, envelope, true);
    } else if (troupe_verb_is(envelope, "query.sql")) {
        receive_query(state, self, envelope, false);
    } else {
        troupe_fault(self, troupe_caller_of(envelope), TROUPE_EMETHOD, NULL, NULL);
    }
    return TROUPE_OK;
}

static void query_stop(troupe_actor *self, void *state, troupe_error reason)
{
    query *me = state;
    (void)self;
    (void)reason;
    while (me->pending != NULL) {
        drop(me->pending);
    }
    sqlite3_close(me->db);
    free(me);
}

static const troupe_behaviour query_behaviour = {
    .kind = "query", .receive = query_receive, .stop = query_stop};

troupe_error query_prepare(troupe_actor *self, void *context, troupe_spawn_options *out)
{
    (void)self;
    query *me = calloc(1, sizeof *me);
    if (me == NULL) {
        return TROUPE_ENOMEM;
    }
    troupe_error error = schema_path(context, me->path, sizeof me->path, NULL);
    if (error != TROUPE_OK) {
        free(me);
        return error;
    }
    *out = (troupe_spawn_options){.behaviour = &query_behaviour, .state = me, .name = NAME_QUERY};
    return TROUPE_OK;
}

troupe_error sql_prepare(troupe_actor *self, void *context, troupe_spawn_options *out)
{
    troupe_error error = query_prepare(self, context, out);
    out->name = NAME_SQL;
    return error;
}
