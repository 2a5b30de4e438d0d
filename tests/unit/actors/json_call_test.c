/* SPDX-License-Identifier: MIT */
/* JSON that somebody else wrote. */
#include "actors/json_call.h"
#include "runtime/text.h"

#include <criterion/criterion.h>
#include <stdlib.h>

/* `depth` arrays, one in the other. Freed by the caller. */
static char *nested(size_t depth)
{
    char *text = calloc(1, 2 * depth + 1);
    memset(text, '[', depth);
    memset(text + depth, ']', depth);
    return text;
}

Test(json_text, nests_as_deep_as_the_limit_and_no_deeper)
{
    char *fits = nested(JSON_TEXT_DEPTH_MAX);
    char *deep = nested(JSON_TEXT_DEPTH_MAX + 1);
    char *abyss = nested(10000000);
    json_t *value = json_text(fits, strlen(fits));
    cr_assert_not_null(value);
    json_decref(value);
    cr_assert_null(json_text(deep, strlen(deep)));
    cr_assert_null(json_text(abyss, strlen(abyss)));
    free(fits);
    free(deep);
    free(abyss);
}

Test(json_text, payload_of_an_answer_is_held_to_it_too)
{
    char *deep = nested(JSON_TEXT_DEPTH_MAX + 1);
    troupe_buffer payload = {0};
    cr_assert_eq(troupe_pack(&payload, "j#", deep, strlen(deep)), TROUPE_OK);
    cr_assert_null(json_payload(troupe_buffer_bytes(&payload)));
    troupe_buffer_fini(&payload);
    free(deep);
}

Test(json_text, brackets_in_strings_do_not_count)
{
    char text[2000];
    memset(text, '[', sizeof text);
    text[0] = text[sizeof text - 1] = '"';
    json_t *value = json_text(text, sizeof text);
    cr_assert_eq(json_string_length(value), sizeof text - 2);
    json_decref(value);
}

Test(json_call, text_that_was_cut_becomes_whole_characters)
{
    static const struct {
        const char *given, *wanted;
    } cases[] = {{"", ""},
                 {"plain", "plain"},
                 {"caf\xc3\xa9", "caf\xc3\xa9"},
                 {"caf\xc3", "caf"},
                 {"\xf0\x9f\x98\x80\xf0\x9f\x98", "\xf0\x9f\x98\x80"},
                 {"a\xe2\x82: why", "a??: why"},
                 {"\xff\xa9z", "??z"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[32];
        snprintf(text, sizeof text, "%s", cases[i].given);
        text_repair(text);
        cr_expect_str_eq(text, cases[i].wanted, "%zu", i);
    }
}

static void check_written(const char *json, const char *wanted)
{
    json_t *value = json_loads(json, JSON_DECODE_ANY, NULL);
    cr_assert_not_null(value, "%s", json);
    char *text = json_write(value, JSON_COMPACT | JSON_ENCODE_ANY);
    cr_assert_str_eq(text, wanted);
    free(text);
    json_decref(value);
}

Test(json_call, numbers_are_written_as_short_as_they_can_be)
{
    check_written("8.95", "8.95");
    check_written("[-0.74,0.1,2.745,5.0,100.0]", "[-0.74,0.1,2.745,5.0,100.0]");
    check_written("0.30000000000000004", "0.30000000000000004");
    check_written("1764259394.4384251", "1764259394.438425");
    check_written("1e300", "1e300");
    check_written("1.1e-7", "1.1e-7");
    check_written("100000000000000000.0", "1e17");
    check_written("1.7976931348623157e308", "1.7976931348623157e308");
    check_written("123456789012345678", "123456789012345678");
    check_written("[\"8.9499999999999993\",\"\\\\\\\"8.9499999999999993\",8.9499999999999993]",
                  "[\"8.9499999999999993\",\"\\\\\\\"8.9499999999999993\",8.95]");
}
