/* SPDX-License-Identifier: MIT */
/* RPC console over a real store. */
#include "store_fixture.h"

#include <criterion/criterion.h>
#include <string.h>

static recording rec;

static void open_fed(void)
{
    recording_options(&rec, false);
    recording_open(&rec);
    recording_feed(&rec, "browser_events.tsv", "u1", "p1:abc123");
}

static void close_recording(void)
{
    recording_close(&rec);
}

TestSuite(console_service, .init = open_fed, .fini = close_recording, .timeout = 60);

static size_t count(const char *params)
{
    json_t *answer = recording_call(&rec, rec.console, "console", params);
    cr_expect_not_null(answer, "%s: %s", params, rec.message);
    size_t found = json_array_size(json_object_get(answer, "messages"));
    json_decref(answer);
    return found;
}

Test(console_service, list_has_the_members_newest_first)
{
    static const char *const members[] = {"id",     "level", "source", "message", "timestamp",
                                          "target", "url",   "line",   "column"};
    json_t *answer = recording_call(&rec, rec.console, "console", NULL);
    const json_t *rows = json_object_get(answer, "messages");
    const json_t *last = json_array_get(rows, 0);
    cr_expect_eq(json_array_size(rows), 26);
    cr_expect_str_eq(json_string_value(json_object_get(last, "message")), "done");
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
        cr_expect_not_null(json_object_get(last, members[i]), "%s", members[i]);
    }
    cr_expect_eq(json_object_size(last), 9);
    double timestamp = json_real_value(json_object_get(last, "timestamp"));
    cr_expect(timestamp > 1.7952e12 && timestamp < 1.7953e12, "%f", timestamp);
    cr_expect_str_eq(json_string_value(json_array_get(json_object_get(answer, "targets"), 0)),
                     "p1:abc123");
    json_decref(answer);
}

Test(console_service, order_is_as_received)
{
    json_t *answer = recording_call(&rec, rec.console, "console", "{\"order\":\"asc\"}");
    const json_t *rows = json_object_get(answer, "messages");
    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *row = json_array_get(rows, i);
        cr_expect_eq(json_integer_value(json_object_get(row, "id")), (json_int_t)i + 1);
    }
    json_decref(answer);
}

Test(console_service, filters_select)
{
    cr_expect_eq(count("{\"limit\":5}"), 5);
    cr_expect_eq(count("{\"level\":\"error\"}"), 10);
    cr_expect_eq(count("{\"level\":\"warn\"}"), 1);
    cr_expect_eq(count("{\"level\":\"warning\"}"), 1);
    cr_expect_eq(count("{\"level\":\"verbose\"}"), 1);
    cr_expect_eq(count("{\"target\":\"p1:abc123\",\"level\":\"info\"}"), 1);
    cr_expect_eq(count("{\"target\":\"p2:x' OR 1=1\"}"), 0);
}

Test(console_service, wrong_params_are_named)
{
    static const char *const wrong[] = {"{\"limit\":-1}",  "{\"level\":\"loud\"}",
                                        "{\"level\":1}",   "{\"order\":\"up\"}",
                                        "{\"target\":{}}", "[]"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        cr_expect_null(recording_call(&rec, rec.console, "console", wrong[i]));
        cr_expect_eq(rec.error, TROUPE_EPARAMS, "%s", wrong[i]);
    }
}
