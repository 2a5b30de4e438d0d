/* SPDX-License-Identifier: MIT */
/* A call that is answered from the store. */
#include "lookup.h"

#include "actors/verbs.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TIMEOUT_MS  30000
#define TARGETS_MAX 1000

/* Life -------------------------------------------------------------------------------------- */

lookup *lookup_begin(lookups *all, troupe_actor *self, const troupe_envelope *call)
{
    troupe_reason reason;
    troupe_caller caller = troupe_caller_of(call);
    json_t *params = json_params(call, &reason);
    if (params == NULL) {
        troupe_fault(self, caller, TROUPE_EPARAMS, NULL, "%s", reason.text);
        return NULL;
    }
    lookup *item = calloc(1, sizeof *item);
    if (item == NULL) {
        json_decref(params);
        troupe_fault(self, caller, TROUPE_ENOMEM, NULL, NULL);
        return NULL;
    }
    uint64_t timeout_ms = call->meta.timeout_ms != 0 ? call->meta.timeout_ms : TIMEOUT_MS;
    item->all = all;
    item->next = all->first;
    item->caller = caller;
    item->deadline_ns = troupe_now_ns(self) + timeout_ms * 1000000;
    item->params = params;
    item->warnings = json_array();
    all->first = item;
    return item;
}

bool lookup_run(lookups *all, troupe_actor *self, const troupe_envelope *call,
                const lookup_method *methods, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (troupe_verb_is(call, methods[i].name)) {
            lookup *item = lookup_begin(all, self, call);
            if (item != NULL) {
                methods[i].run(self, item);
            }
            return true;
        }
    }
    return false;
}

static void drop(lookup *item)
{
    lookup **at = &item->all->first;
    while (*at != item) {
        at = &(*at)->next;
    }
    *at = item->next;
    json_decref(item->params);
    json_decref(item->targets);
    json_decref(item->warnings);
    json_decref(item->entry);
    free(item);
}

void lookups_fini(lookups *all)
{
    while (all->first != NULL) {
        drop(all->first);
    }
}

void lookup_reply(troupe_actor *self, lookup *item, json_t *value)
{
    char *text = json_write(value, JSON_COMPACT);
    json_decref(value);
    if (text != NULL) {
        troupe_reply_json(self, item->caller, text, strlen(text));
    } else {
        troupe_fault(self, item->caller, TROUPE_EINTERNAL, NULL, NULL);
    }
    free(text);
    drop(item);
}

void lookup_fault(troupe_actor *self, lookup *item, troupe_error code, const char *format, ...)
{
    troupe_reason reason;
    va_list args;
    va_start(args, format);
    vsnprintf(reason.text, sizeof reason.text, format, args);
    va_end(args);
    troupe_fault(self, item->caller, code, NULL, "%s", reason.text);
    drop(item);
}

void lookup_reply_text(troupe_actor *self, lookup *item, troupe_buffer *out)
{
    if (out->failed) {
        troupe_fault(self, item->caller, TROUPE_ENOMEM, NULL, NULL);
    } else {
        troupe_reply_json(self, item->caller, (const char *)out->data, out->len);
    }
    troupe_buffer_fini(out);
    drop(item);
}

/* Calls ------------------------------------------------------------------------------------- */

/* What remains of the caller's time, at least 1 ms. */
static uint32_t remaining_ms(const troupe_actor *self, const lookup *item)
{
    uint64_t now = troupe_now_ns(self);
    uint64_t left = item->deadline_ns > now ? (item->deadline_ns - now) / 1000000 : 0;
    return left == 0 ? 1 : left > UINT32_MAX ? UINT32_MAX : (uint32_t)left;
}

static void note_error(lookup *item, troupe_error error, const troupe_envelope *answer)
{
    troupe_fault_view fault;
    snprintf(item->error.text, sizeof item->error.text, "%s", troupe_error_text(error));
    if (answer != NULL) {
        troupe_fault_read(answer, &fault);
        snprintf(item->error.text, sizeof item->error.text, "%.*s", (int)fault.message_len,
                 fault.message);
    }
}

static void call_ended(troupe_actor *self, void *context, troupe_error error,
                       const troupe_envelope *answer)
{
    lookup *item = context;
    bool tolerant = item->tolerant;
    lookup_text_fn text_fn = item->answered_text;
    const char *text = NULL;
    size_t len = 0;
    item->tolerant = false;
    item->answered_text = NULL;
    if (error == TROUPE_OK && text_fn != NULL) {
        error = troupe_payload_json(answer->payload, &text, &len);
    }
    if (error == TROUPE_OK && text_fn != NULL) {
        text_fn(self, item, text, len);
    } else if (tolerant && text_fn != NULL) {
        note_error(item, error, answer);
        text_fn(self, item, NULL, 0);
    } else if (error == TROUPE_OK) {
        json_t *value = json_payload(answer->payload);
        item->answered(self, item, value);
        json_decref(value);
    } else if (tolerant) {
        note_error(item, error, answer);
        item->answered(self, item, NULL);
    } else {
        if (item->failed != NULL) {
            item->failed(self, item);
        }
        json_fault_forward(self, item->caller, error, answer);
        drop(item);
    }
}

/* A call that could not be made ends like one that failed. */
static void call_refused(troupe_actor *self, lookup *item, troupe_error error)
{
    call_ended(self, item, error, NULL);
}

void lookup_call(troupe_actor *self, lookup *item, troupe_address to, const char *verb,
                 json_t *params, lookup_answer_fn answered)
{
    item->answered = answered;
    troupe_error error =
        json_call(self, to, verb, params, remaining_ms(self, item), call_ended, item, NULL);
    if (error != TROUPE_OK) {
        call_refused(self, item, error);
    }
}

/* SQL --------------------------------------------------------------------------------------- */

void lookup_sql_add(lookup_sql *sql, const char *text)
{
    (void)troupe_buffer_append(&sql->text, text, strlen(text));
}

void lookup_sql_text(lookup_sql *sql, const char *value, size_t len)
{
    (void)troupe_pack(&sql->values, "s#", value, len);
    sql->count++;
}

void lookup_sql_integer(lookup_sql *sql, int64_t value)
{
    (void)troupe_pack(&sql->values, "I", value);
    sql->count++;
}

void lookup_sql_targets(lookup_sql *sql, const lookup *item)
{
    size_t i;
    const json_t *target;
    if (item->targets == NULL) {
        return;
    }
    lookup_sql_add(sql, " AND target IN (");
    json_array_foreach(item->targets, i, target)
    {
        lookup_sql_add(sql, i > 0 ? ",?" : "?");
        lookup_sql_text(sql, json_string_value(target), json_string_length(target));
    }
    lookup_sql_add(sql, ")");
}

/* The values as one MessagePack array. */
static void pack_values(troupe_buffer *out, const lookup_sql *sql)
{
    uint8_t head[3] = {0xdc, (uint8_t)(sql->count >> 8), (uint8_t)sql->count};
    (void)troupe_buffer_append(out, head, sizeof head);
    (void)troupe_buffer_append(out, sql->values.data, sql->values.len);
}

void lookup_sql_drop(lookup_sql *sql)
{
    troupe_buffer_fini(&sql->text);
    troupe_buffer_fini(&sql->values);
}

void lookup_query(troupe_actor *self, lookup *item, lookup_sql *sql, int64_t limit,
                  lookup_answer_fn answered)
{
    lookup_query_within(self, item, sql, limit, 0, answered);
}

void lookup_query_within(troupe_actor *self, lookup *item, lookup_sql *sql, int64_t limit,
                         int64_t bytes, lookup_answer_fn answered)
{
    troupe_buffer args = {0};
    troupe_buffer payload = {0};
    troupe_address to = troupe_whereis(troupe_self_system(self), NAME_QUERY);
    item->answered = answered;
    pack_values(&args, sql);
    troupe_error error = troupe_pack(
        &payload, "{s:s#,s:r#,s:I,s:I}", "sql", (const char *)sql->text.data, sql->text.len, "args",
        (const void *)args.data, args.len, "limit", limit, "bytes", bytes);
    if (error == TROUPE_OK) {
        bool whole = !args.failed && !sql->text.failed && !sql->values.failed;
        error = !whole ? TROUPE_ENOMEM : to != 0 ? TROUPE_OK : TROUPE_EUNAVAILABLE;
    }
    if (error == TROUPE_OK) {
        error = troupe_call(self, to, VERB_QUERY_ROWS, NULL, troupe_buffer_bytes(&payload),
                            remaining_ms(self, item), call_ended, item, NULL);
    }
    troupe_buffer_fini(&args);
    troupe_buffer_fini(&payload);
    lookup_sql_drop(sql);
    if (error != TROUPE_OK) {
        call_refused(self, item, error);
    }
}

void lookup_query_text(troupe_actor *self, lookup *item, lookup_sql *sql, int64_t limit,
                       lookup_text_fn answered)
{
    item->answered_text = answered;
    lookup_query(self, item, sql, limit, NULL);
}

/* Targets ----------------------------------------------------------------------------------- */

static bool is_all(const json_t *target)
{
    return target == NULL || json_is_null(target) ||
           (json_is_string(target) && strcmp(json_string_value(target), "*") == 0);
}

/* The target param as a list of strings; NULL if it is anything else. New reference. */
static json_t *named_targets(json_t *target)
{
    size_t i;
    const json_t *name;
    if (json_is_string(target)) {
        return json_pack("[O]", target);
    }
    if (!json_is_array(target) || json_array_size(target) > TARGETS_MAX) {
        return NULL;
    }
    json_array_foreach(target, i, name)
    {
        if (!json_is_string(name)) {
            return NULL;
        }
    }
    return json_copy(target);
}

/* Connections does not know the targets (any more): the store may. */
static void recorded(troupe_actor *self, lookup *item, const json_t *answer)
{
    const json_t *rows = json_object_get(answer, "rows");
    const json_t *row = json_array_get(rows, 0);
    const json_t *count = json_object_get(row, "count");
    if (json_integer_value(count) < (json_int_t)json_array_size(item->targets)) {
        lookup_fault(self, item, TROUPE_ENOTFOUND, "%s", item->error.text);
        return;
    }
    item->resolved(self, item);
}

static void look_in_store(troupe_actor *self, lookup *item)
{
    lookup_sql sql = {0};
    lookup_sql_add(&sql, "SELECT count(DISTINCT target) AS count FROM target WHERE 1");
    lookup_sql_targets(&sql, item);
    lookup_query(self, item, &sql, 1, recorded);
}

static void targets_known(troupe_actor *self, lookup *item, const json_t *answer)
{
    json_t *target = json_object_get(item->params, "target");
    if (answer == NULL && is_all(target)) {
        json_array_append_new(item->warnings, json_string(item->error.text));
        item->resolved(self, item);
        return;
    }
    if (answer == NULL) {
        item->targets = named_targets(target);
        look_in_store(self, item);
        return;
    }
    json_t *targets = json_object_get(answer, "targets");
    json_t *warnings = json_object_get(answer, "warnings");
    if (json_is_array(targets)) {
        item->targets = json_incref(targets);
    }
    if (json_is_array(warnings)) {
        json_array_extend(item->warnings, warnings);
    }
    item->resolved(self, item);
}

void lookup_resolve(troupe_actor *self, lookup *item, lookup_step_fn resolved)
{
    json_t *target = json_object_get(item->params, "target");
    troupe_address to = troupe_whereis(troupe_self_system(self), NAME_CONNECTIONS);
    item->resolved = resolved;
    if (!is_all(target)) {
        json_t *names = named_targets(target);
        if (names == NULL) {
            lookup_fault(self, item, TROUPE_EPARAMS,
                         "target: a target id, a list of them or \"*\" is needed");
            return;
        }
        item->targets = to == 0 ? json_incref(names) : NULL;
        json_decref(names);
    }
    if (to == 0 || (target != NULL && json_is_string(target) && is_all(target))) {
        resolved(self, item);
        return;
    }
    item->tolerant = true;
    lookup_call(self, item, to, VERB_TARGETS_RESOLVE, json_pack("{s:O?}", "target", target),
                targets_known);
}

json_t *lookup_targets(const lookup *item, const json_t *rows)
{
    size_t i;
    const json_t *row;
    if (item->targets != NULL) {
        return json_incref(item->targets);
    }
    json_t *seen = json_object();
    json_t *list = json_array();
    json_array_foreach(rows, i, row)
    {
        json_t *target = json_object_get(row, "target");
        const char *name = json_string_value(target);
        if (name != NULL && json_object_get(seen, name) == NULL) {
            json_object_set_new(seen, name, json_true());
            json_array_append(list, target);
        }
    }
    json_decref(seen);
    return list;
}

/* Params ------------------------------------------------------------------------------------ */

static const json_t *param(const lookup *item, const char *name)
{
    const json_t *value = json_object_get(item->params, name);
    return json_is_null(value) ? NULL : value;
}

bool lookup_param_integer(troupe_actor *self, lookup *item, const char *name, int64_t min,
                          int64_t max, int64_t *out)
{
    const json_t *value = param(item, name);
    if (value == NULL) {
        return true;
    }
    int64_t number = json_integer_value(value);
    if (!json_is_integer(value) || number < min || number > max) {
        lookup_fault(self, item, TROUPE_EPARAMS, "%s: an integer from %lld to %lld is needed", name,
                     (long long)min, (long long)max);
        return false;
    }
    *out = number;
    return true;
}

bool lookup_param_string(troupe_actor *self, lookup *item, const char *name, const char **out)
{
    const json_t *value = param(item, name);
    if (value == NULL) {
        return true;
    }
    if (!json_is_string(value) || strlen(json_string_value(value)) != json_string_length(value)) {
        lookup_fault(self, item, TROUPE_EPARAMS, "%s: a string is needed", name);
        return false;
    }
    *out = json_string_value(value);
    return true;
}

bool lookup_param_boolean(troupe_actor *self, lookup *item, const char *name, bool *out)
{
    const json_t *value = param(item, name);
    if (value == NULL) {
        return true;
    }
    if (!json_is_boolean(value)) {
        lookup_fault(self, item, TROUPE_EPARAMS, "%s: true or false is needed", name);
        return false;
    }
    *out = json_is_true(value);
    return true;
}

static void fault_words(troupe_actor *self, lookup *item, const char *name,
                        const char *const *words)
{
    char list[200] = "";
    for (size_t i = 0; words[i] != NULL; i++) {
        size_t len = strlen(list);
        snprintf(list + len, sizeof list - len, "%s%s", i > 0 ? ", " : "", words[i]);
    }
    lookup_fault(self, item, TROUPE_EPARAMS, "%s: one of %s is needed", name, list);
}

bool lookup_param_word(troupe_actor *self, lookup *item, const char *name, const char *const *words,
                       const char **out)
{
    const char *given = NULL;
    if (!lookup_param_string(self, item, name, &given)) {
        return false;
    }
    for (size_t i = 0; given != NULL && words[i] != NULL; i++) {
        if (strcmp(words[i], given) == 0) {
            *out = words[i];
            return true;
        }
    }
    if (given != NULL) {
        fault_words(self, item, name, words);
    }
    return given == NULL;
}
