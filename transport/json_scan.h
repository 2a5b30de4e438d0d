/* SPDX-License-Identifier: MIT */
/** Finds the spans of members in JSON text without building a document. One pass, no allocation. */
#ifndef TROUPE_TRANSPORT_JSON_SCAN_H
#define TROUPE_TRANSPORT_JSON_SCAN_H

#include "troupe/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** A span of the scanned text; data NULL if absent. For strings: with the quotes. */
typedef struct json_span {
    const char *data;
    size_t len;
} json_span;

/**
 * Check that `text` is one JSON value (RFC 8259 grammar, depth at most 512) and nothing else.
 * @return TROUPE_OK; TROUPE_EPARSE, with *at (NULL allowed) the offset of the first wrong byte
 */
troupe_error json_check(const char *text, size_t len, size_t *at) TROUPE_MUST_USE;

/** How far the JSON value at the start of `text` reaches (white space before it counted); structure
 * is followed (strings, brackets), the grammar inside is not checked, so that whatever json_check
 * accepts is skipped exactly, and more. 0 if it does not end. */
size_t json_skip(const char *text, size_t len);

typedef enum json_members_state {
    JSON_MEMBERS_FIRST,
    JSON_MEMBERS_NEXT,
    JSON_MEMBERS_DONE,   /* the closing bracket was met */
    JSON_MEMBERS_BROKEN, /* no object, or cut off */
} json_members_state;

/** A walk over the members of one object, in their order. Fields are private. */
typedef struct json_members {
    const char *at;
    const char *end;
    json_members_state state;
} json_members;

/** Begin at the object `text`, which is borrowed for the walk. False if it is no object. */
bool json_members_open(json_members *members, const char *text, size_t len);

/** The next member: its key as it stands, without the quotes, and its value. False at the end of
 * the object or where the text is broken (json_members_complete tells). */
bool json_members_next(json_members *members, json_span *key, json_span *value);

/** After the walk: whether the object was closed and only white space stands behind it. */
bool json_members_complete(const json_members *members);

/**
 * The value of member `key` of the object `text` (first level only; `key` without escapes). Where a
 * key stands twice, the first counts.
 * @return true and the span; false if `text` is no object or has no such member
 */
bool json_member(const char *text, size_t len, const char *key, json_span *out);

/** As json_member for a path of keys "request.url". */
bool json_path(const char *text, size_t len, const char *path, json_span *out);

/** A span that is a string: its raw characters without the quotes, if it contains no escape. */
bool json_plain_string(json_span span, const char **out, size_t *len);
/** A span that is a number, as integer (fractions and exponents refused). */
bool json_span_integer(json_span span, int64_t *out);
/** A span that is a number. */
bool json_span_number(json_span span, double *out);
/** A span that is true or false. */
bool json_span_boolean(json_span span, bool *out);

#endif
