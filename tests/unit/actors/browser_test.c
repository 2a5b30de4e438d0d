/* SPDX-License-Identifier: MIT */
/* Browser, target and connections before a scripted Chrome: orders and failures that a real one
 * cannot be brought to. */
#include "fake_chrome.h"

#include "actors/browser/browser.h"
#include "troupe/log.h"

#include <criterion/criterion.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>

#define PAGE "ABCDEF0123456789"

static fake chrome;
static troupe_error error;
static char message[2048];

static void open_all(void)
{
    fake_open(&chrome);
}

static void close_all(void)
{
    fake_close(&chrome);
}

static json_t *call(const char *verb, const char *params)
{
    return fake_call(&chrome, verb, params, &error, message, sizeof message);
}

static void done(const char *verb, const char *params)
{
    json_decref(call(verb, params));
    cr_assert_eq(error, TROUPE_OK, "%s %s: %s", verb, params, message);
}

static void start_command(const char *method)
{
    troupe_buffer payload = {0};
    fake_command(&payload, method);
    cr_assert_eq(troupe_guest_call_start(chrome.guest, chrome.browser, VERB_BROWSER_COMMAND, NULL,
                                         troupe_buffer_bytes(&payload), FAKE_WAIT_MS, NULL, NULL),
                 TROUPE_OK);
    troupe_guest_flush(chrome.guest);
    troupe_buffer_fini(&payload);
}

static void finish_command(troupe_error wanted, const char *data)
{
    troupe_answer answer = {0};
    cr_assert_eq(troupe_guest_wait(chrome.guest, FAKE_WAIT_MS, &answer), TROUPE_OK);
    cr_assert_eq(answer.error, wanted, "%s", troupe_error_name(answer.error));
    cr_assert(data == NULL || (answer.data != NULL && strstr(answer.data, data) != NULL), "%s",
              answer.data);
    troupe_answer_fini(&answer);
}

TestSuite(browser, .init = open_all, .fini = close_all, .timeout = 60);

Test(browser, error_answer_becomes_a_fault_with_chromes_code)
{
    start_command("Fake.refuse");
    finish_command(TROUPE_ECDP, "-32123");
}

Test(browser, connection_lost_ends_all_pending_calls)
{
    for (unsigned i = 1; i <= 100; i++) {
        start_command("Fake.hold");
        fake_await_held(&chrome, i);
    }
    fake_die(&chrome);
    for (int i = 0; i < 100; i++) {
        finish_command(TROUPE_ECLOSED, NULL);
    }
    fake_await_line(&chrome, "record.browser  down");
}

Test(browser, late_and_unknown_answers_disturb_nobody)
{
    start_command("Fake.hold");
    fake_await_held(&chrome, 1);
    fake_answer(&chrome, "{}");
    finish_command(TROUPE_OK, NULL);
    fake_answer(&chrome, "{}"); /* again */
    fake_send(&chrome, "{\"id\":987654,\"result\":{}}");
    fake_send(&chrome, "{\"id\":-1,\"error\":{}}");
    fake_send(&chrome, "no JSON");
    start_command("Fake.anything");
    finish_command(TROUPE_OK, NULL);
}

Test(browser, events_with_unknown_methods_reach_the_store)
{
    fake_page(&chrome, PAGE);
    done("connect", "{\"target\":\"abc\"}");
    fake_send(&chrome, "{\"method\":\"Never.heardOf\",\"params\":{\"a\":[1]}}");
    fake_await_line(&chrome, "Never.heardOf   {\"a\":[1]}");
    fake_send(&chrome, "{\"method\":\"Other.thing\",\"params\":{},\"sessionId\":\"S1\"}");
    fake_await_line(&chrome, "Other.thing p1:abcdef S1 {}");
    fake_send(&chrome, "{\"method\":\"Target.newThing\",\"sessionId\":\"S1\"}");
    fake_await_line(&chrome, "Target.newThing p1:abcdef S1 {}");
}

Test(browser, info_with_unexpected_types_is_ignored)
{
    fake_send(&chrome, "{\"method\":\"Target.targetCreated\",\"params\":{\"targetInfo\":7}}");
    fake_send(&chrome, "{\"method\":\"Target.targetCreated\",\"params\":[]}");
    fake_send(&chrome, "{\"method\":\"Target.targetCreated\"}");
    fake_send(&chrome, "{\"method\":\"Target.targetDestroyed\",\"params\":{\"targetId\":{}}}");
    fake_send(&chrome, "{\"method\":\"Target.attachedToTarget\",\"params\":{\"sessionId\":1}}");
    fake_send(&chrome, "{\"method\":\"Target.targetCreated\",\"params\":{\"targetInfo\":{"
                       "\"targetId\":\"BADBAD00\",\"type\":[],\"url\":1,\"title\":null}}}");
    fake_page(&chrome, PAGE);
    json_t *all = call("targets", "{}");
    cr_assert_eq(json_array_size(json_object_get(all, "targets")), 2);
    json_decref(all);
}

Test(connections, domain_that_cannot_be_enabled_leaves_the_target_available, .init = open_all,
     .fini = close_all, .timeout = 60)
{
    fake_page(&chrome, PAGE);
    chrome.refuse = "Network.enable";
    cr_assert_null(call("connect", "{\"target\":\"abc\"}"));
    cr_assert_eq(error, TROUPE_ENOTCONNECTED, "%s", troupe_error_name(error));
    json_t *pages = call("pages", "{}");
    json_t *page = json_array_get(json_object_get(pages, "pages"), 0);
    cr_assert_str_eq(json_string_value(json_object_get(page, "state")), "available");
    json_decref(pages);
    chrome.refuse = NULL;
    done("connect", "{\"target\":\"abc\"}");
}

static size_t warnings(const char *verb)
{
    json_t *answer = call(verb, "{}");
    size_t count = json_array_size(json_object_get(answer, "warnings"));
    json_decref(answer);
    return count;
}

Test(connections, browser_that_is_slow_with_titles_is_warned_of_in_that_answer_alone,
     .init = open_all, .fini = close_all, .timeout = 60)
{
    chrome.mute = "Target.getTargets";
    cr_assert_eq(warnings("pages"), 1);
    cr_assert_eq(warnings("targets"), 0);
    chrome.mute = NULL;
    cr_assert_eq(warnings("pages"), 0);
}

Test(connections, ambiguous_prefix_lists_the_matches, .init = open_all, .fini = close_all,
     .timeout = 60)
{
    fake_page(&chrome, "ABCDEF11");
    fake_page(&chrome, "ABCD0022");
    cr_assert_null(call("connect", "{\"target\":\"abcd\"}"));
    cr_assert_eq(error, TROUPE_EPARAMS);
    cr_assert_not_null(strstr(message, "p1:abcdef"), "%s", message);
    cr_assert_not_null(strstr(message, "p1:abcd00"), "%s", message);
    cr_assert_null(call("connect", "{\"target\":\"ffff\"}"));
    cr_assert_eq(error, TROUPE_ENOTFOUND);
}

Test(connections, page_destroyed_while_it_is_opened_ends_the_call, .init = open_all,
     .fini = close_all, .timeout = 60)
{
    fake_page(&chrome, PAGE);
    done("connect", "{\"target\":\"abc\"}");
    fake_send(&chrome,
              "{\"method\":\"Target.targetDestroyed\",\"params\":{\"targetId\":\"" PAGE "\"}}");
    fake_await_line(&chrome, "record.target p1:abcdef gone");
    cr_assert_null(call("connect", "{\"target\":\"abc\"}"));
    cr_assert_eq(error, TROUPE_ENOTFOUND);
}

/* Twenty guests ----------------------------------------------------------------------------- */

static void *connect_and_disconnect(void *context)
{
    fake mine = chrome; /* a guest belongs to one thread */
    (void)context;
    cr_assert_eq(troupe_guest_create(chrome.system, &mine.guest), TROUPE_OK);
    for (int i = 0; i < 10; i++) {
        char text[512];
        troupe_error how;
        json_decref(fake_call(&mine, i % 2 == 0 ? "connect" : "disconnect",
                              "{\"target\":\"p1:abcdef\"}", &how, text, sizeof text));
        cr_assert_eq(how, TROUPE_OK, "%d: %s", i, text);
    }
    troupe_guest_destroy(mine.guest);
    return NULL;
}

Test(connections, twenty_guests_at_once_leave_one_session, .init = open_all, .fini = close_all,
     .timeout = 60)
{
    pthread_t threads[20];
    fake_page(&chrome, PAGE);
    for (int i = 0; i < 20; i++) {
        cr_assert_eq(pthread_create(&threads[i], NULL, connect_and_disconnect, NULL), 0);
    }
    for (int i = 0; i < 20; i++) {
        pthread_join(threads[i], NULL);
    }
    done("connect", "{\"target\":\"abc\"}");
    pthread_mutex_lock(&chrome.mutex);
    cr_expect_eq(chrome.attached, chrome.detached + 1, "%u attached, %u detached", chrome.attached,
                 chrome.detached);
    pthread_mutex_unlock(&chrome.mutex);
    done("disconnect", "{\"target\":\"abc\"}");
    cr_assert_eq(chrome.attached, chrome.detached);
}

/* A target that has no room ----------------------------------------------------------------- */

static pthread_mutex_t gate_mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t gate_changed = PTHREAD_COND_INITIALIZER;
static bool gate_reached;
static bool gate_open;

/* Holds the target's thread at a record of its own, until the gate opens. */
static void hold_target(void *context, const troupe_log_record *record)
{
    (void)context;
    if (strcmp(record->event, "child-not-enabled") != 0) {
        return;
    }
    pthread_mutex_lock(&gate_mutex);
    gate_reached = true;
    pthread_cond_broadcast(&gate_changed);
    while (!gate_open) {
        pthread_cond_wait(&gate_changed, &gate_mutex);
    }
    pthread_mutex_unlock(&gate_mutex);
}

static void await_refusal(void)
{
    troupe_system_counters counters;
    do { /* a counter, no event: looked at, for as long as the test may take */
        poll(NULL, 0, 1);
        troupe_system_count(chrome.system, &counters);
    } while (counters.refused == 0);
}

#define EVENTS 18000 /* the target's mailbox holds 16384 */

static void *send_events(void *context)
{
    (void)context;
    for (unsigned i = 0; i < EVENTS; i++) {
        fake_send(&chrome, "{\"method\":\"Test.event\",\"params\":{\"n\":%u},\"sessionId\":\"S1\"}",
                  i);
    }
    fake_answer(&chrome, "{\"last\":true}");
    return NULL;
}

/* The target is connected, its thread held at the gate, and a command of its own unanswered. */
static void hold_at_gate(troupe_log_sink_fn sink)
{
    troupe_buffer payload = {0};
    const char *params = "{\"target\":\"p1:abcdef\",\"command\":\"Fake.hold\"}";
    chrome.refuse = "BAD";
    troupe_log_set_level(TROUPE_LOG_DEBUG);
    troupe_log_set_sink(sink, NULL);
    fake_page(&chrome, PAGE);
    done("connect", "{\"target\":\"abc\"}");
    troupe_pack(&payload, "j#", params, strlen(params));
    cr_assert_eq(troupe_guest_call_start(chrome.guest, chrome.connections, "cdp", NULL,
                                         troupe_buffer_bytes(&payload), FAKE_WAIT_MS, NULL, NULL),
                 TROUPE_OK);
    troupe_guest_flush(chrome.guest);
    fake_await_held(&chrome, 1);
    fake_send(&chrome, "{\"method\":\"Target.attachedToTarget\",\"sessionId\":\"S1\",\"params\":{"
                       "\"sessionId\":\"BAD\",\"targetInfo\":{\"targetId\":\"F\",\"type\":"
                       "\"iframe\"}}}");
    pthread_mutex_lock(&gate_mutex);
    while (!gate_reached) {
        pthread_cond_wait(&gate_changed, &gate_mutex);
    }
    pthread_mutex_unlock(&gate_mutex);
    troupe_buffer_fini(&payload);
}

static void open_gate(void)
{
    pthread_mutex_lock(&gate_mutex);
    gate_open = true;
    pthread_cond_broadcast(&gate_changed);
    pthread_mutex_unlock(&gate_mutex);
}

Test(browser, events_and_the_answer_behind_them_stay_in_order_when_the_target_is_full)
{
    pthread_t sender;
    hold_at_gate(hold_target);
    cr_assert_eq(pthread_create(&sender, NULL, send_events, NULL), 0);
    await_refusal();
    open_gate();
    finish_command(TROUPE_OK, NULL);
    fake_await_events(&chrome, EVENTS);
    pthread_join(sender, NULL);
    cr_assert(chrome.in_order);
    troupe_log_set_sink(NULL, NULL);
}

/* A number of browser.metrics. */
static json_int_t metric(const char *name)
{
    const troupe_bytes nil = {NULL, 0};
    troupe_guest *asker;
    troupe_answer answer = {0};
    const char *text;
    size_t len;
    cr_assert_eq(troupe_guest_create(chrome.system, &asker), TROUPE_OK);
    cr_assert_eq(troupe_guest_call(asker, chrome.browser, VERB_BROWSER_METRICS, NULL, nil,
                                   FAKE_WAIT_MS, &answer),
                 TROUPE_OK);
    cr_assert_eq(troupe_payload_json(answer.payload, &text, &len), TROUPE_OK);
    json_t *all = json_loadb(text, len, 0, NULL);
    json_int_t value = json_integer_value(json_object_get(all, name));
    json_decref(all);
    troupe_answer_fini(&answer);
    troupe_guest_destroy(asker);
    return value;
}

static void open_impatient(void)
{
    fake_open_holding(&chrome, 1);
}

/* What the target says about events that it missed, once the gate is open. */
static char missed[200];

static void note_missed(void *context, const troupe_log_record *record)
{
    hold_target(context, record);
    size_t used = strlen(missed);
    if (strcmp(record->event, "events-missed") == 0) {
        snprintf(missed + used, sizeof missed - used, "%s;", record->text);
    }
}

#define NEARLY_FULL 16300
#define AT_ONCE     200
#define TEST_EVENT  "{\"method\":\"Test.event\",\"params\":{\"n\":%u},\"sessionId\":\"S1\"}"

/* Events that are too many for the target, and the answer it waits for: one write, one read. */
static void send_at_once(void)
{
    char text[AT_ONCE * 80 + 200];
    size_t len = 0;
    for (unsigned i = NEARLY_FULL; i < NEARLY_FULL + AT_ONCE; i++) {
        len += (size_t)snprintf(text + len, sizeof text - len, TEST_EVENT, i) + 1;
    }
    pthread_mutex_lock(&chrome.mutex);
    len += (size_t)snprintf(text + len, sizeof text - len,
                            "{\"id\":%lld,\"sessionId\":\"S1\",\"result\":{\"last\":true}}",
                            (long long)chrome.held_id) +
           1;
    cr_assert_eq(send(chrome.fd, text, len, MSG_NOSIGNAL), (ssize_t)len);
    pthread_mutex_unlock(&chrome.mutex);
}

Test(shedding, target_full_for_too_long_loses_data_but_no_state_and_stops_nobody,
     .init = open_impatient, .fini = close_all, .timeout = 60)
{
    hold_at_gate(note_missed);
    troupe_log_set_level(TROUPE_LOG_ERROR); /* the gate holds the log: who logs waits too */
    json_int_t before = metric("events");
    for (unsigned i = 0; i < NEARLY_FULL; i++) {
        fake_send(&chrome, TEST_EVENT, i);
    }
    fake_await_events(&chrome, NEARLY_FULL);
    send_at_once(); /* so the answer is held before anything is shed */
    while (metric("events_shed") == 0) {
        poll(NULL, 0, 1);
    }
    for (unsigned i = NEARLY_FULL + AT_ONCE; i < EVENTS; i++) {
        fake_send(&chrome, TEST_EVENT, i);
    }
    fake_send(&chrome, "{\"method\":\"Inspector.targetCrashed\",\"sessionId\":\"S1\"}");
    /* The connection is read to its end though the target takes nothing, and all is recorded. */
    fake_await_events(&chrome, EVENTS);
    while (metric("events") < before + EVENTS + 1) {
        poll(NULL, 0, 1);
    }
    start_command("Fake.other");
    finish_command(TROUPE_OK, NULL);
    json_int_t shed = metric("events_shed");
    cr_assert_gt(shed, 0);
    troupe_log_set_level(TROUPE_LOG_WARN);
    open_gate();
    finish_command(TROUPE_OK, NULL); /* before the crash, which would end it */
    fake_await_line(&chrome, "record.target p1:abcdef crashed");
    char gap[80];
    snprintf(gap, sizeof gap, "%lld events of", (long long)shed);
    cr_assert_eq(strncmp(missed, gap, strlen(gap)), 0, "%s, not %s", missed, gap);
    cr_assert_eq(strchr(missed, ';'), missed + strlen(missed) - 1, "one gap: %s", missed);
    cr_assert_eq(metric("events_shed"), shed);
    troupe_log_set_sink(NULL, NULL);
}
