/* SPDX-License-Identifier: MIT */
/* Users' SQL: what it may and may not do, its limits, its deadline, and that it sees what was sent.
 */
#include "store_fixture.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static recording rec;

static void open_file(void)
{
    recording_options(&rec, true);
    recording_open(&rec);
}

static void close_recording(void)
{
    recording_close(&rec);
}

TestSuite(store_query, .init = open_file, .fini = close_recording, .timeout = 60);

static void expect_refused(const char *params, const char *part)
{
    json_t *answer = recording_call(&rec, rec.query, "query.sql", params);
    cr_expect_null(answer, "%s", params);
    cr_expect_eq(rec.error, TROUPE_EPARAMS, "%s: %s", params, rec.message);
    cr_expect_not_null(strstr(rec.message, part), "%s: %s", params, rec.message);
}

static void expect_refused_sql(const char *sql)
{
    char params[512];
    snprintf(params, sizeof params, "{\"sql\":\"%s\"}", sql);
    expect_refused(params, "sql: ");
}

Test(store_query, answer_has_columns_rows_and_truncated)
{
    json_t *answer =
        recording_call(&rec, rec.query, "query.sql",
                       "{\"sql\":\"SELECT ? AS a, ? AS b, ? AS c, ? AS d, x'00ff' AS e, 1.5 AS f\","
                       "\"params\":[\"t\\u00e9\",7,null,true]}");
    char *text = json_dumps(answer, JSON_COMPACT);
    cr_expect_str_eq(text, "{\"columns\":[\"a\",\"b\",\"c\",\"d\",\"e\",\"f\"],"
                           "\"rows\":[[\"t\u00e9\",7,null,1,\"AP8=\",1.5]],\"truncated\":false}");
    free(text);
    json_decref(answer);
}

Test(store_query, what_was_sent_before_is_seen)
{
    char text[16];
    for (int i = 1; i <= 50; i++) {
        recording_event(&rec, "Page.x", "{}");
        snprintf(text, sizeof text, "%d", i);
        expect_value(&rec, "SELECT count(*) FROM event", text);
    }
}

Test(store_query, only_reading_is_allowed)
{
    static const char *const refused[] = {
        "DELETE FROM event",
        "INSERT INTO gap(count) VALUES(1)",
        "UPDATE counters SET events=0",
        "DROP TABLE event",
        "CREATE TABLE t(x)",
        "CREATE TEMP TABLE t(x)",
        "ATTACH 'file:/etc/passwd' AS p",
        "DETACH main",
        "PRAGMA journal_mode=DELETE",
        "PRAGMA user_version=7",
        "PRAGMA query_only=0",
        "PRAGMA wal_checkpoint",
        "VACUUM INTO '/tmp/x'",
        "BEGIN",
        "COMMIT",
        "SAVEPOINT s",
        "REINDEX",
        "ANALYZE",
        "SELECT load_extension('x')",
        "WITH d AS (SELECT 1) DELETE FROM event",
        "SELECT 1; DELETE FROM event",
        "SELECT 1; SELECT 2",
        "",
        "-- nothing",
        "SELECT nonsense",
        "SELEC 1",
        "SELECT * FROM nowhere",
        "EXPLAIN DELETE FROM event",
    };
    recording_event(&rec, "Page.x", "{}");
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        expect_refused_sql(refused[i]);
    }
    expect_value(&rec, "SELECT count(*) FROM event", "1");
}

Test(store_query, harmless_things_are_allowed)
{
    static const char *const allowed[] = {
        "SELECT 1;",
        "SELECT 1; -- done",
        "PRAGMA table_info(request)",
        "PRAGMA user_version",
        "PRAGMA integrity_check",
        "SELECT name FROM pragma_table_info('request')",
        "SELECT name FROM sqlite_master",
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<5) SELECT * FROM n",
        "SELECT json_extract(params,'$.a') FROM event",
        "EXPLAIN QUERY PLAN SELECT * FROM har_summary",
        "SELECT value FROM json_each('[1,2]')",
        "SELECT e.id, j.key FROM event e, json_tree(e.params) j",
        "VALUES(1)",
    };
    for (size_t i = 0; i < sizeof allowed / sizeof allowed[0]; i++) {
        json_decref(recording_rows(&rec, allowed[i]));
        cr_expect_eq(rec.error, TROUPE_OK);
    }
}

Test(store_query, wrong_params_are_named)
{
    expect_refused("{}", "sql: a string");
    expect_refused("{\"sql\":5}", "sql: a string");
    expect_refused("{\"sql\":\"SELECT 1\",\"limit\":0}", "limit: ");
    expect_refused("{\"sql\":\"SELECT 1\",\"limit\":10001}", "limit: ");
    expect_refused("{\"sql\":\"SELECT 1\",\"limit\":\"5\"}", "limit: ");
    expect_refused("{\"sql\":\"SELECT ?\"}", "params: 0 values for 1");
    expect_refused("{\"sql\":\"SELECT 1\",\"params\":[1]}", "params: 1 values for 0");
    expect_refused("{\"sql\":\"SELECT ?\",\"params\":[{}]}", "params[0]");
    expect_refused("{\"sql\":\"SELECT ?\",\"params\":{\"a\":1}}", "params: a list");
    expect_refused("[1]", "object");
    expect_refused("{\"sql\":\"SELECT 1\\u0000\"}", "NUL");
}

#define ENDLESS "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n) SELECT "

Test(store_query, rows_are_limited)
{
    json_t *answer = recording_call(&rec, rec.query, "query.sql",
                                    "{\"sql\":\"" ENDLESS "i FROM n\",\"limit\":3}");
    cr_expect_eq(json_array_size(json_object_get(answer, "rows")), 3);
    cr_expect(json_is_true(json_object_get(answer, "truncated")));
    json_decref(answer);
    answer = recording_call(&rec, rec.query, "query.sql", "{\"sql\":\"" ENDLESS "i FROM n\"}");
    cr_expect_eq(json_array_size(json_object_get(answer, "rows")), 1000);
    json_decref(answer);
}

Test(store_query, bytes_are_limited)
{
    json_t *answer = recording_call(&rec, rec.query, "query.sql",
                                    "{\"sql\":\"" ENDLESS "hex(zeroblob(1000000)) FROM n\"}");
    cr_expect(json_is_true(json_object_get(answer, "truncated")));
    cr_expect_leq(json_array_size(json_object_get(answer, "rows")), 16);
    cr_expect_gt(json_array_size(json_object_get(answer, "rows")), 0);
    json_decref(answer);
    answer = recording_call(&rec, rec.query, "query.sql",
                            "{\"sql\":\"SELECT hex(zeroblob(20000000))\"}");
    cr_expect_null(answer);
    cr_expect_eq(rec.error, TROUPE_ELIMIT);
    answer =
        recording_call(&rec, rec.query, "query.sql", "{\"sql\":\"SELECT zeroblob(1000000000)\"}");
    cr_expect_null(answer);
    cr_expect_eq(rec.error, TROUPE_EPARAMS, "%s", rec.message);
}

Test(store_query, endless_query_ends_at_its_deadline_and_the_next_one_runs)
{
    json_t *answer = recording_call_within(&rec, rec.query, "query.sql",
                                           "{\"sql\":\"" ENDLESS "count(*) FROM n\"}", 200);
    cr_expect_null(answer);
    cr_expect_eq(rec.error, TROUPE_ETIMEOUT);
    expect_value(&rec, "SELECT 42", "42");
}

Test(store_query, endless_query_does_not_hold_up_a_stop)
{
    uint64_t ref;
    troupe_buffer payload = {0};
    const char *params = "{\"sql\":\"" ENDLESS "count(*) FROM n\"}";
    troupe_pack(&payload, "j#", params, strlen(params));
    cr_assert_eq(troupe_guest_call_start(rec.guest, rec.query, "query.sql", NULL,
                                         troupe_buffer_bytes(&payload), 60000, NULL, &ref),
                 TROUPE_OK);
    troupe_guest_flush(rec.guest);
    troupe_buffer_fini(&payload);
    cr_assert_eq(troupe_stop(rec.system, rec.query, TROUPE_STOP_NOW), TROUPE_OK);
    recording_join(&rec, rec.query);
    troupe_answer answer;
    cr_assert_eq(troupe_guest_wait(rec.guest, 20000, &answer), TROUPE_OK);
    cr_expect_neq(answer.error, TROUPE_OK);
    troupe_answer_fini(&answer);
}

Test(store_query, without_the_store_what_is_there_is_answered)
{
    recording_event(&rec, "Page.x", "{}");
    expect_value(&rec, "SELECT count(*) FROM event", "1");
    cr_assert_eq(troupe_stop(rec.system, rec.store, TROUPE_STOP_DRAIN), TROUPE_OK);
    recording_join(&rec, rec.store);
    expect_value(&rec, "SELECT count(*) FROM event", "1");
}

Test(store_query, trusted_rows_are_objects_with_json_values)
{
    troupe_buffer payload = {0};
    troupe_answer answer;
    const char *text;
    size_t len;
    troupe_pack(&payload, "{s:s,s:[s,i,n,f],s:i}", "sql",
                "SELECT ?1 AS a_json, ?2 AS b, ?3 AS c_json, ?4 AS d, '{broken' AS e_json", "args",
                "{\"x\":[1,\"\\ud800\"]}", 5, 2.5, "limit", 10);
    cr_assert_eq(troupe_guest_call(rec.guest, rec.query, VERB_QUERY_ROWS, NULL,
                                   troupe_buffer_bytes(&payload), 10000, &answer),
                 TROUPE_OK);
    cr_assert_eq(troupe_payload_json(answer.payload, &text, &len), TROUPE_OK);
    const char *expected =
        "{\"columns\":[\"a\",\"b\",\"c\",\"d\",\"e\"],\"rows\":[{\"a\":{\"x\":[1,"
        "\"\\ufffd\"]},\"b\":5,\"c\":null,\"d\":2.5,\"e\":\"{broken\"}],"
        "\"truncated\":false}";
    cr_expect_eq(len, strlen(expected));
    cr_expect_eq(memcmp(text, expected, len), 0, "%.*s", (int)len, text);
    troupe_answer_fini(&answer);
    troupe_buffer_fini(&payload);
}
