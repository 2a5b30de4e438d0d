/* SPDX-License-Identifier: MIT */
/* The peer that browser_commands_test.c and browser_answers_test.c play. */
#include "browser_peer.h"

#include "actors/verbs.h"
#include "transport/pipe.h"

#include <criterion/criterion.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

browser_peer peer = {.fd = -1};

/* The peer ------------------------------------------------------------------------------------- */

void peer_say(const char *text)
{
    cr_assert_eq(send(peer.fd, text, strlen(text) + 1, MSG_NOSIGNAL), (ssize_t)strlen(text) + 1);
}

bool peer_readable(int timeout_ms)
{
    struct pollfd poller = {.fd = peer.fd, .events = POLLIN};
    return poll(&poller, 1, timeout_ms) > 0;
}

/* The next message; new reference. */
json_t *peer_hear(void)
{
    static char text[1u << 25];
    size_t len = 0;
    do {
        cr_assert(peer_readable(WAIT_MS), "nothing came");
        ssize_t got = recv(peer.fd, text + len, sizeof text - len, MSG_PEEK);
        cr_assert_gt(got, 0);
        char *end = memchr(text + len, 0, (size_t)got);
        size_t take = end != NULL ? (size_t)(end - text) + 1 - len : (size_t)got;
        cr_assert_eq(recv(peer.fd, text + len, take, 0), (ssize_t)take);
        len += take;
    } while (text[len - 1] != '\0');
    json_t *message = json_loads(text, 0, NULL);
    cr_assert_not_null(message, "%.100s", text);
    return message;
}

/* The next message is that method's; its id. */
int64_t peer_expect(const char *method)
{
    json_t *message = peer_hear();
    const char *got = json_string_value(json_object_get(message, "method"));
    cr_assert_str_eq(got, method);
    int64_t id = json_integer_value(json_object_get(message, "id"));
    json_decref(message);
    return id;
}

void peer_answer(int64_t id)
{
    char text[80];
    snprintf(text, sizeof text, "{\"id\":%lld,\"result\":{}}", (long long)id);
    peer_say(text);
}

void peer_answer_on(int64_t id, const char *session)
{
    char text[120];
    snprintf(text, sizeof text, "{\"id\":%lld,\"result\":{},\"sessionId\":\"%s\"}", (long long)id,
             session);
    peer_say(text);
}

/* The stage ------------------------------------------------------------------------------------ */

void peer_open(void)
{
    int ends[2];
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    peer.fd = ends[0];
    browser_end *end = browser_end_create();
    browser_spec spec = {
        .host = &peer.options, .id = "p1", .pid_fd = -1, .end = end, .limits = peer.limits};
    troupe_spawn_options spawn;
    cr_assert_eq(pipe_stream_create(ends[1], ends[1], peer.message_max, &spec.stream), TROUPE_OK);
    cr_assert_eq(browser_prepare(&spec, &spawn), TROUPE_OK);
    cr_assert_eq(troupe_spawn(peer.system, &spawn, &peer.actor), TROUPE_OK);
    browser_end_unref(end);
    peer_answer(peer_expect("Browser.getVersion"));
    int64_t discover = peer_expect("Target.setDiscoverTargets");
    if (!peer.mute) {
        peer_answer(discover);
    }
}

void peer_init(void)
{
    troupe_host_options_default(&peer.options);
    peer.options.command_timeout_ms = WAIT_MS;
    cr_assert_eq(troupe_system_open(NULL, &peer.system), TROUPE_OK);
    cr_assert_eq(troupe_guest_create(peer.system, &peer.guest), TROUPE_OK);
}

void peer_fini(void)
{
    json_decref(peer.metrics);
    troupe_guest_destroy(peer.guest);
    troupe_system_close(peer.system, WAIT_MS);
    close(peer.fd);
}

/* Calls ---------------------------------------------------------------------------------------- */

uint64_t peer_start_with(const char *method, const char *session, const char *params, size_t len,
                         uint32_t timeout_ms)
{
    troupe_buffer payload = {0};
    uint64_t ref;
    cr_assert_eq(troupe_pack(&payload, "[s,s,j#]", method, session, params, len), TROUPE_OK);
    cr_assert_eq(troupe_guest_call_start(peer.guest, peer.actor, VERB_BROWSER_COMMAND, NULL,
                                         troupe_buffer_bytes(&payload), timeout_ms, NULL, &ref),
                 TROUPE_OK);
    cr_assert_eq(troupe_guest_flush(peer.guest), TROUPE_OK);
    troupe_buffer_fini(&payload);
    return ref;
}

uint64_t peer_start(const char *method, const char *session)
{
    return peer_start_with(method, session, "{}", 2, WAIT_MS);
}

/* The next call that ends ends so. */
void peer_finish(troupe_error wanted)
{
    troupe_answer got = {0};
    cr_assert_eq(troupe_guest_wait(peer.guest, WAIT_MS, &got), TROUPE_OK);
    cr_assert_eq(got.error, wanted, "%s: %s", troupe_error_name(got.error), got.message);
    troupe_answer_fini(&got);
}

int64_t peer_metric(const char *name)
{
    json_t *value = json_object_get(peer.metrics, name);
    cr_assert(json_is_integer(value), "%s", name);
    return json_integer_value(value);
}

int64_t peer_wait_of(const char *name)
{
    return json_integer_value(json_object_get(json_object_get(peer.metrics, "waits"), name));
}

void peer_settle(void)
{
    troupe_guest *asker;
    troupe_answer got = {0};
    const troupe_bytes nil = {NULL, 0};
    const char *text;
    size_t len;
    cr_assert_eq(troupe_guest_create(peer.system, &asker), TROUPE_OK);
    troupe_error error;
    while ((error = troupe_guest_call(asker, peer.actor, VERB_BROWSER_METRICS, NULL, nil, WAIT_MS,
                                      &got)) == TROUPE_EBUSY) {
        troupe_answer_fini(&got); /* a large command still fills the mailbox */
        poll(NULL, 0, 1);
    }
    cr_assert_eq(error, TROUPE_OK, "%s", troupe_error_name(error));
    cr_assert_eq(troupe_payload_json(got.payload, &text, &len), TROUPE_OK);
    json_decref(peer.metrics);
    peer.metrics = json_loadb(text, len, 0, NULL);
    cr_assert_not_null(peer.metrics);
    troupe_answer_fini(&got);
    troupe_guest_destroy(asker);
}

/* For what the peer says, and for deadlines: both come when they come. */
void peer_await(const char *name, int64_t wanted)
{
    struct timespec begun, now;
    clock_gettime(CLOCK_MONOTONIC, &begun);
    do {
        peer_settle();
        clock_gettime(CLOCK_MONOTONIC, &now);
        cr_assert_lt(now.tv_sec - begun.tv_sec, WAIT_MS / 1000, "%s is %lld, not %lld", name,
                     (long long)peer_metric(name), (long long)wanted);
    } while (peer_metric(name) != wanted);
}

void peer_quiet(void)
{
    peer_settle();
    cr_assert_not(peer_readable(0), "something was written that should wait");
}
