/* SPDX-License-Identifier: MIT */
/* Spans of members in JSON text. Two machines: a skipper that follows strings and brackets only
 * (the hot path; SSE2 where there is, 8 bytes a step elsewhere), and a checker of the whole
 * grammar. */
#include "json_scan.h"

#include <locale.h>
#include <stdlib.h>
#include <string.h>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#define CHECK_DEPTH_MAX 512
#define NUMBER_MAX      64

/* --- finding bytes -------------------------------------------------------------------------- */

#if defined(__SSE2__)

#define BLOCK 16

/** Bit i is set where block[i] is a quote or a backslash. */
static inline unsigned quote_bits(const char *block)
{
    __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)block);
    __m128i quote = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('"'));
    __m128i slash = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\'));
    return (unsigned)_mm_movemask_epi8(_mm_or_si128(quote, slash));
}

/** Bit i is set where block[i] is a quote or a bracket; 0x20 folds [ into { and ] into }. */
static inline unsigned structure_bits(const char *block)
{
    __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)block);
    __m128i folded = _mm_or_si128(bytes, _mm_set1_epi8(0x20));
    __m128i quote = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('"'));
    __m128i open = _mm_cmpeq_epi8(folded, _mm_set1_epi8('{'));
    __m128i close = _mm_cmpeq_epi8(folded, _mm_set1_epi8('}'));
    return (unsigned)_mm_movemask_epi8(_mm_or_si128(quote, _mm_or_si128(open, close)));
}

static inline unsigned first_bit(unsigned bits)
{
    return (unsigned)__builtin_ctz(bits);
}

#else

#define BLOCK 8

#define EACH_BYTE(byte) ((uint64_t)0x0101010101010101 * (byte))

static inline uint64_t load_block(const char *block)
{
    uint64_t bytes;
    memcpy(&bytes, block, sizeof(bytes));
    return bytes;
}

/** Not 0 if one of the eight is 0; which one is left to the caller. */
static inline uint64_t any_zero(uint64_t bytes)
{
    return (bytes - EACH_BYTE(0x01)) & ~bytes & EACH_BYTE(0x80);
}

static inline bool block_has_quote(const char *block)
{
    uint64_t bytes = load_block(block);
    return (any_zero(bytes ^ EACH_BYTE('"')) | any_zero(bytes ^ EACH_BYTE('\\'))) != 0;
}

static inline bool block_has_structure(const char *block)
{
    uint64_t bytes = load_block(block);
    uint64_t folded = bytes | EACH_BYTE(0x20);
    return (any_zero(bytes ^ EACH_BYTE('"')) | any_zero(folded ^ EACH_BYTE('{')) |
            any_zero(folded ^ EACH_BYTE('}'))) != 0;
}

#endif

/** The next quote or backslash in [p, end), or end. */
static inline const char *find_quote(const char *p, const char *end)
{
#if defined(__SSE2__)
    for (; end - p >= BLOCK; p += BLOCK) {
        unsigned bits = quote_bits(p);
        if (bits != 0) {
            return p + first_bit(bits);
        }
    }
#else
    while (end - p >= BLOCK && !block_has_quote(p)) {
        p += BLOCK;
    }
#endif
    while (p < end && *p != '"' && *p != '\\') {
        p++;
    }
    return p;
}

static inline bool is_structure(char c)
{
    return c == '"' || c == '{' || c == '}' || c == '[' || c == ']';
}

/** The next quote or bracket in [p, end), or end. */
static inline const char *find_structure(const char *p, const char *end)
{
#if defined(__SSE2__)
    for (; end - p >= BLOCK; p += BLOCK) {
        unsigned bits = structure_bits(p);
        if (bits != 0) {
            return p + first_bit(bits);
        }
    }
#else
    while (end - p >= BLOCK && !block_has_structure(p)) {
        p += BLOCK;
    }
#endif
    while (p < end && !is_structure(*p)) {
        p++;
    }
    return p;
}

static inline bool is_space(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static inline const char *skip_space(const char *p, const char *end)
{
    while (p < end && is_space(*p)) {
        p++;
    }
    return p;
}

/* --- skipping ------------------------------------------------------------------------------- */

#if defined(__SSE2__)

/** p is inside a string. True: *at is behind its closing quote. False: *at is where a block or less
 * is left, and no escape begins before it. */
static bool skip_string_blocks(const char *p, const char *end, const char **at)
{
    size_t step = BLOCK;
    for (; end - p > BLOCK; p += step) {
        unsigned bits = quote_bits(p);
        step = BLOCK;
        while (bits != 0) {
            unsigned i = first_bit(bits);
            if (p[i] == '"') {
                *at = p + i + 1;
                return true;
            }
            bits &= ~(3U << i); /* the backslash and what it escapes */
            step = i == BLOCK - 1 ? BLOCK + 1 : BLOCK;
        }
    }
    *at = p;
    return false;
}

#endif

/** p is at an opening quote; the result is behind the closing one, NULL if there is none. */
static const char *skip_string(const char *p, const char *end)
{
    p++;
#if defined(__SSE2__)
    if (skip_string_blocks(p, end, &p)) {
        return p;
    }
#endif
    while (p < end) {
        p = find_quote(p, end);
        if (p == end) {
            return NULL;
        }
        if (*p == '"') {
            return p + 1;
        }
        if (end - p < 2) {
            return NULL;
        }
        p += 2;
    }
    return NULL;
}

/** p is at an opening bracket; the result is behind its closing one, NULL if there is none. Kinds
 * of brackets are not told apart: where they differ from a parser's view the text is not JSON
 * anyway. */
static const char *skip_container(const char *p, const char *end)
{
    size_t depth = 0;
    for (;;) {
        p = find_structure(p, end);
        if (p == end) {
            return NULL;
        }
        if (*p == '"') {
            p = skip_string(p, end);
            if (p == NULL) {
                return NULL;
            }
        } else if (*p == '{' || *p == '[') {
            depth++;
            p++;
        } else {
            p++;
            if (--depth == 0) {
                return p;
            }
        }
    }
}

static inline bool is_word(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
           c == '+' || c == '.';
}

/** p is at a number or a literal, by its looks. */
static const char *skip_word(const char *p, const char *end)
{
    const char *start = p;
    while (p < end && is_word(*p)) {
        p++;
    }
    return p == start ? NULL : p;
}

/** p is at the first byte of a value; the result is behind it, NULL if it does not end. */
static inline const char *skip_value(const char *p, const char *end)
{
    if (p == end) {
        return NULL;
    }
    if (*p == '"') {
        return skip_string(p, end);
    }
    if (*p == '{' || *p == '[') {
        return skip_container(p, end);
    }
    return skip_word(p, end);
}

size_t json_skip(const char *text, size_t len)
{
    if (len == 0) {
        return 0;
    }
    const char *end = text + len;
    const char *behind = skip_value(skip_space(text, end), end);
    return behind == NULL ? 0 : (size_t)(behind - text);
}

/* --- members -------------------------------------------------------------------------------- */

bool json_members_open(json_members *members, const char *text, size_t len)
{
    members->at = NULL;
    members->end = NULL;
    members->state = JSON_MEMBERS_BROKEN;
    if (len == 0) {
        return false;
    }
    const char *end = text + len;
    const char *p = skip_space(text, end);
    if (p == end || *p != '{') {
        return false;
    }
    members->at = p + 1;
    members->end = end;
    members->state = JSON_MEMBERS_FIRST;
    return true;
}

static bool members_end(json_members *members, const char *at, json_members_state state)
{
    members->at = at;
    members->state = state;
    return false;
}

/** To the quote of the next key; NULL when the object ends or is broken (state says which). */
static const char *next_key(json_members *members)
{
    const char *p = skip_space(members->at, members->end);
    if (p < members->end && *p == '}') {
        (void)members_end(members, p + 1, JSON_MEMBERS_DONE);
        return NULL;
    }
    if (members->state == JSON_MEMBERS_NEXT && p < members->end) {
        p = *p == ',' ? skip_space(p + 1, members->end) : members->end;
    }
    if (p == members->end || *p != '"') {
        (void)members_end(members, p, JSON_MEMBERS_BROKEN);
        return NULL;
    }
    return p;
}

bool json_members_next(json_members *members, json_span *key, json_span *value)
{
    if (members->state != JSON_MEMBERS_FIRST && members->state != JSON_MEMBERS_NEXT) {
        return false;
    }
    const char *end = members->end;
    const char *name = next_key(members);
    if (name == NULL) {
        return false;
    }
    const char *behind = skip_string(name, end);
    const char *colon = behind == NULL ? end : skip_space(behind, end);
    if (colon == end || *colon != ':') {
        return members_end(members, name, JSON_MEMBERS_BROKEN);
    }
    const char *start = skip_space(colon + 1, end);
    const char *stop = skip_value(start, end);
    if (stop == NULL) {
        return members_end(members, start, JSON_MEMBERS_BROKEN);
    }
    key->data = name + 1;
    key->len = (size_t)(behind - name) - 2;
    value->data = start;
    value->len = (size_t)(stop - start);
    members->at = stop;
    members->state = JSON_MEMBERS_NEXT;
    return true;
}

bool json_members_complete(const json_members *members)
{
    return members->state == JSON_MEMBERS_DONE &&
           skip_space(members->at, members->end) == members->end;
}

static bool member_n(const char *text, size_t len, const char *key, size_t key_len, json_span *out)
{
    json_members members;
    json_span name;
    json_span value;
    if (!json_members_open(&members, text, len)) {
        return false;
    }
    while (json_members_next(&members, &name, &value)) {
        if (name.len == key_len && memcmp(name.data, key, key_len) == 0) {
            *out = value;
            return true;
        }
    }
    return false;
}

bool json_member(const char *text, size_t len, const char *key, json_span *out)
{
    return member_n(text, len, key, strlen(key), out);
}

bool json_path(const char *text, size_t len, const char *path, json_span *out)
{
    json_span here = {text, len};
    for (;;) {
        size_t step = strcspn(path, ".");
        if (!member_n(here.data, here.len, path, step, &here)) {
            return false;
        }
        if (path[step] == '\0') {
            *out = here;
            return true;
        }
        path += step + 1;
    }
}

/* --- values --------------------------------------------------------------------------------- */

bool json_plain_string(json_span span, const char **out, size_t *len)
{
    if (span.len < 2 || span.data[0] != '"' || span.data[span.len - 1] != '"') {
        return false;
    }
    const char *last = span.data + span.len - 1;
    if (find_quote(span.data + 1, last) != last) {
        return false;
    }
    *out = span.data + 1;
    *len = span.len - 2;
    return true;
}

bool json_span_integer(json_span span, int64_t *out)
{
    if (span.len == 0) {
        return false;
    }
    bool negative = span.data[0] == '-';
    size_t i = negative ? 1 : 0;
    if (i == span.len || (span.data[i] == '0' && span.len > i + 1)) {
        return false;
    }
    uint64_t limit = (uint64_t)INT64_MAX + (negative ? 1 : 0);
    uint64_t value = 0;
    for (; i < span.len; i++) {
        unsigned digit = (unsigned)(unsigned char)span.data[i] - '0';
        if (digit > 9 || value > (limit - digit) / 10) {
            return false;
        }
        value = value * 10 + digit;
    }
    *out = negative ? (int64_t)(0 - value) : (int64_t)value;
    return true;
}

bool json_span_boolean(json_span span, bool *out)
{
    if (span.len == 4 && memcmp(span.data, "true", 4) == 0) {
        *out = true;
        return true;
    }
    if (span.len == 5 && memcmp(span.data, "false", 5) == 0) {
        *out = false;
        return true;
    }
    return false;
}

/* --- the grammar ---------------------------------------------------------------------------- */

/* Each check_… takes the place where its thing starts and returns the place behind it; if something
 * is wrong, NULL, with the place of the first wrong byte in checker.wrong. */

typedef struct checker {
    const char *end;
    const char *wrong;
    size_t depth;
    uint64_t objects[CHECK_DEPTH_MAX / 64]; /* bit d: the container at depth d is an object */
} checker;

static const char *reject(checker *c, const char *at)
{
    c->wrong = at;
    return NULL;
}

static inline bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static const char *skip_digits(const char *p, const char *end)
{
    while (p < end && is_digit(*p)) {
        p++;
    }
    return p;
}

/** Behind the digits, of which there must be one at least. */
static const char *check_digits(checker *c, const char *p)
{
    const char *behind = skip_digits(p, c->end);
    return behind == p ? reject(c, p) : behind;
}

static const char *check_number(checker *c, const char *p)
{
    const char *end = c->end;
    if (p < end && *p == '-') {
        p++;
    }
    p = p < end && *p == '0' ? p + 1 : check_digits(c, p);
    if (p != NULL && p < end && *p == '.') {
        p = check_digits(c, p + 1);
    }
    if (p != NULL && p < end && (*p == 'e' || *p == 'E')) {
        p++;
        if (p < end && (*p == '+' || *p == '-')) {
            p++;
        }
        p = check_digits(c, p);
    }
    return p;
}

static const char *check_literal(checker *c, const char *p, const char *word)
{
    for (; *word != '\0'; word++, p++) {
        if (p == c->end || *p != *word) {
            return reject(c, p);
        }
    }
    return p;
}

static inline bool is_hex(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/** p is at a backslash. */
static const char *check_escape(checker *c, const char *p)
{
    p++;
    if (p == c->end) {
        return reject(c, p);
    }
    if (*p != 'u') {
        bool known = *p != '\0' && strchr("\"\\/bfnrt", *p) != NULL;
        return known ? p + 1 : reject(c, p);
    }
    for (int i = 0; i < 4; i++) {
        p++;
        if (p == c->end || !is_hex(*p)) {
            return reject(c, p);
        }
    }
    return p + 1;
}

/** p is at a byte above 0x7F: one UTF-8 sequence, by the table of RFC 3629. */
static const char *check_utf8(checker *c, const char *p)
{
    unsigned char lead = (unsigned char)*p;
    unsigned char low = 0x80;
    unsigned char high = 0xBF;
    int more;
    if (lead >= 0xC2 && lead <= 0xDF) {
        more = 1;
    } else if ((lead & 0xF0) == 0xE0) {
        more = 2;
        low = lead == 0xE0 ? 0xA0 : low;
        high = lead == 0xED ? 0x9F : high;
    } else if (lead >= 0xF0 && lead <= 0xF4) {
        more = 3;
        low = lead == 0xF0 ? 0x90 : low;
        high = lead == 0xF4 ? 0x8F : high;
    } else {
        return reject(c, p);
    }
    for (p++; more > 0; more--, p++) {
        if (p == c->end || (unsigned char)*p < low || (unsigned char)*p > high) {
            return reject(c, p);
        }
        low = 0x80;
        high = 0xBF;
    }
    return p;
}

static inline bool is_plain(char c)
{
    unsigned char byte = (unsigned char)c;
    return byte >= 0x20 && byte < 0x80 && byte != '"' && byte != '\\';
}

/** The next byte that is not plain ASCII of a string, or end. */
static inline const char *skip_plain(const char *p, const char *end)
{
#if defined(__SSE2__)
    for (; end - p >= BLOCK; p += BLOCK) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)p);
        __m128i control = _mm_cmplt_epi8(bytes, _mm_set1_epi8(0x20)); /* signed: 0x80 and up too */
        unsigned bits = quote_bits(p) | (unsigned)_mm_movemask_epi8(control);
        if (bits != 0) {
            return p + first_bit(bits);
        }
    }
#endif
    while (p < end && is_plain(*p)) {
        p++;
    }
    return p;
}

/** p is at an opening quote. */
static const char *check_string(checker *c, const char *p)
{
    p++;
    while (p != NULL) {
        p = skip_plain(p, c->end);
        if (p == c->end) {
            return reject(c, p);
        }
        if (*p == '"') {
            return p + 1;
        }
        if (*p == '\\') {
            p = check_escape(c, p);
        } else if ((unsigned char)*p >= 0x80) {
            p = check_utf8(c, p);
        } else {
            return reject(c, p);
        }
    }
    return NULL;
}

/** A key, its colon and the white space up to the value. */
static const char *check_key(checker *c, const char *p)
{
    if (p == c->end || *p != '"') {
        return reject(c, p);
    }
    p = check_string(c, p);
    if (p == NULL) {
        return NULL;
    }
    p = skip_space(p, c->end);
    if (p == c->end || *p != ':') {
        return reject(c, p);
    }
    return skip_space(p + 1, c->end);
}

static const char *check_scalar(checker *c, const char *p)
{
    switch (*p) {
    case '"':
        return check_string(c, p);
    case 't':
        return check_literal(c, p, "true");
    case 'f':
        return check_literal(c, p, "false");
    case 'n':
        return check_literal(c, p, "null");
    default:
        return check_number(c, p);
    }
}

static bool in_object(const checker *c)
{
    size_t d = c->depth - 1;
    return (c->objects[d / 64] >> (d % 64) & 1) != 0;
}

static void enter(checker *c, bool object)
{
    size_t d = c->depth++;
    uint64_t bit = (uint64_t)1 << (d % 64);
    c->objects[d / 64] = object ? c->objects[d / 64] | bit : c->objects[d / 64] & ~bit;
}

/** p is at an opening bracket: step in, to the first value. An empty container is stepped over, and
 * then *closed is set. */
static const char *check_open(checker *c, const char *p, bool *closed)
{
    bool object = *p == '{';
    if (c->depth == CHECK_DEPTH_MAX) {
        return reject(c, p);
    }
    p = skip_space(p + 1, c->end);
    if (p < c->end && *p == (object ? '}' : ']')) {
        *closed = true;
        return p + 1;
    }
    *closed = false;
    enter(c, object);
    return object ? check_key(c, p) : p;
}

/** p is behind a value: over closing brackets, to the next value or (depth 0) the end. */
static const char *check_after(checker *c, const char *p)
{
    while (c->depth > 0) {
        p = skip_space(p, c->end);
        if (p == c->end) {
            return reject(c, p);
        }
        if (*p == ',') {
            p = skip_space(p + 1, c->end);
            return in_object(c) ? check_key(c, p) : p;
        }
        if (*p != (in_object(c) ? '}' : ']')) {
            return reject(c, p);
        }
        c->depth--;
        p++;
    }
    return p;
}

/** One value with all that is in it. */
static const char *check_value(checker *c, const char *p)
{
    do {
        bool value_ended = true;
        if (p == c->end) {
            return reject(c, p);
        }
        if (*p == '{' || *p == '[') {
            p = check_open(c, p, &value_ended);
        } else {
            p = check_scalar(c, p);
        }
        if (p != NULL && value_ended) {
            p = check_after(c, p);
        }
    } while (p != NULL && c->depth > 0);
    return p;
}

troupe_error json_check(const char *text, size_t len, size_t *at)
{
    static const char nothing[1] = {0};
    checker c = {0};
    const char *start = len == 0 ? nothing : text;
    c.end = start + len;
    const char *p = check_value(&c, skip_space(start, c.end));
    if (p != NULL) {
        p = skip_space(p, c.end);
        if (p == c.end) {
            return TROUPE_OK;
        }
        c.wrong = p;
    }
    if (at != NULL) {
        *at = (size_t)(c.wrong - start);
    }
    return TROUPE_EPARSE;
}

/** strtod reads the point of the locale: hand it the one it wants. */
static void localise_point(char *text)
{
    char *point = strchr(text, '.');
    if (point != NULL) {
        *point = *localeconv()->decimal_point;
    }
}

bool json_span_number(json_span span, double *out)
{
    char small[NUMBER_MAX];
    checker c = {0};
    c.end = span.data + span.len;
    if (span.len == 0 || check_number(&c, span.data) != c.end) {
        return false;
    }
    char *text = span.len < sizeof(small) ? small : malloc(span.len + 1);
    if (text == NULL) {
        return false;
    }
    memcpy(text, span.data, span.len);
    text[span.len] = '\0';
    localise_point(text);
    *out = strtod(text, NULL);
    if (text != small) {
        free(text);
    }
    return true;
}
