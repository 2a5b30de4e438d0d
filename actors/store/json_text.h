/* SPDX-License-Identifier: MIT */
/**
 * JSON text as pages send it, made safe to keep: strings decoded to UTF-8, lone surrogates and
 * broken UTF-8 replaced, members of one object found in one pass. No document is built.
 */
#ifndef TROUPE_STORE_JSON_TEXT_H
#define TROUPE_STORE_JSON_TEXT_H

#include "transport/json_scan.h"
#include "troupe/pack.h"

/** One wanted member: its key (no escapes) and, after json_fields, its value (data NULL if absent).
 */
typedef struct json_field {
    const char *key;
    json_span value;
} json_field;

/** Find the values of all wanted members of one object in one pass; the first of equal keys counts.
 * An object that is malformed, or no object, yields what was found before it broke. */
void json_fields(json_span object, json_field *fields, size_t count);

/** Whether the span is a string / an object / an array. */
bool json_is_text(json_span span);
bool json_is_map(json_span span);
bool json_is_list(json_span span);

/**
 * Append the decoded text of a string span, as valid UTF-8: lone surrogates, NUL and broken bytes
 * become U+FFFD. Returns false (nothing appended) if the span is no string.
 */
bool json_text_append(troupe_buffer *buffer, json_span span);

/** Append JSON text with lone surrogate escapes and broken UTF-8 replaced, so that strict parsers
 * take it. The grammar is left as it is. */
void json_clean_append(troupe_buffer *buffer, const char *text, size_t len);

/** Append text as a JSON string, quoted; broken UTF-8 becomes U+FFFD. */
void json_quote_append(troupe_buffer *buffer, const char *text, size_t len);

/** Length of the valid UTF-8 character at `text` (1 to 4); 0 if it is broken. */
size_t utf8_length(const char *text, size_t len);

#endif
