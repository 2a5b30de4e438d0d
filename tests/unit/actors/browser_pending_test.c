/* SPDX-License-Identifier: MIT */
/* A browser actor on a stream that reads more than it delivers at once, as over TLS: no poll tells
 * of the rest. */
#include "actors/browser/browser.h"
#include "actors/verbs.h"
#include "transport/message_stream.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WAIT_MS 20000 /* never reached, unless something hangs */
#define EVENTS  100

/* Reads all at its first message; delivers one message a call. */
typedef struct hoarder {
    message_stream base;
    int fds[2];
    long long id; /* of the first command */
    unsigned left;
} hoarder;

static int read_fd(const message_stream *s)
{
    return ((const hoarder *)s)->fds[0];
}

static int write_fd(const message_stream *s)
{
    return ((const hoarder *)s)->fds[1];
}

static troupe_error send_one(message_stream *s, const void *data, size_t len)
{
    hoarder *h = (hoarder *)s;
    json_t *command = json_loadb(data, len, 0, NULL);
    if (h->id == 0) {
        h->id = json_integer_value(json_object_get(command, "id"));
        cr_assert_eq(write(h->fds[1], "x", 1), 1);
    }
    json_decref(command);
    return TROUPE_OK;
}

static troupe_error flush(message_stream *s, troupe_reason *reason)
{
    (void)s;
    (void)reason;
    return TROUPE_OK;
}

static size_t queued(const message_stream *s)
{
    (void)s;
    return 0;
}

static troupe_error receive(message_stream *s, message_stream_fn fn, void *context,
                            troupe_reason *reason)
{
    hoarder *h = (hoarder *)s;
    char text[80] = "{\"method\":\"Test.event\",\"params\":{}}";
    (void)reason;
    if (read(h->fds[0], text + 60, 1) == 1) {
        snprintf(text, sizeof text, "{\"id\":%lld,\"result\":{}}", h->id);
        h->left = EVENTS + 1;
    }
    if (h->left > 0) {
        h->left--;
        fn(context, text, strlen(text));
    }
    return TROUPE_OK;
}

static bool pending(const message_stream *s)
{
    return ((const hoarder *)s)->left > 0;
}

static void destroy(message_stream *s)
{
    hoarder *h = (hoarder *)s;
    close(h->fds[0]);
    close(h->fds[1]);
    free(h);
}

static const message_stream_ops ops = {.read_fd = read_fd,
                                       .write_fd = write_fd,
                                       .send = send_one,
                                       .flush = flush,
                                       .queued = queued,
                                       .receive = receive,
                                       .pending = pending,
                                       .destroy = destroy};

static int64_t events(troupe_guest *guest, troupe_address actor)
{
    troupe_answer got = {0};
    const troupe_bytes nil = {NULL, 0};
    const char *text;
    size_t len;
    cr_assert_eq(troupe_guest_call(guest, actor, VERB_BROWSER_METRICS, NULL, nil, WAIT_MS, &got),
                 TROUPE_OK);
    cr_assert_eq(troupe_payload_json(got.payload, &text, &len), TROUPE_OK);
    json_t *metrics = json_loadb(text, len, 0, NULL);
    int64_t count = json_integer_value(json_object_get(metrics, "events"));
    json_decref(metrics);
    troupe_answer_fini(&got);
    return count;
}

Test(browser_pending, what_the_stream_has_read_already_is_taken_without_a_poll, .timeout = 60)
{
    troupe_host_options options;
    troupe_system *system;
    troupe_guest *guest;
    troupe_spawn_options spawn;
    troupe_address actor;
    browser_end *end = browser_end_create();
    hoarder *h = calloc(1, sizeof *h);
    h->base.ops = &ops;
    cr_assert_eq(pipe2(h->fds, O_CLOEXEC | O_NONBLOCK), 0);
    browser_spec spec = {.host = &options, .id = "p1", .pid_fd = -1, .end = end};
    spec.stream = &h->base;
    troupe_host_options_default(&options);
    cr_assert_eq(troupe_system_open(NULL, &system), TROUPE_OK);
    cr_assert_eq(troupe_guest_create(system, &guest), TROUPE_OK);
    cr_assert_eq(browser_prepare(&spec, &spawn), TROUPE_OK);
    cr_assert_eq(troupe_spawn(system, &spawn, &actor), TROUPE_OK);
    browser_end_unref(end);
    int64_t count = 0;
    for (int i = 0; i < WAIT_MS / 2 && count < EVENTS; i++) {
        count = events(guest, actor);
        poll(NULL, 0, 1);
    }
    cr_assert_eq(count, EVENTS);
    troupe_guest_destroy(guest);
    troupe_system_close(system, WAIT_MS);
}
