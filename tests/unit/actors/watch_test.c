/* SPDX-License-Identifier: MIT */
/* Watched targets, several at once and contexts, before a scripted Chrome. */
#include "fake_chrome.h"

#include "actors/browser/browser.h"

#include <criterion/criterion.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#define PAGE  "ABCDEF0123456789"
#define POPUP "BCDEFA0123456789"

static fake chrome;
static troupe_error error;
static char message[2048];

static void open_all(void)
{
    fake_open(&chrome);
}

static void open_attaching(void)
{
    fake_open_attaching(&chrome);
}

static void close_all(void)
{
    fake_close(&chrome);
}

static json_t *call(const char *verb, const char *params)
{
    return fake_call(&chrome, verb, params, &error, message, sizeof message);
}

/* New reference to the result. */
static json_t *done(const char *verb, const char *params)
{
    json_t *result = call(verb, params);
    cr_assert_eq(error, TROUPE_OK, "%s %s: %s", verb, params, message);
    return result;
}

static bool is_in_state(const char *id, const char *wanted)
{
    json_t *all = done("targets", "{}");
    size_t index;
    json_t *one;
    bool is = false;
    json_array_foreach(json_object_get(all, "targets"), index, one)
    {
        is |= strcmp(json_string_value(json_object_get(one, "target")), id) == 0 &&
              strcmp(json_string_value(json_object_get(one, "state")), wanted) == 0;
    }
    json_decref(all);
    return is;
}

/* Asked again: what one actor tells another comes some time. */
static void await_state(const char *id, const char *wanted)
{
    for (int i = 0; i < FAKE_WAIT_MS && !is_in_state(id, wanted); i++) {
        poll(NULL, 0, 1);
    }
    cr_assert(is_in_state(id, wanted), "%s is not %s", id, wanted);
}

static void create(const char *chrome_id, const char *type, const char *opener)
{
    fake_send(&chrome,
              "{\"method\":\"Target.targetCreated\",\"params\":{\"targetInfo\":{\"targetId\":"
              "\"%s\",\"type\":\"%s\",\"title\":\"t\",\"url\":\"about:blank\",\"openerId\":"
              "\"%s\"}}}",
              chrome_id, type, opener);
}

/* Chrome attaches it; above: in that session, or "" for the browser. */
static void attach(const char *above, const char *session, const char *chrome_id, const char *type)
{
    fake_send(&chrome,
              "{\"method\":\"Target.attachedToTarget\"%s%s%s,\"params\":{\"sessionId\":\"%s\","
              "\"targetInfo\":{\"targetId\":\"%s\",\"type\":\"%s\",\"title\":\"t\","
              "\"url\":\"about:blank\"},\"waitingForDebugger\":true}}",
              *above != '\0' ? ",\"sessionId\":\"" : "", above, *above != '\0' ? "\"" : "", session,
              chrome_id, type);
}

static size_t count_in(json_t *result, const char *key)
{
    return json_array_size(json_object_get(result, key));
}

TestSuite(watch, .init = open_all, .fini = close_all, .timeout = 60);

Test(births, what_the_browser_attaches_at_birth_is_neither_attached_again_nor_let_go,
     .init = open_attaching, .fini = close_all, .timeout = 60)
{
    create(PAGE, "page", "");
    attach("", "R1", PAGE, "page");
    await_state("p1:abcdef", "connected");
    json_decref(done("watch", "{\"targets\":\"p1:abcdef\"}"));
    create(POPUP, "page", PAGE); /* on its own for a moment, and watched */
    await_state("p1:bcdefa", "available");
    attach("", "R2", POPUP, "page");
    await_state("p1:bcdefa", "connected");
    cr_assert_eq(chrome.attached, 0);
    json_t *result = done("unwatch", "{}");
    cr_assert_eq(count_in(result, "disconnected"), 0);
    cr_assert(is_in_state("p1:bcdefa", "connected"));
    json_decref(result);
}

Test(watch, address_that_a_part_has_too_leaves_it_to_its_page)
{
    fake_page(&chrome, PAGE);
    json_decref(done("watch", "{\"urls\":\"about:blank\"}"));
    await_state("p1:abcdef", "connected");
    create("EEEEEE01", "worker", "");
    await_state("p1:eeeeee", "available");
    attach("S1", "W1", "EEEEEE01", "worker");
    await_state("p1:eeeeee", "connected");
    cr_assert_eq(chrome.attached, 1);
    json_t *result = done("unwatch", "{}");
    cr_assert_eq(count_in(result, "disconnected"), 1);
    json_decref(result);
}

Test(watch, second_session_of_a_part_goes_on_and_is_detached)
{
    fake_page(&chrome, PAGE);
    json_decref(done("connect", "{\"target\":\"p1:abcdef\"}"));
    attach("S1", "W1", "EEEEEE01", "worker");
    await_state("p1:eeeeee", "connected");
    attach("", "S9", "EEEEEE01", "worker");
    fake_await_line(&chrome, "> Runtime.runIfWaitingForDebugger S9");
    fake_await_line(&chrome, "> Target.detachFromTarget - S9");
}

Test(watch, page_unwatched_while_it_is_connected_is_let_go_when_it_is)
{
    chrome.mute = "S1";
    fake_page(&chrome, PAGE);
    troupe_buffer payload = {0};
    const char *params = "{\"targets\":\"p1:abcdef\"}";
    troupe_pack(&payload, "j#", params, strlen(params));
    cr_assert_eq(troupe_guest_post(chrome.guest, chrome.connections, TROUPE_CAST, "watch", NULL,
                                   troupe_buffer_bytes(&payload)),
                 TROUPE_OK);
    troupe_buffer_fini(&payload);
    fake_await_held(&chrome, 7);
    json_t *result = done("unwatch", "{}");
    cr_assert_eq(count_in(result, "disconnected"), 0);
    json_decref(result);
    int64_t last = chrome.held_id;
    for (chrome.held_id = last - 6; chrome.held_id <= last; chrome.held_id++) {
        fake_answer(&chrome, "{}");
    }
    fake_await_line(&chrome, "> Target.detachFromTarget - S1");
    await_state("p1:abcdef", "available");
}

Test(watch, limit_of_addresses_is_for_new_ones)
{
    char *urls = strdup("{\"urls\":[\"u0\"");
    for (int i = 1; i < 1000; i++) {
        char *more;
        cr_assert_geq(asprintf(&more, "%s,\"u%d\"", urls, i), 0);
        free(urls);
        urls = more;
    }
    char *all;
    cr_assert_geq(asprintf(&all, "%s]}", urls), 0);
    json_decref(done("watch", all));
    json_decref(done("watch", "{\"urls\":[\"u7\",\"u8\"]}")); /* known already */
    cr_assert_null(call("watch", "{\"urls\":[\"u7\",\"new\"]}"));
    cr_assert_eq(error, TROUPE_ELIMIT);
    json_decref(done("unwatch", "{\"urls\":[\"u7\"]}"));
    json_decref(done("watch", "{\"urls\":[\"new\"]}"));
    free(all);
    free(urls);
}

/* Several to connect to ----------------------------------------------------------------------- */

static void start(const char *verb, const char *params)
{
    troupe_buffer payload = {0};
    troupe_pack(&payload, "j#", params, strlen(params));
    cr_assert_eq(troupe_guest_call_start(chrome.guest, chrome.connections, verb, NULL,
                                         troupe_buffer_bytes(&payload), FAKE_WAIT_MS, NULL, NULL),
                 TROUPE_OK);
    troupe_guest_flush(chrome.guest);
    troupe_buffer_fini(&payload);
}

/* New reference to the result of the call that was started first. */
static json_t *finish(void)
{
    troupe_answer answer = {0};
    const char *text;
    size_t len;
    cr_assert_eq(troupe_guest_wait(chrome.guest, FAKE_WAIT_MS, &answer), TROUPE_OK);
    cr_assert_eq(answer.error, TROUPE_OK, "%s", answer.message);
    cr_assert_eq(troupe_payload_json(answer.payload, &text, &len), TROUPE_OK);
    json_t *result = json_loadb(text, len, JSON_DECODE_ANY, NULL);
    troupe_answer_fini(&answer);
    return result;
}

Test(watch, crashed_page_that_nobody_had_is_connected_with_the_others)
{
    fake_page(&chrome, PAGE);
    fake_page(&chrome, POPUP);
    fake_send(&chrome, "{\"method\":\"Target.targetCrashed\",\"params\":{\"targetId\":\"" PAGE
                       "\",\"status\":\"crashed\",\"errorCode\":1}}");
    await_state("p1:abcdef", "crashed");
    json_t *result = done("connect", "{\"target\":\"*\"}");
    cr_assert_eq(count_in(result, "connected"), 2);
    cr_assert_eq(count_in(result, "warnings"), 0);
    json_decref(result);
}

Test(watch, page_that_is_being_let_go_is_connected_again_with_the_others)
{
    fake_page(&chrome, PAGE);
    fake_page(&chrome, POPUP);
    json_decref(done("connect", "{\"target\":\"p1:abcdef\"}"));
    start("disconnect", "{\"target\":\"p1:abcdef\"}");
    start("connect", "{\"target\":[\"p1:abcdef\",\"p1:bcdefa\"]}");
    json_decref(finish());
    json_t *result = finish();
    cr_assert_eq(count_in(result, "connected"), 2);
    cr_assert_eq(count_in(result, "warnings"), 0);
    json_decref(result);
    cr_assert_eq(chrome.attached, 3);
}

/* Contexts ------------------------------------------------------------------------------------ */

static size_t times_told(const char *line)
{
    size_t count = 0;
    pthread_mutex_lock(&chrome.mutex);
    for (const char *at = chrome.lines; (at = strstr(at, line)) != NULL; at++) {
        count++;
    }
    pthread_mutex_unlock(&chrome.mutex);
    return count;
}

Test(watch, name_of_a_context_is_taken_while_it_is_made)
{
    chrome.mute = "Target.createBrowserContext";
    start("contexts.create", "{\"name\":\"one\"}");
    fake_await_held(&chrome, 1);
    cr_assert_null(call("contexts.create", "{\"name\":\"one\"}"));
    cr_assert_eq(error, TROUPE_ESTATE);
    cr_assert_eq(times_told("> Target.createBrowserContext"), 1);
    json_t *list = done("contexts.list", "{}");
    cr_assert_eq(count_in(list, "contexts"), 0);
    json_decref(list);
    fake_answer(&chrome, "{\"browserContextId\":\"CTX1\"}");
    json_t *result = finish();
    cr_assert_str_eq(json_string_value(json_object_get(result, "context")), "p1/one");
    json_decref(result);
}

/* Nobody answers it in that time. */
static void time_out(const char *verb, const char *params)
{
    troupe_buffer payload = {0};
    troupe_answer answer = {0};
    troupe_pack(&payload, "j#", params, strlen(params));
    troupe_error outcome = troupe_guest_call(chrome.guest, chrome.connections, verb, NULL,
                                             troupe_buffer_bytes(&payload), 20, &answer);
    cr_assert_eq(outcome, TROUPE_ETIMEOUT, "%s", troupe_error_name(outcome));
    troupe_answer_fini(&answer);
    troupe_buffer_fini(&payload);
}

Test(watch, context_that_is_made_too_late_is_disposed_of)
{
    chrome.mute = "Target.createBrowserContext";
    time_out("contexts.create", "{\"name\":\"one\"}");
    fake_await_held(&chrome, 1);
    int64_t first = chrome.held_id;
    time_out("contexts.create", "{\"name\":\"two\"}"); /* connections knows it too by now */
    fake_await_held(&chrome, 2);
    chrome.held_id = first;
    fake_answer(&chrome, "{\"browserContextId\":\"CTX1\"}");
    fake_await_line(&chrome, "> Target.disposeBrowserContext");
    json_t *list = done("contexts.list", "{}");
    cr_assert_eq(count_in(list, "contexts"), 0);
    json_decref(list);
}

Test(watch, what_users_said_outlives_the_actor)
{
    fake_page(&chrome, PAGE);
    fake_page(&chrome, POPUP);
    json_decref(done("connect", "{\"target\":\"p1:abcdef\"}"));
    json_decref(done("targets", "{\"targets\":[\"p1:abcdef\"]}"));
    json_decref(done("watch", "{\"targets\":\"p1:bcdefa\",\"urls\":\"*/shop/*\"}"));
    await_state("p1:bcdefa", "connected");
    chrome.mute = "Target.createBrowserContext";
    start("contexts.create", "{\"name\":\"one\"}");
    fake_await_held(&chrome, 1);
    fake_answer(&chrome, "{\"browserContextId\":\"CTX1\"}");
    json_decref(finish());
    json_t *before = done("targets", "{}");

    fake_restart_connections(&chrome);
    await_state("p1:abcdef", "connected");
    await_state("p1:bcdefa", "connected");
    json_t *after = done("targets", "{}");
    cr_assert(json_equal(json_object_get(after, "tracked"), json_object_get(before, "tracked")));
    cr_assert_eq(count_in(after, "tracked"), 1);
    json_t *epochs[] = {done(VERB_HOST_EPOCH, "{}"), json_object_get(before, "epoch")};
    cr_assert_gt(json_integer_value(json_object_get(epochs[0], "epoch")),
                 json_integer_value(epochs[1]));
    json_t *watched = done("unwatch", "{\"urls\":\"nothing\"}");
    json_t *watching = json_object_get(watched, "watching");
    cr_assert_str_eq(json_string_value(json_array_get(json_object_get(watching, "targets"), 0)),
                     "p1:bcdefa");
    cr_assert_str_eq(json_string_value(json_array_get(json_object_get(watching, "urls"), 0)),
                     "*/shop/*");
    json_t *contexts = done("contexts.list", "{}");
    cr_assert_eq(count_in(contexts, "contexts"), 1);
    cr_assert_eq(chrome.attached, 2, "nobody was attached again");
    json_decref(contexts);
    json_decref(epochs[0]);
    json_decref(before);
    json_decref(after);
    json_decref(watched);
}
