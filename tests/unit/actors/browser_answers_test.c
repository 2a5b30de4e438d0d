/* SPDX-License-Identifier: MIT */
/* How commands of the browser actor end: answers, those that nobody waits for, deadlines, loss,
 * silence. */
#include "browser_peer.h"

#include "actors/verbs.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>

TestSuite(answers, .init = peer_init, .fini = peer_fini, .timeout = 60);

/* Deadlines, and answers that nobody waits for --------------------------------------------------
 */

Test(answers, end_at_their_deadline_and_what_comes_later_is_late)
{
    peer_open();
    peer_start_with("A.slow", "S", "{}", 2, 20);
    int64_t id = peer_expect("A.slow");
    peer_finish(TROUPE_ETIMEOUT);
    peer_await("timeouts", 1);
    cr_assert_eq(peer_metric("in_flight"), 0);
    peer_answer_on(id, "S");
    peer_await("late", 1);
    peer_answer_on(id, "S");
    peer_await("late", 2);
    cr_assert_eq(peer_metric("duplicate"), 0);
    cr_assert_eq(peer_metric("unknown"), 0);
    json_t *slow = json_object_get(json_object_get(peer.metrics, "methods"), "A.slow");
    cr_assert_eq(json_integer_value(json_object_get(slow, "timeouts")), 1);
    cr_assert_eq(json_integer_value(json_object_get(slow, "answered")), 0);
}

Test(answers, end_each_at_a_deadline_of_its_own)
{
    peer_open();
    peer_start_with("A.second", "S", "{}", 2, 60);
    peer_start_with("A.first", "S", "{}", 2, 20);
    peer_start_with("A.third", "S", "{}", 2, 100);
    for (int i = 0; i < 3; i++) {
        peer_finish(TROUPE_ETIMEOUT);
    }
    peer_await("timeouts", 3); /* without anything else that happens */
    cr_assert_eq(peer_metric("in_flight"), 0);
}

Test(answers, of_the_actor_itself_have_a_deadline_too)
{
    peer.options.command_timeout_ms = 20;
    peer.mute = true;
    peer_open();
    peer_await("timeouts", 1);
    cr_assert_eq(peer_metric("in_flight"), 0);
    peer_start("A.m", "S");
    peer_answer_on(peer_expect("A.m"), "S");
    peer_finish(TROUPE_OK);
}

Test(answers, that_wait_beyond_their_deadline_are_never_sent)
{
    peer.limits.commands_in_flight = 1;
    peer_open();
    peer_start("A.first", "S");
    int64_t first = peer_expect("A.first");
    peer_start_with("A.waits", "S", "{}", 2, 20);
    peer_start("A.last", "S");
    peer_finish(TROUPE_ETIMEOUT);
    peer_await("timeouts", 1);
    cr_assert_eq(peer_metric("queued"), 1);
    peer_answer_on(first, "S");
    peer_finish(TROUPE_OK);
    peer_answer_on(peer_expect("A.last"), "S");
    peer_finish(TROUPE_OK);
}

Test(answers, given_up_while_they_wait_are_never_sent)
{
    peer.limits.commands_in_flight = 1;
    peer_open();
    peer_start("A.first", "S");
    int64_t first = peer_expect("A.first");
    uint64_t ref = peer_start("A.waits", "S");
    peer_start("A.last", "S");
    peer_settle();
    troupe_guest_cancel(peer.guest, ref);
    peer_finish(TROUPE_ECANCELLED);
    peer_answer_on(first, "S");
    peer_finish(TROUPE_OK);
    peer_answer_on(peer_expect("A.last"), "S");
    peer_finish(TROUPE_OK);
    peer_settle();
    cr_assert_eq(peer_metric("abandoned"), 1);
}

Test(answers, given_up_in_flight_make_room_when_it_is_needed)
{
    peer.limits.commands_in_flight = 2;
    peer.limits.commands_queued = 1;
    peer_open();
    uint64_t ref = peer_start("A.one", "S");
    peer_start("A.two", "S");
    int64_t one = peer_expect("A.one");
    (void)peer_expect("A.two");
    troupe_guest_cancel(peer.guest, ref);
    peer_finish(TROUPE_ECANCELLED);
    peer_settle();
    cr_assert_eq(peer_metric("in_flight"), 2, "nothing is looked for while there is room");
    peer_start("A.three", "S");
    peer_answer_on(peer_expect("A.three"), "S");
    peer_finish(TROUPE_OK);
    peer_answer_on(one, "S");
    peer_await("late", 1);
    cr_assert_eq(peer_metric("abandoned"), 1);
}

Test(answers, answers_to_nobody_are_told_apart_and_disturb_nobody)
{
    peer_open();
    peer_start("A.m", "S");
    int64_t id = peer_expect("A.m");
    peer_start("A.other", "T");
    int64_t other = peer_expect("A.other");
    peer_answer_on(id, "S");
    peer_finish(TROUPE_OK);
    peer_answer_on(id, "S");
    peer_answer(123456789);
    peer_answer(-1);
    peer_say("no JSON \x01\xff");
    peer_say("{\"id\":}");
    peer_say("{\"id\":\"7\",\"result\":{}}");
    peer_say("[]");
    peer_answer_on(other, "S");
    peer_finish(TROUPE_OK);
    peer_settle();
    cr_assert_eq(peer_metric("duplicate"), 1);
    cr_assert_eq(peer_metric("unknown"), 2);
    cr_assert_eq(peer_metric("malformed"), 4);
    cr_assert_eq(peer_metric("misrouted"), 1);
    cr_assert_eq(peer_metric("late"), 0);
}

Test(answers, an_answer_to_one_that_still_waits_is_unknown)
{
    peer.limits.commands_in_flight = 1;
    peer_open();
    peer_start("A.first", "S");
    int64_t first = peer_expect("A.first");
    peer_start("A.waits", "S");
    peer_settle();
    peer_answer_on(first + 1, "S");
    peer_await("unknown", 1);
    peer_answer_on(first, "S");
    peer_finish(TROUPE_OK);
    peer_answer_on(peer_expect("A.waits"), "S");
    peer_finish(TROUPE_OK);
}

Test(answers, errors_about_a_session_may_come_without_it)
{
    peer_open();
    peer_start("A.m", "S");
    char text[120];
    snprintf(text, sizeof text,
             "{\"id\":%lld,\"error\":{\"code\":-32001,\"message\":\"Session not found\"}}",
             (long long)peer_expect("A.m"));
    peer_say(text);
    peer_finish(TROUPE_ECDP);
    peer_settle();
    cr_assert_eq(peer_metric("misrouted"), 0);
    cr_assert_eq(peer_metric("errors"), 1);
    peer_start("A.m", "S");
    peer_answer(peer_expect("A.m")); /* results may not */
    peer_finish(TROUPE_OK);
    peer_start("A.m", NULL);
    peer_answer_on(peer_expect("A.m"), "S");
    peer_finish(TROUPE_OK);
    peer_settle();
    cr_assert_eq(peer_metric("misrouted"), 2);
}

Test(answers, all_end_once_when_the_connection_is_lost)
{
    peer.limits.commands_in_flight = 5;
    peer_open();
    for (int i = 0; i < 12; i++) {
        peer_start("A.m", i % 2 == 0 ? "S" : NULL);
    }
    peer_start("Runtime.terminateExecution", "S");
    peer_settle();
    cr_assert_eq(peer_metric("queued"), 7);
    shutdown(peer.fd, SHUT_RDWR);
    for (int i = 0; i < 13; i++) {
        peer_finish(TROUPE_ECLOSED);
    }
    troupe_answer none;
    cr_assert_eq(troupe_guest_wait(peer.guest, 1, &none), TROUPE_ENOTFOUND);
    cr_assert_eq(troupe_join(peer.system, peer.actor, WAIT_MS), TROUPE_OK);
}

/* Whatever a peer and callers do ----------------------------------------------------------------
 */

#define STORM_CALLS 4000

typedef struct storm {
    int64_t ids[STORM_CALLS + 16]; /* that the peer has read */
    char sessions[STORM_CALLS + 16][2];
    size_t read;
    unsigned started, ended;
    uint64_t refs[STORM_CALLS];
    unsigned outcomes[64];
} storm;

static storm all;

static unsigned chance(unsigned below)
{
    return (unsigned)rand() % below;
}

static void storm_start(void)
{
    static const char *const methods[] = {"A.bulk", "A.other", "Input.insertText",
                                          "Runtime.terminateExecution"};
    static const char *const sessions[] = {"S", "T", "U", NULL};
    if (all.started < STORM_CALLS) {
        all.refs[all.started++] = peer_start_with(methods[chance(4)], sessions[chance(4)], "{}", 2,
                                                  chance(10) == 0 ? 1 + chance(5) : WAIT_MS);
    }
}

static void storm_read(void)
{
    while (peer_readable(0)) {
        json_t *message = peer_hear();
        const char *session = json_string_value(json_object_get(message, "sessionId"));
        snprintf(all.sessions[all.read], 2, "%s", session != NULL ? session : "");
        all.ids[all.read++] = json_integer_value(json_object_get(message, "id"));
        json_decref(message);
    }
}

/* Mostly one of the last, sometimes one of long ago, again, or of nobody. */
static void storm_answer(size_t at)
{
    if (chance(50) == 0) {
        peer_answer((int64_t)chance(1000000));
    }
    if (all.sessions[at][0] == '\0') {
        peer_answer(all.ids[at]);
    } else {
        peer_answer_on(all.ids[at], chance(50) == 0 ? "X" : all.sessions[at]);
    }
}

static void storm_collect(uint32_t wait_ms)
{
    troupe_answer got = {0};
    while (all.ended < all.started && troupe_guest_wait(peer.guest, wait_ms, &got) == TROUPE_OK) {
        all.ended++;
        all.outcomes[got.error < 64 ? got.error : 63]++;
        troupe_answer_fini(&got);
        wait_ms = 1;
        if (chance(3) == 0) {
            return;
        }
    }
}

Test(answers, each_ends_once_whatever_peer_and_callers_do)
{
    peer.limits.commands_in_flight = 8;
    peer.limits.commands_queued = 40;
    peer.limits.commands_per_second = 20000;
    peer.limits.commands_burst = 50;
    srand(20261126);
    peer_open();
    while (all.started < STORM_CALLS) {
        for (unsigned i = chance(12); i > 0; i--) {
            storm_start();
        }
        storm_read();
        for (unsigned i = chance(14); i > 0 && all.read > 0; i--) {
            size_t back = chance(chance(10) == 0 ? 100 : 8);
            storm_answer(all.read - 1 - (back < all.read ? back : 0));
        }
        if (all.started > 0 && chance(4) == 0) {
            troupe_guest_cancel(peer.guest, all.refs[chance(all.started)]);
        }
        storm_collect(1);
    }
    while (all.ended < all.started) { /* answer everything, as often as it takes */
        storm_read();
        for (size_t i = all.read > 64 ? all.read - 64 : 0; i < all.read; i++) {
            storm_answer(i);
        }
        storm_collect(1);
    }
    troupe_answer none;
    cr_assert_eq(troupe_guest_wait(peer.guest, 1, &none), TROUPE_ENOTFOUND);
    cr_assert_eq(all.outcomes[TROUPE_OK] + all.outcomes[TROUPE_EBUSY] +
                     all.outcomes[TROUPE_ETIMEOUT] + all.outcomes[TROUPE_ECANCELLED],
                 STORM_CALLS);
    cr_assert(all.outcomes[TROUPE_OK] > 100 && all.outcomes[TROUPE_EBUSY] > 0 &&
              all.outcomes[TROUPE_ETIMEOUT] > 0 && all.outcomes[TROUPE_ECANCELLED] > 0);
    peer_start("A.last", "S"); /* what was given up is let go of by now, or by its deadline */
    for (int64_t last = 0; last == 0;) {
        json_t *message = peer_hear();
        const char *method = json_string_value(json_object_get(message, "method"));
        bool found = strcmp(method, "A.last") == 0;
        int64_t id = json_integer_value(json_object_get(message, "id"));
        json_t *session = json_object_get(message, "sessionId");
        if (session != NULL) {
            peer_answer_on(id, json_string_value(session));
        } else {
            peer_answer(id);
        }
        last = found ? id : 0;
        json_decref(message);
    }
    peer_finish(TROUPE_OK);
    peer_settle();
    cr_assert_leq(peer_metric("in_flight_peak"), 8 + 16 + 1);
    cr_assert_leq(peer_metric("queued_peak"), 40 + 16 + 5);
    cr_assert_eq(peer_metric("queued"), 0);
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

Test(answers, silence_while_answers_are_owed_is_probed_and_told)
{
    static const troupe_behaviour launcher = {.kind = "launcher", .receive = note_health};
    troupe_spawn_options spawn = {.behaviour = &launcher, .name = NAME_LAUNCHER};
    peer.options.probe_after_ms = 40;
    cr_assert_eq(troupe_spawn(peer.system, &spawn, NULL), TROUPE_OK);
    peer_open();
    cr_assert_not(peer_readable(100), "nobody is asked while nothing is owed");
    peer_start("A.slow", "S");
    int64_t slow = peer_expect("A.slow");
    peer_answer(peer_expect("Browser.getVersion"));
    int64_t probe = peer_expect("Browser.getVersion"); /* still nothing of A.slow: asked again */
    await_health(1);
    cr_assert_not(health.responsive[0]);
    peer_settle();
    cr_assert(json_is_false(json_object_get(peer.metrics, "responsive")));
    cr_assert_eq(peer_metric("probes"), 2);
    cr_assert_eq(peer_metric("unresponsive_count"), 1);
    peer_start("A.more", "S"); /* is sent all the same */
    peer_answer_on(peer_expect("A.more"), "S");
    await_health(2);
    cr_assert(health.responsive[1]);
    peer_finish(TROUPE_OK);
    peer_answer(probe);
    peer_answer_on(slow, "S");
    peer_finish(TROUPE_OK);
    peer_await("late", 1);
    cr_assert(json_is_true(json_object_get(peer.metrics, "responsive")));
}

Test(answers, silence_is_probed_again_after_a_probe_that_had_no_room)
{
    peer.options.probe_after_ms = 40;
    peer.limits.commands_in_flight = 1;
    peer.limits.commands_queued = 1;
    peer_open();
    unsigned many = 34; /* 17 urgent ones in flight, 17 that wait */
    for (unsigned i = 0; i < many; i++) {
        peer_start("Input.insertText", "S");
    }
    do {
        peer_settle();
    } while (peer_metric("busy") == 0);
    int64_t probe = 0;
    for (unsigned heard = 0; probe == 0;) {
        json_t *command = peer_hear();
        int64_t id = json_integer_value(json_object_get(command, "id"));
        const char *method = json_string_value(json_object_get(command, "method"));
        if (strcmp(method, "Browser.getVersion") == 0) {
            probe = id;
        } else if (++heard < many) {
            peer_answer_on(id, "S"); /* the last one is owed */
        }
        json_decref(command);
    }
    peer_answer(probe);
}

/* Metrics -------------------------------------------------------------------------------------- */

Test(answers, are_counted_by_method_with_bytes_and_latencies)
{
    peer_open();
    for (int i = 0; i < 3; i++) {
        peer_start("A.m", "S");
        peer_answer_on(peer_expect("A.m"), "S");
        peer_finish(TROUPE_OK);
    }
    peer_say("{\"method\":\"X.event\",\"params\":{}}");
    peer_await("events", 1);
    json_t *method = json_object_get(json_object_get(peer.metrics, "methods"), "A.m");
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
    cr_assert_eq(peer_metric("answered"), 5);
    cr_assert_eq(peer_metric("messages_in"), 6);
}
