/* SPDX-License-Identifier: MIT */
/* JSON text: the check agrees with jansson, and every span lies within the text. */
#include "fuzz.h"

#include "transport/json_scan.h"

#include <jansson.h>

static void within(const char *text, size_t len, json_span span)
{
    CHECK(span.data >= text && span.len <= len && span.data + span.len <= text + len);
}

/* jansson refuses what the grammar allows (numbers too large, invalid UTF-8), and takes a NUL
 * behind the value for the end of the text, which the grammar does not. */
static void compare(const char *text, size_t len, bool accepted)
{
    json_error_t error;
    if (memchr(text, '\0', len) != NULL)
        return;
    json_t *value = json_loadb(text, len, JSON_DECODE_ANY, &error);
    if (value != NULL)
        CHECK(accepted);
    json_decref(value);
}

static void walk(const char *text, size_t len)
{
    json_members members;
    json_span key;
    json_span value;
    if (!json_members_open(&members, text, len))
        return;
    while (json_members_next(&members, &key, &value)) {
        const char *plain;
        size_t plain_len;
        int64_t integer;
        double number;
        bool boolean;
        within(text, len, key);
        within(text, len, value);
        (void)json_plain_string(value, &plain, &plain_len);
        (void)json_span_integer(value, &integer);
        (void)json_span_number(value, &number);
        (void)json_span_boolean(value, &boolean);
    }
    (void)json_members_complete(&members);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    size_t at = 0;
    bool accepted = json_check(text, size, &at) == TROUPE_OK;
    CHECK(accepted || at <= size);
    compare(text, size, accepted);
    size_t reach = json_skip(text, size);
    CHECK(reach <= size && (!accepted || reach > 0));
    walk(text, size);
    json_span span;
    if (json_member(text, size, "a", &span))
        within(text, size, span);
    if (json_path(text, size, "a.b.c", &span))
        within(text, size, span);
    return 0;
}
