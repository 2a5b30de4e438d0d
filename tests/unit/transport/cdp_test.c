/* SPDX-License-Identifier: MIT */
#include "transport/cdp.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static bool is(const char *data, size_t len, const char *wanted)
{
    return data != NULL && len == strlen(wanted) && memcmp(data, wanted, len) == 0;
}

static troupe_error scan(const char *text, cdp_message *out)
{
    return cdp_scan(text, strlen(text), out, NULL);
}

Test(cdp, scan_answer_with_session_behind_the_result)
{
    cdp_message m;
    cr_assert_eq(scan("{\"id\":3,\"result\":{\"a\":[{}]},\"sessionId\":\"AB\"}", &m), TROUPE_OK);
    cr_expect(m.has_id && m.id == 3);
    cr_expect(is(m.session, m.session_len, "AB"));
    cr_expect(is(m.result.data, m.result.len, "{\"a\":[{}]}"));
    cr_expect_null(m.method);
    cr_expect_null(m.error.data);
}

Test(cdp, scan_event_with_unknown_members)
{
    cdp_message m;
    cr_assert_eq(
        scan(" {\"x\":[1,\"}\"],\"method\":\"Page.loadEventFired\" , \"params\" : {\"t\":1.5} } ",
             &m),
        TROUPE_OK);
    cr_expect(!m.has_id);
    cr_expect(is(m.method, m.method_len, "Page.loadEventFired"));
    cr_expect(is(m.params.data, m.params.len, "{\"t\":1.5}"));
    cr_expect_null(m.session);
}

Test(cdp, scan_error_answer_is_an_answer)
{
    cdp_message m;
    cr_assert_eq(scan("{\"id\":9,\"error\":{\"code\":-32601,\"message\":\"no \\\"such\\\"\"}}", &m),
                 TROUPE_OK);
    cr_expect(is(m.error.data, m.error.len, "{\"code\":-32601,\"message\":\"no \\\"such\\\"\"}"));
}

Test(cdp, scan_null_members_count_as_absent)
{
    cdp_message m;
    cr_assert_eq(scan("{\"id\":1,\"method\":\"A.b\",\"params\":null,\"sessionId\":null}", &m),
                 TROUPE_OK);
    cr_expect_null(m.params.data);
    cr_expect_null(m.session);
}

Test(cdp, scan_malformed_messages_are_refused)
{
    static const char *const bad[] = {
        "",
        " ",
        "null",
        "[]",
        "{}",
        "{\"id\":\"1\"}",
        "{\"id\":1.5}",
        "{\"id\":null}",
        "{\"method\":1}",
        "{\"method\":\"\"}",
        "{\"method\":\"a\\n\"}",
        "{\"id\":1,\"sessionId\":5}",
        "{\"id\":1,\"sessionId\":\"\\u0041\"}",
        "{\"id\":1,\"params\":[]}",
        "{\"id\":1,\"result\":\"x\"}",
        "{\"id\":1,\"error\":1}",
        "{\"id\":1",
        "{\"id\":1,\"result\":{\"a\":1}",
        "{\"id\":1}}",
        "{\"id\":1}x",
        "{\"id\":1,,\"method\":\"a\"}",
        "{\"id\" 1}",
        "{\"id\":}",
        "{\"params\":{}}",
        "{\"id",
        "{\"id\":99999999999999999999}",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        cdp_message m;
        troupe_reason reason = {{0}};
        cr_expect_eq(cdp_scan(bad[i], strlen(bad[i]), &m, &reason), TROUPE_EPROTOCOL, "%s", bad[i]);
        cr_expect_gt(strlen(reason.text), 0);
    }
}

Test(cdp, scan_each_prefix_is_refused)
{
    static const char text[] =
        "{\"id\":3,\"method\":\"A.b\",\"params\":{\"x\":[\"\\\\\"]},\"sessionId\":\"S\"}";
    for (size_t n = 0; n < sizeof(text) - 1; n++) {
        cdp_message m;
        char *cut = malloc(n + 1);
        char *at = cut + 1; /* ends where the allocation ends */
        memcpy(at, text, n);
        cr_expect_eq(cdp_scan(at, n, &m, NULL), TROUPE_EPROTOCOL, "%zu", n);
        free(cut);
    }
}

static const char *written(troupe_buffer *buffer)
{
    (void)troupe_buffer_append(buffer, "", 1);
    return (const char *)buffer->data;
}

Test(cdp, write_command_has_the_documented_shape)
{
    troupe_buffer out = {0};
    cr_assert_eq(cdp_write_command(&out, 7, "Page.enable", 11, "S-1", 3, "{\"a\":1}", 7),
                 TROUPE_OK);
    cr_expect_str_eq(
        written(&out),
        "{\"id\":7,\"method\":\"Page.enable\",\"sessionId\":\"S-1\",\"params\":{\"a\":1}}");
    troupe_buffer_clear(&out);
    cr_assert_eq(cdp_write_command(&out, INT64_MIN, "A_b.c", 5, NULL, 0, NULL, 0), TROUPE_OK);
    cr_expect_str_eq(written(&out), "{\"id\":-9223372036854775808,\"method\":\"A_b.c\"}");
    troupe_buffer_fini(&out);
}

Test(cdp, write_command_appends_and_reads_back)
{
    troupe_buffer out = {0};
    cdp_message m;
    (void)troupe_buffer_append(&out, "xx", 2);
    cr_assert_eq(cdp_write_command(&out, 123456789, "A.b", 3, "S", 1, "{}", 2), TROUPE_OK);
    cr_assert_eq(cdp_scan((char *)out.data + 2, out.len - 2, &m, NULL), TROUPE_OK);
    cr_expect(m.id == 123456789 && is(m.method, m.method_len, "A.b"));
    cr_expect(is(m.session, m.session_len, "S") && is(m.params.data, m.params.len, "{}"));
    troupe_buffer_fini(&out);
}

Test(cdp, write_command_names_with_other_characters_are_refused)
{
    troupe_buffer out = {0};
    cr_expect_eq(cdp_write_command(&out, 1, "A\"b", 3, NULL, 0, NULL, 0), TROUPE_EPARAMS);
    cr_expect_eq(cdp_write_command(&out, 1, "", 0, NULL, 0, NULL, 0), TROUPE_EPARAMS);
    cr_expect_eq(cdp_write_command(&out, 1, "A\0b", 3, NULL, 0, NULL, 0), TROUPE_EPARAMS);
    cr_expect_eq(cdp_write_command(&out, 1, "A.b", 3, "s\",", 3, NULL, 0), TROUPE_EPARAMS);
    cr_expect_eq(cdp_write_command(&out, 1, "A.b", 3, "", 0, NULL, 0), TROUPE_EPARAMS);
    cr_expect_eq(out.len, 0);
    troupe_buffer_fini(&out);
}
