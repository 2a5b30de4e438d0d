/* SPDX-License-Identifier: MIT */
/**
 * What jansson says of a text, beside what json_scan and cdp_scan say. Shared by the unit tests,
 * the fuzz targets and the driver of public test suites. Each function returns NULL, or what
 * differs.
 *
 * Known differences, all documented: jansson refuses numbers beyond its types, escapes of half a
 * surrogate pair and \u0000 in keys, takes a NUL behind the value for the end of the text, and goes
 * 2048 deep where json_check goes 512; the skipper accepts more than JSON inside of values.
 */
#ifndef TEST_JSON_ORACLE_H
#define TEST_JSON_ORACLE_H

#include "transport/cdp.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define ORACLE_FLAGS (JSON_DECODE_ANY | JSON_ALLOW_NUL)

/** Copies without anything behind the end, so that a sanitizer sees a read past it. Freed by the
 * caller. */
static inline char *oracle_exact(const char *text, size_t len)
{
    char *copy = malloc(len == 0 ? 1 : len);
    if (len > 0)
        memcpy(copy, text, len);
    return copy;
}

static inline bool oracle_within(const char *text, size_t len, json_span span)
{
    return span.data >= text && span.len <= len && span.data + span.len <= text + len;
}

/** A key as it stands, without its quotes, as jansson reads it: a new string, or NULL. */
static inline json_t *oracle_key(json_span key)
{
    return json_loadb(key.data - 1, key.len + 2, ORACLE_FLAGS, NULL);
}

static inline const char *oracle_object(const char *text, size_t len, json_t *oracle);

/** A value's span holds what jansson read there. */
static inline const char *oracle_value(json_span span, json_t *wanted)
{
    json_t *found = json_loadb(span.data, span.len, ORACLE_FLAGS, NULL);
    const char *wrong = NULL;
    if (found == NULL)
        return "a span is not the value";
    if (!json_equal(found, wanted))
        wrong = "a span is another value than jansson's";
    else if (json_skip(span.data, span.len) != span.len)
        wrong = "a span is not skipped exactly";
    else if (json_is_object(wanted))
        wrong = oracle_object(span.data, span.len, wanted);
    json_decref(found);
    return wrong;
}

/** Every member is found, in its order, the last of each key with jansson's value. */
static inline const char *oracle_object(const char *text, size_t len, json_t *oracle)
{
    json_members members;
    json_span key;
    json_span value;
    const char *wrong = NULL;
    json_t *last = json_object();
    if (!json_members_open(&members, text, len))
        wrong = "an object is not opened";
    while (wrong == NULL && json_members_next(&members, &key, &value)) {
        json_t *name = oracle_key(key);
        if (!oracle_within(text, len, key) || !oracle_within(text, len, value) || name == NULL)
            wrong = "a key is no string";
        else /* where its value stands */
            json_object_setn_new(
                last, json_string_value(name), json_string_length(name),
                json_pack("[I, I]", (json_int_t)(value.data - text), (json_int_t)value.len));
        json_decref(name);
    }
    if (wrong == NULL && !json_members_complete(&members))
        wrong = "an object does not end where it ends";
    if (wrong == NULL && json_object_size(last) != json_object_size(oracle))
        wrong = "not as many members as jansson finds";
    const char *name;
    size_t name_len;
    json_t *place;
    json_object_keylen_foreach(last, name, name_len, place)
    {
        json_t *wanted = json_object_getn(oracle, name, name_len);
        json_span span = {text + json_integer_value(json_array_get(place, 0)),
                          (size_t)json_integer_value(json_array_get(place, 1))};
        if (wrong == NULL)
            wrong =
                wanted == NULL ? "a member that jansson does not find" : oracle_value(span, wanted);
    }
    json_decref(last);
    return wrong;
}

/** Whether jansson refuses it for a reason that the grammar does not know. */
static inline bool oracle_stricter(const json_error_t *error)
{
    return json_error_code(error) == json_error_numeric_overflow ||
           json_error_code(error) == json_error_null_byte_in_key ||
           strstr(error->text, "invalid Unicode") != NULL;
}

/** json_check, json_skip and the walk over members, beside jansson. */
static inline const char *oracle_compare(const char *text, size_t len)
{
    json_error_t error;
    size_t at = 0;
    bool accepted = json_check(text, len, &at) == TROUPE_OK;
    size_t reach = json_skip(text, len);
    const char *wrong = NULL;
    if ((!accepted && at > len) || reach > len)
        return "an offset is outside";
    if (accepted && reach == 0)
        return "what is JSON is not skipped";
    if (len > 0 && memchr(text, '\0', len) != NULL)
        return accepted ? "a NUL is accepted" : NULL;
    json_t *oracle = json_loadb(text, len, ORACLE_FLAGS, &error);
    if (oracle == NULL) {
        return accepted && !oracle_stricter(&error) ? "accepted, and jansson refuses it" : NULL;
    }
    if (!accepted && at < 512)
        wrong = "refused, and jansson accepts it"; /* later: it may be too deep */
    else if (reach == 0)
        wrong = "not skipped, and jansson accepts it";
    else if (json_is_object(oracle))
        wrong = oracle_object(text, len, oracle);
    json_decref(oracle);
    return wrong;
}

/* --- CDP -------------------------------------------------------------------------------------- */

static inline bool oracle_has_slash(json_span span)
{
    return span.len > 0 && memchr(span.data, '\\', span.len) != NULL;
}

/** Whether a name is written with escapes: then cdp_scan may tell another story. */
static inline bool oracle_escaped_names(const char *text, size_t len)
{
    json_members members;
    json_span key;
    json_span value;
    bool found = false;
    (void)json_members_open(&members, text, len);
    while (json_members_next(&members, &key, &value)) {
        bool names = (key.len == 6 && memcmp(key.data, "method", 6) == 0) ||
                     (key.len == 9 && memcmp(key.data, "sessionId", 9) == 0);
        found |= oracle_has_slash(key) || (names && oracle_has_slash(value));
    }
    return found;
}

/** Whether every member of that name has a type it may have. jansson keeps the last one only. */
static inline bool oracle_types_ok(const char *text, size_t len)
{
    json_members members;
    json_span key;
    json_span value;
    bool ok = true;
    (void)json_members_open(&members, text, len);
    while (json_members_next(&members, &key, &value)) {
        json_t *parsed = json_loadb(value.data, value.len, ORACLE_FLAGS, NULL);
        if (key.len == 2 && memcmp(key.data, "id", 2) == 0)
            ok &= json_is_integer(parsed);
        else if (key.len == 6 && memcmp(key.data, "method", 6) == 0)
            ok &= json_string_length(parsed) > 0;
        else if (key.len == 9 && memcmp(key.data, "sessionId", 9) == 0)
            ok &= json_is_string(parsed) || json_is_null(parsed);
        else if ((key.len == 6 && memcmp(key.data, "params", 6) == 0) ||
                 (key.len == 6 && memcmp(key.data, "result", 6) == 0) ||
                 (key.len == 5 && memcmp(key.data, "error", 5) == 0))
            ok &= json_is_object(parsed) || json_is_null(parsed);
        json_decref(parsed);
    }
    return ok;
}

static inline bool oracle_same_text(const char *data, size_t len, const json_t *wanted)
{
    if (data == NULL)
        return !json_is_string(wanted);
    return json_string_length(wanted) == len && json_is_string(wanted) &&
           memcmp(data, json_string_value(wanted), len) == 0;
}

static inline bool oracle_same_span(json_span span, json_t *wanted)
{
    if (span.data == NULL)
        return !json_is_object(wanted);
    return wanted != NULL && oracle_value(span, wanted) == NULL;
}

static inline const char *oracle_fields(const cdp_message *m, const json_t *oracle)
{
    const json_t *id = json_object_get(oracle, "id");
    if (m->has_id != (id != NULL) || (m->has_id && m->id != json_integer_value(id)))
        return "another id";
    if (!oracle_same_text(m->method, m->method_len, json_object_get(oracle, "method")))
        return "another method";
    if (!oracle_same_text(m->session, m->session_len, json_object_get(oracle, "sessionId")))
        return "another session";
    if (!oracle_same_span(m->params, json_object_get(oracle, "params")))
        return "other params";
    if (!oracle_same_span(m->result, json_object_get(oracle, "result")))
        return "another result";
    if (!oracle_same_span(m->error, json_object_get(oracle, "error")))
        return "another error";
    return NULL;
}

static inline const char *oracle_spans(const char *text, size_t len, const cdp_message *m)
{
    json_span spans[] = {
        m->params, m->result, m->error, {m->method, m->method_len}, {m->session, m->session_len}};
    for (size_t i = 0; i < sizeof spans / sizeof *spans; i++) {
        if (spans[i].data == NULL)
            continue;
        if (!oracle_within(text, len, spans[i]))
            return "a span is outside";
        if (i < 3 &&
            (spans[i].data[0] != '{' || json_skip(spans[i].data, spans[i].len) != spans[i].len))
            return "a span is no object";
        if (i >= 3 &&
            (memchr(spans[i].data, '"', spans[i].len) != NULL || oracle_has_slash(spans[i])))
            return "a name has quotes or escapes";
    }
    return NULL;
}

/** cdp_scan beside jansson. */
static inline const char *oracle_compare_cdp(const char *text, size_t len)
{
    cdp_message m;
    troupe_reason reason = {{0}};
    troupe_error error = cdp_scan(text, len, &m, &reason);
    if (error != TROUPE_OK && (error != TROUPE_EPROTOCOL || reason.text[0] == '\0'))
        return "refused without a reason";
    const char *wrong = error == TROUPE_OK ? oracle_spans(text, len, &m) : NULL;
    if (wrong != NULL || (len > 0 && memchr(text, '\0', len) != NULL))
        return wrong;
    if (error == TROUPE_OK && !m.has_id && m.method == NULL)
        return "neither id nor method";
    json_t *oracle = json_loadb(text, len, JSON_ALLOW_NUL, NULL);
    if (json_is_object(oracle) && !oracle_escaped_names(text, len)) {
        bool names =
            json_object_get(oracle, "id") != NULL || json_object_get(oracle, "method") != NULL;
        bool good = names && oracle_types_ok(text, len);
        if (good != (error == TROUPE_OK))
            wrong = good ? "refused, and it is a message" : "accepted, and a type is wrong";
        else if (good)
            wrong = oracle_fields(&m, oracle);
    } else if (oracle != NULL && !json_is_object(oracle) && error == TROUPE_OK) {
        wrong = "accepted, and it is no object";
    }
    json_decref(oracle);
    return wrong;
}

#endif
