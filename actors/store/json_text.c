/* SPDX-License-Identifier: MIT */
/* JSON text of pages, decoded and made safe. */
#include "json_text.h"

#include <string.h>

#define REPLACEMENT "\xEF\xBF\xBD" /* U+FFFD */

static size_t skip_space(const char *text, size_t at, size_t len)
{
    while (at < len &&
           (text[at] == ' ' || text[at] == '\t' || text[at] == '\n' || text[at] == '\r')) {
        at++;
    }
    return at;
}

static void keep_field(json_field *fields, size_t count, const char *key, size_t key_len,
                       json_span value)
{
    for (size_t i = 0; i < count; i++) {
        if (fields[i].value.data == NULL && strlen(fields[i].key) == key_len &&
            memcmp(fields[i].key, key, key_len) == 0) {
            fields[i].value = value;
            return;
        }
    }
}

void json_fields(json_span object, json_field *fields, size_t count)
{
    const char *text = object.data;
    size_t len = object.len;
    for (size_t i = 0; i < count; i++) {
        fields[i].value = (json_span){NULL, 0};
    }
    size_t at = text != NULL ? skip_space(text, 0, len) : 0;
    if (text == NULL || at >= len || text[at] != '{') {
        return;
    }
    for (;;) {
        at = skip_space(text, at + 1, len);
        if (at >= len || text[at] != '"') {
            return;
        }
        size_t key = at;
        size_t key_len = json_skip(text + at, len - at);
        at = skip_space(text, at + key_len, len);
        if (key_len < 2 || at >= len || text[at] != ':') {
            return;
        }
        at = skip_space(text, at + 1, len);
        size_t value_len = at < len ? json_skip(text + at, len - at) : 0;
        if (value_len == 0) {
            return;
        }
        keep_field(fields, count, text + key + 1, key_len - 2, (json_span){text + at, value_len});
        at = skip_space(text, at + value_len, len);
        if (at >= len || text[at] != ',') {
            return;
        }
    }
}

bool json_is_text(json_span span)
{
    return span.data != NULL && span.len >= 2 && span.data[0] == '"' &&
           span.data[span.len - 1] == '"';
}

bool json_is_map(json_span span)
{
    return span.data != NULL && span.len >= 2 && span.data[0] == '{';
}

bool json_is_list(json_span span)
{
    return span.data != NULL && span.len >= 2 && span.data[0] == '[';
}

static bool continuation(const char *text, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++) {
        if (((unsigned char)text[i] & 0xC0) != 0x80) {
            return false;
        }
    }
    return true;
}

size_t utf8_length(const char *text, size_t len)
{
    unsigned char first = (unsigned char)text[0];
    unsigned char second = len > 1 ? (unsigned char)text[1] : 0;
    if (first < 0x80) {
        return 1;
    }
    size_t need = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
    bool bad = first < 0xC2 || first > 0xF4 || need > len || !continuation(text, 1, need) ||
               (first == 0xE0 && second < 0xA0) || (first == 0xED && second > 0x9F) ||
               (first == 0xF0 && second < 0x90) || (first == 0xF4 && second > 0x8F);
    return bad ? 0 : need;
}

static int hex_digit(char digit)
{
    if (digit >= '0' && digit <= '9') {
        return digit - '0';
    }
    char lower = (char)(digit | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/* The code unit of \uXXXX at text; -1 if there is none. */
static int32_t escape_unit(const char *text, size_t len)
{
    if (len < 6 || text[0] != '\\' || text[1] != 'u') {
        return -1;
    }
    int32_t unit = 0;
    for (size_t i = 2; i < 6; i++) {
        int digit = hex_digit(text[i]);
        if (digit < 0) {
            return -1;
        }
        unit = unit * 16 + digit;
    }
    return unit;
}

/* The code point of the \u escape (or pair of them) at text, and its length; U+FFFD for a lone
 * surrogate, NUL and a malformed escape. */
static uint32_t escape_point(const char *text, size_t len, size_t *used)
{
    int32_t unit = escape_unit(text, len);
    *used = unit >= 0 ? 6 : 2;
    if (unit >= 0xD800 && unit <= 0xDBFF) {
        int32_t low = escape_unit(text + 6, len - 6);
        if (low >= 0xDC00 && low <= 0xDFFF) {
            *used = 12;
            return 0x10000u + (((uint32_t)unit - 0xD800u) << 10) + ((uint32_t)low - 0xDC00u);
        }
    }
    bool usable = unit > 0 && (unit < 0xD800 || unit > 0xDFFF);
    return usable ? (uint32_t)unit : 0xFFFDu;
}

static void append_point(troupe_buffer *buffer, uint32_t point)
{
    char bytes[4];
    size_t len;
    if (point < 0x80) {
        bytes[0] = (char)point;
        len = 1;
    } else if (point < 0x800) {
        bytes[0] = (char)(0xC0 | (point >> 6));
        len = 2;
    } else if (point < 0x10000) {
        bytes[0] = (char)(0xE0 | (point >> 12));
        len = 3;
    } else {
        bytes[0] = (char)(0xF0 | (point >> 18));
        len = 4;
    }
    for (size_t i = 1; i < len; i++) {
        bytes[i] = (char)(0x80 | ((point >> (6 * (len - 1 - i))) & 0x3F));
    }
    (void)troupe_buffer_append(buffer, bytes, len);
}

/* Decode the escape at text; returns how many characters it took. */
static size_t append_escape(troupe_buffer *buffer, const char *text, size_t len)
{
    static const char names[] = "\"\\/bfnrt";
    static const char values[] = "\"\\/\b\f\n\r\t";
    if (len >= 2 && text[1] == 'u') {
        size_t used;
        append_point(buffer, escape_point(text, len, &used));
        return used;
    }
    const char *name = len >= 2 && text[1] != '\0' ? strchr(names, text[1]) : NULL;
    if (name == NULL) {
        (void)troupe_buffer_append(buffer, REPLACEMENT, 3);
        return len >= 2 ? 2 : 1;
    }
    (void)troupe_buffer_append(buffer, values + (name - names), 1);
    return 2;
}

/* Length of the run at text that needs no work: valid UTF-8, no NUL, none of the two characters. */
static size_t clean_run(const char *text, size_t len, char stop, char stop2)
{
    size_t at = 0;
    while (at < len && text[at] != stop && text[at] != stop2 && text[at] != '\0') {
        size_t step = utf8_length(text + at, len - at);
        if (step == 0) {
            break;
        }
        at += step;
    }
    return at;
}

/* Copies what is clean as it is, each escape by `escape` (which returns how many characters it
 * took), and a replacement for each byte that is no UTF-8. */
static void append_runs(troupe_buffer *buffer, const char *text, size_t len,
                        size_t (*escape)(troupe_buffer *buffer, const char *text, size_t len))
{
    size_t at = 0;
    while (at < len) {
        size_t run = clean_run(text + at, len - at, '\\', '\\');
        (void)troupe_buffer_append(buffer, text + at, run);
        at += run;
        if (at < len && text[at] == '\\') {
            at += escape(buffer, text + at, len - at);
        } else if (at < len) {
            (void)troupe_buffer_append(buffer, REPLACEMENT, 3);
            at++;
        }
    }
}

bool json_text_append(troupe_buffer *buffer, json_span span)
{
    if (!json_is_text(span)) {
        return false;
    }
    append_runs(buffer, span.data + 1, span.len - 2, append_escape);
    return true;
}

/* Copy the escape at text, unless it is a lone surrogate; returns how many characters it took. */
static size_t clean_escape(troupe_buffer *buffer, const char *text, size_t len)
{
    size_t used = len >= 2 ? 2 : 1;
    int32_t unit = escape_unit(text, len);
    if (unit >= 0xD800 && unit <= 0xDFFF) {
        uint32_t point = escape_point(text, len, &used);
        if (point == 0xFFFD) {
            (void)troupe_buffer_append(buffer, "\\ufffd", 6);
            return used;
        }
    }
    (void)troupe_buffer_append(buffer, text, used);
    return used;
}

void json_clean_append(troupe_buffer *buffer, const char *text, size_t len)
{
    append_runs(buffer, text, len, clean_escape);
}

static void quote_character(troupe_buffer *buffer, char character)
{
    unsigned char byte = (unsigned char)character;
    if (character == '"' || character == '\\') {
        char pair[2] = {'\\', character};
        (void)troupe_buffer_append(buffer, pair, 2);
    } else if (character == '\n') {
        (void)troupe_buffer_append(buffer, "\\n", 2);
    } else if (byte < 0x20) {
        (void)troupe_buffer_printf(buffer, "\\u%04x", byte);
    } else {
        (void)troupe_buffer_append(buffer, REPLACEMENT, 3);
    }
}

void json_quote_append(troupe_buffer *buffer, const char *text, size_t len)
{
    (void)troupe_buffer_append(buffer, "\"", 1);
    size_t at = 0;
    while (at < len) {
        size_t run = 0;
        while (at + run < len && (unsigned char)text[at + run] >= 0x20 && text[at + run] != '"' &&
               text[at + run] != '\\') {
            size_t step = utf8_length(text + at + run, len - at - run);
            if (step == 0) {
                break;
            }
            run += step;
        }
        (void)troupe_buffer_append(buffer, text + at, run);
        at += run;
        if (at < len) {
            quote_character(buffer, text[at]);
            at++;
        }
    }
    (void)troupe_buffer_append(buffer, "\"", 1);
}
