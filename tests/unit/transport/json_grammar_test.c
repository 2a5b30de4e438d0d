/* SPDX-License-Identifier: MIT */
/*
 * Every rule of JSON's grammar (RFC 8259), beside jansson: generated texts, each compared as it
 * stands and inside of a CDP message, in json_check, json_skip, the walk over members and cdp_scan.
 */
#include "json_oracle.h"

#include <criterion/criterion.h>
#include <stdint.h>
#include <stdio.h>

#define MESSAGE_HEAD "{\"id\":1,\"result\":{\"v\":"
#define MESSAGE_TAIL "},\"sessionId\":\"S\"}"

static void compare_once(const char *text, size_t len)
{
    char *copy = oracle_exact(text, len);
    const char *wrong = oracle_compare(copy, len);
    if (wrong == NULL)
        wrong = oracle_compare_cdp(copy, len);
    cr_assert_null(wrong, "%s: %zu bytes, %.*s", wrong, len, (int)(len < 200 ? len : 200), text);
    free(copy);
}

/** As it stands, and as a member of a message. */
static void compare(const char *text, size_t len)
{
    compare_once(text, len);
    size_t head = sizeof MESSAGE_HEAD - 1;
    char *whole = malloc(head + len + sizeof MESSAGE_TAIL);
    memcpy(whole, MESSAGE_HEAD, head);
    memcpy(whole + head, text, len);
    memcpy(whole + head + len, MESSAGE_TAIL, sizeof MESSAGE_TAIL);
    compare_once(whole, head + len + sizeof MESSAGE_TAIL - 1);
    free(whole);
}

/** All texts of up to `max` letters of an alphabet, with something around them. */
static void compare_all(const char *letters, size_t max, const char *before, const char *after)
{
    size_t count = strlen(letters);
    size_t head = strlen(before);
    size_t tail = strlen(after);
    char text[64];
    memcpy(text, before, head);
    for (size_t len = 0; len <= max; len++) {
        size_t index[16] = {0};
        size_t i = 0;
        do {
            for (i = 0; i < len; i++)
                text[head + i] = letters[index[i]];
            memcpy(text + head + len, after, tail);
            compare_once(text, head + len + tail);
            for (i = 0; i < len && ++index[i] == count; i++)
                index[i] = 0;
        } while (i < len);
    }
}

TestSuite(json_grammar, .timeout = 120);

Test(json_grammar, structure_every_text_of_six_tokens)
{
    compare_all("{}[]\",:1", 6, "", "");
}

Test(json_grammar, structure_every_object_of_five_tokens)
{
    compare_all("{}\",:1", 5, "{\"a\":", "}");
    compare_all("{},:1a", 5, "{\"a\"", "1}");
}

Test(json_grammar, numbers_every_text_of_six_letters)
{
    compare_all("-+.019eE", 5, "", "");
    compare_all("-.01e", 6, "[", "]");
}

Test(json_grammar, words_every_text_of_six_letters)
{
    compare_all("truefalsn", 4, "", "");
    compare_all("nulTNaI", 5, "[", "]");
}

Test(json_grammar, every_byte_between_tokens_and_in_strings)
{
    static const char *const frames[] = {
        "%c1",         "1%c",         "[%c1]",        "[1%c]",       "[1%c,1]", "[1,%c1]",
        "{%c\"a\":1}", "{\"a\"%c:1}", "{\"a\":%c1}",  "{\"a\":1%c}", "\"%c\"",  "\"a%cb\"",
        "\"\\%c\"",    "{\"%c\":1}",  "\"\\u00%c0\"", "\"\\u%c000\""};
    for (size_t i = 0; i < sizeof frames / sizeof *frames; i++) {
        for (int byte = 0; byte < 256; byte++) {
            char text[32];
            int len = snprintf(text, sizeof text, frames[i], byte);
            compare(text, (size_t)len);
        }
    }
}

Test(json_grammar, utf8_every_sequence_of_two_bytes_and_the_edges_of_longer_ones)
{
    static const unsigned char edges[] = {0x00, 0x22, 0x7F, 0x80, 0x8F, 0x90, 0x9F,
                                          0xA0, 0xBF, 0xC0, 0xC2, 0xE0, 0xFF};
    char text[8] = {'"'};
    for (int lead = 0x80; lead < 256; lead++) {
        text[1] = (char)lead;
        for (int next = 0; next < 256; next++) {
            text[2] = (char)next;
            text[3] = '"';
            compare(text, 4);
        }
        for (size_t i = 0; i < sizeof edges * sizeof edges * sizeof edges; i++) {
            text[2] = (char)edges[i % sizeof edges];
            text[3] = (char)edges[i / sizeof edges % sizeof edges];
            text[4] = (char)edges[i / sizeof edges / sizeof edges];
            text[5] = '"';
            compare_once(text, 6);
            text[4] = '"';
            compare_once(text, 5);
        }
    }
}

Test(json_grammar, surrogates_every_pair_of_kinds)
{
    static const char *const units[] = {"",        "\\u0000", "\\ud7ff", "\\ud800",
                                        "\\uDBFF", "\\udc00", "\\uDFFF", "\\ue000",
                                        "\\uffff", "x",       "\\n",     "\\u12"};
    size_t count = sizeof units / sizeof *units;
    for (size_t i = 0; i < count * count * count; i++) {
        char text[64];
        int len = snprintf(text, sizeof text, "\"%s%s%s\"", units[i % count],
                           units[i / count % count], units[i / count / count]);
        compare(text, (size_t)len);
        len =
            snprintf(text, sizeof text, "{\"%s%s\":1}", units[i % count], units[i / count % count]);
        compare(text, (size_t)len);
    }
}

static const char *const documents[] = {
    "{\"a\":[1,2,{\"b\":\"}]\\\"\\\\\"}],\"0123456789abcdefghij\":\"]]]]]]]]]]]]]]]]]\\\"\"}",
    "{\"id\":12,\"method\":\"A.b\",\"params\":{\"x\":[true,null,-1.5e3,\"\\u00e9\\n\"]},"
    "\"sessionId\":\"0123456789ABCDEF\"}",
    "{\"a\":1,\"a\":2,\"\":{\"a\":{\"a\":{}}},\"b\":[[],[[]],{},[{}]],\"a\":3}",
    "{\"id\":1,\"id\":2,\"result\":{\"a\":1},\"result\":null,\"error\":{\"code\":-1}}",
    " [ 1 , \"\\\\\" , \"\\\\\\\"\" , { \"k\" : \"\\\\\\\\\" } ]\t\r\n",
    "{\"x\":\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\",\"y\":\"\\ud83d\\ude00\"}",
    "\xef\xbb\xbf{\"id\":1}",
    "{\"id\":1,\"result\":{\"data\":"
    "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\\\"]}\"}}",
};

#define DOCUMENTS (sizeof documents / sizeof *documents)

Test(json_grammar, documents_cut_off_at_every_byte)
{
    for (size_t i = 0; i < DOCUMENTS; i++) {
        for (size_t len = 0; len <= strlen(documents[i]); len++)
            compare_once(documents[i], len);
    }
}

Test(json_grammar, documents_with_every_byte_replaced)
{
    static const char other[] = "\0\x01\x1f\x7f\x80\xff\"\\{}[],:0-eu ";
    for (size_t i = 0; i < DOCUMENTS; i++) {
        size_t len = strlen(documents[i]);
        char *text = strdup(documents[i]);
        for (size_t at = 0; at < len; at++) {
            for (size_t k = 0; k < sizeof other - 1; k++) {
                text[at] = other[k];
                compare_once(text, len);
            }
            text[at] = documents[i][at];
        }
        free(text);
    }
}

/* The skipper looks at blocks: whatever stands at their edges is to be the same. */
Test(json_grammar, documents_at_every_place_in_a_block)
{
    for (size_t i = 0; i < DOCUMENTS; i++) {
        for (size_t pad = 0; pad < 130; pad++) {
            char text[512];
            int len = snprintf(text, sizeof text, "{\"pad\":\"%*s\",\"v\":%s}", (int)pad, "",
                               documents[i]);
            compare_once(text, (size_t)len);
            len = snprintf(text, sizeof text, "%*s%s", (int)pad, "", documents[i]);
            compare_once(text, (size_t)len);
        }
    }
}

Test(json_grammar, long_strings_and_numbers)
{
    for (size_t len = 1; len < 100000; len = len * 3 + 1) {
        char *text = malloc(len + 64);
        memset(text, '7', len + 64);
        compare_once(text, len); /* a number that jansson finds too large */
        text[0] = '"';
        text[len + 1] = '"';
        compare(text, len + 2);
        text[len] = '\\'; /* escapes the quote */
        compare(text, len + 2);
        text[len + 2] = '"';
        compare(text, len + 3);
        free(text);
    }
}

/* A mixed nest, `depth` deep. */
static char *nest(size_t depth, size_t *len)
{
    char *text = malloc(depth * 7 + 1);
    char *at = text;
    for (size_t i = 0; i < depth; i++) {
        memcpy(at, i % 3 == 0 ? "{\"a\":" : "[", i % 3 == 0 ? 5 : 1);
        at += i % 3 == 0 ? 5 : 1;
    }
    *at++ = '1';
    for (size_t i = depth; i > 0; i--)
        *at++ = (i - 1) % 3 == 0 ? '}' : ']';
    *len = (size_t)(at - text);
    return text;
}

Test(json_grammar, nests_of_every_depth)
{
    for (size_t depth = 1; depth < 2000; depth += depth < 600 ? 1 : 97) {
        size_t len;
        char *text = nest(depth, &len);
        cr_assert_eq(json_skip(text, len), len, "%zu", depth);
        cr_assert_eq(json_skip(text, len - 1), 0, "%zu", depth);
        cr_assert_eq(json_check(text, len, NULL) == TROUPE_OK, depth <= 512, "%zu", depth);
        if (depth % 3 == 1 && depth < 500) /* the walk of the oracle recurses */
            compare_once(text, len);
        free(text);
    }
    size_t len;
    char *text = nest(1000000, &len);
    cr_assert_eq(json_skip(text, len), len);
    free(text);
}

/* --- the skipper's masks, beside one byte at a time ----------------------------------------- */

static size_t skip_slowly(const char *text, size_t len)
{
    size_t depth = 0;
    bool inside = false;
    bool escaped = false;
    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        if (escaped) {
            escaped = false;
            if (c == '"')
                continue;
        } else if (c == '\\') {
            escaped = true;
            continue;
        }
        if (c == '"') {
            inside = !inside;
            if (!inside && depth == 0)
                return i + 1;
        } else if (!inside && (c == '{' || c == '[')) {
            depth++;
        } else if (!inside && (c == '}' || c == ']') && --depth == 0) {
            return i + 1;
        }
    }
    return 0;
}

Test(json_grammar, skip_is_the_same_one_byte_at_a_time)
{
    static const char *const letters[] = {"{}[]\"\\x ", "[]\\\"xxxxxxxxxxxxxxxx", "{}xxxxxxxxxxxx",
                                          "\\\\\\\"", "\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"};
    const char *given = getenv("SEED");
    uint64_t seed = given != NULL ? strtoull(given, NULL, 10) : 17;
    uint64_t state = seed;
    for (int round = 0; round < 300000; round++) {
        char text[300];
        const char *from = letters[round % 5];
        size_t count = strlen(from);
        state = state * 6364136223846793005u + 1442695040888963407u;
        size_t len = 1 + (state >> 33) % (sizeof text - 1);
        for (size_t i = 0; i < len; i++) {
            state = state * 6364136223846793005u + 1442695040888963407u;
            text[i] = from[(state >> 33) % count];
        }
        text[0] = "[\"{"[round % 3];
        char *copy = oracle_exact(text, len);
        size_t wanted = skip_slowly(text, len);
        cr_assert_eq(json_skip(copy, len), wanted, "SEED=%llu, round %d: %.*s",
                     (unsigned long long)seed, round, (int)len, text);
        free(copy);
    }
}
