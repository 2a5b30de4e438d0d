/* SPDX-License-Identifier: MIT */
/* What real Chromium sent while it loaded a page that does everything, and what is recorded of it.
 */
#include "store_fixture.h"

#include <criterion/criterion.h>
#include <string.h>

static recording rec;

static void open_memory(void)
{
    recording_options(&rec, false);
    recording_open(&rec);
}

static void open_file(void)
{
    recording_options(&rec, true);
    recording_open(&rec);
}

static void close_recording(void)
{
    recording_close(&rec);
}

TestSuite(store_capture, .init = open_memory, .fini = close_recording, .timeout = 60);
TestSuite(store_capture_file, .init = open_file, .fini = close_recording, .timeout = 60);

/* id, status, method, type, state, hop, and the end of the URL of each request the page made. */
static const char *const hops[] = {
    "1 200 GET Document complete 0 /",        "2 200 GET Stylesheet complete 0 style.css",
    "3 200 GET Script complete 0 app.js",     "4 200 GET Image complete 0 dot.png",
    "5 200 GET Fetch complete 0 data.json",   "6 200 GET Document complete 0 frame.html",
    "7 200 GET Fetch complete 0 frame.json",  "8 200 POST Fetch complete 0 post",
    "9 302 GET Fetch complete 0 r1",          "10 307 GET Fetch complete 1 r2",
    "11 200 GET Fetch complete 2 r3",         "12 404 GET Fetch complete 0 missing.txt",
    "13 0 GET Fetch failed 0 refused",        "14 200 GET Fetch complete 0 cached.js",
    "15 200 GET Fetch complete 0 cached.js",  "16 0 GET Fetch failed 0 slow",
    "17 200 GET XHR complete 0 xhr.txt",      "18 101 WS WebSocket closed 0 ws",
    "19 404 WS WebSocket failed 0 nows",      "20 200 GET EventSource failed 0 events",
    "21 200 GET Script complete 0 worker.js", "22 200 GET Fetch complete 0 from-worker.json",
    "23 200 POST Ping complete 0 beacon",     "24 200 GET Script complete 0 data",
    "25 200 GET Fetch failed 0 nocors",       "26 200 GET Fetch complete 0 late",
};

static void expect_hops(void)
{
    json_t *rows = recording_rows(
        &rec, "SELECT h.id||' '||h.status||' '||h.method||' '||h.type||' '||h.state||' '||r.hop,"
              " h.url FROM har_summary h JOIN request r ON r.id=h.id ORDER BY h.id");
    cr_assert_eq(json_array_size(rows), sizeof hops / sizeof hops[0]);
    for (size_t i = 0; i < json_array_size(rows); i++) {
        const char *row = json_string_value(json_array_get(json_array_get(rows, i), 0));
        const char *url = json_string_value(json_array_get(json_array_get(rows, i), 1));
        const char *end = strrchr(hops[i], ' ') + 1;
        cr_expect_eq(strncmp(row, hops[i], (size_t)(end - hops[i] - 1)), 0, "%s, not %s", row,
                     hops[i]);
        cr_expect_not_null(strstr(url, end), "%s", url);
    }
    json_decref(rows);
}

Test(store_capture, every_request_is_a_row_a_hop)
{
    int count = recording_feed(&rec, "browser_events.tsv", "u1", "p1:abc123");
    expect_hops();
    char text[16];
    snprintf(text, sizeof text, "%d", count);
    expect_value(&rec, "SELECT count(*) FROM event", text);
}

Test(store_capture_file, every_request_is_a_row_a_hop)
{
    recording_feed(&rec, "browser_events.tsv", "u1", "p1:abc123");
    expect_hops();
}

Test(store_capture, details_are_typed)
{
    recording_feed(&rec, "browser_events.tsv", "u1", "p1:abc123");
    expect_value(&rec, "SELECT error FROM request WHERE id=13", "net::ERR_CONNECTION_REFUSED");
    expect_value(&rec, "SELECT canceled FROM request WHERE id=16", "1");
    expect_value(&rec, "SELECT cors_error FROM request WHERE id=25", "MissingAllowOriginHeader");
    expect_value(&rec, "SELECT from_cache FROM request WHERE id=24", "1");
    expect_value(&rec, "SELECT from_disk_cache FROM response WHERE request=15", "1");
    expect_value(&rec, "SELECT post_data FROM request WHERE id=8", "{\"a\":1}");
    expect_value(&rec, "SELECT size FROM har_summary WHERE id=1", "339");
    expect_value(&rec, "SELECT typeof(time_ms) FROM har_summary WHERE id=1", "real");
    expect_value(&rec, "SELECT started_datetime FROM har_summary WHERE id=1",
                 "2026-11-21T05:05:16.844Z");
    /* HttpOnly cookies appear in raw headers only. */
    expect_value(&rec, "SELECT response_headers_json LIKE '%HttpOnly%' FROM har_entry WHERE id=1",
                 "1");
    expect_value(&rec, "SELECT chain FROM request WHERE id=11", "9");
}

Test(store_capture, beacon_whose_raw_headers_came_first_has_them)
{
    recording_feed(&rec, "browser_events.tsv", "u1", "p1:abc123");
    expect_value(&rec, "SELECT raw_headers_json IS NOT NULL FROM request WHERE id=23", "1");
    expect_value(&rec, "SELECT raw_status FROM response WHERE request=23", "200");
}

Test(store_capture, websocket_frames_are_counted_and_kept)
{
    recording_feed(&rec, "browser_events.tsv", "u1", "p1:abc123");
    expect_value(&rec,
                 "SELECT frames_sent||' '||frames_received||' '||size FROM har_summary"
                 " WHERE id=18",
                 "2 2 16");
    expect_value(&rec,
                 "SELECT group_concat(direction||opcode||payload||bytes,' ')"
                 " FROM websocket_frame WHERE request=18",
                 "sent1hello5 sent2AQID3 received1hello5 received2AQID3");
    expect_value(&rec,
                 "SELECT error LIKE '%Unexpected response code: 404%' FROM request"
                 " WHERE id=19",
                 "1");
}

Test(store_capture, events_know_their_request_and_pages_are_rows)
{
    recording_feed(&rec, "browser_events.tsv", "u1", "p1:abc123");
    expect_value(&rec, "SELECT count(*) FROM event WHERE request=9", "12");
    expect_value(&rec, "SELECT count(*)||url FROM page", "1http://127.0.0.1:45671/");
    expect_value(&rec, "SELECT load_us>=content_us AND content_us>=navigated_us FROM page", "1");
}

Test(store_capture, requests_under_way_when_recording_began_are_rows)
{
    recording_feed(&rec, "late_attach_events.tsv", "u1", "p1:abc123");
    expect_value(&rec, "SELECT count(*) FROM har_summary WHERE state='complete' AND status=200",
                 "4");
    expect_value(&rec, "SELECT group_concat(type,' ') FROM (SELECT type FROM request ORDER BY id)",
                 "Document Stylesheet Image Script");
}

Test(store_capture, two_browsers_with_equal_ids_stay_apart)
{
    recording_feed(&rec, "browser_events.tsv", "u1", "p1:abc123");
    recording_feed(&rec, "browser_events.tsv", "u2", "p2:abc123");
    expect_value(&rec, "SELECT count(*)||' '||count(DISTINCT id) FROM har_summary", "52 52");
    expect_value(&rec,
                 "SELECT count(*) FROM har_summary WHERE target='p2:abc123'"
                 " AND state IN ('complete','failed','closed')",
                 "26");
}

static const char *const messages[][2] = {
    {"log", "plain 1 true null undefined {a: 1, b: 'x', c: {\u2026}} (3) [1, 2, 3] Map(1) {1 => 2}"
            " Symbol(s) 10n -0"},
    {"info", "Bob is 42 years and 1.5 {x: 1}  styled"},
    {"warning", "warned"},
    {"error", "Error: boom\n    at http://127.0.0.1:45671/app.js:4:39"},
    {"debug", "dbg"},
    {"log", "[{\u2026}]"},
    {"log", "{k: 1}"},
    {"error", "Assertion failed: not so"},
    {"log", "c: 1"},
    {"log", "G"},
    {"log", "t: 0.0"},
    {"log", "tr"},
    {"log", "p function f(a){return a} /re/g Thu Jan 01 1970 00:00:00 GMT+0000"},
    {"log", "sur\uFFFDrogate  nul \u00e9\u4e2d\U0001F600"},
    {"error", "Uncaught TypeError: late\n    at http://127.0.0.1:45671/app.js:8:24"},
    {"error", "Uncaught just text"},
    {"error", "Uncaught (in promise) Error: unhandled"},
};

Test(store_capture, console_lines_are_as_devtools_shows_them)
{
    recording_feed(&rec, "browser_events.tsv", "u1", "p1:abc123");
    json_t *rows = recording_rows(&rec, "SELECT level, message FROM console ORDER BY id");
    for (size_t i = 0; i < sizeof messages / sizeof messages[0]; i++) {
        const json_t *row = json_array_get(rows, i);
        const char *text = json_string_value(json_array_get(row, 1));
        cr_expect_str_eq(json_string_value(json_array_get(row, 0)), messages[i][0]);
        if (i == 10) { /* a measured time */
            cr_expect_eq(strncmp(text, messages[i][1], strlen(messages[i][1])), 0, "%s", text);
        } else {
            cr_expect_eq(strncmp(text, messages[i][1], strlen(messages[i][1])), 0, "%s, not %s",
                         text, messages[i][1]);
        }
    }
    json_decref(rows);
    expect_value(&rec, "SELECT source||' '||url||':'||line||':'||column FROM console WHERE id=15",
                 "exception http://127.0.0.1:45671/app.js:8:24");
    expect_value(&rec, "SELECT count(*) FROM console WHERE source='network'", "4");
    expect_value(&rec, "SELECT typeof(timestamp)||(timestamp>1.79e12) FROM console_summary",
                 "real1");
}

Test(store_capture, worker_line_is_there_once_though_chrome_tells_it_twice)
{
    recording_feed(&rec, "browser_events.tsv", "u1", "p1:abc123");
    expect_value(&rec, "SELECT count(*) FROM console WHERE message='in worker'", "1");
    expect_value(&rec, "SELECT count(*) FROM event WHERE params LIKE '%in worker%'", "2");
}
