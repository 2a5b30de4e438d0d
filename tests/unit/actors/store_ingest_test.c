/* SPDX-License-Identifier: MIT */
/* Orders, repetitions and nonsense that browsers and hostile pages send, event by event. */
#include "store_fixture.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static recording rec;

static void open_recording(void)
{
    recording_options(&rec, false);
    recording_open(&rec);
}

static void close_recording(void)
{
    recording_close(&rec);
}

TestSuite(store_ingest, .init = open_recording, .fini = close_recording, .timeout = 60);

#define SENT           "Network.requestWillBeSent"
#define SENT_EXTRA     "Network.requestWillBeSentExtraInfo"
#define RECEIVED       "Network.responseReceived"
#define RECEIVED_EXTRA "Network.responseReceivedExtraInfo"
#define FINISHED       "Network.loadingFinished"

static void sent(const char *id, const char *url, double time, const char *more)
{
    char params[1024];
    snprintf(params, sizeof params,
             "{\"requestId\":\"%s\",\"request\":{\"url\":\"%s\",\"method\":\"GET\",\"headers\":{}},"
             "\"timestamp\":%f,\"wallTime\":%f,\"type\":\"Fetch\"%s}",
             id, url, time, 1.7e9 + time, more);
    recording_event(&rec, SENT, params);
}

static void redirected(const char *id, const char *url, double time, int status, bool extra)
{
    char more[300];
    snprintf(more, sizeof more,
             ",\"redirectHasExtraInfo\":%s,\"redirectResponse\":{\"status\":%d,\"headers\":{},"
             "\"encodedDataLength\":%d}",
             extra ? "true" : "false", status, status);
    sent(id, url, time, more);
}

static void received(const char *id, double time, int status, bool extra)
{
    char params[512];
    snprintf(params, sizeof params,
             "{\"requestId\":\"%s\",\"timestamp\":%f,\"type\":\"Fetch\",\"hasExtraInfo\":%s,"
             "\"response\":{\"url\":\"http://x/\",\"status\":%d,\"headers\":{\"a\":\"cooked\"},"
             "\"mimeType\":\"text/plain\"}}",
             id, time, extra ? "true" : "false", status);
    recording_event(&rec, RECEIVED, params);
}

static void request_extra(const char *id, const char *mark)
{
    char params[200];
    snprintf(params, sizeof params, "{\"requestId\":\"%s\",\"headers\":{\"q\":\"%s\"}}", id, mark);
    recording_event(&rec, SENT_EXTRA, params);
}

static void response_extra(const char *id, int status, const char *mark)
{
    char params[200];
    snprintf(params, sizeof params,
             "{\"requestId\":\"%s\",\"statusCode\":%d,\"headers\":{\"r\":\"%s\"}}", id, status,
             mark);
    recording_event(&rec, RECEIVED_EXTRA, params);
}

static void finished(const char *id, double time, int bytes)
{
    char params[200];
    snprintf(params, sizeof params,
             "{\"requestId\":\"%s\",\"timestamp\":%f,\"encodedDataLength\":%d}", id, time, bytes);
    recording_event(&rec, FINISHED, params);
}

/* status, raw headers of request and response of each hop. */
#define HOPS                                                                               \
    "SELECT group_concat(h.status||':'||COALESCE(r.raw_headers_json,'-')||"                \
    "COALESCE(p.raw_headers_json,'-'),' ') FROM har_summary h JOIN request r ON r.id=h.id" \
    " LEFT JOIN response p ON p.request=r.id ORDER BY h.id"

Test(store_ingest, three_hops_each_with_raw_headers_behind_their_events)
{
    sent("7", "http://x/1", 1, "");
    request_extra("7", "q1");
    response_extra("7", 302, "r1");
    redirected("7", "http://x/2", 2, 302, true);
    request_extra("7", "q2");
    response_extra("7", 307, "r2");
    redirected("7", "http://x/3", 3, 307, true);
    request_extra("7", "q3");
    received("7", 4, 200, true);
    response_extra("7", 203, "r3");
    finished("7", 5, 99);
    expect_value(&rec, HOPS,
                 "302:{\"q\":\"q1\"}{\"r\":\"r1\"} 307:{\"q\":\"q2\"}{\"r\":\"r2\"}"
                 " 203:{\"q\":\"q3\"}{\"r\":\"r3\"}");
    expect_value(&rec, "SELECT group_concat(time_ms||'/'||size,' ') FROM har_summary",
                 "1000.0/302 1000.0/307 2000.0/99");
    expect_value(&rec, "SELECT count(DISTINCT chain)||' '||max(hop) FROM request", "1 2");
}

Test(store_ingest, three_hops_each_with_raw_headers_before_their_events)
{
    request_extra("7", "q1");
    sent("7", "http://x/1", 1, "");
    response_extra("7", 302, "r1");
    request_extra("7", "q2");
    redirected("7", "http://x/2", 2, 302, true);
    response_extra("7", 307, "r2");
    request_extra("7", "q3");
    redirected("7", "http://x/3", 3, 307, true);
    response_extra("7", 200, "r3");
    received("7", 4, 200, true);
    finished("7", 5, 99);
    expect_value(&rec, HOPS,
                 "302:{\"q\":\"q1\"}{\"r\":\"r1\"} 307:{\"q\":\"q2\"}{\"r\":\"r2\"}"
                 " 200:{\"q\":\"q3\"}{\"r\":\"r3\"}");
}

/* The order in which Chromium 156 sent them when it was busy. */
Test(store_ingest, three_hops_whose_raw_headers_lag_behind_by_hops)
{
    sent("7", "http://x/1", 1, "");
    request_extra("7", "q1");
    redirected("7", "http://x/2", 2, 302, true);
    redirected("7", "http://x/3", 3, 302, true);
    response_extra("7", 302, "r1");
    request_extra("7", "q2");
    response_extra("7", 302, "r2");
    request_extra("7", "q3");
    response_extra("7", 200, "r3");
    received("7", 4, 200, true);
    finished("7", 5, 99);
    expect_value(&rec, HOPS,
                 "302:{\"q\":\"q1\"}{\"r\":\"r1\"} 302:{\"q\":\"q2\"}{\"r\":\"r2\"}"
                 " 200:{\"q\":\"q3\"}{\"r\":\"r3\"}");
}

Test(store_ingest, raw_headers_of_hops_out_of_reach_go_to_no_other)
{
    char url[32];
    sent("7", "http://x/0", 1, "");
    for (int i = 1; i <= 20; i++) {
        snprintf(url, sizeof url, "http://x/%d", i);
        redirected("7", url, 1 + i, 302, true);
    }
    for (int i = 0; i <= 20; i++) {
        response_extra("7", i < 20 ? 302 : 200, "r");
    }
    received("7", 30, 200, true);
    expect_value(&rec,
                 "SELECT group_concat(status, ' ') FROM (SELECT status FROM har_summary"
                 " ORDER BY id DESC LIMIT 3)",
                 "200 302 302");
    expect_value(&rec, "SELECT count(*) FROM response WHERE raw_headers_json IS NOT NULL", "8");
}

Test(store_ingest, raw_headers_skip_hops_that_have_none)
{
    sent("7", "http://x/1", 1, "");
    redirected("7", "http://x/2", 2, 307, false); /* answered by the browser itself */
    request_extra("7", "q2");
    response_extra("7", 200, "r2");
    received("7", 4, 200, true);
    expect_value(&rec, HOPS, "307:-- 200:{\"q\":\"q2\"}{\"r\":\"r2\"}");
}

Test(store_ingest, raw_headers_of_the_next_hop_move_when_the_present_one_has_none)
{
    sent("7", "http://x/1", 1, "");
    request_extra("7", "q2");
    redirected("7", "http://x/2", 2, 307, false);
    response_extra("7", 200, "r2");
    received("7", 4, 200, true);
    expect_value(&rec, HOPS, "307:-- 200:{\"q\":\"q2\"}{\"r\":\"r2\"}");
}

Test(store_ingest, raw_headers_after_the_end_are_still_taken)
{
    sent("7", "http://x/1", 1, "");
    received("7", 2, 200, true);
    finished("7", 3, 10);
    request_extra("7", "late");
    response_extra("7", 304, "late");
    expect_value(&rec, HOPS, "304:{\"q\":\"late\"}{\"r\":\"late\"}");
}

Test(store_ingest, times_and_sizes_compare_as_numbers)
{
    sent("1", "http://x/a", 1, "");
    sent("2", "http://x/b", 1, "");
    received("1", 1.5, 200, false);
    received("2", 1.5, 200, false);
    finished("1", 1.0999, 100);
    finished("2", 1.1001, 99);
    expect_value(&rec, "SELECT url FROM har_summary ORDER BY time_ms DESC LIMIT 1", "http://x/b");
    expect_value(&rec, "SELECT url FROM har_summary ORDER BY size DESC LIMIT 1", "http://x/a");
}

Test(store_ingest, same_events_through_two_sessions_make_one_row)
{
    for (int i = 0; i < 2; i++) {
        sent("7", "http://x/1", 1, "");
        redirected("7", "http://x/2", 2, 302, false);
    }
    received("7", 3, 200, false);
    received("7", 3, 200, false);
    finished("7", 4, 5);
    finished("7", 4, 5);
    expect_value(&rec, "SELECT group_concat(state||hop,' ') FROM request", "complete0 complete1");
}

Test(store_ingest, failed_stays_failed)
{
    sent("7", "http://x/1", 1, "");
    recording_event(&rec, "Network.loadingFailed",
                    "{\"requestId\":\"7\",\"timestamp\":2,\"errorText\":\"net::ERR_X\","
                    "\"canceled\":false,\"blockedReason\":\"csp\"}");
    finished("7", 3, 5);
    received("7", 3, 200, false);
    expect_value(&rec, "SELECT state||' '||error||' '||blocked_reason FROM request",
                 "failed net::ERR_X csp");
}

Test(store_ingest, url_keeps_its_fragment)
{
    recording_event(&rec, SENT,
                    "{\"requestId\":\"1\",\"request\":{\"url\":\"http://x/\\u00e9\","
                    "\"urlFragment\":\"#top\",\"method\":\"GET\"}}");
    expect_value(&rec, "SELECT url FROM request", "http://x/\u00e9#top");
    expect_value(&rec, "SELECT started_us=(SELECT wall_us FROM event) FROM request", "1");
}

Test(store_ingest, data_is_counted_as_it_comes)
{
    sent("7", "http://x/1", 1, "");
    received("7", 1.5, 200, false);
    recording_event(&rec, "Network.dataReceived",
                    "{\"requestId\":\"7\",\"timestamp\":2,\"dataLength\":1000,"
                    "\"encodedDataLength\":300}");
    recording_event(&rec, "Network.dataReceived",
                    "{\"requestId\":\"7\",\"timestamp\":2.5,\"dataLength\":24,"
                    "\"encodedDataLength\":10}");
    expect_value(&rec, "SELECT state||' '||size FROM har_summary", "loading 310");
    expect_value(&rec, "SELECT decoded_bytes FROM request", "1024");
    expect_value(&rec, "SELECT last_us-started_us FROM request", "1500000");
}

/* What is lost -----------------------------------------------------------------------------------
 */

static void open_things(void)
{
    recording_browser(&rec, "u1", "p1", "up");
    recording_target(&rec, "u1", "p1:abc123", "connected");
    sent("1", "http://x/pending", 1, "");
    sent("2", "http://x/loading", 1, "");
    received("2", 2, 200, false);
    recording_event(&rec, "Network.webSocketCreated", "{\"requestId\":\"3\",\"url\":\"ws://x/\"}");
    recording_event(&rec, "Network.webSocketHandshakeResponseReceived",
                    "{\"requestId\":\"3\",\"timestamp\":2,\"response\":{\"status\":101}}");
    recording_event_of(&rec, "u1", "p1:fff", "S2", SENT,
                       "{\"requestId\":\"1\",\"request\":{\"url\":\"http://x/other\"}}");
}

Test(store_ingest, target_gone_ends_what_was_open)
{
    open_things();
    recording_target(&rec, "u1", "p1:abc123", "gone");
    expect_value(&rec, "SELECT group_concat(state||':'||error,' ') FROM request WHERE id<4",
                 "failed:target closed failed:target closed closed:target closed");
    expect_value(&rec, "SELECT state FROM request WHERE id=4", "pending");
}

Test(store_ingest, target_disconnected_ends_what_was_open)
{
    open_things();
    recording_target(&rec, "u1", "p1:abc123", "available");
    expect_value(&rec, "SELECT count(*) FROM request WHERE error='target disconnected'", "3");
    finished("2", 3, 10); /* too late */
    expect_value(&rec, "SELECT state FROM request WHERE id=2", "failed");
}

Test(store_ingest, browser_down_ends_what_was_open_and_its_targets)
{
    open_things();
    recording_browser(&rec, "u1", "p1", "down");
    expect_value(&rec, "SELECT count(*) FROM request WHERE state IN ('pending','loading','open')",
                 "0");
    expect_value(&rec, "SELECT state FROM target", "gone");
    expect_value(&rec, "SELECT state||(first_us<last_us) FROM browser", "down1");
}

Test(store_ingest, events_that_come_after_the_loss_open_nothing)
{
    recording_target(&rec, "u1", "p1:abc123", "gone");
    sent("1", "http://x/late", 1, "");
    expect_value(&rec, "SELECT state||error FROM request", "failedtarget closed");
    recording_target(&rec, "u1", "p1:abc123", "connected"); /* back again */
    sent("2", "http://x/again", 1, "");
    expect_value(&rec, "SELECT state FROM request WHERE id=2", "pending");
    recording_browser(&rec, "u1", "p1", "down");
    sent("3", "http://x/late", 1, "");
    expect_value(&rec, "SELECT state||error FROM request WHERE id=3", "failedbrowser closed");
}

Test(store_ingest, many_open_requests_are_all_ended)
{
    char id[16];
    for (int i = 0; i < 300; i++) {
        snprintf(id, sizeof id, "r%d", i);
        sent(id, "http://x/", 1, "");
    }
    recording_target(&rec, "u1", "p1:abc123", "gone");
    expect_value(&rec, "SELECT count(*) FROM request WHERE state='failed'", "300");
}

Test(store_ingest, requests_that_left_memory_are_found_again)
{
    char id[16];
    sent("first", "http://x/first", 1, "");
    for (int i = 0; i < 5000; i++) {
        snprintf(id, sizeof id, "r%d", i);
        sent(id, "http://x/", 1, "");
    }
    received("first", 2, 200, false);
    finished("first", 3, 77);
    expect_value(&rec, "SELECT state||size||' '||time_ms FROM har_summary WHERE id=1",
                 "complete77 2000.0");
    expect_value(&rec, "SELECT count(*) FROM request WHERE hop>0", "0");
}

/* Nonsense ---------------------------------------------------------------------------------------
 */

Test(store_ingest, unknown_events_are_kept_as_they_are)
{
    recording_event(&rec, "Future.somethingNew", "{\"a\": [1, 2 ,3], \"b\":\"\\ud800\"}");
    recording_event(&rec, "Network.notYetInvented", "{\"requestId\":\"1\"}");
    expect_value(&rec, "SELECT params FROM event WHERE method='Future.somethingNew'",
                 "{\"a\": [1, 2 ,3], \"b\":\"\\ud800\"}");
    expect_value(&rec, "SELECT count(*) FROM event", "2");
}

Test(store_ingest, malformed_params_change_nothing_else)
{
    static const char *const methods[] = {SENT,
                                          SENT_EXTRA,
                                          RECEIVED,
                                          RECEIVED_EXTRA,
                                          FINISHED,
                                          "Network.loadingFailed",
                                          "Network.dataReceived",
                                          "Network.requestServedFromCache",
                                          "Network.webSocketCreated",
                                          "Network.webSocketFrameSent",
                                          "Network.webSocketClosed",
                                          "Network.webSocketHandshakeResponseReceived",
                                          "Network.eventSourceMessageReceived",
                                          "Runtime.consoleAPICalled",
                                          "Runtime.exceptionThrown",
                                          "Log.entryAdded",
                                          "Page.frameNavigated",
                                          "Page.loadEventFired",
                                          "Target.attachedToTarget"};
    static const char *const params[] = {
        "{}",
        "[]",
        "null",
        "5",
        "\"text\"",
        "{",
        "{\"requestId\":",
        "",
        "{\"requestId\":5}",
        "{\"requestId\":{}}",
        "{\"requestId\":null}",
        "{\"requestId\":\"\"}",
        "{\"requestId\":\"a\\u0000b\",\"request\":{\"url\":\"x\"},\"url\":\"x\"}",
        "{\"request\":5,\"requestId\":\"1\",\"response\":7,\"timestamp\":\"soon\"}",
        "{\"requestId\":\"1\",\"request\":{\"url\":{},\"headers\":\"none\"},\"args\":{},"
        "\"entry\":[],\"frame\":\"f\",\"exceptionDetails\":9,\"targetInfo\":[[]]}",
        "{\"args\":[null,5,\"x\",{},{\"type\":7},{\"preview\":[]},{\"preview\":{\"entries\":[5],"
        "\"properties\":[{}, "
        "7]}}],\"entry\":{\"text\":5,\"level\":9},\"stackTrace\":{\"callFrames\":"
        "[]},\"exceptionDetails\":{\"exception\":5,\"text\":{}}}",
    };
    int count = 0;
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
        for (size_t j = 0; j < sizeof params / sizeof params[0]; j++) {
            recording_event(&rec, methods[i], params[j]);
            count++;
        }
    }
    char text[16];
    snprintf(text, sizeof text, "%d", count);
    expect_value(&rec, "SELECT count(*) FROM event", text);
    expect_value(&rec, "SELECT count(*) FROM request WHERE url IS NULL", "0");
    json_decref(recording_call(&rec, rec.network, "network", "{}"));
    json_decref(recording_call(&rec, rec.console, "console", "{}"));
}

Test(store_ingest, absurd_numbers_do_no_harm)
{
    recording_event(&rec, SENT,
                    "{\"requestId\":\"1\",\"timestamp\":1e300,\"wallTime\":-5,"
                    "\"request\":{\"url\":\"http://x/\"}}");
    recording_event(&rec, "Network.dataReceived",
                    "{\"requestId\":\"1\",\"timestamp\":1e18,\"dataLength\":9e14,"
                    "\"encodedDataLength\":-7}");
    for (int i = 0; i < 3; i++) {
        recording_event(&rec, "Network.dataReceived",
                        "{\"requestId\":\"1\",\"dataLength\":8.9e15,\"encodedDataLength\":1e99}");
    }
    finished("1", 1e12, -1);
    expect_value(&rec, "SELECT state FROM har_summary", "complete");
    json_decref(recording_call(&rec, rec.network, "network", "{}"));
}

Test(store_ingest, large_events_are_kept)
{
    size_t len = 3 * 1024 * 1024;
    char *params = malloc(len + 100);
    int head =
        snprintf(params, 100, "{\"type\":\"log\",\"args\":[{\"type\":\"string\",\"value\":\"");
    memset(params + head, 'x', len);
    strcpy(params + head + len, "\"}]}");
    recording_event(&rec, "Runtime.consoleAPICalled", params);
    free(params);
    expect_value(&rec, "SELECT length(params)>3145728 FROM event", "1");
    expect_value(&rec, "SELECT length(message) FROM console", "65537"); /* cut, with an ellipsis */
}

Test(store_ingest, lone_surrogates_never_reach_answers)
{
    recording_event(&rec, "Runtime.consoleAPICalled",
                    "{\"type\":\"log\",\"args\":[{\"type\":\"string\",\"value\":"
                    "\"a\\udc00b\\ud83d\\ude00\\ud83d\"}]}");
    recording_event(&rec, SENT,
                    "{\"requestId\":\"1\",\"request\":{\"url\":\"http://x/\\ud800\","
                    "\"headers\":{\"h\":\"\\udfff\"}}}");
    expect_value(&rec, "SELECT message FROM console", "a\uFFFDb\U0001F600\uFFFD");
    expect_value(&rec, "SELECT url FROM request", "http://x/\uFFFD");
    json_t *answer = recording_call(&rec, rec.network, "request", "{\"id\":1}");
    const json_t *headers =
        json_object_get(json_object_get(json_object_get(answer, "entry"), "request"), "headers");
    cr_expect_str_eq(json_string_value(json_object_get(headers, "h")), "\uFFFD");
    json_decref(answer);
}

Test(store_ingest, malformed_records_are_ignored)
{
    troupe_buffer payload = {0};
    troupe_pack(&payload, "[s,i]", "no", 5);
    static const char *const verbs[] = {VERB_RECORD_BODY,       VERB_RECORD_BROWSER,
                                        VERB_RECORD_GAP,        VERB_RECORD_TARGET,
                                        VERB_RECORD_SCREENSHOT, "record.unknown"};
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
        cr_assert_eq(troupe_guest_post(rec.guest, rec.store, TROUPE_CAST, verbs[i], NULL,
                                       troupe_buffer_bytes(&payload)),
                     TROUPE_OK);
    }
    cr_assert_eq(troupe_guest_post(rec.guest, rec.store, TROUPE_EVENT, "Page.x", NULL,
                                   troupe_buffer_bytes(&payload)),
                 TROUPE_OK);
    troupe_buffer_fini(&payload);
    expect_value(&rec, "SELECT count(*) FROM event", "0");
}

/* Bodies -----------------------------------------------------------------------------------------
 */

Test(store_ingest, body_belongs_to_the_last_hop)
{
    sent("7", "http://x/1", 1, "");
    redirected("7", "http://x/2", 2, 302, false);
    received("7", 3, 200, false);
    finished("7", 4, 10);
    recording_body(&rec, "7", true, false, "hello", NULL);
    recording_body(&rec, "8", true, false, "nobody's", NULL);
    expect_value(&rec, "SELECT group_concat(COALESCE(body_status,'-'),' ') FROM har_summary",
                 "- ok");
    expect_value(&rec, "SELECT content||bytes FROM body_content", "hello5");
}

Test(store_ingest, base64_bodies_are_kept_as_bytes)
{
    sent("7", "http://x/1", 1, "");
    recording_body(&rec, "7", true, true, "AAECAw==", NULL);
    expect_value(&rec, "SELECT typeof(content)||hex(content)||bytes||base64 FROM body_content",
                 "blob0001020341");
    recording_body(&rec, "7", false, false, "", "No resource with given identifier found");
    expect_value(&rec, "SELECT body_status||body_error FROM har_entry",
                 "errNo resource with given identifier found");
    json_t *stats = recording_call(&rec, rec.store, VERB_STORE_STATS, NULL);
    cr_expect_eq(json_integer_value(json_object_get(stats, "bodies")), 1);
    json_decref(stats);
}
