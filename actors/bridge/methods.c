/* SPDX-License-Identifier: MIT */
/* The methods of the RPC interface. */
#include "methods.h"

#include "method_rows.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* In the order of the documentation. */
static const struct {
    const char *title;
    const rpc_method *rows;
} subjects[] = {
    {"The host", methods_host},
    {"Browsers", methods_browsers},
    {"Targets", methods_targets},
    {"Navigation", methods_navigation},
    {"Script", methods_script},
    {"Input and elements", methods_input},
    {"Pictures", methods_pictures},
    {"Picking elements", methods_dom},
    {"What was recorded", methods_record},
    {"Fetch rules", methods_fetch},
    {"Filters", methods_filters},
    {"Live events", methods_events},
};

#define SUBJECT_COUNT (sizeof subjects / sizeof subjects[0])

/* The row that ends the list of a subject. */
static const rpc_method *end_of(const rpc_method *list)
{
    while (list->name != NULL) {
        list++;
    }
    return list;
}

static size_t subject_of(const rpc_method *row)
{
    size_t subject = 0;
    while (row < subjects[subject].rows || row > end_of(subjects[subject].rows)) {
        subject++;
    }
    return subject;
}

static const rpc_method *first_from(size_t subject)
{
    while (subject < SUBJECT_COUNT && subjects[subject].rows->name == NULL) {
        subject++;
    }
    return subject < SUBJECT_COUNT ? subjects[subject].rows : NULL;
}

const rpc_method *method_next(const rpc_method *row)
{
    if (row == NULL) {
        return first_from(0);
    }
    if (row[1].name != NULL) {
        return row + 1;
    }
    return first_from(subject_of(row) + 1);
}

const char *method_subject(const rpc_method *row)
{
    return subjects[subject_of(row)].title;
}

/* Members that every method accepts besides its own. */
static const method_param common_params[] = {
    {"timeout_ms", I, false, NULL, NULL, "deadline of this request"},
    {"epoch", I, false, NULL, NULL, "host epoch the caller knows; an old one is refused"},
    {"target_epoch", I, false, NULL, NULL, "epoch of the target; an old one is refused"},
    {0},
};

static const struct {
    unsigned bit;
    const char *name;
} type_names[] = {
    {S, "string"}, {I, "integer"}, {N, "number"}, {B, "boolean"}, {A, "array"}, {O, "object"},
};

#define TYPE_COUNT (sizeof type_names / sizeof type_names[0])

const rpc_method *method_find(const char *name, size_t len)
{
    for (const rpc_method *row = method_next(NULL); row != NULL; row = method_next(row)) {
        if (strlen(row->name) == len && memcmp(row->name, name, len) == 0) {
            return row;
        }
    }
    return NULL;
}

static const method_param *list_find(const method_param *list, const char *name)
{
    for (; list->name != NULL; list++) {
        if (strcmp(list->name, name) == 0) {
            return list;
        }
    }
    return NULL;
}

static const method_param *param_find(const rpc_method *method, const char *name)
{
    const method_param *found = list_find(method->params, name);
    return found != NULL ? found : list_find(common_params, name);
}

static size_t param_count(const rpc_method *method)
{
    size_t count = 0;
    while (method->params[count].name != NULL) {
        count++;
    }
    return count;
}

/* Levenshtein distance of two short words; words are cut to what fits. */
static size_t distance(const char *a, const char *b)
{
    enum { LONGEST = 40 };
    size_t row[LONGEST + 1];
    size_t a_len = strnlen(a, LONGEST);
    size_t b_len = strnlen(b, LONGEST);
    for (size_t j = 0; j <= b_len; j++) {
        row[j] = j;
    }
    for (size_t i = 1; i <= a_len; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b_len; j++) {
            size_t change = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            size_t least = row[j] < row[j - 1] ? row[j] + 1 : row[j - 1] + 1;
            row[j] = change < least ? change : least;
        }
    }
    return row[b_len];
}

static void nearest_in(const method_param *list, const char *name, const char **best, size_t *least)
{
    for (; list->name != NULL; list++) {
        size_t found = distance(name, list->name);
        if (found < *least) {
            *least = found;
            *best = list->name;
        }
    }
}

static troupe_error unknown_param(const rpc_method *method, const char *name, troupe_reason *reason)
{
    const char *best = "";
    size_t least = (size_t)-1;
    nearest_in(method->params, name, &best, &least);
    nearest_in(common_params, name, &best, &least);
    return troupe_fail(reason, TROUPE_EPARAMS,
                       "%s has no parameter \"%.40s\"; the nearest is \"%s\"", method->name, name,
                       best);
}

static unsigned type_of(const json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_STRING:
        return S;
    case JSON_INTEGER:
        return I | N;
    case JSON_REAL:
        return N;
    case JSON_TRUE:
    case JSON_FALSE:
        return B;
    case JSON_ARRAY:
        return A;
    case JSON_OBJECT:
        return O;
    default:
        return 0;
    }
}

void method_types_text(unsigned types, char *out, size_t size)
{
    size_t used = 0;
    out[0] = '\0';
    for (size_t i = 0; i < TYPE_COUNT; i++) {
        if ((types & type_names[i].bit) != 0 && used < size) {
            int written = snprintf(out + used, size - used, "%s%s", used > 0 ? " or " : "",
                                   type_names[i].name);
            used += written > 0 ? (size_t)written : 0;
        }
    }
}

static bool chosen(const char *choices, const char *value)
{
    size_t len = strlen(value);
    for (const char *at = choices; at != NULL && *at != '\0';) {
        size_t word = strcspn(at, "|");
        if (word == len && memcmp(at, value, len) == 0) {
            return true;
        }
        at += word + (at[word] == '|');
    }
    return false;
}

static troupe_error check_value(const rpc_method *method, const method_param *param,
                                const json_t *value, troupe_reason *reason)
{
    if ((type_of(value) & param->types) == 0) {
        char types[80];
        method_types_text(param->types, types, sizeof types);
        return troupe_fail(reason, TROUPE_EPARAMS, "%s: \"%s\" must be %s", method->name,
                           param->name, types);
    }
    if (param->choices != NULL && !chosen(param->choices, json_string_value(value))) {
        return troupe_fail(reason, TROUPE_EPARAMS, "%s: \"%s\" must be one of %s", method->name,
                           param->name, param->choices);
    }
    if (strcmp(param->name, "timeout_ms") == 0 &&
        (json_integer_value(value) < 1 || json_integer_value(value) > METHOD_TIMEOUT_MAX_MS)) {
        return troupe_fail(reason, TROUPE_EPARAMS, "%s: \"timeout_ms\" must be 1 to %u",
                           method->name, METHOD_TIMEOUT_MAX_MS);
    }
    return TROUPE_OK;
}

static troupe_error take_named(const rpc_method *method, const json_t *params, json_t *out,
                               troupe_reason *reason)
{
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)params, name, value)
    {
        const method_param *param = param_find(method, name);
        if (param == NULL) {
            return unknown_param(method, name, reason);
        }
        if (json_is_null(value)) {
            continue;
        }
        troupe_error error = check_value(method, param, value, reason);
        if (error != TROUPE_OK) {
            return error;
        }
        if (json_object_set_nocheck(out, name, value) != 0) {
            return TROUPE_ENOMEM;
        }
    }
    return TROUPE_OK;
}

static troupe_error take_positions(const rpc_method *method, const json_t *params, json_t *out,
                                   troupe_reason *reason)
{
    size_t count = json_array_size(params);
    if (count > param_count(method)) {
        return troupe_fail(reason, TROUPE_EPARAMS, "%s takes at most %zu parameters by position",
                           method->name, param_count(method));
    }
    for (size_t i = 0; i < count; i++) {
        json_t *value = json_array_get(params, i);
        if (json_is_null(value)) {
            continue;
        }
        troupe_error error = check_value(method, &method->params[i], value, reason);
        if (error != TROUPE_OK) {
            return error;
        }
        if (json_object_set_nocheck(out, method->params[i].name, value) != 0) {
            return TROUPE_ENOMEM;
        }
    }
    return TROUPE_OK;
}

static troupe_error check_required(const rpc_method *method, const json_t *params,
                                   troupe_reason *reason)
{
    for (const method_param *param = method->params; param->name != NULL; param++) {
        if (param->required && json_object_get(params, param->name) == NULL) {
            return troupe_fail(reason, TROUPE_EPARAMS, "%s needs \"%s\"", method->name,
                               param->name);
        }
    }
    return TROUPE_OK;
}

troupe_error method_params(const rpc_method *method, const json_t *params, json_t **out,
                           troupe_reason *reason)
{
    json_t *named = json_object();
    if (named == NULL) {
        return TROUPE_ENOMEM;
    }
    troupe_error error = TROUPE_OK;
    if (json_is_array(params)) {
        error = take_positions(method, params, named, reason);
    } else if (params != NULL) {
        error = take_named(method, params, named, reason);
    }
    if (error == TROUPE_OK) {
        error = check_required(method, named, reason);
    }
    if (error != TROUPE_OK) {
        json_decref(named);
        return error;
    }
    *out = named;
    return TROUPE_OK;
}

uint32_t method_timeout_ms(const rpc_method *method, const json_t *params)
{
    const json_t *given = json_object_get(params, "timeout_ms");
    if (given != NULL) {
        return (uint32_t)json_integer_value(given);
    }
    return method->timeout_ms != 0 ? method->timeout_ms : METHOD_TIMEOUT_MS;
}

static json_t *describe_types(unsigned types)
{
    json_t *list = json_array();
    for (size_t i = 0; i < TYPE_COUNT; i++) {
        if ((types & type_names[i].bit) != 0) {
            json_array_append_new(list, json_string(type_names[i].name));
        }
    }
    if (json_array_size(list) == 1) {
        json_t *only = json_incref(json_array_get(list, 0));
        json_decref(list);
        return only;
    }
    return list;
}

static json_t *describe_choices(const char *choices)
{
    json_t *list = json_array();
    for (const char *at = choices; *at != '\0';) {
        size_t word = strcspn(at, "|");
        json_array_append_new(list, json_stringn(at, word));
        at += word + (at[word] == '|');
    }
    return list;
}

static void describe_param(json_t *properties, const method_param *param)
{
    json_t *schema = json_object();
    json_object_set_new(schema, "type", describe_types(param->types));
    if (param->choices != NULL) {
        json_object_set_new(schema, "enum", describe_choices(param->choices));
    }
    if (param->fallback != NULL) {
        json_object_set_new(schema, "default", json_loads(param->fallback, JSON_DECODE_ANY, NULL));
    }
    json_object_set_new(schema, "description", json_string(param->doc));
    json_object_set_new(properties, param->name, schema);
}

static json_t *describe_schema(const rpc_method *row, json_t *positions)
{
    json_t *properties = json_object();
    json_t *required = json_array();
    for (const method_param *param = row->params; param->name != NULL; param++) {
        describe_param(properties, param);
        json_array_append_new(positions, json_string(param->name));
        if (param->required) {
            json_array_append_new(required, json_string(param->name));
        }
    }
    for (const method_param *param = common_params; param->name != NULL; param++) {
        describe_param(properties, param);
    }
    return json_pack("{s:s, s:o, s:o, s:b}", "type", "object", "properties", properties, "required",
                     required, "additionalProperties", 0);
}

static const char *owner_text(const rpc_method *row)
{
    switch (row->route) {
    case ROUTE_ACTOR:
        return row->owner;
    case ROUTE_TARGET:
        return "target";
    case ROUTE_NAMED:
        return "any";
    case ROUTE_CLIENT:
        return "client";
    default:
        return "bridge";
    }
}

/* "a|b|c" as a list. */
static json_t *describe_words(const char *words)
{
    json_t *list = json_array();
    while (words != NULL && *words != '\0') {
        size_t len = strcspn(words, "|");
        json_array_append_new(list, json_stringn(words, len));
        words += len + (words[len] == '|');
    }
    return list;
}

static json_t *describe_method(const rpc_method *row)
{
    json_t *positions = json_array();
    json_t *schema = describe_schema(row, positions);
    return json_pack("{s:s, s:s, s:s, s:s, s:b, s:b, s:I, s:o, s:o, s:s, s:o, s:o}", "name",
                     row->name, "subject", method_subject(row), "summary", row->doc, "owner",
                     owner_text(row), "mutates", (int)row->mutates, "websocket",
                     (int)(row->route == ROUTE_CLIENT), "timeout_ms",
                     (json_int_t)method_timeout_ms(row, NULL), "positions", positions, "params",
                     schema, "result", row->result, "states", describe_words(row->states), "errors",
                     describe_words(row->errors));
}

static json_t *describe_errors(void)
{
    json_t *list = json_array();
#define DESCRIBE_ERROR(symbol, value, name, rpc, text)                                          \
    if ((value) != 0) {                                                                         \
        json_array_append_new(                                                                  \
            list, json_pack("{s:i, s:s, s:s}", "code", (rpc), "name", (name), "text", (text))); \
    }
    TROUPE_ERRORS(DESCRIBE_ERROR)
#undef DESCRIBE_ERROR
    return list;
}

json_t *method_describe(const char *name)
{
    json_t *list = json_array();
    for (const rpc_method *row = method_next(NULL); row != NULL; row = method_next(row)) {
        if (name == NULL || strcmp(name, row->name) == 0) {
            json_array_append_new(list, describe_method(row));
        }
    }
    if (name != NULL && json_array_size(list) == 0) {
        json_decref(list);
        return NULL;
    }
    return json_pack("{s:o, s:o}", "methods", list, "errors", describe_errors());
}
