/* SPDX-License-Identifier: MIT */
/* States, closing, health and limits of a WebSocket that its owner steps, with a clock of the
 * test's own. */
#include "collect.h"
#include "server.h"
#include "transport/websocket.h"

#include <criterion/criterion.h>
#include <sys/socket.h>
#include <sys/un.h>

#define WAIT_MS 20000 /* never reached, unless something hangs */
#define SECOND  INT64_C(1000000000)

static int64_t now_ns; /* the clock */
static char moves[300];
static unsigned rooms;
static char url[64];

static int64_t read_clock(void *context)
{
    (void)context;
    return now_ns;
}

static void note_state(void *context, websocket *w, websocket_state from, websocket_state to,
                       const char *why)
{
    size_t len = strlen(moves);
    (void)context;
    (void)why;
    cr_expect_eq(websocket_state_of(w), to);
    snprintf(moves + len, sizeof(moves) - len, "%s>%s ", websocket_state_name(from),
             websocket_state_name(to));
}

static void note_room(void *context, websocket *w)
{
    (void)context;
    (void)w;
    rooms++;
}

static websocket_options options_for(const server *s)
{
    now_ns = 1000 * SECOND;
    moves[0] = '\0';
    snprintf(url, sizeof(url), "ws://127.0.0.1:%d/x?token=s3cret", s->port);
    return (websocket_options){
        .url = url, .on_state = note_state, .on_room = note_room, .clock = read_clock};
}

static websocket *make(const websocket_options *options)
{
    websocket *w = NULL;
    troupe_reason reason = {{0}};
    cr_assert_eq(websocket_create(options, &w, &reason), TROUPE_OK, "%s", reason.text);
    return w;
}

/** Wait for what it waits for, and step it. */
static troupe_error step(websocket *w, collect *c)
{
    websocket_wait wait;
    websocket_wait_for(w, &wait);
    bool due = wait.deadline_ns == 0; /* there is something to do, whatever poll says */
    cr_assert(poll(wait.fds, wait.count, due ? 0 : WAIT_MS) > 0 || due);
    return websocket_step(w, collect_message, c, NULL);
}

static void step_until(websocket *w, websocket_state state, collect *c)
{
    for (int i = 0; websocket_state_of(w) != state; i++) {
        (void)step(w, c);
        cr_assert_lt(i, 100000, "%s", moves);
    }
}

static websocket *open_until(const websocket_options *options, websocket_state state, collect *c)
{
    websocket *w = make(options);
    troupe_reason reason = {{0}};
    cr_assert_eq(websocket_open(w, &reason), TROUPE_OK, "%s", reason.text);
    step_until(w, state, c);
    return w;
}

static websocket_info info_of(const websocket *w)
{
    websocket_info info;
    websocket_info_of(w, &info);
    return info;
}

/* --- scripts -------------------------------------------------------------------------------- */

static void script_echo_and_close(server *s)
{
    server_upgrade(s, "", 0);
    for (bool closed = false; !closed;) {
        uint8_t first = 0;
        size_t len = 0;
        char *data = server_read_frame(s, &first, &len);
        if (data == NULL) {
            return;
        }
        closed = first == 0x88;
        (void)server_write_frame(s, first == 0x89 ? 0x8A : first, data, len);
        free(data);
    }
    server_wait_for_end(s);
}

static void script_silent(server *s)
{
    server_upgrade(s, "", 0);
    server_wait_for_end(s);
}

/** Says s->answer (a frame, its length in the first byte) and reads to the end. */
static void script_say(server *s)
{
    server_upgrade(s, "", 0);
    (void)server_write(s, s->answer + 1, (size_t)(uint8_t)s->answer[0]);
    server_wait_for_end(s);
}

static void script_end(server *s)
{
    server_upgrade(s, "", 0);
}

static void script_answer(server *s)
{
    server_read_request(s);
    (void)server_say(s, s->answer);
    server_wait_for_end(s);
}

/* --- states --------------------------------------------------------------------------------- */

Test(websocket_state, conversation_goes_through_its_states_in_order)
{
    server s = {0};
    collect c = {0};
    server_start(&s, script_echo_and_close);
    websocket_options options = options_for(&s);
    websocket *w = make(&options);
    cr_expect_eq(websocket_state_of(w), WEBSOCKET_DISCONNECTED);
    cr_expect_eq(websocket_step(w, collect_message, &c, NULL), TROUPE_ESTATE);
    cr_expect_eq(websocket_send_text(w, "x", 1), TROUPE_ENOTCONNECTED);
    cr_assert_eq(websocket_open(w, NULL), TROUPE_OK);
    cr_expect_eq(websocket_open(w, NULL), TROUPE_ESTATE);
    cr_expect_eq(websocket_send_text(w, "x", 1), TROUPE_ENOTCONNECTED);
    step_until(w, WEBSOCKET_CONNECTED, &c);
    cr_assert_eq(websocket_send_text(w, "hello", 5), TROUPE_OK);
    cr_expect_eq(websocket_send_text(w, "\xff", 1), TROUPE_EINVAL);
    cr_assert_eq(websocket_send_bytes(w, "\xff", 1), TROUPE_OK);
    websocket_close(w, 1000, "bye");
    websocket_close(w, 1001, NULL);
    cr_expect_eq(websocket_state_of(w), WEBSOCKET_CLOSING);
    cr_expect_eq(websocket_send_text(w, "x", 1), TROUPE_ECLOSED);
    step_until(w, WEBSOCKET_CLOSED, &c);
    cr_expect_eq(c.count, 2, "what was queued before is sent, and answered");
    cr_expect_str_eq(moves, "disconnected>connecting connecting>connected connected>closing "
                            "closing>closed ");
    websocket_info info = info_of(w);
    cr_expect_eq(info.close_code, 1000);
    cr_expect_eq(info.errors, 0);
    cr_expect_eq(info.messages_in, 2);
    cr_expect_eq(info.messages_out, 2);
    cr_expect_null(strstr(info.url, "s3cret"));
    cr_expect_not_null(strstr(info.closed, "1000 bye"), "%s", info.closed);
    websocket_close(w, 1000, NULL);
    cr_expect_eq(websocket_step(w, collect_message, &c, NULL), TROUPE_ECLOSED);
    websocket_destroy(w);
    collect_fini(&c);
    server_stop(&s);
}

Test(websocket_state, close_is_idempotent_in_every_state)
{
    server s = {0};
    collect c = {0};
    server_start(&s, script_answer);
    s.answer = "HTTP/1.1 500 no\r\nContent-Length: 0\r\n\r\n";
    websocket_options options = options_for(&s);
    websocket *w = make(&options);
    websocket_close(w, 1000, NULL);
    websocket_close(w, 1000, NULL);
    cr_expect_str_eq(moves, "disconnected>closed ");
    cr_assert_eq(websocket_open(w, NULL), TROUPE_OK);
    websocket_close(w, 1000, NULL);
    websocket_close(w, 1000, NULL);
    cr_expect_str_eq(moves, "disconnected>closed closed>connecting connecting>closed ");
    websocket_destroy(w);
    w = open_until(&options, WEBSOCKET_ERROR, &c);
    websocket_close(w, 1000, NULL);
    websocket_close(w, 1000, NULL);
    cr_expect_eq(websocket_state_of(w), WEBSOCKET_CLOSED);
    websocket_info info = info_of(w);
    cr_expect_eq(info.error, TROUPE_EPROTOCOL, "still readable");
    cr_expect_not_null(strstr(info.reason, "500"), "%s", info.reason);
    cr_expect_eq(info.errors, 1);
    websocket_destroy(w);
    server_stop(&s);
}

static void expect_end(const char *frame, websocket_state state, int code)
{
    server s = {.answer = frame};
    collect c = {0};
    server_start(&s, frame != NULL ? script_say : script_end);
    websocket_options options = options_for(&s);
    websocket *w = open_until(&options, WEBSOCKET_CONNECTED, &c);
    step_until(w, state, &c);
    websocket_info info = info_of(w);
    cr_expect_eq(info.close_code, code, "%d", info.close_code);
    cr_expect_eq(info.errors, state == WEBSOCKET_ERROR);
    cr_expect_eq(info.error, state == WEBSOCKET_ERROR ? TROUPE_ECLOSED : TROUPE_OK);
    cr_expect_gt(strlen(state == WEBSOCKET_ERROR ? info.reason : info.closed), 0);
    cr_expect_eq(info.queued_bytes, 0);
    cr_expect_eq(websocket_send_text(w, "x", 1), TROUPE_ECLOSED);
    websocket_destroy(w);
    server_stop(&s);
}

Test(websocket_state, normal_close_is_told_from_abnormal)
{
    expect_end("\x04\x88\x02\x03\xe8", WEBSOCKET_CLOSED, 1000);
    expect_end("\x04\x88\x02\x03\xe9", WEBSOCKET_CLOSED, 1001);
    expect_end("\x02\x88\x00", WEBSOCKET_CLOSED, 1005);
    expect_end("\x04\x88\x02\x03\xf3", WEBSOCKET_ERROR, 1011);
    expect_end("\x04\x88\x02\x0f\xa0", WEBSOCKET_ERROR, 4000);
    expect_end(NULL, WEBSOCKET_ERROR, 1006);
}

Test(websocket_state, close_waits_for_the_peer_up_to_its_limit)
{
    server s = {0};
    collect c = {0};
    server_start(&s, script_silent);
    websocket_options options = options_for(&s);
    websocket *w = open_until(&options, WEBSOCKET_CONNECTED, &c);
    websocket_close(w, 1000, NULL);
    cr_expect_eq(websocket_step(w, collect_message, &c, NULL), TROUPE_OK);
    websocket_wait wait;
    websocket_wait_for(w, &wait);
    cr_expect_eq(wait.deadline_ns, now_ns + 5 * SECOND);
    now_ns += 5 * SECOND;
    cr_expect_eq(websocket_step(w, collect_message, &c, NULL), TROUPE_ECLOSED);
    websocket_info info = info_of(w);
    cr_expect_eq(info.state, WEBSOCKET_CLOSED);
    cr_expect_eq(info.close_code, 1006);
    cr_expect_not_null(strstr(info.closed, "5000 ms"), "%s", info.closed);
    websocket_destroy(w);
    server_stop(&s);
}

static void script_refuse_then_echo(server *s)
{
    server_read_request(s);
    (void)server_say(s, "HTTP/1.1 503 later\r\nRetry-After: 7\r\n\r\n");
    close(s->fd);
    for (int i = 0; i < 2; i++) {
        memset(s->request, 0, sizeof(s->request));
        s->fd = accept(s->listener, NULL, NULL);
        script_echo_and_close(s);
        if (i == 0) {
            close(s->fd);
        }
    }
}

Test(websocket_state, open_again_after_error_and_after_close)
{
    server s = {0};
    collect c = {0};
    server_start(&s, script_refuse_then_echo);
    websocket_options options = options_for(&s);
    websocket *w = open_until(&options, WEBSOCKET_ERROR, &c);
    cr_expect_eq(info_of(w).error, TROUPE_EUNAVAILABLE);
    cr_expect_eq(info_of(w).retry_after_s, 7);
    for (size_t i = 1; i <= 2; i++) {
        cr_assert_eq(websocket_open(w, NULL), TROUPE_OK);
        step_until(w, WEBSOCKET_CONNECTED, &c);
        cr_expect_eq(info_of(w).error, TROUPE_EUNAVAILABLE, "the last error stays");
        cr_assert_eq(websocket_send_text(w, "again", 5), TROUPE_OK);
        while (c.count < i) {
            cr_assert_eq(step(w, &c), TROUPE_OK);
        }
        websocket_close(w, 1000, NULL);
        step_until(w, WEBSOCKET_CLOSED, &c);
    }
    cr_expect_eq(info_of(w).messages_in, 2);
    websocket_destroy(w);
    collect_fini(&c);
    server_stop(&s);
}

Test(websocket_state, nobody_there_is_an_error_with_its_reason)
{
    server s = {0};
    collect c = {0};
    int bound = server_bind(&s.port); /* bound, but not listening */
    websocket_options options = options_for(&s);
    websocket *w = open_until(&options, WEBSOCKET_ERROR, &c);
    cr_expect_eq(info_of(w).error, TROUPE_EUNAVAILABLE);
    cr_expect_null(strstr(info_of(w).reason, "s3cret"));
    websocket_destroy(w);
    close(bound);
}

static void script_say_and_wait(server *s)
{
    server_read_request(s);
    (void)server_say(s, s->answer);
    server_wait_for_end(s);
}

static void expect_at_limit(const char *answer, int64_t after_ns, troupe_error error,
                            const char *words)
{
    server s = {.answer = answer};
    collect c = {0};
    server_start(&s, script_say_and_wait);
    websocket_options options = options_for(&s);
    websocket *w = make(&options);
    cr_assert_eq(websocket_open(w, NULL), TROUPE_OK);
    websocket_wait wait;
    for (int64_t limit = now_ns + after_ns;;) { /* until all of it has come */
        websocket_wait_for(w, &wait);
        int timeout_ms = wait.deadline_ns == limit ? 200 : WAIT_MS;
        if (poll(wait.fds, wait.count, timeout_ms) == 0) {
            break;
        }
        cr_assert_eq(websocket_step(w, collect_message, &c, NULL), TROUPE_OK);
    }
    now_ns += after_ns;
    cr_expect_eq(websocket_step(w, collect_message, &c, NULL), error);
    cr_expect_not_null(strstr(info_of(w).reason, words), "%s", info_of(w).reason);
    websocket_destroy(w);
    server_stop(&s);
}

Test(websocket_state, answer_that_stops_inside_its_header_ends_at_the_limit)
{
    expect_at_limit("HTTP/1.1 101 Switching Pro", 30 * SECOND, TROUPE_ETIMEOUT, "in time");
}

Test(websocket_state, refusal_whose_body_does_not_come_is_told_after_a_second)
{
    expect_at_limit("HTTP/1.1 404 x\r\nContent-Length: 100\r\n\r\nNo such", 1 * SECOND,
                    TROUPE_EPROTOCOL, "404: \"No such\"");
}

/* --- over what it runs ---------------------------------------------------------------------- */

/** Greets in the very bytes that end the handshake, then as script_echo_and_close. */
static void script_greet(server *s)
{
    server_upgrade(s, "\x81\x05hello", 7);
    uint8_t first = 0;
    size_t len = 0;
    char *data = server_read_frame(s, &first, &len);
    (void)(data != NULL && server_write_frame(s, first, data, len));
    free(data);
    server_wait_for_end(s);
}

static void converse(const websocket_options *options)
{
    collect c = {0};
    websocket *w = open_until(options, WEBSOCKET_CONNECTED, &c);
    for (int i = 0; c.count == 0; i++) { /* it may stand in TLS's buffer, where no poll sees it */
        cr_assert_eq(step(w, &c), TROUPE_OK);
        cr_assert_lt(i, 1000);
    }
    cr_expect_str_eq(c.data[0], "hello");
    websocket_close(w, 1000, NULL);
    step_until(w, WEBSOCKET_CLOSED, &c);
    cr_expect_eq(info_of(w).close_code, 1000);
    websocket_destroy(w);
    collect_fini(&c);
}

Test(websocket_state, over_tls_what_is_decrypted_already_is_not_waited_for)
{
    server s = {0};
    server_start_tls(&s, script_greet);
    websocket_options options = options_for(&s);
    snprintf(url, sizeof(url), "wss://127.0.0.1:%d/", s.port);
    options.ca_file = s.ca_file;
    converse(&options);
    server_stop(&s);
}

Test(websocket_state, over_a_unix_socket)
{
    server s = {.script = script_greet, .fd = -1};
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof(address.sun_path), "/tmp/troupe-test-%d.sock", (int)getpid());
    s.listener = socket(AF_UNIX, SOCK_STREAM, 0);
    cr_assert_eq(bind(s.listener, (struct sockaddr *)&address, sizeof(address)), 0);
    cr_assert_eq(listen(s.listener, 1), 0);
    cr_assert_eq(pthread_create(&s.thread, NULL, server_main, &s), 0);
    websocket_options options = options_for(&s);
    snprintf(url, sizeof(url), "ws://localhost/devtools/browser/x");
    options.unix_path = address.sun_path;
    converse(&options);
    server_stop(&s);
    unlink(address.sun_path);
    cr_expect_not_null(strstr(s.request, "\r\nHost: localhost\r\n"));
}

/* --- health --------------------------------------------------------------------------------- */

Test(websocket_state, ping_is_sent_in_time_and_its_answer_timed)
{
    server s = {0};
    collect c = {0};
    server_start(&s, script_echo_and_close);
    websocket_options options = options_for(&s);
    websocket *w = open_until(&options, WEBSOCKET_CONNECTED, &c);
    websocket_wait wait;
    websocket_wait_for(w, &wait);
    cr_expect_eq(wait.deadline_ns, now_ns + 30 * SECOND);
    cr_expect_eq(info_of(w).latency_ns, -1);
    for (unsigned i = 1; i <= 3; i++) {
        now_ns += 30 * SECOND;
        cr_expect_eq(websocket_tick(w, NULL), TROUPE_OK);
        cr_expect_eq(info_of(w).pings, i);
        websocket_wait_for(w, &wait);
        cr_expect_eq(wait.deadline_ns, now_ns + 10 * SECOND);
        uint64_t before = info_of(w).bytes_in;
        now_ns += i * 1000;
        while (info_of(w).bytes_in < before + 10) { /* a pong, and the ping's 8 bytes */
            cr_assert_eq(step(w, &c), TROUPE_OK);
        }
        cr_expect_eq(info_of(w).latency_ns, i * 1000);
        now_ns += 10 * SECOND;
        cr_expect_eq(websocket_tick(w, NULL), TROUPE_OK);
        now_ns -= 10 * SECOND + i * 1000;
    }
    websocket_destroy(w);
    server_stop(&s);
}

Test(websocket_state, silence_after_a_ping_is_an_error_that_names_it)
{
    server s = {0};
    collect c = {0};
    server_start(&s, script_silent);
    websocket_options options = options_for(&s);
    websocket *w = open_until(&options, WEBSOCKET_CONNECTED, &c);
    now_ns += 30 * SECOND;
    cr_expect_eq(websocket_tick(w, NULL), TROUPE_OK);
    now_ns += 10 * SECOND - 1;
    cr_expect_eq(websocket_tick(w, NULL), TROUPE_OK);
    now_ns += 1;
    troupe_reason reason = {{0}};
    cr_expect_eq(websocket_tick(w, &reason), TROUPE_ETIMEOUT);
    cr_expect_not_null(strstr(reason.text, "silent for 10000 ms"), "%s", reason.text);
    cr_expect_eq(websocket_state_of(w), WEBSOCKET_ERROR);
    websocket_destroy(w);
    server_stop(&s);
}

static void script_speak_when_pinged(server *s)
{
    uint8_t first = 0;
    size_t len = 0;
    server_upgrade(s, "", 0);
    free(server_read_frame(s, &first, &len));
    (void)server_say(s, "\x81\x04"
                        "busy");
    server_wait_for_end(s);
}

Test(websocket_state, any_byte_after_a_ping_counts_also_one_that_is_not_read)
{
    for (int paused = 0; paused < 2; paused++) {
        server s = {0};
        collect c = {0};
        server_start(&s, script_speak_when_pinged);
        websocket_options options = options_for(&s);
        websocket *w = open_until(&options, WEBSOCKET_CONNECTED, &c);
        websocket_pause(w, paused == 1);
        now_ns += 30 * SECOND;
        cr_expect_eq(websocket_tick(w, NULL), TROUPE_OK);
        struct pollfd entry = {message_stream_read_fd(websocket_stream(w)), POLLIN, 0};
        cr_assert_eq(poll(&entry, 1, WAIT_MS), 1);
        cr_expect_eq(websocket_step(w, collect_message, &c, NULL), TROUPE_OK);
        cr_expect_eq(c.count, (size_t)(1 - paused));
        now_ns += 10 * SECOND;
        cr_expect_eq(websocket_tick(w, NULL), TROUPE_OK);
        websocket_wait wait;
        websocket_wait_for(w, &wait);
        cr_expect_eq(wait.fds[0].events, paused == 1 ? 0 : POLLIN);
        cr_expect_eq(wait.deadline_ns, now_ns + 20 * SECOND);
        websocket_pause(w, false);
        cr_expect_eq(websocket_step(w, collect_message, &c, NULL), TROUPE_OK);
        cr_expect_eq(c.count, 1);
        websocket_destroy(w);
        collect_fini(&c);
        server_stop(&s);
    }
}

static void script_reset(server *s)
{
    struct linger at_once = {.l_onoff = 1};
    server_upgrade(s, "", 0);
    (void)setsockopt(s->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
}

Test(websocket_state, a_reset_while_paused_wakes_nobody_until_it_is_read)
{
    server s = {0};
    collect c = {0};
    websocket_wait wait;
    server_start(&s, script_reset);
    websocket_options options = options_for(&s);
    websocket *w = open_until(&options, WEBSOCKET_CONNECTED, &c);
    websocket_pause(w, true);
    server_stop(&s);
    struct pollfd entry = {message_stream_read_fd(websocket_stream(w)), 0, 0};
    cr_assert_eq(poll(&entry, 1, WAIT_MS), 1, "the reset has arrived");
    websocket_wait_for(w, &wait);
    cr_expect_eq(poll(wait.fds, wait.count, 0), 0);
    websocket_pause(w, false);
    websocket_wait_for(w, &wait);
    cr_expect_eq(poll(wait.fds, wait.count, WAIT_MS), 1);
    cr_expect_neq(websocket_step(w, collect_message, &c, NULL), TROUPE_OK);
    websocket_destroy(w);
    collect_fini(&c);
}

Test(websocket_state, pings_can_be_left_out)
{
    server s = {0};
    collect c = {0};
    server_start(&s, script_silent);
    websocket_options options = options_for(&s);
    options.ping_interval_ms = WEBSOCKET_NEVER_MS;
    websocket *w = open_until(&options, WEBSOCKET_CONNECTED, &c);
    websocket_wait wait;
    websocket_wait_for(w, &wait);
    cr_expect_eq(wait.deadline_ns, INT64_MAX);
    now_ns += 1000000 * SECOND;
    cr_expect_eq(websocket_tick(w, NULL), TROUPE_OK);
    websocket_destroy(w);
    server_stop(&s);
}

/* --- limits --------------------------------------------------------------------------------- */

Test(websocket_state, full_queue_is_busy_at_the_call_and_room_is_told)
{
    server s = {0};
    collect c = {0};
    server_start(&s, script_echo_and_close);
    websocket_options options = options_for(&s);
    options.queue_max_messages = WEBSOCKET_CHANNEL_QUEUE_MAX;
    websocket *w = open_until(&options, WEBSOCKET_CONNECTED, &c);
    for (unsigned i = 0; i < 100; i++) {
        cr_expect_eq(websocket_send_text(w, "x", 1), TROUPE_OK);
    }
    cr_expect_eq(info_of(w).queued_messages, 100);
    cr_expect_eq(websocket_send_text(w, "x", 1), TROUPE_EBUSY);
    uint64_t queued = 0;
    uint64_t taken = 1;
    websocket_progress(w, &queued, &taken);
    cr_expect(queued == 700 && taken == 0);
    rooms = 0;
    cr_expect_eq(websocket_step(w, collect_message, &c, NULL), TROUPE_OK);
    cr_expect_eq(rooms, 1);
    cr_expect_eq(info_of(w).queued_messages, 0);
    websocket_progress(w, &queued, &taken);
    cr_expect(queued == 700 && taken == 700);
    while (c.count < 100) {
        cr_assert_eq(step(w, &c), TROUPE_OK);
    }
    cr_expect_eq(rooms, 1, "told once");
    websocket_destroy(w);
    collect_fini(&c);
    server_stop(&s);
}

Test(websocket_state, queue_is_bounded_in_bytes_while_the_peer_does_not_read)
{
    server s = {0};
    collect c = {0};
    static char block[1 << 20];
    memset(block, 'x', sizeof(block));
    server_start(&s, script_silent);
    websocket_options options = options_for(&s);
    options.queue_max_bytes = 3 << 20;
    websocket *w = open_until(&options, WEBSOCKET_CONNECTED, &c);
    /* The server reads to the end, 4 KiB at a time: fill faster than that. */
    unsigned busy = 0;
    for (unsigned i = 0; i < 20; i++) {
        busy += websocket_send_bytes(w, block, sizeof(block)) == TROUPE_EBUSY;
        cr_assert_leq(info_of(w).queued_bytes, (4 << 20));
    }
    cr_expect_gt(busy, 0);
    websocket_destroy(w);
    server_stop(&s);
}

Test(websocket_state, what_was_asked_for_is_on_the_wire)
{
    server s = {0};
    collect c = {0};
    static const char *const headers[] = {"User-Agent: troupe-test", "Origin: https://a.test",
                                          NULL};
    static const char *const protocols[] = {"one", "two"};
    server_start(&s, script_answer);
    s.answer = "HTTP/1.1 401 no\r\nContent-Length: 12\r\n\r\ntoken needed";
    websocket_options options = options_for(&s);
    options.headers = headers;
    options.protocols = protocols;
    options.protocol_count = 2;
    options.deflate = WEBSOCKET_DEFLATE_ON;
    websocket *w = open_until(&options, WEBSOCKET_ERROR, &c);
    cr_expect_eq(info_of(w).error, TROUPE_EUNAUTHORIZED);
    cr_expect_not_null(strstr(info_of(w).reason, "\"token needed\""), "%s", info_of(w).reason);
    websocket_destroy(w);
    server_stop(&s);
    cr_expect_not_null(
        strstr(s.request, "\r\nUser-Agent: troupe-test\r\nOrigin: https://a.test\r\n"));
    cr_expect_not_null(strstr(s.request, "\r\nSec-WebSocket-Protocol: one, two\r\n"));
    cr_expect_not_null(strstr(s.request, "\r\nSec-WebSocket-Extensions: permessage-deflate;"));
}

Test(websocket_state, create_refuses_what_cannot_be_sent)
{
    static const char *const smuggled[] = {"X: y\r\nZ: w", NULL};
    websocket *w = NULL;
    const websocket_options bad[] = {
        {0},
        {.url = "http://127.0.0.1/"},
        {.url = "ws://"},
        {.url = "ws://u:p@127.0.0.1/"},
        {.url = "ws://127.0.0.1/", .bearer_token = "a b"},
        {.url = "ws://127.0.0.1/", .headers = smuggled},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        troupe_reason reason = {{0}};
        cr_expect_eq(websocket_create(&bad[i], &w, &reason), TROUPE_EPARAMS, "%zu", i);
        cr_expect_gt(strlen(reason.text), 0);
    }
    cr_expect_null(w);
}
