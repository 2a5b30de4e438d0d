/* SPDX-License-Identifier: MIT */
#include "actors/service/body_tools.h"
#include "actors/service/jsonpath.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

/* What the codings make of these bytes; a NUL behind it. To be freed. */
static char *decoded(const char *codings, const void *data, size_t len, troupe_error wanted,
                     troupe_reason *reason)
{
    troupe_buffer out = {0};
    json_t *list = json_loads(codings, 0, NULL);
    cr_assert_not_null(list);
    troupe_error error = body_decode(list, data, len, (size_t)1 << 20, &out, reason);
    cr_assert_eq(error, wanted, "%s: %s", codings, reason->text);
    json_decref(list);
    if (error != TROUPE_OK) {
        cr_assert_eq(out.len, 0);
        return NULL;
    }
    (void)troupe_buffer_append(&out, "", 1);
    return (char *)out.data;
}

static void check_decoded(const char *codings, const void *data, size_t len, const char *wanted)
{
    troupe_reason reason = {{0}};
    char *text = decoded(codings, data, len, TROUPE_OK, &reason);
    cr_assert_str_eq(text, wanted);
    free(text);
}

static void check_refused(const char *codings, const void *data, size_t len, troupe_error code,
                          const char *why)
{
    troupe_reason reason = {{0}};
    (void)decoded(codings, data, len, code, &reason);
    cr_assert(strstr(reason.text, why) != NULL, "`%s` lacks `%s`", reason.text, why);
}

/* windowBits: 15 RFC 1950, -15 RFC 1951, 31 gzip. */
static size_t packed(const char *text, size_t len, int bits, unsigned char *out, size_t room)
{
    z_stream stream = {
        .next_in = (Bytef *)text, .avail_in = (uInt)len, .next_out = out, .avail_out = (uInt)room};
    cr_assert_eq(deflateInit2(&stream, 9, Z_DEFLATED, bits, 8, Z_DEFAULT_STRATEGY), Z_OK);
    cr_assert_eq(deflate(&stream, Z_FINISH), Z_STREAM_END);
    size_t size = room - stream.avail_out;
    deflateEnd(&stream);
    return size;
}

Test(body_tools, base64)
{
    check_decoded("[\"base64\"]", "aGVsbG8=", 8, "hello");
    check_decoded("[\"base64\"]", "aGVs\r\n bG8", 10, "hello");
    check_decoded("[\"base64\"]", "", 0, "");
    check_decoded("[\"base64\"]", "8J-Yig==", 8, "\xf0\x9f\x98\x8a");
    check_decoded("[\"base64\",\"base64\"]", "YUdrPQ==", 8, "hi");
    check_refused("[\"base64\"]", "aGV*bG8=", 8, TROUPE_EPARAMS, "step 1: base64 at byte 3");
    check_refused("[\"base64\"]", "aGVsb", 5, TROUPE_EPARAMS, "at byte 5: cut off");
    check_refused("[\"base64\"]", "aGk=x", 5, TROUPE_EPARAMS, "behind the padding");
    check_refused("[\"rot13\"]", "x", 1, TROUPE_EPARAMS, "`rot13` is none of");
    check_refused("[7]", "x", 1, TROUPE_EPARAMS, "is none of");
}

Test(body_tools, gzip_and_deflate)
{
    unsigned char data[256];
    size_t len = packed("packed text", 11, 31, data, sizeof data);
    check_decoded("[\"gzip\"]", data, len, "packed text");
    check_refused("[\"gzip\"]", data, len - 1, TROUPE_EPARAMS, "cut off");
    check_refused("[\"gzip\"]", data, 3, TROUPE_EPARAMS, "cut off");
    check_refused("[\"gzip\"]", "", 0, TROUPE_EPARAMS, "cut off");
    memcpy(data + len, data, len); /* two members */
    check_decoded("[\"gzip\"]", data, 2 * len, "packed textpacked text");
    data[len - 5] ^= 1;
    check_refused("[\"gzip\"]", data, len, TROUPE_EPARAMS, "incorrect data check");
    check_refused("[\"gzip\"]", "plain text", 10, TROUPE_EPARAMS, "gzip at byte");
    len = packed("packed text", 11, 15, data, sizeof data);
    check_decoded("[\"deflate\"]", data, len, "packed text");
    len = packed("packed text", 11, -15, data, sizeof data);
    check_decoded("[\"deflate\"]", data, len, "packed text");
    check_refused("[\"deflate\",\"gzip\"]", data, len, TROUPE_EPARAMS, "step 2: gzip");
}

Test(body_tools, brotli)
{
    /* `printf 'packed text' | brotli -c` */
    static const unsigned char data[] = {0x0f, 0x05, 0x80, 'p', 'a', 'c', 'k', 'e',
                                         'd',  ' ',  't',  'e', 'x', 't', 0x03};
    check_decoded("[\"br\"]", data, sizeof data, "packed text");
    check_refused("[\"br\"]", data, sizeof data - 4, TROUPE_EPARAMS, "br at byte 11: cut off");
    check_refused("[\"br\"]", "\xff\xff\xff\xff", 4, TROUPE_EPARAMS, "br at byte");
}

Test(body_tools, what_unpacks_without_end_is_stopped)
{
    size_t len = (size_t)2 << 20;
    char *zeros = calloc(1, len);
    unsigned char *data = malloc(len);
    size_t size = packed(zeros, len, 31, data, len);
    check_refused("[\"gzip\"]", data, size, TROUPE_ELIMIT, "more than 1048576 bytes");
    check_refused("[\"base64\"]", memset(zeros, 'A', len), len, TROUPE_ELIMIT, "more than");
    free(zeros);
    free(data);
}

#define MAX ((size_t)1 << 20)

static const char document[] = "{\"store\":{\"book\":[{\"title\":\"A\",\"price\":8},{\"title\":"
                               "\"B\",\"price\":12},{\"title\":\"C\"}],"
                               "\"it's\":{\"price\":3}},\"empty\":[],\"n\":null}";

static void check_path(const char *path, const char *wanted)
{
    char *text = NULL;
    troupe_reason reason = {{0}};
    troupe_error error = body_json(document, strlen(document), path, false, MAX, &text, &reason);
    cr_assert_eq(error, TROUPE_OK, "%s: %s", path, reason.text);
    cr_assert_str_eq(text, wanted, "%s: %s", path, text);
    free(text);
}

Test(body_tools, paths)
{
    check_path("$.store.book[0].title", "\"A\"");
    check_path("$['store'][\"book\"][-1]", "{\"title\":\"C\"}");
    check_path("$.store['it\\'s'].price", "3");
    check_path("$.n", "null");
    check_path("$.store.book[*].title", "[\"A\",\"B\",\"C\"]");
    check_path("$.store.book[*].price", "[8,12]");
    check_path("$..price", "[8,12,3]");
    check_path("$..book[0].title", "[\"A\"]");
    check_path("$..[1].title", "[\"B\"]");
    check_path("$.store.book[1:].title", "[\"B\",\"C\"]");
    check_path("$.store.book[:-1].title", "[\"A\",\"B\"]");
    check_path("$.store.book[-2:-1].title", "[\"B\"]");
    check_path("$.store.book[0,2].title", "[\"A\",\"C\"]");
    check_path("$.store.book[0]['title','price']", "[\"A\",8]");
    check_path("$.empty", "[]");
    check_path("$.empty[*]", "[]");
    check_path("$.*.price", "[]");
}

static void check_no_part(const char *json, const char *path, bool pretty, troupe_error code,
                          const char *why)
{
    char *text = NULL;
    troupe_reason reason = {{0}};
    const char *what = path != NULL ? path : json;
    cr_assert_eq(body_json(json, strlen(json), path, pretty, MAX, &text, &reason), code, "%s",
                 what);
    cr_assert(strstr(reason.text, why) != NULL, "%s: `%s` lacks `%s`", what, reason.text, why);
}

static void check_wrong_path(const char *path, troupe_error code, const char *why)
{
    check_no_part(document, path, false, code, why);
}

Test(body_tools, wrong_paths)
{
    check_wrong_path("store", TROUPE_EPARAMS, "character 1: it begins with $");
    check_wrong_path("", TROUPE_EPARAMS, "character 1");
    check_wrong_path("$store", TROUPE_EPARAMS, "character 2");
    check_wrong_path("$.", TROUPE_EPARAMS, "character 3: a name or *");
    check_wrong_path("$.store[", TROUPE_EPARAMS, "character 9");
    check_wrong_path("$.store['book", TROUPE_EPARAMS, "does not end");
    check_wrong_path("$.store[0", TROUPE_EPARAMS, "] or , is needed");
    check_wrong_path("$[?(@.price<10)]", TROUPE_EPARAMS, "character 3");
    check_wrong_path("$[99999999999999999999]", TROUPE_EPARAMS, "character");
    check_wrong_path("$.nothing", TROUPE_ENOTFOUND, "nothing is at $.nothing");
    check_wrong_path("$.store.book[3]", TROUPE_ENOTFOUND, "nothing is at");
    check_wrong_path("$.n.deeper", TROUPE_ENOTFOUND, "nothing is at");
}

Test(body_tools, json)
{
    char *text = NULL;
    troupe_reason reason = {{0}};
    cr_assert_eq(body_json("[1,{\"a\":2}]", 11, NULL, true, MAX, &text, &reason), TROUPE_OK);
    cr_assert_str_eq(text, "[\n  1,\n  {\n    \"a\": 2\n  }\n]");
    free(text);
    cr_assert_eq(body_json("[1,\n x]", 7, NULL, true, MAX, &text, &reason), TROUPE_EPARAMS);
    cr_assert(strstr(reason.text, "not JSON: line 2, column 2") != NULL, "%s", reason.text);
    cr_assert_eq(body_json("", 0, "$", false, MAX, &text, &reason), TROUPE_EPARAMS);
    size_t depth = 100000;
    char *deep = malloc(depth);
    memset(deep, '[', depth);
    cr_assert_eq(body_json(deep, depth, NULL, true, MAX, &text, &reason), TROUPE_EPARAMS);
    cr_assert(strstr(reason.text, "nests deeper") != NULL, "%s", reason.text);
    free(deep);
}

static void check_laid_out(const char *json, const char *path, bool pretty, const char *wanted)
{
    char *text = NULL;
    troupe_reason reason = {{0}};
    troupe_error error = body_json(json, strlen(json), path, pretty, MAX, &text, &reason);
    cr_assert_eq(error, TROUPE_OK, "%s: %s", json, reason.text);
    cr_assert_str_eq(text, wanted);
    free(text);
}

Test(body_tools, what_json_says_stays_as_it_stands)
{
    check_laid_out("{ \"p\" : 8.95, \"n\" :123456789012345678901234567890, \"e\": 1e400 } ", NULL,
                   false, "{\"p\":8.95,\"n\":123456789012345678901234567890,\"e\":1e400}");
    check_laid_out("[1.0,-0,1E2]", "$[*]", false, "[1.0,-0,1E2]");
    check_laid_out("{\"a\":1,\"a\":2}", NULL, false, "{\"a\":1,\"a\":2}");
    check_laid_out("{\"a\":1,\"a\":2}", "$.a", false, "2");
    check_laid_out("{\"a\":1,\"a\":2}", "$.*", false, "[1,2]");
    check_laid_out("[\"\\ud800\",\"\\u00e4\\/\"]", NULL, false, "[\"\\ud800\",\"\\u00e4\\/\"]");
    check_laid_out("{\"\\u00e4\\\"b\":[ 1 ]}", "$['\xc3\xa4\\\"b'][0]", false, "1");
    check_laid_out("\r\n\t7 ", "$", true, "7");
    check_laid_out("[[],{},[ ],{ },\"[,]\",[0]]", NULL, true,
                   "[\n  [],\n  {},\n  [],\n  {},\n  \"[,]\",\n  [\n    0\n  ]\n]");
    check_laid_out("{\"a\":{\"b\":1},\"c\":{\"b\":[2]}}", "$..b", true,
                   "[\n  1,\n  [\n    2\n  ]\n]");
    check_laid_out("[ 1 , [ 2 , 3 ] ]", "$[-1]", false, "[2,3]");
}

Test(body_tools, values_far_down_are_found_among_many)
{
    size_t len = 0;
    size_t room = 3000000;
    char *json = malloc(room);
    len += (size_t)snprintf(json + len, room - len, "[0");
    for (int i = 0; i < 200000; i++) {
        len +=
            (size_t)snprintf(json + len, room - len, i % 20000 == 0 ? ",{\"name\":%d}" : ",%d", i);
    }
    snprintf(json + len, room - len, "]");
    check_laid_out(json, "$..name", false,
                   "[0,20000,40000,60000,80000,100000,120000,140000,160000,180000]");
    char *text = NULL;
    troupe_reason reason = {{0}};
    cr_assert_eq(body_json(json, strlen(json), "$[*]", false, room, &text, &reason), TROUPE_ELIMIT);
    cr_assert(strstr(reason.text, "more than 100000 values") != NULL, "%s", reason.text);
    cr_assert_eq(body_json(json, strlen(json), NULL, true, 1000, &text, &reason), TROUPE_ELIMIT);
    cr_assert(strstr(reason.text, "more than 1000 bytes") != NULL, "%s", reason.text);
    free(json);
}

static void check_no_json(const char *json, const char *why)
{
    check_no_part(json, NULL, true, TROUPE_EPARAMS, why);
}

Test(body_tools, what_is_no_json_is_told_with_its_place)
{
    check_no_json("", "line 1, column 1: it ends too early");
    check_no_json("[1,", "line 1, column 4: it ends too early");
    check_no_json("{\"a\":\n 1 2}", "line 2, column 4: `2` is wrong here");
    check_no_json("[01]", "line 1, column 3: `1` is wrong here");
    check_no_json("{a:1}", "line 1, column 2: `a` is wrong here");
    check_no_json("[1]x", "line 1, column 4: `x` is wrong here");
    check_no_json("[\"a\nb\"]", "line 1, column 4: byte 0x0a is wrong here");
    check_no_json("[\"\xff\"]", "not UTF-8");
}

Test(body_tools, what_stands_behind_the_end_is_told)
{
    unsigned char data[256];
    size_t len = packed("text", 4, 15, data, sizeof data);
    data[len] = 'x';
    check_refused("[\"deflate\"]", data, len + 1, TROUPE_EPARAMS, "something behind the end");
    static const unsigned char brotli[] = {0x0f, 0x05, 0x80, 'p', 'a', 'c', 'k',  'e',
                                           'd',  ' ',  't',  'e', 'x', 't', 0x03, 'x'};
    check_refused("[\"br\"]", brotli, sizeof brotli, TROUPE_EPARAMS,
                  "br at byte 15: something behind the end");
}

Test(body_tools, values)
{
    bool base64;
    json_t *value = body_value("text", 4, &base64);
    cr_assert_str_eq(json_string_value(value), "text");
    cr_assert_not(base64);
    json_decref(value);
    value = body_value("\xff\x00\xfe", 3, &base64);
    cr_assert_str_eq(json_string_value(value), "/wD+");
    cr_assert(base64);
    json_decref(value);
}
