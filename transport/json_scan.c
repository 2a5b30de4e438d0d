/* SPDX-License-Identifier: MIT */
/* Spans of members in JSON text. Two machines: a skipper that follows strings and brackets only
 * (the hot path: 64 bytes a step as masks, by SSE2 where there is), and a checker of the whole
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

/* Text is looked at in blocks of 64 bytes; bit i of a mask stands for byte i. */
#define BLOCK 64

#define EACH_BYTE(byte) ((uint64_t)0x0101010101010101 * (byte))
#define FOLD            0x20 /* makes { of [ and } of ] */

#if defined(__SSE2__)

#define PART 16

typedef __m128i part;

static inline part load_part(const char *at)
{
    return _mm_loadu_si128((const __m128i *)(const void *)at);
}

static inline part part_equal(part bytes, char c)
{
    return _mm_cmpeq_epi8(bytes, _mm_set1_epi8(c));
}

static inline part part_fold(part bytes)
{
    return _mm_or_si128(bytes, _mm_set1_epi8(FOLD));
}

static inline part part_or(part a, part b)
{
    return _mm_or_si128(a, b);
}

static inline uint64_t part_bits(part equal)
{
    return (uint64_t)(unsigned)_mm_movemask_epi8(equal);
}

#else

#define PART 8

typedef uint64_t part;

static inline part load_part(const char *at)
{
    uint64_t bytes;
    memcpy(&bytes, at, sizeof(bytes));
    return bytes;
}

/** The top bit of each byte that is equal. */
static inline part part_equal(part bytes, char c)
{
    uint64_t other = bytes ^ EACH_BYTE((unsigned char)c);
    uint64_t low = EACH_BYTE(0x7F);
    return ~(((other & low) + low) | other | low);
}

static inline part part_fold(part bytes)
{
    return bytes | EACH_BYTE(FOLD);
}

static inline part part_or(part a, part b)
{
    return a | b;
}

static inline uint64_t part_bits(part equal)
{
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    equal = __builtin_bswap64(equal);
#endif
    return ((equal >> 7) * 0x0102040810204080u) >> 56;
}

#endif

/** Where quotes and backslashes are. */
typedef struct quote_masks {
    uint64_t quote;
    uint64_t slash;
} quote_masks;

static inline quote_masks block_quotes(const char *block)
{
    quote_masks masks = {0, 0};
    for (int i = 0; i < BLOCK; i += PART) {
        part bytes = load_part(block + i);
        masks.quote |= part_bits(part_equal(bytes, '"')) << i;
        masks.slash |= part_bits(part_equal(bytes, '\\')) << i;
    }
    return masks;
}

static inline bool block_has_quotes(const char *block)
{
    part found = part_or(part_equal(load_part(block), '"'), part_equal(load_part(block), '\\'));
    for (int i = PART; i < BLOCK; i += PART) {
        part bytes = load_part(block + i);
        found = part_or(found, part_or(part_equal(bytes, '"'), part_equal(bytes, '\\')));
    }
    return part_bits(found) != 0;
}

/** Where brackets are. */
typedef struct bracket_masks {
    uint64_t open;
    uint64_t close;
} bracket_masks;

static inline bracket_masks block_brackets(const char *block)
{
    bracket_masks masks = {0, 0};
    for (int i = 0; i < BLOCK; i += PART) {
        part bytes = part_fold(load_part(block + i));
        masks.open |= part_bits(part_equal(bytes, '{')) << i;
        masks.close |= part_bits(part_equal(bytes, '}')) << i;
    }
    return masks;
}

/** The block at p; if the text ends in it, a copy in `rest` with spaces behind the end. */
static inline const char *block_at(const char *p, const char *end, char rest[BLOCK])
{
    if (end - p >= BLOCK) {
        return p;
    }
    memset(rest, ' ', BLOCK);
    memcpy(rest, p, (size_t)(end - p));
    return rest;
}

static inline unsigned first_bit(uint64_t bits)
{
    return (unsigned)__builtin_ctzll(bits);
}

static inline unsigned count_bits(uint64_t bits)
{
    return (unsigned)__builtin_popcountll(bits);
}

/** The bytes that a backslash escapes. *carry: whether the first one is, and then whether the first
 * one of the next block is. */
static inline uint64_t escaped_bytes(uint64_t slash, uint64_t *carry)
{
    uint64_t escaped = *carry;
    *carry = 0;
    for (uint64_t rest = slash & ~escaped; rest != 0;) {
        unsigned i = first_bit(rest);
        *carry = i == BLOCK - 1 ? 1 : 0;
        escaped |= (uint64_t)2 << i;
        rest &= ~((uint64_t)3 << i);
    }
    return escaped;
}

/** Bit i is the parity of bits 0 to i: set from each opening quote up to before its closing one. */
static inline uint64_t parity_up_to(uint64_t bits)
{
    for (unsigned shift = 1; shift < BLOCK; shift *= 2) {
        bits ^= bits << shift;
    }
    return bits;
}

/** The next quote or backslash in [p, end), or end. */
static inline const char *find_quote(const char *p, const char *end)
{
    for (; end - p >= BLOCK; p += BLOCK) {
        if (block_has_quotes(p)) {
            quote_masks masks = block_quotes(p);
            return p + first_bit(masks.quote | masks.slash);
        }
    }
    for (; end - p >= PART; p += PART) {
        part bytes = load_part(p);
        uint64_t found = part_bits(part_or(part_equal(bytes, '"'), part_equal(bytes, '\\')));
        if (found != 0) {
            return p + first_bit(found);
        }
    }
    while (p < end && *p != '"' && *p != '\\') {
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

/** Over blocks without a quote or a backslash. */
static inline const char *skip_plain_blocks(const char *p, const char *end)
{
    while (end - p >= BLOCK && !block_has_quotes(p)) {
        p += BLOCK;
    }
    return p;
}

/** p is inside a string; the result is behind its closing quote, NULL if there is none. */
static const char *skip_long_string(const char *p, const char *end)
{
    char rest[BLOCK];
    uint64_t carry = 0;
    for (;; p += BLOCK) {
        if (carry == 0) {
            p = skip_plain_blocks(p, end);
        }
        quote_masks masks = block_quotes(block_at(p, end, rest));
        uint64_t closing = masks.quote & ~escaped_bytes(masks.slash, &carry);
        if (closing != 0) {
            return p + first_bit(closing) + 1;
        }
        if (end - p <= BLOCK) {
            return NULL;
        }
    }
}

/** p is at an opening quote; the result is behind the closing one, NULL if there is none. Most
 * strings are keys and short ones without an escape: they end in the first parts. */
static inline const char *skip_string(const char *p, const char *end)
{
    p++;
    for (int i = 0; i < BLOCK && end - p >= PART; i += PART, p += PART) {
        part bytes = load_part(p);
        uint64_t quote = part_bits(part_equal(bytes, '"'));
        uint64_t slash = part_bits(part_equal(bytes, '\\'));
        uint64_t before = (quote & (0 - quote)) - 1; /* the bytes before the first quote; or all */
        if ((slash & before) != 0) {
            break;
        }
        if (quote != 0) {
            return p + first_bit(quote) + 1;
        }
    }
    return skip_long_string(p, end);
}

/** Where in a block the outermost bracket is closed; -1: not in this one, and *depth is counted on.
 */
static int find_closing(bracket_masks masks, size_t *depth)
{
    unsigned closing = count_bits(masks.close);
    if (closing < *depth) {
        *depth += count_bits(masks.open);
        *depth -= closing;
        return -1;
    }
    for (uint64_t rest = masks.open | masks.close; rest != 0; rest &= rest - 1) {
        unsigned i = first_bit(rest);
        if ((masks.open >> i & 1) != 0) {
            ++*depth;
        } else if (--*depth == 0) {
            return (int)i;
        }
    }
    return -1;
}

/** p is at an opening bracket; the result is behind its closing one, NULL if there is none. Kinds
 * of brackets are not told apart: where they differ from a parser's view the text is not JSON
 * anyway. */
static const char *skip_container(const char *p, const char *end)
{
    char rest[BLOCK];
    size_t depth = 0;
    uint64_t carry = 0;
    uint64_t inside = 0; /* all bits set: the block begins inside a string */
    for (;; p += BLOCK) {
        const char *block = block_at(p, end, rest);
        bracket_masks brackets = block_brackets(block);
        quote_masks quotes = block_quotes(block);
        uint64_t quote = quotes.quote & ~escaped_bytes(quotes.slash, &carry);
        uint64_t text = parity_up_to(quote) ^ inside;
        inside = text >> (BLOCK - 1) != 0 ? ~(uint64_t)0 : 0;
        brackets.open &= ~text;
        brackets.close &= ~text;
        int at = find_closing(brackets, &depth);
        if (at >= 0) {
            return p + at + 1;
        }
        if (end - p <= BLOCK) {
            return NULL;
        }
        if (text == ~(uint64_t)0 && carry == 0) { /* in the middle of a long string */
            p = skip_plain_blocks(p + BLOCK, end) - BLOCK;
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
    for (; end - p >= PART; p += PART) {
        part bytes = load_part(p);
        part control = _mm_cmplt_epi8(bytes, _mm_set1_epi8(0x20)); /* signed: 0x80 and up too */
        part quote = part_or(part_equal(bytes, '"'), part_equal(bytes, '\\'));
        uint64_t bits = part_bits(part_or(control, quote));
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
