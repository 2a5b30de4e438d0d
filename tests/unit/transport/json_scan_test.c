/* SPDX-License-Identifier: MIT */
#include "transport/json_scan.h"

#include <criterion/criterion.h>
#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/** A copy without a NUL behind it, so that a sanitizer sees a read past the end. */
static char *exact(const char *text, size_t len)
{
    char *copy = malloc(len == 0 ? 1 : len);
    memcpy(copy, text, len);
    return copy;
}

static const char *const texts[] = {
    "",
    " ",
    "null",
    "true",
    "false",
    "nul",
    "nulll",
    "tru",
    "True",
    "0",
    "-0",
    "-",
    "01",
    "1.",
    ".5",
    "1.5",
    "1e5",
    "1E+5",
    "1e-5",
    "1e",
    "1e+",
    "-1.25e-3",
    "+1",
    "0x10",
    "1 2",
    "NaN",
    "Infinity",
    "\"\"",
    "\"a\"",
    "\"",
    "\"a",
    "\"\\\"\"",
    "\"\\\\\"",
    "\"\\\"",
    "\"\\",
    "\"\\x\"",
    "\"\\u12\"",
    "\"\\u0041\"",
    "\"\\u00e9\\u20AC\"",
    "\"\\uD83D\\uDE00\"",
    "\"\\b\\f\\n\\r\\t\\/\"",
    "\"tab\there\"",
    "\"line\nfeed\"",
    "\"\x7f\"",
    "\"\xc3\xa9\"",
    "\"\xc3\"",
    "\"\xc3\x28\"",
    "\"\xc0\xaf\"",
    "\"\xe2\x82\xac\"",
    "\"\xe2\x82\"",
    "\"\xed\xa0\x80\"",
    "\"\xf0\x9f\x98\x80\"",
    "\"\xf0\x80\x80\x80\"",
    "\"\xf4\x90\x80\x80\"",
    "\"\xf5\x80\x80\x80\"",
    "\"\xff\"",
    "\x80",
    "[]",
    "[ ]",
    "[1]",
    "[1,2]",
    "[1,]",
    "[,1]",
    "[,]",
    "[1 2]",
    "[",
    "]",
    "[[]]",
    "[[[[[]]]]]",
    "[[]",
    "[]]",
    "[}",
    "{]",
    "{}",
    "{ }",
    "{\"a\":1}",
    "{\"a\":1,}",
    "{,}",
    "{\"a\"}",
    "{\"a\":}",
    "{\"a\" 1}",
    "{a:1}",
    "{'a':1}",
    "{1:1}",
    "{\"a\":1 \"b\":2}",
    "{\"a\":1,\"b\":2}",
    "{\"a\":{\"b\":[{}]}}",
    "{",
    "}",
    "{\"a\":[1,{\"b\":null}],\"c\":\"d\"}",
    " { \"a\" : [ 1 , 2 ] } \r\n\t",
    "[1]x",
    "[true,false]",
    "[tru]",
    "/**/1",
    "[1,2,3,4,5,6,7,8,9,10]",
    "\xef\xbb\xbf{}",
    "{\"a\":\"b\",\"c\":[\"}\",\"{\"]}",
    "\"0123456789abcdef\\n0123456789abcdef\"",
    "\"0123456789abcde\x01\"",
    "[\"0123456789abcdef\x1f\"]",
};

Test(json_scan, check_list_of_texts_agrees_with_jansson)
{
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        size_t len = strlen(texts[i]);
        char *text = exact(texts[i], len);
        json_t *oracle = json_loadb(text, len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
        size_t at = SIZE_MAX;
        troupe_error error = json_check(text, len, &at);
        cr_expect_eq(error == TROUPE_OK, oracle != NULL, "%s", texts[i]);
        cr_expect(error == TROUPE_OK || at <= len, "%s", texts[i]);
        json_decref(oracle);
        free(text);
    }
}

Test(json_scan, check_random_edits_agree_with_jansson)
{
    static const char seed_text[] =
        "{\"id\":12,\"a\":[true,null,-1.5e3,\"x\\u00e9\\n\"],\"b\":{\"c\":\"d\"}}";
    static const char letters[] = "{}[]\",:\\ u0e1.-tn\x01\xc3";
    const char *given = getenv("SEED");
    uint64_t seed = given != NULL ? strtoull(given, NULL, 10) : 42;
    uint64_t state = seed;
    for (int round = 0; round < 200000; round++) {
        char text[sizeof(seed_text)];
        memcpy(text, seed_text, sizeof(text));
        size_t len = sizeof(seed_text) - 1;
        for (int edit = 0; edit < 1 + round % 3; edit++) {
            state = state * 6364136223846793005u + 1442695040888963407u;
            text[(state >> 33) % len] = letters[(state >> 20) % (sizeof(letters) - 1)];
        }
        json_error_t fault;
        json_t *oracle = json_loadb(text, len, JSON_DECODE_ANY | JSON_ALLOW_NUL, &fault);
        bool good = oracle != NULL || json_error_code(&fault) == json_error_numeric_overflow;
        bool ok = json_check(text, len, NULL) == TROUPE_OK;
        if (oracle == NULL && good) {
            continue; /* jansson gives up on the size of a number, before it has seen the rest */
        }
        cr_assert_eq(ok, good, "SEED=%llu: %s", (unsigned long long)seed, text);
        cr_assert(!ok || json_skip(text, len) == len, "SEED=%llu: %s", (unsigned long long)seed,
                  text);
        json_decref(oracle);
    }
}

static void expect_wrong_at(const char *text, size_t wanted)
{
    size_t at = SIZE_MAX;
    cr_expect_eq(json_check(text, strlen(text), &at), TROUPE_EPARSE);
    cr_expect_eq(at, wanted, "%s: %zu", text, at);
}

Test(json_scan, check_wrong_byte_is_located)
{
    expect_wrong_at("", 0);
    expect_wrong_at("[1,]", 3);
    expect_wrong_at("[1.x]", 3);
    expect_wrong_at("{\"a\" 1}", 5);
    expect_wrong_at("\"a\\q\"", 3);
    expect_wrong_at("truX", 3);
    expect_wrong_at("{} x", 3);
    expect_wrong_at("[[1]", 4);
    expect_wrong_at("01", 1);
}

/** `depth` brackets around nothing. */
static troupe_error check_nested(size_t depth, char open, char close)
{
    size_t len = depth * 2;
    char *text = malloc(len);
    memset(text, open, depth);
    memset(text + depth, close, depth);
    troupe_error error = json_check(text, len, NULL);
    cr_expect_eq(json_skip(text, len), len);
    free(text);
    return error;
}

Test(json_scan, check_depth_limit_is_512)
{
    cr_expect_eq(check_nested(512, '[', ']'), TROUPE_OK);
    cr_expect_eq(check_nested(513, '[', ']'), TROUPE_EPARSE);
    cr_expect_eq(check_nested(100000, '[', ']'), TROUPE_EPARSE);
}

Test(json_scan, check_surrogate_escape_alone_is_grammatical)
{
    cr_expect_eq(json_check("\"\\ud800\"", 8, NULL), TROUPE_OK);
    cr_expect_eq(json_check("1e999", 5, NULL), TROUPE_OK);
}

Test(json_scan, skip_each_prefix_ends_only_at_the_end)
{
    static const char text[] =
        "{\"a\":[1,2,{\"b\":\"}]\\\"\\\\\"}],\"0123456789abcdefghij\":\"]]]]]]]]]]]]]]]]]\\\"\"}";
    size_t len = sizeof(text) - 1;
    for (size_t n = 0; n < len; n++) {
        char *cut = exact(text, n);
        cr_expect_eq(json_skip(cut, n), 0, "%zu", n);
        free(cut);
    }
    cr_expect_eq(json_skip(text, len), len);
    cr_expect_eq(json_skip("  12,", 5), 4);
    cr_expect_eq(json_skip("\"a\" \"b\"", 7), 3);
    cr_expect_eq(json_skip(",", 1), 0);
    cr_expect_eq(json_skip("]", 1), 0);
}

Test(json_scan, skip_escapes_at_every_alignment_are_followed)
{
    for (size_t pad = 0; pad < 40; pad++) {
        for (size_t escapes = 0; escapes < 40; escapes++) {
            size_t len = 1 + pad + 2 * escapes + 1;
            char *text = malloc(len);
            memset(text, 'x', len);
            for (size_t i = 0; i < escapes; i++) {
                text[1 + pad + 2 * i] = '\\';
                text[2 + pad + 2 * i] = i % 3 == 0 ? '\\' : '"';
            }
            text[0] = '"';
            text[len - 1] = '"';
            cr_assert_eq(json_skip(text, len), len, "%zu %zu", pad, escapes);
            cr_assert_eq(json_skip(text, len - 1), 0, "%zu %zu", pad, escapes);
            free(text);
        }
    }
}

static void expect_member(const char *text, const char *path, const char *wanted)
{
    json_span span = {NULL, 0};
    size_t len = strlen(text);
    char *copy = exact(text, len);
    bool found = json_path(copy, len, path, &span);
    cr_expect_eq(found, wanted != NULL, "%s in %s", path, text);
    if (found && wanted != NULL) {
        cr_expect(span.len == strlen(wanted) && memcmp(span.data, wanted, span.len) == 0,
                  "%s: %.*s", path, (int)span.len, span.data);
    }
    free(copy);
}

Test(json_scan, member_paths_are_found)
{
    const char *text =
        " { \"a\" : 1 , \"request\":{\"url\":\"http://x/\",\"h\":{\"b\":[1]}},\"c\":null,\"\":2}";
    expect_member(text, "a", "1");
    expect_member(text, "request.url", "\"http://x/\"");
    expect_member(text, "request.h.b", "[1]");
    expect_member(text, "c", "null");
    expect_member(text, "", "2");
    expect_member(text, "url", NULL);
    expect_member(text, "a.b", NULL);
    expect_member(text, "request.h.c", NULL);
    expect_member("[1]", "a", NULL);
    expect_member("{\"a\":1,\"a\":2}", "a", "1");
    expect_member("{\"x\":\"a\",\"a\":3", "a", "3");
    expect_member("{\"x\" \"a\":3", "a", NULL);
    expect_member("{\"x\":1 \"a\":3", "a", NULL);
    expect_member("", "a", NULL);
}

static json_span span_of(const char *text)
{
    json_span span = {text, strlen(text)};
    return span;
}

Test(json_scan, integer_bounds_are_exact)
{
    int64_t value = 7;
    cr_expect(json_span_integer(span_of("9223372036854775807"), &value) && value == INT64_MAX);
    cr_expect(json_span_integer(span_of("-9223372036854775808"), &value) && value == INT64_MIN);
    cr_expect(json_span_integer(span_of("0"), &value) && value == 0);
    cr_expect(json_span_integer(span_of("-5"), &value) && value == -5);
    static const char *const bad[] = {"9223372036854775808",
                                      "-9223372036854775809",
                                      "",
                                      "-",
                                      "1.0",
                                      "1e3",
                                      "01",
                                      "\"1\"",
                                      "18446744073709551617",
                                      " 1",
                                      "null"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        cr_expect_not(json_span_integer(span_of(bad[i]), &value), "%s", bad[i]);
    }
    json_span absent = {NULL, 0};
    cr_expect_not(json_span_integer(absent, &value));
}

Test(json_scan, scalars_of_the_wrong_type_are_refused)
{
    double number = 0;
    bool flag = false;
    const char *text = NULL;
    size_t len = 0;
    cr_expect(json_span_number(span_of("-12.5e1"), &number) && number == -125.0);
    cr_expect(json_span_number(span_of("3"), &number) && number == 3.0);
    cr_expect_not(json_span_number(span_of("\"3\""), &number));
    cr_expect_not(json_span_number(span_of("nan"), &number));
    cr_expect_not(json_span_number(span_of("1x"), &number));
    cr_expect(json_span_boolean(span_of("true"), &flag) && flag);
    cr_expect(json_span_boolean(span_of("false"), &flag) && !flag);
    cr_expect_not(json_span_boolean(span_of("1"), &flag));
    cr_expect(json_plain_string(span_of("\"ab\""), &text, &len) && len == 2 && *text == 'a');
    cr_expect(json_plain_string(span_of("\"\""), &text, &len) && len == 0);
    cr_expect_not(json_plain_string(span_of("\"a\\n\""), &text, &len));
    cr_expect_not(json_plain_string(span_of("12"), &text, &len));
    cr_expect_not(json_plain_string(span_of("\""), &text, &len));
    json_span absent = {NULL, 0};
    cr_expect_not(json_plain_string(absent, &text, &len));
    cr_expect_not(json_span_number(absent, &number));
    cr_expect_not(json_span_boolean(absent, &flag));
}
