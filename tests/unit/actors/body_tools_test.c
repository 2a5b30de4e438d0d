/* SPDX-License-Identifier: MIT */
#include "actors/service/body_tools.h"
#include "actors/service/jsonpath.h"

#include <criterion/criterion.h>
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

static const char document[] = "{\"store\":{\"book\":[{\"title\":\"A\",\"price\":8},{\"title\":"
                               "\"B\",\"price\":12},{\"title\":\"C\"}],"
                               "\"it's\":{\"price\":3}},\"empty\":[],\"n\":null}";

static void check_path(const char *path, const char *wanted)
{
    char *text = NULL;
    troupe_reason reason = {{0}};
    troupe_error error = body_json(document, strlen(document), path, false, &text, &reason);
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

static void check_wrong_path(const char *path, troupe_error code, const char *why)
{
    char *text = NULL;
    troupe_reason reason = {{0}};
    cr_assert_eq(body_json(document, strlen(document), path, false, &text, &reason), code, "%s",
                 path);
    cr_assert(strstr(reason.text, why) != NULL, "%s: `%s` lacks `%s`", path, reason.text, why);
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
    cr_assert_eq(body_json("[1,{\"a\":2}]", 11, NULL, true, &text, &reason), TROUPE_OK);
    cr_assert_str_eq(text, "[\n  1,\n  {\n    \"a\": 2\n  }\n]");
    free(text);
    cr_assert_eq(body_json("[1,\n x]", 7, NULL, true, &text, &reason), TROUPE_EPARAMS);
    cr_assert(strstr(reason.text, "not JSON: line 2, column 2") != NULL, "%s", reason.text);
    cr_assert_eq(body_json("", 0, "$", false, &text, &reason), TROUPE_EPARAMS);
    size_t depth = 100000;
    char *deep = malloc(depth);
    memset(deep, '[', depth);
    cr_assert_eq(body_json(deep, depth, NULL, true, &text, &reason), TROUPE_EPARAMS);
    cr_assert(strstr(reason.text, "nests deeper") != NULL, "%s", reason.text);
    free(deep);
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
