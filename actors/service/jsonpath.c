/* SPDX-License-Identifier: MIT */
/* A part of RFC 9535. A path is followed a segment at a time: from the list of values found so far
 * to the next one. */
#include "jsonpath.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define FOUND_MAX 100000
#define NAME_MAX  1024

typedef struct follower {
    const char *path;
    const char *at;
    json_t *found; /* list */
    json_t *next;  /* the one being made */
    bool several;  /* the path may name more than one */
    bool too_many;
    troupe_reason *reason;
} follower;

static troupe_error wrong(const follower *f, const char *what)
{
    return troupe_fail(f->reason, TROUPE_EPARAMS, "path, character %zu: %s",
                       (size_t)(f->at - f->path) + 1, what);
}

static void take(follower *f, json_t *value)
{
    if (value == NULL) {
        return;
    }
    if (json_array_size(f->next) >= FOUND_MAX) {
        f->too_many = true;
        return;
    }
    json_array_append(f->next, value);
}

static void take_children(follower *f, json_t *value)
{
    size_t i;
    const char *name;
    json_t *child;
    json_array_foreach(value, i, child)
    {
        take(f, child);
    }
    json_object_foreach(value, name, child)
    {
        take(f, child);
    }
}

static void take_index(follower *f, json_t *value, long long index)
{
    long long size = (long long)json_array_size(value);
    index = index < 0 ? size + index : index;
    if (index >= 0 && index < size) {
        take(f, json_array_get(value, (size_t)index));
    }
}

static void take_slice(follower *f, json_t *value, const long long *from, const long long *to)
{
    long long size = (long long)json_array_size(value);
    long long begin = from != NULL ? *from : 0;
    long long end = to != NULL ? *to : size;
    begin = begin < 0 ? size + begin : begin;
    end = end < 0 ? size + end : end;
    begin = begin < 0 ? 0 : begin;
    end = end > size ? size : end;
    for (long long i = begin; i < end; i++) {
        take(f, json_array_get(value, (size_t)i));
    }
}

/* Selectors --------------------------------------------------------------------------------- */

typedef struct selector {
    enum { SELECT_NAME, SELECT_INDEX, SELECT_SLICE, SELECT_ALL } kind;
    char name[NAME_MAX];
    long long from, to;
    bool has_from, has_to;
} selector;

static void apply(follower *f, const selector *one, json_t *value)
{
    switch (one->kind) {
    case SELECT_NAME:
        take(f, json_object_get(value, one->name));
        break;
    case SELECT_INDEX:
        take_index(f, value, one->from);
        break;
    case SELECT_SLICE:
        take_slice(f, value, one->has_from ? &one->from : NULL, one->has_to ? &one->to : NULL);
        break;
    case SELECT_ALL:
        take_children(f, value);
        break;
    }
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
    out->name[len] = '\0';
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
    out->name[len] = '\0';
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

static troupe_error read_in_brackets(follower *f, selector *out)
{
    *out = (selector){0};
    if (*f->at == '*') {
        f->at++;
        out->kind = SELECT_ALL;
        f->several = true;
        return TROUPE_OK;
    }
    return *f->at == '\'' || *f->at == '"' ? read_quoted(f, out) : read_position(f, out);
}

/* Segments ---------------------------------------------------------------------------------- */

static void apply_to_all(follower *f, const selector *one)
{
    size_t i;
    json_t *value;
    json_array_foreach(f->found, i, value)
    {
        apply(f, one, value);
    }
}

/* [a,b,…] behind the bracket. */
static troupe_error follow_brackets(follower *f)
{
    selector one;
    for (;;) {
        troupe_error error = read_in_brackets(f, &one);
        if (error != TROUPE_OK) {
            return error;
        }
        apply_to_all(f, &one);
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

static troupe_error follow_name(follower *f)
{
    selector one = {.kind = SELECT_ALL};
    if (*f->at == '*') {
        f->at++;
        f->several = true;
    } else {
        troupe_error error = read_name(f, &one);
        if (error != TROUPE_OK) {
            return error;
        }
    }
    apply_to_all(f, &one);
    return TROUPE_OK;
}

static void collect(follower *f, json_t *value)
{
    size_t i;
    const char *name;
    json_t *child;
    take(f, value);
    json_array_foreach(value, i, child)
    {
        collect(f, child);
    }
    json_object_foreach(value, name, child)
    {
        collect(f, child);
    }
}

static void step_on(follower *f)
{
    json_decref(f->found);
    f->found = f->next;
    f->next = json_array();
}

/* Behind "..": all values, themselves and below. */
static void descend(follower *f)
{
    size_t i;
    json_t *value;
    json_array_foreach(f->found, i, value)
    {
        collect(f, value);
    }
    step_on(f);
    f->several = true;
}

static troupe_error follow_segment(follower *f)
{
    bool dot = *f->at == '.';
    if (!dot && *f->at != '[') {
        return wrong(f, ". or [ is needed");
    }
    f->at++;
    if (dot && *f->at == '.') {
        f->at++;
        descend(f);
        dot = *f->at != '[';
        f->at += *f->at == '[';
    }
    troupe_error error = dot ? follow_name(f) : follow_brackets(f);
    step_on(f);
    return error;
}

static troupe_error answer(const follower *f, json_t **out)
{
    if (f->several) {
        *out = json_incref(f->found);
        return TROUPE_OK;
    }
    json_t *value = json_array_get(f->found, 0);
    if (value == NULL) {
        return troupe_fail(f->reason, TROUPE_ENOTFOUND, "path: nothing is at %.200s", f->path);
    }
    *out = json_incref(value);
    return TROUPE_OK;
}

troupe_error jsonpath_find(json_t *document, const char *path, json_t **out, troupe_reason *reason)
{
    follower f = {
        .path = path, .at = path, .found = json_array(), .next = json_array(), .reason = reason};
    json_array_append(f.found, document);
    troupe_error error = *f.at == '$' ? TROUPE_OK : wrong(&f, "it begins with $");
    f.at += *f.at == '$';
    while (error == TROUPE_OK && *f.at != '\0' && !f.too_many) {
        error = follow_segment(&f);
    }
    if (error == TROUPE_OK && f.too_many) {
        error = troupe_fail(reason, TROUPE_ELIMIT, "path: more than %d values", FOUND_MAX);
    }
    if (error == TROUPE_OK) {
        error = answer(&f, out);
    }
    json_decref(f.found);
    json_decref(f.next);
    return error;
}
