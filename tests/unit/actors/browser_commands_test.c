/* SPDX-License-Identifier: MIT */
/*
 * The browser actor's commands before a peer that the test itself plays: it reads what was written
 * and answers when it likes. `settle` asks the actor for its metrics: when the answer is there, all
 * that was asked before it was handled, and what could be written is written.
 */
#include "actors/browser/browser.h"
#include "actors/verbs.h"
#include "transport/pipe.h"

#include <criterion/criterion.h>
#include <jansson.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define WAIT_MS 20000 /* never reached, unless something hangs */

static troupe_host_options options;
static size_t message_max;
static browser_limits limits;
static troupe_system *stage;
static troupe_guest *guest;
static troupe_address actor;
static int peer = -1;
static json_t *metrics;

/* The peer ------------------------------------------------------------------------------------- */

static void say(const char *text)
{
    cr_assert_eq(send(peer, text, strlen(text) + 1, MSG_NOSIGNAL), (ssize_t)strlen(text) + 1);
}

static bool readable(int timeout_ms)
{
    struct pollfd poller = {.fd = peer, .events = POLLIN};
    return poll(&poller, 1, timeout_ms) > 0;
}

/* The next message; new reference. */
static json_t *hear(void)
{
    static char text[1u << 25];
    size_t len = 0;
    do {
        cr_assert(readable(WAIT_MS), "nothing came");
        ssize_t got = recv(peer, text + len, sizeof text - len, MSG_PEEK);
        cr_assert_gt(got, 0);
        char *end = memchr(text + len, 0, (size_t)got);
        size_t take = end != NULL ? (size_t)(end - text) + 1 - len : (size_t)got;
        cr_assert_eq(recv(peer, text + len, take, 0), (ssize_t)take);
        len += take;
    } while (text[len - 1] != '\0');
    json_t *message = json_loads(text, 0, NULL);
    cr_assert_not_null(message, "%.100s", text);
    return message;
}

/* The next message is that method's; its id. */
static int64_t expect(const char *method)
{
    json_t *message = hear();
    const char *got = json_string_value(json_object_get(message, "method"));
    cr_assert_str_eq(got, method);
    int64_t id = json_integer_value(json_object_get(message, "id"));
    json_decref(message);
    return id;
}

static void answer(int64_t id)
{
    char text[80];
    snprintf(text, sizeof text, "{\"id\":%lld,\"result\":{}}", (long long)id);
    say(text);
}

static void answer_on(int64_t id, const char *session)
{
    char text[120];
    snprintf(text, sizeof text, "{\"id\":%lld,\"result\":{},\"sessionId\":\"%s\"}", (long long)id,
             session);
    say(text);
}

/* The stage ------------------------------------------------------------------------------------ */

static void open_peer(void)
{
    int ends[2];
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    peer = ends[0];
    browser_end *end = browser_end_create();
    browser_spec spec = {.host = &options, .id = "p1", .pid_fd = -1, .end = end, .limits = limits};
    troupe_spawn_options spawn;
    cr_assert_eq(pipe_stream_create(ends[1], ends[1], message_max, &spec.stream), TROUPE_OK);
    cr_assert_eq(browser_prepare(&spec, &spawn), TROUPE_OK);
    cr_assert_eq(troupe_spawn(stage, &spawn, &actor), TROUPE_OK);
    browser_end_unref(end);
    answer(expect("Browser.getVersion"));
    answer(expect("Target.setDiscoverTargets"));
}

static void init(void)
{
    troupe_host_options_default(&options);
    options.command_timeout_ms = WAIT_MS;
    cr_assert_eq(troupe_system_open(NULL, &stage), TROUPE_OK);
    cr_assert_eq(troupe_guest_create(stage, &guest), TROUPE_OK);
}

static void fini(void)
{
    json_decref(metrics);
    troupe_guest_destroy(guest);
    troupe_system_close(stage, WAIT_MS);
    close(peer);
}

TestSuite(commands, .init = init, .fini = fini, .timeout = 60);

/* Calls ---------------------------------------------------------------------------------------- */

static uint64_t start_with(const char *method, const char *session, const char *params, size_t len,
                           uint32_t timeout_ms)
{
    troupe_buffer payload = {0};
    uint64_t ref;
    cr_assert_eq(troupe_pack(&payload, "[s,s,j#]", method, session, params, len), TROUPE_OK);
    cr_assert_eq(troupe_guest_call_start(guest, actor, VERB_BROWSER_COMMAND, NULL,
                                         troupe_buffer_bytes(&payload), timeout_ms, NULL, &ref),
                 TROUPE_OK);
    cr_assert_eq(troupe_guest_flush(guest), TROUPE_OK);
    troupe_buffer_fini(&payload);
    return ref;
}

static uint64_t start(const char *method, const char *session)
{
    return start_with(method, session, "{}", 2, WAIT_MS);
}

/* The next call that ends ends so. */
static void finish(troupe_error wanted)
{
    troupe_answer got = {0};
    cr_assert_eq(troupe_guest_wait(guest, WAIT_MS, &got), TROUPE_OK);
    cr_assert_eq(got.error, wanted, "%s: %s", troupe_error_name(got.error), got.message);
    troupe_answer_fini(&got);
}

static int64_t metric(const char *name)
{
    json_t *value = json_object_get(metrics, name);
    cr_assert(json_is_integer(value), "%s", name);
    return json_integer_value(value);
}

static int64_t wait_of(const char *name)
{
    return json_integer_value(json_object_get(json_object_get(metrics, "waits"), name));
}

static void settle(void)
{
    troupe_guest *asker;
    troupe_answer got = {0};
    const troupe_bytes nil = {NULL, 0};
    const char *text;
    size_t len;
    cr_assert_eq(troupe_guest_create(stage, &asker), TROUPE_OK);
    troupe_error error;
    while ((error = troupe_guest_call(asker, actor, VERB_BROWSER_METRICS, NULL, nil, WAIT_MS,
                                      &got)) == TROUPE_EBUSY) {
        troupe_answer_fini(&got); /* a large command still fills the mailbox */
        poll(NULL, 0, 1);
    }
    cr_assert_eq(error, TROUPE_OK, "%s", troupe_error_name(error));
    cr_assert_eq(troupe_payload_json(got.payload, &text, &len), TROUPE_OK);
    json_decref(metrics);
    metrics = json_loadb(text, len, 0, NULL);
    cr_assert_not_null(metrics);
    troupe_answer_fini(&got);
    troupe_guest_destroy(asker);
}

/* For what the peer says, and for deadlines: both come when they come. */
static void await_metric(const char *name, int64_t wanted)
{
    struct timespec begun, now;
    clock_gettime(CLOCK_MONOTONIC, &begun);
    do {
        settle();
        clock_gettime(CLOCK_MONOTONIC, &now);
        cr_assert_lt(now.tv_sec - begun.tv_sec, WAIT_MS / 1000, "%s is %lld, not %lld", name,
                     (long long)metric(name), (long long)wanted);
    } while (metric(name) != wanted);
}

static void quiet(void)
{
    settle();
    cr_assert_not(readable(0), "something was written that should wait");
}

/* In flight and waiting ------------------------------------------------------------------------ */

Test(commands, beyond_the_limit_wait_and_go_in_order)
{
    limits.commands_in_flight = 4;
    open_peer();
    int64_t ids[6];
    char method[16];
    for (int i = 0; i < 10; i++) {
        snprintf(method, sizeof method, "A.m%d", i);
        start(method, "S");
    }
    settle();
    for (int i = 0; i < 4; i++) {
        snprintf(method, sizeof method, "A.m%d", i);
        ids[i] = expect(method);
    }
    quiet();
    cr_assert_eq(metric("in_flight"), 4);
    cr_assert_eq(metric("queued"), 6);
    cr_assert_eq(metric("in_flight_peak"), 4);
    cr_assert_eq(wait_of("in_flight"), 1);
    cr_assert_eq(wait_of("turn"), 5);
    answer_on(ids[2], "S"); /* whichever ends makes room */
    finish(TROUPE_OK);
    ids[4] = expect("A.m4");
    quiet();
    answer_on(ids[0], "S");
    answer_on(ids[1], "S");
    answer_on(ids[3], "S");
    answer_on(ids[4], "S");
    for (int i = 5; i < 9; i++) {
        snprintf(method, sizeof method, "A.m%d", i);
        answer_on(expect(method), "S");
    }
    answer_on(expect("A.m9"), "S");
    for (int i = 0; i < 9; i++) {
        finish(TROUPE_OK);
    }
    settle();
    cr_assert_eq(metric("in_flight"), 0);
    cr_assert_eq(metric("queued"), 0);
    cr_assert_eq(metric("queued_peak"), 6);
    cr_assert_eq(metric("misrouted"), 0);
}

Test(commands, beyond_the_queue_are_busy_and_told_when_to_try_again)
{
    limits.commands_in_flight = 1;
    limits.commands_queued = 2;
    open_peer();
    for (int i = 0; i < 3; i++) {
        start("A.m", "S");
    }
    settle();
    start("A.m", "T");
    troupe_answer got = {0};
    cr_assert_eq(troupe_guest_wait(guest, WAIT_MS, &got), TROUPE_OK);
    cr_assert_eq(got.error, TROUPE_EBUSY);
    cr_assert_str_eq(got.data, "{\"retry_after_ms\":100}");
    troupe_answer_fini(&got);
    start("Input.dispatchKeyEvent", "T"); /* has room of its own, in both limits */
    settle();
    cr_assert_eq(metric("busy"), 1);
    (void)expect("A.m");
    answer_on(expect("Input.dispatchKeyEvent"), "T");
    finish(TROUPE_OK);
}

Test(commands, of_a_session_are_not_overtaken_but_by_cancels)
{
    limits.commands_in_flight = 1;
    open_peer();
    start("A.first", "S");
    start("Page.addScriptToEvaluateOnNewDocument", "S");
    start("Runtime.runIfWaitingForDebugger", "S");
    start("Input.dispatchMouseEvent", "S");
    int64_t first = expect("A.first");
    quiet();
    start("Input.insertText", "T");
    start("Fetch.continueRequest", "S");
    start("Runtime.terminateExecution", "S");
    settle();
    answer_on(expect("Input.insertText"), "T");
    finish(TROUPE_OK);
    answer_on(expect("Fetch.continueRequest"), "S");
    finish(TROUPE_OK);
    answer_on(expect("Runtime.terminateExecution"), "S");
    finish(TROUPE_OK);
    quiet();
    answer_on(first, "S");
    finish(TROUPE_OK);
    int64_t script = expect("Page.addScriptToEvaluateOnNewDocument");
    /* What is urgent behind it needs no room of bulk's any more. */
    int64_t run = expect("Runtime.runIfWaitingForDebugger");
    answer_on(expect("Input.dispatchMouseEvent"), "S");
    answer_on(run, "S");
    answer_on(script, "S");
    for (int i = 0; i < 3; i++) {
        finish(TROUPE_OK);
    }
}

Test(commands, of_sessions_that_wait_go_by_turns)
{
    limits.commands_in_flight = 1;
    open_peer();
    start("A.first", "Z");
    for (int i = 0; i < 3; i++) {
        start("A.greedy", "S");
    }
    start("A.modest", "T");
    start("A.own", NULL);
    settle();
    static const char *const order[] = {"A.first", "A.greedy", "A.modest",
                                        "A.own",   "A.greedy", "A.greedy"};
    for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
        answer(expect(order[i]));
        finish(TROUPE_OK);
    }
}

Test(commands, larger_than_a_message_may_be_are_refused_for_good)
{
    message_max = 2000;
    open_peer();
    char params[3000] = "{\"a\":\"";
    memset(params + 6, 'x', sizeof params - 8);
    memcpy(params + sizeof params - 2, "\"}", 2);
    start_with("A.large", "S", params, sizeof params, WAIT_MS);
    finish(TROUPE_ELIMIT);
    start("A.small", "S");
    answer_on(expect("A.small"), "S");
    finish(TROUPE_OK);
}

Test(commands, with_names_that_are_none_leave_no_trace)
{
    open_peer();
    start("A.\"m", "S");
    finish(TROUPE_EPARAMS);
    start("A.m", "a b");
    finish(TROUPE_EPARAMS);
    settle();
    cr_assert_eq(metric("in_flight"), 0);
    cr_assert_eq(json_object_size(json_object_get(metrics, "methods")), 2);
}

/* Back-pressure -------------------------------------------------------------------------------- */

Test(commands, wait_while_the_peer_does_not_read_and_urgent_ones_go_between)
{
    open_peer();
    size_t len = 6u << 20;
    char *params = malloc(len);
    memset(params, ' ', len);
    params[0] = '{';
    params[len - 1] = '}';
    for (int i = 0; i < 6; i++) { /* three times what the stream's own queue holds */
        start_with(i < 4 ? "A.large" : "A.other", i < 4 ? "S" : "T", params, len, WAIT_MS);
        settle();
    }
    cr_assert_eq(metric("queued"), 5);
    cr_assert_eq(wait_of("stream"), 1);
    cr_assert_gt(metric("unwritten_bytes"), 1 << 20);
    start("Input.insertText", "U");
    settle();
    static const char *const order[] = {"A.large", "Input.insertText", "A.large", "A.other",
                                        "A.large", "A.other",          "A.large"};
    for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
        answer(expect(order[i]));
        finish(TROUPE_OK);
    }
    settle();
    cr_assert_eq(metric("queued_bytes"), 0);
    cr_assert_eq(metric("unwritten_bytes"), 0);
    free(params);
}

Test(commands, that_the_stream_has_no_room_for_wait_too)
{
    open_peer();
    size_t len = 9u << 20; /* two are more than the stream queues */
    char *params = malloc(len);
    memset(params, ' ', len);
    params[0] = '{';
    params[len - 1] = '}';
    start_with("A.large", "S", params, len, WAIT_MS);
    settle();
    start_with("Fetch.fulfillRequest", "S", params, len, WAIT_MS); /* no limit but the stream's */
    settle();
    cr_assert_eq(metric("queued"), 1);
    cr_assert_eq(wait_of("stream"), 1);
    answer_on(expect("A.large"), "S");
    answer_on(expect("Fetch.fulfillRequest"), "S");
    finish(TROUPE_OK);
    finish(TROUPE_OK);
    free(params);
}

/* Rate ----------------------------------------------------------------------------------------- */

static double now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

Test(commands, go_at_the_rate_after_the_burst_and_urgent_ones_do_not_wait)
{
    limits.commands_per_second = 20;
    limits.commands_burst = 8;
    open_peer(); /* its own two are counted: six are left */
    double begun = now_ms();
    for (int i = 0; i < 10; i++) {
        start("A.m", "S");
    }
    settle();
    int64_t queued = metric("queued");
    cr_assert(queued == 4 || now_ms() - begun > 40, "%lld", (long long)queued);
    start("Input.insertText", "T");
    for (int i = 0; i < 6; i++) {
        answer_on(expect("A.m"), "S");
    }
    int seen = 0;
    for (int i = 0; i < 5; i++) {
        json_t *message = hear();
        const char *method = json_string_value(json_object_get(message, "method"));
        bool input = strcmp(method, "Input.insertText") == 0;
        seen += input;
        answer_on(json_integer_value(json_object_get(message, "id")), input ? "T" : "S");
        json_decref(message);
    }
    cr_assert_eq(seen, 1);
    cr_assert_geq(now_ms() - begun, 4 * 50.0, "four tokens, and one for what passed");
    for (int i = 0; i < 11; i++) {
        finish(TROUPE_OK);
    }
    settle();
    cr_assert_eq(metric("rate_passed"), 1);
    cr_assert_eq(wait_of("rate"), 1);
}

Test(commands, refused_under_a_rate_are_told_how_long)
{
    limits.commands_per_second = 1;
    limits.commands_burst = 2; /* the actor's own two take them */
    limits.commands_queued = 3;
    open_peer();
    for (int i = 0; i < 4; i++) {
        start("A.m", "S");
    }
    troupe_answer got = {0};
    cr_assert_eq(troupe_guest_wait(guest, WAIT_MS, &got), TROUPE_OK);
    cr_assert_eq(got.error, TROUPE_EBUSY);
    int ms = 0;
    cr_assert_eq(sscanf(got.data, "{\"retry_after_ms\":%d}", &ms), 1);
    cr_assert(ms > 2000 && ms <= 4000, "%d", ms);
    troupe_answer_fini(&got);
}

/* Deadlines, and answers that nobody waits for --------------------------------------------------
 */

Test(commands, end_at_their_deadline_and_what_comes_later_is_late)
{
    open_peer();
    start_with("A.slow", "S", "{}", 2, 20);
    int64_t id = expect("A.slow");
    finish(TROUPE_ETIMEOUT);
    await_metric("timeouts", 1);
    cr_assert_eq(metric("in_flight"), 0);
    answer_on(id, "S");
    await_metric("late", 1);
    answer_on(id, "S");
    await_metric("late", 2);
    cr_assert_eq(metric("duplicate"), 0);
    cr_assert_eq(metric("unknown"), 0);
    json_t *slow = json_object_get(json_object_get(metrics, "methods"), "A.slow");
    cr_assert_eq(json_integer_value(json_object_get(slow, "timeouts")), 1);
    cr_assert_eq(json_integer_value(json_object_get(slow, "answered")), 0);
}

Test(commands, end_each_at_a_deadline_of_its_own)
{
    open_peer();
    start_with("A.second", "S", "{}", 2, 60);
    start_with("A.first", "S", "{}", 2, 20);
    start_with("A.third", "S", "{}", 2, 100);
    for (int i = 0; i < 3; i++) {
        finish(TROUPE_ETIMEOUT);
    }
    await_metric("timeouts", 3); /* without anything else that happens */
    cr_assert_eq(metric("in_flight"), 0);
}

Test(commands, that_wait_beyond_their_deadline_are_never_sent)
{
    limits.commands_in_flight = 1;
    open_peer();
    start("A.first", "S");
    int64_t first = expect("A.first");
    start_with("A.waits", "S", "{}", 2, 20);
    start("A.last", "S");
    finish(TROUPE_ETIMEOUT);
    await_metric("timeouts", 1);
    cr_assert_eq(metric("queued"), 1);
    answer_on(first, "S");
    finish(TROUPE_OK);
    answer_on(expect("A.last"), "S");
    finish(TROUPE_OK);
}

Test(commands, given_up_while_they_wait_are_never_sent)
{
    limits.commands_in_flight = 1;
    open_peer();
    start("A.first", "S");
    int64_t first = expect("A.first");
    uint64_t ref = start("A.waits", "S");
    start("A.last", "S");
    settle();
    troupe_guest_cancel(guest, ref);
    finish(TROUPE_ECANCELLED);
    answer_on(first, "S");
    finish(TROUPE_OK);
    answer_on(expect("A.last"), "S");
    finish(TROUPE_OK);
    settle();
    cr_assert_eq(metric("abandoned"), 1);
}

Test(commands, given_up_in_flight_make_room_when_it_is_needed)
{
    limits.commands_in_flight = 2;
    limits.commands_queued = 1;
    open_peer();
    uint64_t ref = start("A.one", "S");
    start("A.two", "S");
    int64_t one = expect("A.one");
    (void)expect("A.two");
    troupe_guest_cancel(guest, ref);
    finish(TROUPE_ECANCELLED);
    settle();
    cr_assert_eq(metric("in_flight"), 2, "nothing is looked for while there is room");
    start("A.three", "S");
    answer_on(expect("A.three"), "S");
    finish(TROUPE_OK);
    answer_on(one, "S");
    await_metric("late", 1);
    cr_assert_eq(metric("abandoned"), 1);
}

Test(commands, answers_to_nobody_are_told_apart_and_disturb_nobody)
{
    open_peer();
    start("A.m", "S");
    int64_t id = expect("A.m");
    start("A.other", "T");
    int64_t other = expect("A.other");
    answer_on(id, "S");
    finish(TROUPE_OK);
    answer_on(id, "S");
    answer(123456789);
    answer(-1);
    say("no JSON \x01\xff");
    say("{\"id\":}");
    say("{\"id\":\"7\",\"result\":{}}");
    say("[]");
    answer_on(other, "S");
    finish(TROUPE_OK);
    settle();
    cr_assert_eq(metric("duplicate"), 1);
    cr_assert_eq(metric("unknown"), 2);
    cr_assert_eq(metric("malformed"), 4);
    cr_assert_eq(metric("misrouted"), 1);
    cr_assert_eq(metric("late"), 0);
}

Test(commands, an_answer_to_one_that_still_waits_is_unknown)
{
    limits.commands_in_flight = 1;
    open_peer();
    start("A.first", "S");
    int64_t first = expect("A.first");
    start("A.waits", "S");
    settle();
    answer_on(first + 1, "S");
    await_metric("unknown", 1);
    answer_on(first, "S");
    finish(TROUPE_OK);
    answer_on(expect("A.waits"), "S");
    finish(TROUPE_OK);
}

Test(commands, errors_about_a_session_may_come_without_it)
{
    open_peer();
    start("A.m", "S");
    char text[120];
    snprintf(text, sizeof text,
             "{\"id\":%lld,\"error\":{\"code\":-32001,\"message\":\"Session not found\"}}",
             (long long)expect("A.m"));
    say(text);
    finish(TROUPE_ECDP);
    settle();
    cr_assert_eq(metric("misrouted"), 0);
    cr_assert_eq(metric("errors"), 1);
    start("A.m", "S");
    answer(expect("A.m")); /* results may not */
    finish(TROUPE_OK);
    start("A.m", NULL);
    answer_on(expect("A.m"), "S");
    finish(TROUPE_OK);
    settle();
    cr_assert_eq(metric("misrouted"), 2);
}

Test(commands, all_end_once_when_the_connection_is_lost)
{
    limits.commands_in_flight = 5;
    open_peer();
    for (int i = 0; i < 12; i++) {
        start("A.m", i % 2 == 0 ? "S" : NULL);
    }
    start("Runtime.terminateExecution", "S");
    settle();
    cr_assert_eq(metric("queued"), 7);
    shutdown(peer, SHUT_RDWR);
    for (int i = 0; i < 13; i++) {
        finish(TROUPE_ECLOSED);
    }
    troupe_answer none;
    cr_assert_eq(troupe_guest_wait(guest, 1, &none), TROUPE_ENOTFOUND);
    cr_assert_eq(troupe_join(stage, actor, WAIT_MS), TROUPE_OK);
}

/* Silence -------------------------------------------------------------------------------------- */

typedef struct notes {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    unsigned count;
    bool responsive[4];
} notes;

static notes health = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, {false}};

static troupe_error note_health(troupe_actor *self, void *context, const troupe_envelope *envelope)
{
    (void)self;
    (void)context;
    int responsive;
    if (troupe_verb_is(envelope, VERB_BROWSER_HEALTH) &&
        troupe_unpack(envelope->payload, "{s:b}", "responsive", &responsive) == TROUPE_OK) {
        pthread_mutex_lock(&health.mutex);
        health.responsive[health.count++ % 4] = responsive != 0;
        pthread_cond_broadcast(&health.changed);
        pthread_mutex_unlock(&health.mutex);
    }
    return TROUPE_OK;
}

static void await_health(unsigned count)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += WAIT_MS / 1000;
    int error = 0;
    pthread_mutex_lock(&health.mutex);
    while (health.count < count && error == 0) {
        error = pthread_cond_timedwait(&health.changed, &health.mutex, &until);
    }
    pthread_mutex_unlock(&health.mutex);
    cr_assert_eq(error, 0);
}

Test(commands, silence_while_answers_are_owed_is_probed_and_told)
{
    static const troupe_behaviour launcher = {.kind = "launcher", .receive = note_health};
    troupe_spawn_options spawn = {.behaviour = &launcher, .name = NAME_LAUNCHER};
    options.probe_after_ms = 40;
    cr_assert_eq(troupe_spawn(stage, &spawn, NULL), TROUPE_OK);
    open_peer();
    cr_assert_not(readable(100), "nobody is asked while nothing is owed");
    start("A.slow", "S");
    int64_t slow = expect("A.slow");
    answer(expect("Browser.getVersion"));
    int64_t probe = expect("Browser.getVersion"); /* still nothing of A.slow: asked again */
    await_health(1);
    cr_assert_not(health.responsive[0]);
    settle();
    cr_assert(json_is_false(json_object_get(metrics, "responsive")));
    cr_assert_eq(metric("probes"), 2);
    cr_assert_eq(metric("unresponsive_count"), 1);
    start("A.more", "S"); /* is sent all the same */
    answer_on(expect("A.more"), "S");
    await_health(2);
    cr_assert(health.responsive[1]);
    finish(TROUPE_OK);
    answer(probe);
    answer_on(slow, "S");
    finish(TROUPE_OK);
    await_metric("late", 1);
    cr_assert(json_is_true(json_object_get(metrics, "responsive")));
}

/* Metrics -------------------------------------------------------------------------------------- */

Test(commands, are_counted_by_method_with_bytes_and_latencies)
{
    open_peer();
    for (int i = 0; i < 3; i++) {
        start("A.m", "S");
        answer_on(expect("A.m"), "S");
        finish(TROUPE_OK);
    }
    say("{\"method\":\"X.event\",\"params\":{}}");
    await_metric("events", 1);
    json_t *method = json_object_get(json_object_get(metrics, "methods"), "A.m");
    cr_assert_eq(json_integer_value(json_object_get(method, "sent")), 3);
    cr_assert_eq(json_integer_value(json_object_get(method, "answered")), 3);
    cr_assert_eq(json_integer_value(json_object_get(method, "bytes_out")),
                 3 * (json_int_t)strlen("{\"id\":3,\"method\":\"A.m\",\"sessionId\":\"S\","
                                        "\"params\":{}}"));
    cr_assert_eq(json_integer_value(json_object_get(method, "bytes_in")),
                 3 * (json_int_t)strlen("{\"id\":3,\"result\":{},\"sessionId\":\"S\"}"));
    json_t *bucket;
    size_t i;
    json_int_t sum = 0;
    json_array_foreach(json_object_get(method, "latency"), i, bucket)
    {
        sum += json_integer_value(json_array_get(bucket, 1));
    }
    cr_assert_eq(sum, 3);
    cr_assert_eq(metric("answered"), 5);
    cr_assert_eq(metric("messages_in"), 6);
}
