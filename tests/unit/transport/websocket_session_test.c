/* SPDX-License-Identifier: MIT */
/* Reconnecting: what is queued, what comes back, and when it gives up; with a clock and a random
 * source of the test's own. */
#include "collect.h"
#include "server.h"
#include "transport/websocket_session.h"

#include <criterion/criterion.h>
#include <sys/socket.h>

#define WAIT_MS 20000 /* never reached, unless something hangs */
#define MS      INT64_C(1000000)

typedef struct notes {
    char states[300];
    char unsent[300];
    collect messages;
    unsigned rooms;
    websocket_session *session; /* to send to from within a callback; NULL = do not */
} notes;

static notes n;
static int64_t now_ns;
static char url[64];

static int64_t read_clock(void *context)
{
    (void)context;
    return now_ns;
}

static uint64_t highest(void *context)
{
    (void)context;
    return UINT64_MAX;
}

static void note_message(void *context, char *data, size_t len, bool binary)
{
    notes *at = context;
    (void)binary;
    collect_message(&at->messages, data, len);
}

static void note_state(void *context, websocket_session_state state, const char *reason)
{
    notes *at = context;
    size_t len = strlen(at->states);
    (void)reason;
    snprintf(at->states + len, sizeof(at->states) - len, "%s ",
             websocket_session_state_name(state));
}

static void note_unsent(void *context, const char *data, size_t len, bool binary, bool in_part)
{
    notes *at = context;
    size_t used = strlen(at->unsent);
    (void)binary;
    snprintf(at->unsent + used, sizeof(at->unsent) - used, "%.*s%s ", len < 9 ? (int)len : 9, data,
             in_part ? " in part" : "");
    if (at->session != NULL) {
        (void)!websocket_session_send(at->session, data, len, binary);
    }
}

static void note_room(void *context)
{
    notes *at = context;
    at->rooms++;
}

static websocket_session *make(const server *s, const websocket_session_options *more)
{
    websocket_session *session = NULL;
    websocket_session_options options = *more;
    memset(&n, 0, sizeof(n));
    now_ns = 1000000 * MS;
    snprintf(url, sizeof(url), "ws://127.0.0.1:%d/x?token=s3cret", s->port);
    options.socket.url = url;
    options.socket.clock = read_clock;
    options.backoff.random = highest;
    options.events =
        (websocket_session_events){&n, note_message, note_state, note_unsent, note_room};
    cr_assert_eq(websocket_session_create(&options, &session, NULL), TROUPE_OK);
    return session;
}

static websocket_session_info info_of(const websocket_session *session)
{
    websocket_session_info info;
    websocket_session_info_of(session, &info);
    return info;
}

/** One turn; a wait that only time ends is skipped by the clock. */
static void turn(websocket_session *session)
{
    websocket_wait wait;
    websocket_session_wait_for(session, &wait);
    if (wait.count > 0) {
        cr_assert_gt(poll(wait.fds, wait.count, wait.deadline_ns == 0 ? 0 : WAIT_MS), 0);
    } else if (wait.deadline_ns != INT64_MAX && wait.deadline_ns > now_ns) {
        now_ns = wait.deadline_ns;
    }
    (void)websocket_session_step(session, NULL);
}

static void turn_until(websocket_session *session, websocket_session_state state)
{
    for (int i = 0; info_of(session).state != state; i++) {
        turn(session);
        cr_assert_lt(i, 100000, "%s", n.states);
    }
}

static void turn_until_messages(websocket_session *session, size_t count)
{
    for (int i = 0; n.messages.count < count; i++) {
        turn(session);
        cr_assert_lt(i, 100000, "%s", n.states);
    }
}

static void finish(websocket_session *session, server *s)
{
    websocket_session_destroy(session);
    collect_fini(&n.messages);
    server_stop(s);
}

/* --- scripts: one connection after the other ------------------------------------------------- */

/** The next connection, its handshake done. */
static void next_connection(server *s)
{
    if (s->request[0] != '\0') {
        close(s->fd);
        memset(s->request, 0, sizeof(s->request));
        s->fd = accept(s->listener, NULL, NULL);
    }
    server_upgrade(s, "", 0);
}

/** Send back `count` messages; true while the client is there. */
static bool echo(server *s, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        uint8_t first = 0;
        size_t len = 0;
        char *data = server_read_frame(s, &first, &len);
        bool ok = data != NULL && server_write_frame(s, first, data, len);
        free(data);
        if (!ok || first == 0x88) {
            return false;
        }
    }
    return true;
}

static void script_echo(server *s)
{
    next_connection(s);
    (void)echo(s, 1000000);
}

/** Two connections that end without a word after one message each, then one that stays. */
static void script_drop_twice(server *s)
{
    for (int i = 0; i < 2; i++) {
        next_connection(s);
        (void)echo(s, 1);
    }
    next_connection(s);
    (void)echo(s, 1000000);
}

static void script_refuse(server *s)
{
    for (int i = 0; i < 3; i++) {
        if (i > 0) {
            close(s->fd);
            memset(s->request, 0, sizeof(s->request));
            s->fd = accept(s->listener, NULL, NULL);
        }
        server_read_request(s);
        (void)server_say(s, s->answer);
    }
}

static void script_close(server *s)
{
    next_connection(s);
    (void)server_say(s, s->answer);
    server_wait_for_end(s);
}

/* --- the tests ------------------------------------------------------------------------------ */

Test(websocket_session, messages_queued_before_it_is_open_are_sent_in_order)
{
    server s = {0};
    server_start(&s, script_echo);
    websocket_session *session = make(&s, &(websocket_session_options){0});
    cr_expect_eq(websocket_session_send(session, "x", 1, false), TROUPE_ECLOSED);
    cr_expect_eq(websocket_session_step(session, NULL), TROUPE_ESTATE);
    cr_assert_eq(websocket_session_open(session), TROUPE_OK);
    cr_expect_eq(websocket_session_open(session), TROUPE_ESTATE);
    cr_expect_eq(websocket_session_send(session, "one", 3, false), TROUPE_OK);
    cr_expect_eq(websocket_session_send(session, "two", 3, true), TROUPE_OK);
    cr_expect_eq(websocket_session_send(session, "", 0, false), TROUPE_OK);
    turn_until_messages(session, 3);
    cr_expect_str_eq(n.messages.data[0], "one");
    cr_expect_str_eq(n.messages.data[1], "two");
    cr_expect_eq(n.messages.len[2], 0);
    websocket_session_close(session, 1000, "done");
    turn_until(session, WEBSOCKET_SESSION_CLOSED);
    websocket_session_close(session, 1000, NULL);
    cr_expect_str_eq(n.states, "connecting open closing closed ");
    websocket_session_info info = info_of(session);
    cr_expect(info.sent_messages == 3 && info.unsent_messages == 0 && info.queued_bytes == 0);
    cr_expect_null(strstr(info.socket.url, "s3cret"));
    finish(session, &s);
}

Test(websocket_session, lost_connections_are_made_again_without_losing_what_is_queued)
{
    server s = {0};
    server_start(&s, script_drop_twice);
    websocket_session *session = make(&s, &(websocket_session_options){0});
    cr_assert_eq(websocket_session_open(session), TROUPE_OK);
    for (size_t i = 0; i < 3; i++) {
        char text[2] = {(char)('a' + i), 0};
        cr_assert_eq(websocket_session_send(session, text, 1, false), TROUPE_OK);
        turn_until_messages(session, i + 1);
        if (i < 2) {
            turn_until(session, WEBSOCKET_SESSION_WAITING);
            cr_expect_eq(info_of(session).retry_at_ns - now_ns, (int64_t)(i + 1) * 1000 * MS);
            cr_expect_eq(websocket_session_step(session, NULL), TROUPE_OK, "not yet");
        }
    }
    cr_expect_str_eq(n.states, "connecting open waiting connecting open waiting connecting open ");
    websocket_session_info info = info_of(session);
    cr_expect_eq(info.connections, 3);
    cr_expect_eq(info.socket.errors, 2);
    cr_expect_eq(info.socket.error, TROUPE_ECLOSED, "the last error stays");
    cr_expect_eq(info.sent_messages, 3);
    cr_expect_str_eq(n.unsent, "");
    finish(session, &s);
}

/** Takes the head of a large message, and breaks off. */
static void script_break_in_message(server *s)
{
    char some[1000];
    next_connection(s);
    (void)server_read_all(s, some, sizeof(some));
    struct linger hard = {1, 0};
    (void)setsockopt(s->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
    next_connection(s);
    (void)echo(s, 1000000);
}

Test(websocket_session, message_taken_in_part_is_handed_back_and_those_behind_it_are_sent)
{
    server s = {0};
    size_t len = (size_t)12 << 20; /* more than a loopback connection takes unread */
    char *big = malloc(len);
    memset(big, 'b', len);
    server_start(&s, script_break_in_message);
    websocket_session *session =
        make(&s, &(websocket_session_options){.socket = {.message_max = len}});
    cr_assert_eq(websocket_session_open(session), TROUPE_OK);
    turn_until(session, WEBSOCKET_SESSION_OPEN);
    cr_assert_eq(websocket_session_send(session, big, len, false), TROUPE_OK);
    cr_assert_eq(websocket_session_send(session, "next", 4, false), TROUPE_OK);
    cr_assert_eq(websocket_session_send(session, "last", 4, false), TROUPE_OK);
    turn_until_messages(session, 2);
    cr_expect_str_eq(n.unsent, "bbbbbbbbb in part ");
    cr_expect_str_eq(n.messages.data[0], "next");
    cr_expect_str_eq(n.messages.data[1], "last");
    websocket_session_info info = info_of(session);
    cr_expect(info.unsent_messages == 1 && info.sent_messages == 2 && info.queued_messages == 0);
    finish(session, &s);
    free(big);
}

Test(websocket_session, three_attempts_then_it_fails_and_hands_back_what_is_queued)
{
    server s = {.answer = "HTTP/1.1 503 later\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n"};
    server_start(&s, script_refuse);
    websocket_session *session = make(&s, &(websocket_session_options){0});
    cr_assert_eq(websocket_session_open(session), TROUPE_OK);
    n.session = session; /* on_unsent sends again: refused, not looped */
    cr_assert_eq(websocket_session_send(session, "kept", 4, false), TROUPE_OK);
    turn_until(session, WEBSOCKET_SESSION_WAITING);
    cr_expect_eq(info_of(session).retry_at_ns - now_ns, 8000 * MS, "Retry-After and jitter");
    turn_until(session, WEBSOCKET_SESSION_FAILED);
    cr_expect_str_eq(n.states, "connecting waiting connecting waiting connecting failed ");
    cr_expect_str_eq(n.unsent, "kept ");
    troupe_reason reason = {{0}};
    cr_expect_eq(websocket_session_step(session, &reason), TROUPE_EUNAVAILABLE);
    cr_expect_not_null(strstr(reason.text, "503"), "%s", reason.text);
    cr_expect_eq(websocket_session_send(session, "x", 1, false), TROUPE_ECLOSED);
    websocket_session_close(session, 1000, NULL);
    cr_expect_eq(info_of(session).socket.error, TROUPE_EUNAVAILABLE, "still readable");
    finish(session, &s);
}

Test(websocket_session, refused_authentication_is_not_tried_again)
{
    server s = {.answer = "HTTP/1.1 401 no\r\nContent-Length: 0\r\n\r\n"};
    server_start(&s, script_refuse);
    websocket_session *session = make(&s, &(websocket_session_options){0});
    cr_assert_eq(websocket_session_open(session), TROUPE_OK);
    turn_until(session, WEBSOCKET_SESSION_FAILED);
    cr_expect_str_eq(n.states, "connecting failed ");
    finish(session, &s);
}

Test(websocket_session, normal_close_ends_it_and_another_code_does_not)
{
    server s = {.answer = "\x88\x02\x03\xe9"};
    server_start(&s, script_close);
    websocket_session *session = make(&s, &(websocket_session_options){0});
    cr_assert_eq(websocket_session_open(session), TROUPE_OK);
    turn_until(session, WEBSOCKET_SESSION_CLOSED);
    cr_expect_eq(info_of(session).socket.errors, 0);
    finish(session, &s);
    server t = {.answer = "\x88\x02\x03\xf4"}; /* 1012: it restarts */
    server_start(&t, script_close);
    session = make(&t, &(websocket_session_options){0});
    cr_assert_eq(websocket_session_open(session), TROUPE_OK);
    turn_until(session, WEBSOCKET_SESSION_WAITING);
    websocket_session_close(session, 1000, NULL);
    cr_expect_str_eq(n.states, "connecting open waiting closed ");
    finish(session, &t);
}

Test(websocket_session, full_queue_is_busy_also_without_a_connection_and_room_is_told)
{
    server s = {0};
    server_start(&s, script_echo);
    websocket_session *session = make(&s, &(websocket_session_options){0});
    char large[WEBSOCKET_CHANNEL_MESSAGE_MAX + 1] = "";
    cr_assert_eq(websocket_session_open(session), TROUPE_OK);
    cr_expect_eq(websocket_session_send(session, large, sizeof(large), true), TROUPE_ELIMIT);
    for (int i = 0; i < 100; i++) {
        cr_assert_eq(websocket_session_send(session, "x", 1, false), TROUPE_OK);
    }
    cr_expect_eq(websocket_session_send(session, "x", 1, false), TROUPE_EBUSY);
    turn_until_messages(session, 100);
    cr_expect_eq(n.rooms, 1);
    cr_expect_eq(websocket_session_send(session, "x", 1, false), TROUPE_OK);
    turn_until_messages(session, 101);
    finish(session, &s);
}

Test(websocket_session, destroyed_before_it_was_open_hands_back)
{
    server s = {0};
    server_start(&s, script_echo);
    websocket_session *session = make(&s, &(websocket_session_options){0});
    cr_assert_eq(websocket_session_open(session), TROUPE_OK);
    cr_assert_eq(websocket_session_send(session, "kept", 4, false), TROUPE_OK);
    finish(session, &s);
    cr_expect_str_eq(n.unsent, "kept ");
}
