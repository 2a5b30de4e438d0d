/* SPDX-License-Identifier: MIT */
/* What DevTools' console shows for a console call. */
#include "console_text.h"

#include "actors/json_call.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define ELLIPSIS "\xE2\x80\xA6"

static void append(troupe_buffer *buffer, const char *text, size_t len)
{
    if (buffer->len < CONSOLE_TEXT_MAX) {
        (void)troupe_buffer_append(buffer, text, len);
    }
}

static void append_text(troupe_buffer *buffer, const char *text)
{
    append(buffer, text, strlen(text));
}

static const char *member(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text != NULL ? text : "";
}

static bool is_text(const json_t *object, const char *key, const char *value)
{
    return strcmp(member(object, key), value) == 0;
}

static void append_json_string(troupe_buffer *buffer, const json_t *string)
{
    append(buffer, json_string_value(string), json_string_length(string));
}

static void append_number(troupe_buffer *buffer, const json_t *value)
{
    if (buffer->len >= CONSOLE_TEXT_MAX) {
        return;
    }
    char *text = json_write(value, JSON_ENCODE_ANY);
    append_text(buffer, text != NULL ? text : "?");
    free(text);
}

/* A primitive's value; false if the object carries none. */
static bool append_primitive(troupe_buffer *buffer, const json_t *object)
{
    const json_t *value = json_object_get(object, "value");
    if (is_text(object, "type", "undefined")) {
        append_text(buffer, "undefined");
    } else if (is_text(object, "subtype", "null") || json_is_null(value)) {
        append_text(buffer, "null");
    } else if (json_is_string(json_object_get(object, "unserializableValue"))) {
        append_json_string(buffer, json_object_get(object, "unserializableValue"));
    } else if (json_is_boolean(value)) {
        append_text(buffer, json_is_true(value) ? "true" : "false");
    } else if (json_is_number(value) && json_is_string(json_object_get(object, "description"))) {
        append_json_string(buffer, json_object_get(object, "description"));
    } else if (json_is_number(value)) {
        append_number(buffer, value);
    } else if (json_is_string(value)) {
        append_json_string(buffer, value);
    } else {
        return false;
    }
    return true;
}

/* One property's value inside a preview: text of the browser, shortened as DevTools does. */
static void append_property_value(troupe_buffer *buffer, const json_t *property)
{
    const char *value = member(property, "value");
    if (is_text(property, "type", "string")) {
        append_text(buffer, "'");
        append_text(buffer, value);
        append_text(buffer, "'");
    } else if (is_text(property, "type", "function")) {
        append_text(buffer, "\xC6\x92"); /* ƒ */
    } else if (is_text(property, "type", "accessor")) {
        append_text(buffer, "(...)");
    } else if (is_text(property, "type", "object") && strcmp(value, "Object") == 0) {
        append_text(buffer, "{" ELLIPSIS "}");
    } else {
        append_text(buffer, value[0] != '\0' ? value : member(property, "type"));
    }
}

static void append_preview(troupe_buffer *buffer, const json_t *preview, int depth);

/* A key or value of a map's entry: a preview of its own. */
static void append_entry_side(troupe_buffer *buffer, const json_t *side, int depth)
{
    if (is_text(side, "type", "string")) {
        append_text(buffer, "'");
        append_text(buffer, member(side, "description"));
        append_text(buffer, "'");
    } else if (is_text(side, "type", "object") && !is_text(side, "subtype", "null") && depth < 2) {
        append_preview(buffer, side, depth + 1);
    } else {
        append_text(buffer, member(side, "description"));
    }
}

static bool append_entries(troupe_buffer *buffer, const json_t *entries, int depth)
{
    size_t i;
    const json_t *entry;
    json_array_foreach(entries, i, entry)
    {
        append_text(buffer, i > 0 ? ", " : "");
        if (json_is_object(json_object_get(entry, "key"))) {
            append_entry_side(buffer, json_object_get(entry, "key"), depth);
            append_text(buffer, " => ");
        }
        append_entry_side(buffer, json_object_get(entry, "value"), depth);
    }
    return json_array_size(entries) > 0;
}

static void append_properties(troupe_buffer *buffer, const json_t *preview, bool named)
{
    size_t i;
    const json_t *property;
    const json_t *properties = json_object_get(preview, "properties");
    json_array_foreach(properties, i, property)
    {
        const char *name = member(property, "name");
        append_text(buffer, i > 0 ? ", " : "");
        if (named || strspn(name, "0123456789") != strlen(name)) {
            append_text(buffer, name);
            append_text(buffer, ": ");
        }
        append_property_value(buffer, property);
    }
    if (json_is_true(json_object_get(preview, "overflow"))) {
        append_text(buffer, json_array_size(properties) > 0 ? ", " ELLIPSIS : ELLIPSIS);
    }
}

/* "Array(3)" is shown as "(3) ", an object of another class by its name, a plain one by nothing. */
static void append_preview_head(troupe_buffer *buffer, const json_t *preview, bool list)
{
    const char *description = member(preview, "description");
    if (list && strncmp(description, "Array(", 6) == 0) {
        if (strcmp(description, "Array(0)") != 0 && strcmp(description, "Array(1)") != 0) {
            append_text(buffer, description + 5);
            append_text(buffer, " ");
        }
    } else if (description[0] != '\0' && strcmp(description, "Object") != 0) {
        append_text(buffer, description);
        append_text(buffer, " ");
    }
}

static void append_preview(troupe_buffer *buffer, const json_t *preview, int depth)
{
    const char *subtype = member(preview, "subtype");
    bool list = strcmp(subtype, "array") == 0 || strcmp(subtype, "typedarray") == 0;
    bool entries = json_array_size(json_object_get(preview, "entries")) > 0;
    append_preview_head(buffer, preview, list);
    append_text(buffer, list ? "[" : "{");
    if (entries) {
        (void)append_entries(buffer, json_object_get(preview, "entries"), depth);
    } else {
        append_properties(buffer, preview, !list);
    }
    append_text(buffer, list ? "]" : "}");
}

/* Objects whose description says more than their properties. */
static bool described(const json_t *object)
{
    static const char *const subtypes[] = {"error", "node",    "regexp", "date",
                                           "proxy", "promise", "null"};
    for (size_t i = 0; i < sizeof subtypes / sizeof subtypes[0]; i++) {
        if (is_text(object, "subtype", subtypes[i])) {
            return true;
        }
    }
    return false;
}

static void append_remote(troupe_buffer *buffer, const json_t *object)
{
    if (!json_is_object(object) || append_primitive(buffer, object)) {
        return;
    }
    const json_t *preview = json_object_get(object, "preview");
    const json_t *description = json_object_get(object, "description");
    if (json_is_object(preview) && !described(object)) {
        append_preview(buffer, preview, 0);
    } else if (json_is_string(description)) {
        append_json_string(buffer, description);
    } else {
        append_text(buffer, member(object, "type"));
    }
}

/* %d and %i show the integer part, %f the number; anything else shows NaN. */
static void append_numeric(troupe_buffer *buffer, const json_t *object, bool integer)
{
    const json_t *value = json_object_get(object, "value");
    if (!json_is_number(value)) {
        append_text(buffer, "NaN");
    } else if (integer && json_is_real(value)) {
        (void)troupe_buffer_printf(buffer, "%.0f", json_real_value(value));
    } else {
        append_remote(buffer, object);
    }
}

/* Apply the specifier; returns false if it is none and takes no argument. */
static bool append_specified(troupe_buffer *buffer, char specifier, const json_t *object)
{
    switch (specifier) {
    case 's':
    case 'o':
    case 'O':
        append_remote(buffer, object);
        return true;
    case 'd':
    case 'i':
        append_numeric(buffer, object, true);
        return true;
    case 'f':
        append_numeric(buffer, object, false);
        return true;
    case 'c': /* a style */
        return true;
    default:
        return false;
    }
}

/* The leading string with its specifiers filled in; returns how many arguments were used. */
static size_t append_format(troupe_buffer *buffer, const json_t *args)
{
    const json_t *format = json_object_get(json_array_get(args, 0), "value");
    const char *text = json_string_value(format);
    size_t len = json_string_length(format);
    size_t used = 1;
    size_t plain = 0;
    for (size_t at = 0; at + 1 < len; at++) {
        if (text[at] != '%') {
            continue;
        }
        bool escaped = text[at + 1] == '%';
        if (!escaped &&
            (used >= json_array_size(args) || strchr("sdifoOc", text[at + 1]) == NULL)) {
            continue;
        }
        append(buffer, text + plain, at - plain + (escaped ? 1 : 0));
        if (!escaped && append_specified(buffer, text[at + 1], json_array_get(args, used))) {
            used++;
        }
        at++;
        plain = at + 1;
    }
    append(buffer, text + plain, len - plain);
    return used;
}

/* Cut at a whole character. */
static void cut(troupe_buffer *buffer, size_t from)
{
    if (buffer->len - from <= CONSOLE_TEXT_MAX) {
        return;
    }
    buffer->len = from + CONSOLE_TEXT_MAX;
    while (buffer->len > from && (buffer->data[buffer->len] & 0xC0) == 0x80) {
        buffer->len--;
    }
    (void)troupe_buffer_append(buffer, ELLIPSIS, 3);
}

bool console_args_append(troupe_buffer *buffer, const char *json, size_t len)
{
    json_t *args = len > 0 ? json_text(json, len) : NULL;
    if (!json_is_array(args)) {
        json_decref(args);
        return false;
    }
    size_t from = buffer->len;
    size_t count = json_array_size(args);
    size_t at = 0;
    if (count > 0 && json_is_string(json_object_get(json_array_get(args, 0), "value"))) {
        at = append_format(buffer, args);
    }
    for (; at < count; at++) {
        append_text(buffer, at > 0 ? " " : "");
        append_remote(buffer, json_array_get(args, at));
    }
    cut(buffer, from);
    json_decref(args);
    return true;
}

bool console_exception_append(troupe_buffer *buffer, const char *json, size_t len)
{
    json_t *details = len > 0 ? json_text(json, len) : NULL;
    if (!json_is_object(details)) {
        json_decref(details);
        return false;
    }
    size_t from = buffer->len;
    const json_t *exception = json_object_get(details, "exception");
    append_text(buffer, member(details, "text"));
    if (json_is_object(exception)) {
        append_text(buffer, buffer->len > from ? " " : "");
        append_remote(buffer, exception);
    }
    cut(buffer, from);
    json_decref(details);
    return true;
}
