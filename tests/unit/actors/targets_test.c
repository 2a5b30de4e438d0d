/* SPDX-License-Identifier: MIT */
/* Frames, workers, crashes and their orders before a scripted Chrome: what a real one does, but not
 * on demand. */
#include "fake_chrome.h"

#include "actors/browser/browser.h"

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

/* A copy of the member of that id, or NULL. */
static json_t *target(const char *id)
{
    json_t *all = call("targets", "{}");
    size_t index;
    json_t *one;
    json_t *found = NULL;
    json_array_foreach(json_object_get(all, "targets"), index, one)
    {
        if (strcmp(json_string_value(json_object_get(one, "target")), id) == 0) {
            found = json_incref(one);
        }
    }
    json_decref(all);
    return found;
}

static bool is_so(const char *id, const char *key, const char *wanted)
{
    json_t *one = target(id);
    const char *text = json_string_value(json_object_get(one, key));
    bool same = text != NULL && strcmp(text, wanted) == 0;
    json_decref(one);
    return same;
}

/* Asked again: what one actor tells another comes some time. */
static void await_state(const char *id, const char *wanted)
{
    for (int i = 0; i < FAKE_WAIT_MS && !is_so(id, "state", wanted); i++) {
        poll(NULL, 0, 1);
    }
    json_t *one = target(id);
    char *text = one != NULL ? json_dumps(one, JSON_COMPACT) : NULL;
    cr_assert(is_so(id, "state", wanted), "%s is not %s: %s", id, wanted,
              text != NULL ? text : "not there");
    free(text);
    json_decref(one);
}

/* A part appears in the session `above`, held back at birth. */
static void attach_part(const char *above, const char *session, const char *chrome_id,
                        const char *type)
{
    fake_info(&chrome, chrome_id, type);
    fake_send(&chrome,
              "{\"method\":\"Target.attachedToTarget\",\"sessionId\":\"%s\",\"params\":{"
              "\"sessionId\":\"%s\",\"targetInfo\":{\"targetId\":\"%s\",\"type\":\"%s\","
              "\"title\":\"\",\"url\":\"x\"},\"waitingForDebugger\":true}}",
              above, session, chrome_id, type);
}

static void connect_page(void)
{
    fake_page(&chrome, PAGE);
    done("connect", "{\"target\":\"abc\"}");
}

TestSuite(targets, .init = open_all, .fini = close_all, .timeout = 60);

Test(targets, parts_are_connected_with_their_page_and_let_go_with_it)
{
    connect_page();
    attach_part("S1", "F1", "FFFFFF01", "iframe");
    attach_part("F1", "W1", "EEEEEE01", "worker");
    fake_await_line(&chrome, "> Runtime.runIfWaitingForDebugger F1");
    fake_await_line(&chrome, "> Runtime.runIfWaitingForDebugger W1");
    await_state("p1:ffffff", "connected");
    await_state("p1:eeeeee", "connected");
    cr_assert(is_so("p1:eeeeee", "parent", "p1:abcdef"));
    done("disconnect", "{\"target\":\"abc\"}"); /* Chrome tells of the page's session alone */
    await_state("p1:ffffff", "available");
    await_state("p1:eeeeee", "available");
}

Test(targets, frame_that_was_a_part_several_times_can_be_connected_by_itself)
{
    char session[8];
    connect_page();
    for (int i = 0; i < 3; i++) {
        snprintf(session, sizeof session, "F%d", i);
        attach_part("S1", session, "FFFFFF01", "iframe");
        await_state("p1:ffffff", "connected");
        fake_send(&chrome,
                  "{\"method\":\"Target.detachedFromTarget\",\"sessionId\":\"S1\","
                  "\"params\":{\"sessionId\":\"%s\"}}",
                  session);
        await_state("p1:ffffff", "available");
    }
    done("connect", "{\"target\":\"p1:ffffff\"}");
    json_t *frame = target("p1:ffffff");
    cr_assert_eq(json_integer_value(json_object_get(frame, "epoch")), 4);
    json_decref(frame);
}

Test(targets, frame_that_is_a_part_twice_follows_its_last_session)
{
    connect_page();
    attach_part("S1", "F1", "FFFFFF01", "iframe");
    attach_part("S1", "F2", "FFFFFF01", "iframe");
    fake_await_line(&chrome, "> Runtime.runIfWaitingForDebugger F1");
    fake_await_line(&chrome, "> Runtime.runIfWaitingForDebugger F2");
    fake_send(&chrome, "{\"method\":\"Target.detachedFromTarget\",\"sessionId\":\"S1\","
                       "\"params\":{\"sessionId\":\"F1\"}}");
    await_state("p1:ffffff", "connected");
    attach_part("S1", "F3", "FFFFFF01", "iframe");
    fake_send(&chrome, "{\"method\":\"Target.targetDestroyed\",\"params\":{\"targetId\":"
                       "\"FFFFFF01\"}}");
    fake_send(&chrome, "{\"method\":\"Target.detachedFromTarget\",\"sessionId\":\"S1\","
                       "\"params\":{\"sessionId\":\"F2\"}}");
    fake_send(&chrome, "{\"method\":\"Target.detachedFromTarget\",\"sessionId\":\"S1\","
                       "\"params\":{\"sessionId\":\"F3\"}}");
    fake_send(&chrome, "{\"method\":\"Test.last\",\"sessionId\":\"S1\",\"params\":{}}");
    fake_await_line(&chrome, "Test.last p1:abcdef S1");
    await_state("p1:abcdef", "connected");
}

Test(targets, end_of_a_frame_ends_the_calls_of_the_workers_below_it)
{
    troupe_buffer payload = {0};
    const char *params = "{\"target\":\"p1:eeeeee\",\"command\":\"Fake.hold\"}";
    connect_page();
    attach_part("S1", "F1", "FFFFFF01", "iframe");
    attach_part("F1", "W1", "EEEEEE01", "worker");
    await_state("p1:eeeeee", "connected");
    troupe_pack(&payload, "j#", params, strlen(params));
    cr_assert_eq(troupe_guest_call_start(chrome.guest, chrome.connections, "cdp", NULL,
                                         troupe_buffer_bytes(&payload), FAKE_WAIT_MS, NULL, NULL),
                 TROUPE_OK);
    troupe_guest_flush(chrome.guest);
    fake_await_held(&chrome, 1);
    cr_assert_str_eq(chrome.held_session, "W1");
    fake_send(&chrome, "{\"method\":\"Target.detachedFromTarget\",\"sessionId\":\"S1\","
                       "\"params\":{\"sessionId\":\"F1\"}}");
    troupe_answer answer = {0};
    cr_assert_eq(troupe_guest_wait(chrome.guest, FAKE_WAIT_MS, &answer), TROUPE_OK);
    cr_assert_eq(answer.error, TROUPE_ECLOSED, "%s", troupe_error_name(answer.error));
    cr_assert_not_null(strstr(answer.message, "p1:eeeeee is gone"), "%s", answer.message);
    troupe_answer_fini(&answer);
    troupe_buffer_fini(&payload);
    await_state("p1:eeeeee", "available");
}

Test(targets, part_whose_domains_are_refused_goes_on_all_the_same)
{
    connect_page();
    chrome.refuse = "F1";
    attach_part("S1", "F1", "FFFFFF01", "iframe");
    fake_await_line(&chrome, "> Runtime.runIfWaitingForDebugger F1");
    await_state("p1:ffffff", "connected");
}

Test(targets, part_is_told_to_go_on_until_it_is_answered)
{
    connect_page();
    chrome.options.enable_timeout_ms = 20;
    chrome.mute = "F1";
    attach_part("S1", "F1", "FFFFFF01", "iframe");
    fake_await_held(&chrome, 6 + 3); /* its domains once; to go on, several times */
    chrome.mute = NULL;
    await_state("p1:ffffff", "connected");
}

Test(targets, part_that_is_connected_by_itself_goes_on_and_is_detached)
{
    connect_page();
    fake_send(&chrome, "{\"method\":\"Target.targetCreated\",\"params\":{\"targetInfo\":{"
                       "\"targetId\":\"FFFFFF01\",\"type\":\"iframe\",\"title\":\"\","
                       "\"url\":\"x\"}}}");
    await_state("p1:ffffff", "available");
    done("connect", "{\"target\":\"p1:ffffff\"}");
    attach_part("S1", "F9", "FFFFFF01", "iframe");
    fake_await_line(&chrome, "> Runtime.runIfWaitingForDebugger F9");
    fake_await_line(&chrome, "> Target.detachFromTarget S1 F9");
    await_state("p1:ffffff", "connected");
}

Test(targets, second_session_of_a_target_goes_on_and_is_detached)
{
    connect_page();
    fake_send(&chrome, "{\"method\":\"Target.attachedToTarget\",\"params\":{\"sessionId\":\"S9\","
                       "\"targetInfo\":{\"targetId\":\"" PAGE "\",\"type\":\"page\"},"
                       "\"waitingForDebugger\":true}}");
    fake_await_line(&chrome, "> Runtime.runIfWaitingForDebugger S9");
    fake_await_line(&chrome, "> Target.detachFromTarget - S9");
}

Test(targets, what_is_held_back_goes_on_when_the_actor_that_was_to_see_to_it_ends)
{
    connect_page();
    attach_part("S1", "F1", "FFFFFF01", "iframe");
    await_state("p1:ffffff", "connected");
    fake_await_line(&chrome, "> Runtime.runIfWaitingForDebugger F1");
    size_t before = chrome.lines_len;
    troupe_address actor = troupe_whereis(chrome.system, NAME_TARGET "p1:abcdef");
    cr_assert_eq(troupe_stop(chrome.system, actor, TROUPE_STOP_NOW), TROUPE_OK);
    fake_await_line(&chrome, "> Target.detachFromTarget - S1");
    pthread_mutex_lock(&chrome.mutex);
    const char *since = chrome.lines + before;
    const char *resumed = strstr(since, "> Runtime.runIfWaitingForDebugger F1");
    cr_assert(resumed != NULL && resumed < strstr(since, "> Target.detachFromTarget - S1"), "%s",
              since);
    pthread_mutex_unlock(&chrome.mutex);
    await_state("p1:abcdef", "available");
}

/* For the leak checker. */
Test(targets, what_is_under_way_is_freed_when_the_actor_ends)
{
    const char *params = "{\"target\":\"p1:bbbbbb\"}";
    troupe_buffer payload = {0};
    connect_page();
    chrome.mute = "Runtime.runIfWaitingForDebugger";
    attach_part("S1", "F1", "FFFFFF01", "iframe");
    fake_await_held(&chrome, 1);
    fake_page(&chrome, "BBBBBB0000000000");
    troupe_pack(&payload, "j#", params, strlen(params));
    cr_assert_eq(troupe_guest_call_start(chrome.guest, chrome.connections, "connect", NULL,
                                         troupe_buffer_bytes(&payload), FAKE_WAIT_MS, NULL, NULL),
                 TROUPE_OK);
    troupe_guest_flush(chrome.guest);
    troupe_buffer_fini(&payload);
    fake_await_held(&chrome, 2);
    static const char *const names[] = {NAME_TARGET "p1:abcdef", NAME_TARGET "p1:bbbbbb"};
    for (size_t i = 0; i < 2; i++) {
        troupe_address actor = troupe_whereis(chrome.system, names[i]);
        cr_assert_eq(troupe_stop(chrome.system, actor, TROUPE_STOP_NOW), TROUPE_OK);
    }
    fake_await_line(&chrome, "> Target.detachFromTarget - S1");
    fake_await_line(&chrome, "> Target.detachFromTarget - S2");
}

Test(targets, crash_of_a_frame_is_told_of_the_frame)
{
    connect_page();
    attach_part("S1", "F1", "FFFFFF01", "iframe");
    await_state("p1:ffffff", "connected");
    fake_send(&chrome,
              "{\"method\":\"Inspector.targetCrashed\",\"sessionId\":\"F1\",\"params\":{}}");
    await_state("p1:ffffff", "crashed");
    cr_assert(is_so("p1:abcdef", "state", "connected"));
    fake_send(&chrome, "{\"method\":\"Inspector.targetReloadedAfterCrash\",\"sessionId\":\"F1\","
                       "\"params\":{}}");
    await_state("p1:ffffff", "connected");
}

Test(targets, crash_is_told_with_its_kind_connected_or_not)
{
    connect_page();
    fake_page(&chrome, "BBBBBB0000000000");
    fake_send(&chrome, "{\"method\":\"Target.targetCrashed\",\"params\":{\"targetId\":"
                       "\"BBBBBB0000000000\",\"status\":\"oom\",\"errorCode\":5}}");
    await_state("p1:bbbbbb", "crashed");
    cr_assert(is_so("p1:bbbbbb", "reason", "its renderer crashed (oom)"));
    done("connect", "{\"target\":\"bbb\"}");
    await_state("p1:bbbbbb", "connected");
}

Test(targets, detached_by_the_browser_is_told_with_its_reason)
{
    connect_page();
    fake_send(&chrome, "{\"method\":\"Inspector.detached\",\"sessionId\":\"S1\",\"params\":{"
                       "\"reason\":\"replaced_with_devtools\"}}");
    fake_send(&chrome,
              "{\"method\":\"Target.detachedFromTarget\",\"params\":{\"sessionId\":\"S1\"}}");
    await_state("p1:abcdef", "available");
    cr_assert(is_so("p1:abcdef", "reason", "detached by the browser: replaced_with_devtools"));
    done("connect", "{\"target\":\"abc\"}");
}

/* Silence ----------------------------------------------------------------------------------- */

static void start_cdp(const char *method)
{
    troupe_buffer payload = {0};
    char params[128];
    int len =
        snprintf(params, sizeof params, "{\"target\":\"p1:abcdef\",\"command\":\"%s\"}", method);
    troupe_pack(&payload, "j#", params, (size_t)len);
    cr_assert_eq(troupe_guest_call_start(chrome.guest, chrome.connections, "cdp", NULL,
                                         troupe_buffer_bytes(&payload), FAKE_WAIT_MS, NULL, NULL),
                 TROUPE_OK);
    troupe_guest_flush(chrome.guest);
    troupe_buffer_fini(&payload);
}

static bool is_silent(void)
{
    json_t *one = target("p1:abcdef");
    bool silent = json_object_get(one, "unresponsive") != NULL;
    json_decref(one);
    return silent;
}

static void await_silence(bool wanted)
{
    for (int i = 0; i < FAKE_WAIT_MS && is_silent() != wanted; i++) {
        poll(NULL, 0, 1);
    }
    cr_assert_eq(is_silent(), wanted);
}

/* Comes after the suite's. */
static void become_impatient(void)
{
    chrome.options.unresponsive_after_ms = 20; /* read by targets that are connected from now on */
}

Test(targets, silent_one_is_probed_refuses_a_crowd_and_is_back_when_the_probe_is_answered,
     .init = become_impatient)
{
    connect_page();
    chrome.mute = "S1";
    start_cdp("Fake.one");
    fake_await_held(&chrome, 2); /* the call and the probe */
    fake_await_line(&chrome, "> Runtime.evaluate S1");
    await_silence(true);
    for (int i = 0; i < 3; i++) {
        start_cdp("Fake.more"); /* four may wait */
    }
    fake_await_held(&chrome, 5);
    cr_assert_null(call("cdp", "{\"target\":\"abc\",\"command\":\"Fake.crowd\"}"));
    cr_assert_eq(error, TROUPE_EBUSY, "%s", troupe_error_name(error));
    cr_assert_not_null(strstr(message, "has not answered"), "%s", message);
    start_cdp("Runtime.terminateExecution");
    fake_await_line(&chrome, "> Runtime.terminateExecution S1");
    int64_t last = chrome.held_id;
    chrome.mute = NULL;
    for (int64_t id = last; id > last - 10; id--) { /* all that was held, the probe too */
        fake_send(&chrome, "{\"id\":%lld,\"sessionId\":\"S1\",\"result\":{}}", (long long)id);
    }
    await_silence(false);
    for (int i = 0; i < 5; i++) {
        troupe_answer answer = {0};
        cr_assert_eq(troupe_guest_wait(chrome.guest, FAKE_WAIT_MS, &answer), TROUPE_OK);
        cr_assert_eq(answer.error, TROUPE_OK, "%s", troupe_error_name(answer.error));
        troupe_answer_fini(&answer);
    }
    done("cdp", "{\"target\":\"abc\",\"command\":\"Fake.anything\"}");
}

Test(targets, service_worker_that_is_stopped_is_silent_no_longer, .init = become_impatient)
{
    fake_info(&chrome, PAGE, "service_worker");
    fake_send(&chrome, "{\"method\":\"Target.attachedToTarget\",\"params\":{\"sessionId\":\"S1\","
                       "\"targetInfo\":{\"targetId\":\"" PAGE "\",\"type\":\"service_worker\","
                       "\"title\":\"\",\"url\":\"x\"},\"waitingForDebugger\":false}}");
    await_state("p1:abcdef", "connected");
    chrome.mute = "S1";
    start_cdp("Fake.one");
    fake_await_held(&chrome, 2); /* the call and the probe */
    await_silence(true);
    fake_send(&chrome, "{\"method\":\"Inspector.targetCrashed\",\"sessionId\":\"S1\"}");
    await_state("p1:abcdef", "suspended");
    cr_assert(!is_silent());
}

Test(targets, slow_one_that_answers_the_probe_is_not_silent, .init = become_impatient)
{
    connect_page();
    start_cdp("Fake.hold");
    fake_await_held(&chrome, 1);
    fake_await_line(&chrome, "> Runtime.evaluate S1"); /* answered at once */
    await_silence(false); /* at once too, unless the machine itself is slower than 20 ms */
    fake_answer(&chrome, "{}");
    troupe_answer answer = {0};
    cr_assert_eq(troupe_guest_wait(chrome.guest, FAKE_WAIT_MS, &answer), TROUPE_OK);
    cr_assert_eq(answer.error, TROUPE_OK);
    troupe_answer_fini(&answer);
    cr_assert(!is_silent());
}

/* Connections started anew ------------------------------------------------------------------ */

static troupe_error launcher_receive(troupe_actor *self, void *context,
                                     const troupe_envelope *envelope)
{
    static const char list[] = "{\"browsers\":[{\"browser\":\"p1\",\"state\":\"up\"}]}";
    (void)context;
    if (envelope->kind == TROUPE_CALL) {
        troupe_reply_json(self, troupe_caller_of(envelope), list, sizeof list - 1);
    }
    return TROUPE_OK;
}

static const troupe_behaviour launcher_behaviour = {.kind = "launcher",
                                                    .receive = launcher_receive};

Test(targets, connections_that_are_started_anew_find_everything_as_it_was)
{
    troupe_spawn_options launcher = {.behaviour = &launcher_behaviour, .name = NAME_LAUNCHER};
    troupe_spawn_options options;
    cr_assert_eq(troupe_spawn(chrome.system, &launcher, NULL), TROUPE_OK);
    connect_page();
    attach_part("S1", "F1", "FFFFFF01", "iframe");
    await_state("p1:ffffff", "connected");
    json_t *before = target("p1:abcdef");
    troupe_address old = chrome.connections;
    cr_assert_eq(troupe_stop(chrome.system, old, TROUPE_STOP_NOW), TROUPE_OK);
    while (troupe_whereis(chrome.system, NAME_CONNECTIONS) != 0) {
        poll(NULL, 0, 1);
    }
    cr_assert_eq(connections_prepare(NULL, &chrome.options, &options), TROUPE_OK);
    cr_assert_eq(troupe_spawn(chrome.system, &options, &chrome.connections), TROUPE_OK);
    fake_await_line(&chrome, "> Target.getTargets");
    await_state("p1:abcdef", "connected");
    await_state("p1:ffffff", "connected");
    json_t *after = target("p1:abcdef");
    cr_assert_eq(json_integer_value(json_object_get(after, "epoch")),
                 json_integer_value(json_object_get(before, "epoch")));
    done("cdp", "{\"target\":\"p1:ffffff\",\"command\":\"Fake.anything\"}");
    json_decref(before);
    json_decref(after);
}
