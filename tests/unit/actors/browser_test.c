/* SPDX-License-Identifier: MIT */
/* Browser, target and connections before a scripted Chrome: orders and failures that a real one
 * cannot be brought to. */
#include "fake_chrome.h"

#include "actors/browser/browser.h"
#include "troupe/log.h"

#include <criterion/criterion.h>
#include <poll.h>
#include <stdio.h>

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

Test(browser, events_and_the_answer_behind_them_stay_in_order_when_the_target_is_full)
{
    pthread_t sender;
    troupe_buffer payload = {0};
    const char *params = "{\"target\":\"p1:abcdef\",\"command\":\"Fake.hold\"}";
    chrome.refuse = "BAD";
    troupe_log_set_level(TROUPE_LOG_DEBUG);
    troupe_log_set_sink(hold_target, NULL);
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
    cr_assert_eq(pthread_create(&sender, NULL, send_events, NULL), 0);
    await_refusal();
    pthread_mutex_lock(&gate_mutex);
    gate_open = true;
    pthread_cond_broadcast(&gate_changed);
    pthread_mutex_unlock(&gate_mutex);
    finish_command(TROUPE_OK, NULL);
    fake_await_events(&chrome, EVENTS);
    pthread_join(sender, NULL);
    cr_assert(chrome.in_order);
    troupe_log_set_sink(NULL, NULL);
    troupe_buffer_fini(&payload);
}

/* A store that has no room ------------------------------------------------------------------ */

#define RECORDED 30000 /* the mailbox of the store holds 16384 */

static void *send_recorded(void *context)
{
    (void)context;
    for (unsigned i = 0; i < RECORDED; i++) {
        fake_send(&chrome, "{\"method\":\"Test.event\",\"params\":{\"n\":%u}}", i);
    }
    fake_answer(&chrome, "{}");
    return NULL;
}

/* Each event is recorded, or told as lost: the latter if the store took longer than may be waited
 * for, which is up to the machine here. */
Test(browser, events_wait_for_a_store_that_is_full)
{
    pthread_t sender;
    start_command("Fake.hold");
    fake_await_held(&chrome, 1);
    fake_hold_store(&chrome, true);
    cr_assert_eq(pthread_create(&sender, NULL, send_recorded, NULL), 0);
    await_refusal();
    fake_hold_store(&chrome, false);
    finish_command(TROUPE_OK, NULL);
    pthread_join(sender, NULL);
    fake_send(&chrome, "{\"method\":\"Other.last\"}"); /* a gap may be told with the next event */
    fake_await_accounted(&chrome, RECORDED);
    cr_assert_eq(chrome.next_event + chrome.lost, RECORDED);
    cr_assert(chrome.in_order || chrome.lost > 0);
}

Test(browser, store_that_stands_still_stops_no_browser)
{
    pthread_t sender;
    start_command("Fake.hold");
    fake_await_held(&chrome, 1);
    fake_hold_store(&chrome, true);
    cr_assert_eq(pthread_create(&sender, NULL, send_recorded, NULL), 0);
    finish_command(TROUPE_OK, NULL); /* its answer came behind all the events */
    pthread_join(sender, NULL);
    fake_hold_store(&chrome, false);
    fake_await_accounted(&chrome, RECORDED);
    cr_assert_eq(chrome.next_event + chrome.lost, RECORDED);
    cr_assert_gt(chrome.lost, 0);
    fake_await_line(&chrome, "record.gap");
    fake_send(&chrome, "{\"method\":\"Other.after\"}");
    fake_await_line(&chrome, "Other.after");
}

Test(browser, traffic_of_a_page_is_recorded_and_leaves_its_actor_alone)
{
    fake_page(&chrome, PAGE);
    done("connect", "{\"target\":\"abc\"}");
    troupe_system_counters before, after;
    fake_send(&chrome, "{\"method\":\"Network.first\",\"params\":{},\"sessionId\":\"S1\"}");
    fake_await_line(&chrome, "Network.first p1:abcdef S1 {}");
    troupe_system_count(chrome.system, &before);
    for (unsigned i = 0; i < 100; i++) {
        fake_send(&chrome, "{\"method\":\"Network.x\",\"params\":{},\"sessionId\":\"S1\"}");
    }
    fake_send(&chrome, "{\"method\":\"Log.last\",\"params\":{},\"sessionId\":\"S1\"}");
    fake_await_line(&chrome, "Log.last p1:abcdef S1 {}");
    troupe_system_count(chrome.system, &after);
    cr_assert_eq(after.sent - before.sent, 101); /* one envelope each: to the store */
}
