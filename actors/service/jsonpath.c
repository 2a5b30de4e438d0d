/* SPDX-License-Identifier: MIT */
/* A part of RFC 9535. A path is followed a segment at a time: from the values found so far to the
 * next ones. */
#include "jsonpath.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define FOUND_MAX     100000
#define NAME_MAX      1024
#define SELECTORS_MAX 64 /* in one pair of brackets */

typedef struct selector {
    enum { SELECT_NAME, SELECT_INDEX, SELECT_SLICE, SELECT_ALL } kind;
    char name[NAME_MAX];
    size_t name_len;
    long long from, to;
    bool has_from, has_to;
} selector;

typedef struct follower {
    const char *path;
    const char *at;
    jsonpath_values found;
    jsonpath_values next; /* being made */
    selector *selectors;  /* SELECTORS_MAX */
    size_t selector_count;
    bool several; /* the path may name more than one */
    troupe_error failure;
    troupe_reason *reason;
} follower;

static troupe_error wrong(const follower *f, const char *what)
{
    return troupe_fail(f->reason, TROUPE_EPARAMS, "path, character %zu: %s",
                       (size_t)(f->at - f->path) + 1, what);
}

void jsonpath_values_fini(jsonpath_values *values)
{
    free(values->items);
    *values = (jsonpath_values){0};
}

static bool add(jsonpath_values *values, json_span value)
{
    if (values->count == values->room) {
        size_t room = values->room == 0 ? 16 : 2 * values->room;
        json_span *items = realloc(values->items, room * sizeof *items);
        if (items == NULL) {
            return false;
        }
        values->items = items;
        values->room = room;
    }
    values->items[values->count++] = value;
    return true;
}

static void take(follower *f, json_span value)
{
    if (f->failure != TROUPE_OK) {
        return;
    }
    if (f->next.count >= FOUND_MAX) {
        f->failure = troupe_fail(f->reason, TROUPE_ELIMIT, "path: more than %d values", FOUND_MAX);
    } else if (!add(&f->next, value)) {
        f->failure = TROUPE_ENOMEM;
    }
}

/* Children ---------------------------------------------------------------------------------- */

static bool is_blank(char letter)
{
    return letter == ' ' || letter == '\t' || letter == '\r' || letter == '\n';
}

static json_span trimmed(json_span span)
{
    while (span.len > 0 && is_blank(*span.data)) {
        span.data++;
        span.len--;
    }
    while (span.len > 0 && is_blank(span.data[span.len - 1])) {
        span.len--;
    }
    return span;
}

/* The next value of a list; at: behind the bracket or the comma before it. */
static bool next_item(json_span list, size_t *at, json_span *out)
{
    while (is_blank(list.data[*at])) {
        (*at)++;
    }
    if (list.data[*at] == ']') {
        return false;
    }
    size_t len = json_skip(list.data + *at, list.len - *at);
    *out = trimmed((json_span){list.data + *at, len});
    *at += len;
    while (list.data[*at] != ',' && list.data[*at] != ']') {
        (*at)++;
    }
    *at += list.data[*at] == ',';
    return true;
}

static bool is_list(json_span value)
{
    return value.len > 0 && *value.data == '[';
}

static long long list_size(json_span list)
{
    long long count = 0;
    size_t at = 1;
    json_span item;
    while (is_list(list) && next_item(list, &at, &item)) {
        count++;
    }
    return count;
}

/* Call for each child, in the document's order. */
static void each_child(follower *f, json_span value, void (*fn)(follower *f, json_span child))
{
    json_members members;
    json_span key;
    json_span child;
    size_t at = 1;
    if (json_members_open(&members, value.data, value.len)) {
        while (f->failure == TROUPE_OK && json_members_next(&members, &key, &child)) {
            fn(f, trimmed(child));
        }
    }
    while (is_list(value) && f->failure == TROUPE_OK && next_item(value, &at, &child)) {
        fn(f, child);
    }
}

/* Those from `begin` on, before `end`. */
static void take_range(follower *f, json_span list, long long begin, long long end)
{
    size_t at = 1;
    json_span item;
    for (long long i = 0; i < end && is_list(list) && next_item(list, &at, &item); i++) {
        if (i >= begin) {
            take(f, item);
        }
    }
}

static void take_index(follower *f, json_span list, long long index)
{
    index = index < 0 ? list_size(list) + index : index;
    if (index >= 0) {
        take_range(f, list, index, index + 1);
    }
}

static void take_slice(follower *f, json_span list, const selector *one)
{
    long long size = list_size(list);
    long long begin = one->has_from ? one->from : 0;
    long long end = one->has_to ? one->to : size;
    begin = begin < 0 ? size + begin : begin;
    end = end < 0 ? size + end : end;
    take_range(f, list, begin < 0 ? 0 : begin, end);
}

/* Whether a key, as it stands in the text, is that name. */
static bool is_named(json_span key, const selector *one)
{
    if (memchr(key.data, '\\', key.len) == NULL) {
        return key.len == one->name_len && memcmp(key.data, one->name, key.len) == 0;
    }
    json_t *text = json_loadb(key.data - 1, key.len + 2, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    bool same = json_string_length(text) == one->name_len &&
                memcmp(json_string_value(text), one->name, one->name_len) == 0;
    json_decref(text);
    return same;
}

static void take_member(follower *f, json_span object, const selector *one)
{
    json_members members;
    json_span key;
    json_span value;
    json_span found = {NULL, 0};
    bool open = json_members_open(&members, object.data, object.len);
    while (open && json_members_next(&members, &key, &value)) {
        found = is_named(key, one) ? value : found;
    }
    if (found.data != NULL) {
        take(f, trimmed(found));
    }
}

/* Selectors --------------------------------------------------------------------------------- */

static void apply(follower *f, json_span value)
{
    for (size_t i = 0; i < f->selector_count; i++) {
        const selector *one = &f->selectors[i];
        switch (one->kind) {
        case SELECT_NAME:
            take_member(f, value, one);
            break;
        case SELECT_INDEX:
            take_index(f, value, one->from);
            break;
        case SELECT_SLICE:
            take_slice(f, value, one);
            break;
        case SELECT_ALL:
            each_child(f, value, take);
            break;
        }
    }
}

/* The value and all that is below it. */
static void apply_below(follower *f, json_span value)
{
    apply(f, value);
    each_child(f, value, apply_below);
}

static bool is_name_letter(char letter)
{
    unsigned char byte = (unsigned char)letter;
    return byte >= 0x80 || byte == '_' || byte == '-' || (byte >= '0' && byte <= '9') ||
           (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');
}

static troupe_error read_name(follower *f, selector *out)
{
    size_t len = 0;
    while (is_name_letter(f->at[len])) {
        len++;
    }
    if (len == 0 || len >= NAME_MAX) {
        return wrong(f, len == 0 ? "a name or * is needed" : "the name is too long");
    }
    out->kind = SELECT_NAME;
    memcpy(out->name, f->at, len);
    out->name_len = len;
    f->at += len;
    return TROUPE_OK;
}

/* 'name' or "name"; \ takes the next character as it is. */
static troupe_error read_quoted(follower *f, selector *out)
{
    size_t len = 0;
    const char *begin = f->at;
    char quote = *f->at++;
    while (*f->at != quote) {
        f->at += *f->at == '\\' && f->at[1] != '\0';
        if (*f->at == '\0' || len + 1 >= NAME_MAX) {
            f->at = begin;
            return wrong(f, "the name in quotes does not end");
        }
        out->name[len++] = *f->at++;
    }
    f->at++;
    out->kind = SELECT_NAME;
    out->name_len = len;
    return TROUPE_OK;
}

static bool read_number(follower *f, long long *out)
{
    char *end;
    const char *begin = f->at;
    if (*begin != '-' && (*begin < '0' || *begin > '9')) {
        return false;
    }
    *out = strtoll(begin, &end, 10);
    f->at = end;
    return end > begin && *out > -1000000000000 && *out < 1000000000000;
}

static troupe_error read_position(follower *f, selector *out)
{
    out->kind = SELECT_INDEX;
    out->has_from = read_number(f, &out->from);
    if (*f->at == ':') {
        f->at++;
        out->kind = SELECT_SLICE;
        out->has_to = read_number(f, &out->to);
        f->several = true;
    } else if (!out->has_from) {
        return wrong(f, "a number, a name in quotes, a slice or * is needed");
    }
    return TROUPE_OK;
}

static troupe_error read_all(follower *f, selector *out)
{
    f->at++;
    out->kind = SELECT_ALL;
    f->several = true;
    return TROUPE_OK;
}

static troupe_error read_in_brackets(follower *f, selector *out)
{
    return *f->at == '*'                     ? read_all(f, out)
           : *f->at == '\'' || *f->at == '"' ? read_quoted(f, out)
                                             : read_position(f, out);
}

static selector *new_selector(follower *f)
{
    selector *one = &f->selectors[f->selector_count++];
    one->has_from = one->has_to = false;
    return one;
}

/* a,b,…] behind the bracket. */
static troupe_error read_brackets(follower *f)
{
    for (;;) {
        troupe_error error = f->selector_count < SELECTORS_MAX
                                 ? read_in_brackets(f, new_selector(f))
                                 : wrong(f, "more than 64 selectors");
        if (error != TROUPE_OK) {
            return error;
        }
        if (*f->at == ']') {
            f->at++;
            return TROUPE_OK;
        }
        if (*f->at != ',') {
            return wrong(f, "] or , is needed");
        }
        f->at++;
        f->several = true;
    }
}

/* Segments ---------------------------------------------------------------------------------- */

static troupe_error read_segment(follower *f, bool *below)
{
    bool dot = *f->at == '.';
    if (!dot && *f->at != '[') {
        return wrong(f, ". or [ is needed");
    }
    f->selector_count = 0;
    f->at++;
    *below = dot && *f->at == '.';
    if (*below) {
        f->at++;
        f->several = true;
        dot = *f->at != '[';
        f->at += !dot;
    }
    return !dot            ? read_brackets(f)
           : *f->at == '*' ? read_all(f, new_selector(f))
                           : read_name(f, new_selector(f));
}

static troupe_error follow_segment(follower *f)
{
    bool below = false;
    troupe_error error = read_segment(f, &below);
    for (size_t i = 0; error == TROUPE_OK && i < f->found.count; i++) {
        if (below) {
            apply_below(f, f->found.items[i]);
        } else {
            apply(f, f->found.items[i]);
        }
        error = f->failure;
    }
    jsonpath_values_fini(&f->found);
    f->found = f->next;
    f->next = (jsonpath_values){0};
    return error;
}

static troupe_error follow(follower *f, json_span document)
{
    troupe_error error = *f->at == '$' ? TROUPE_OK : wrong(f, "it begins with $");
    f->at += *f->at == '$';
    if (f->selectors == NULL || !add(&f->found, trimmed(document))) {
        return TROUPE_ENOMEM;
    }
    while (error == TROUPE_OK && *f->at != '\0') {
        error = follow_segment(f);
    }
    return error == TROUPE_OK && !f->several && f->found.count == 0
               ? troupe_fail(f->reason, TROUPE_ENOTFOUND, "path: nothing is at %.200s", f->path)
               : error;
}

troupe_error jsonpath_find(json_span document, const char *path, jsonpath_values *out,
                           bool *several, troupe_reason *reason)
{
    follower f = {.path = path,
                  .at = path,
                  .selectors = calloc(SELECTORS_MAX, sizeof(selector)),
                  .reason = reason};
    troupe_error error = follow(&f, document);
    if (error == TROUPE_OK) {
        *out = f.found;
        *several = f.several;
    } else {
        jsonpath_values_fini(&f.found);
    }
    jsonpath_values_fini(&f.next);
    free(f.selectors);
    return error;
}
