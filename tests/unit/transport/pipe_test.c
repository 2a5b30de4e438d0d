/* SPDX-License-Identifier: MIT */
#include "chromium.h"
#include "collect.h"
#include "transport/cdp.h"
#include "transport/pipe.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

static message_stream *stream_on_socket(int *peer, size_t message_max)
{
    int fds[2];
    message_stream *stream = NULL;
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    cr_assert_eq(pipe_stream_create(fds[0], fds[0], message_max, &stream), TROUPE_OK);
    *peer = fds[1];
    return stream;
}

static void write_all(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, data, len);
        cr_assert_gt(n, 0);
        data += n;
        len -= (size_t)n;
    }
}

Test(pipe, receive_split_at_every_byte_delivers_each_message_once)
{
    static const char bytes[] = "{\"a\":1}\0{}\0\0{\"long\":\"0123456789\"}\0";
    int peer;
    message_stream *stream = stream_on_socket(&peer, 0);
    for (size_t cut = 0; cut < sizeof(bytes); cut++) {
        collect c = {0};
        write_all(peer, bytes, cut);
        cr_assert_eq(message_stream_receive(stream, collect_message, &c, NULL), TROUPE_OK);
        write_all(peer, bytes + cut, sizeof(bytes) - 1 - cut);
        if (sizeof(bytes) - 1 > cut) {
            cr_assert_eq(message_stream_receive(stream, collect_message, &c, NULL), TROUPE_OK);
        }
        cr_assert_eq(c.count, 3, "cut %zu", cut);
        cr_expect_str_eq(c.data[0], "{\"a\":1}");
        cr_expect_str_eq(c.data[1], "{}");
        cr_expect_str_eq(c.data[2], "{\"long\":\"0123456789\"}");
        collect_fini(&c);
    }
    close(peer);
    message_stream_destroy(stream);
}

Test(pipe, receive_byte_by_byte_delivers_at_the_nul)
{
    int peer;
    message_stream *stream = stream_on_socket(&peer, 0);
    collect c = {0};
    for (const char *p = "abc"; *p != '\0'; p++) {
        write_all(peer, p, 1);
        cr_assert_eq(message_stream_receive(stream, collect_message, &c, NULL), TROUPE_OK);
        cr_expect_eq(c.count, 0);
    }
    write_all(peer, "", 1);
    cr_assert_eq(message_stream_receive(stream, collect_message, &c, NULL), TROUPE_OK);
    cr_assert_eq(c.count, 1);
    cr_expect_str_eq(c.data[0], "abc");
    collect_fini(&c);
    close(peer);
    message_stream_destroy(stream);
}

Test(pipe, receive_nothing_there_is_ok)
{
    int peer;
    message_stream *stream = stream_on_socket(&peer, 0);
    collect c = {0};
    cr_expect_eq(message_stream_receive(stream, collect_message, &c, NULL), TROUPE_OK);
    cr_expect_eq(c.count, 0);
    close(peer);
    message_stream_destroy(stream);
}

Test(pipe, receive_end_of_file_delivers_first_and_repeats_its_reason)
{
    int peer;
    message_stream *stream = stream_on_socket(&peer, 0);
    collect c = {0};
    troupe_reason reason = {{0}};
    write_all(peer, "one\0tail", 8);
    close(peer);
    cr_expect_eq(collect_until(stream, &c, 2, &reason), TROUPE_ECLOSED);
    cr_expect_eq(c.count, 1);
    cr_expect_not_null(strstr(reason.text, "inside a message"));
    memset(&reason, 0, sizeof(reason));
    cr_expect_eq(message_stream_receive(stream, collect_message, &c, &reason), TROUPE_ECLOSED);
    cr_expect_not_null(strstr(reason.text, "inside a message"));
    cr_expect_eq(message_stream_send(stream, "x", 1), TROUPE_ECLOSED);
    cr_expect_eq(message_stream_flush(stream, &reason), TROUPE_ECLOSED);
    collect_fini(&c);
    message_stream_destroy(stream);
}

Test(pipe, receive_longer_than_the_limit_is_refused_before_it_ends)
{
    int peer;
    message_stream *stream = stream_on_socket(&peer, 8);
    collect c = {0};
    troupe_reason reason = {{0}};
    write_all(peer, "12345678\0", 9);
    cr_expect_eq(message_stream_receive(stream, collect_message, &c, &reason), TROUPE_OK);
    cr_expect_eq(c.count, 1);
    write_all(peer, "123456789", 9);
    cr_expect_eq(message_stream_receive(stream, collect_message, &c, &reason), TROUPE_ELIMIT);
    cr_expect_eq(message_stream_receive(stream, collect_message, &c, &reason), TROUPE_ELIMIT);
    collect_fini(&c);
    close(peer);
    message_stream_destroy(stream);
}

Test(pipe, send_outside_the_contract_is_refused)
{
    int peer;
    message_stream *stream = stream_on_socket(&peer, 8);
    cr_expect_eq(message_stream_send(stream, "123456789", 9), TROUPE_ELIMIT);
    cr_expect_eq(message_stream_send(stream, "a\0b", 3), TROUPE_EINVAL);
    cr_expect_eq(message_stream_queued(stream), 0);
    close(peer);
    message_stream_destroy(stream);
}

Test(pipe, send_full_queue_is_busy_until_flushed)
{
    int peer;
    message_stream *stream = stream_on_socket(&peer, 0);
    size_t len = (size_t)9 << 20;
    char *data = malloc(len);
    memset(data, 'a', len);
    cr_expect_eq(message_stream_send(stream, data, len), TROUPE_OK);
    cr_expect_eq(message_stream_send(stream, data, len), TROUPE_EBUSY);
    cr_expect_eq(message_stream_queued(stream), len + 1);
    free(data);
    close(peer);
    message_stream_destroy(stream);
}

Test(pipe, flush_many_small_messages_is_one_piece)
{
    int peer;
    message_stream *stream = stream_on_socket(&peer, 0);
    char buffer[64];
    cr_assert_eq(message_stream_send(stream, "one", 3), TROUPE_OK);
    cr_assert_eq(message_stream_send(stream, "two", 3), TROUPE_OK);
    cr_expect_eq(message_stream_queued(stream), 8);
    cr_assert_eq(message_stream_flush(stream, NULL), TROUPE_OK);
    cr_expect_eq(message_stream_queued(stream), 0);
    cr_expect_eq(read(peer, buffer, sizeof(buffer)), 8);
    cr_expect_eq(memcmp(buffer, "one\0two\0", 8), 0);
    close(peer);
    message_stream_destroy(stream);
}

Test(pipe, flush_without_a_reader_closes_but_still_delivers)
{
    int to[2];
    int from[2];
    message_stream *stream = NULL;
    collect c = {0};
    troupe_reason reason = {{0}};
    signal(SIGPIPE, SIG_IGN);
    cr_assert_eq(pipe(to), 0);
    cr_assert_eq(pipe(from), 0);
    cr_assert_eq(pipe_stream_create(from[0], to[1], 0, &stream), TROUPE_OK);
    write_all(from[1], "last\0", 5);
    close(to[0]);
    cr_assert_eq(message_stream_send(stream, "x", 1), TROUPE_OK);
    cr_expect_eq(message_stream_flush(stream, &reason), TROUPE_ECLOSED);
    cr_expect_eq(message_stream_queued(stream), 0);
    cr_expect_eq(message_stream_send(stream, "x", 1), TROUPE_ECLOSED);
    cr_expect_eq(message_stream_receive(stream, collect_message, &c, &reason), TROUPE_OK);
    cr_expect_eq(c.count, 1);
    collect_fini(&c);
    close(from[1]);
    message_stream_destroy(stream);
}

Test(pipe, flush_to_a_gone_socket_raises_no_signal)
{
    int peer;
    message_stream *stream = stream_on_socket(&peer, 0);
    troupe_reason reason = {{0}};
    close(peer);
    cr_assert_eq(message_stream_send(stream, "x", 1), TROUPE_OK);
    cr_expect_eq(message_stream_flush(stream, &reason), TROUPE_ECLOSED);
    cr_expect_gt(strlen(reason.text), 0);
    message_stream_destroy(stream);
}

/** Sends back whatever comes. */
static void *echo(void *context)
{
    int fd = *(int *)context;
    static char buffer[65536];
    ssize_t n;
    while ((n = read(fd, buffer, sizeof(buffer))) > 0) {
        for (ssize_t at = 0; at < n;) {
            ssize_t m = write(fd, buffer + at, (size_t)(n - at));
            if (m <= 0) {
                return NULL;
            }
            at += m;
        }
    }
    return NULL;
}

Test(pipe, echo_of_64_mib_between_small_messages_is_whole)
{
    int peer;
    message_stream *stream = stream_on_socket(&peer, 0);
    pthread_t thread;
    collect c = {0};
    troupe_reason reason = {{0}};
    size_t len = (size_t)64 << 20;
    char *data = malloc(len);
    for (size_t i = 0; i < len; i++) {
        data[i] = (char)('a' + i % 23);
    }
    cr_assert_eq(pthread_create(&thread, NULL, echo, &peer), 0);
    cr_assert_eq(message_stream_send(stream, "before", 6), TROUPE_OK);
    cr_assert_eq(message_stream_flush(stream, &reason), TROUPE_OK);
    cr_assert_eq(collect_until(stream, &c, 1, &reason), TROUPE_OK);
    cr_assert_eq(message_stream_send(stream, data, len), TROUPE_OK);
    cr_assert_eq(collect_until(stream, &c, 2, &reason), TROUPE_OK, "%s", reason.text);
    cr_assert_eq(message_stream_send(stream, "after", 5), TROUPE_OK);
    cr_assert_eq(collect_until(stream, &c, 3, &reason), TROUPE_OK);
    cr_expect(c.len[1] == len && memcmp(c.data[1], data, len) == 0);
    cr_expect_str_eq(c.data[2], "after");
    collect_fini(&c);
    free(data);
    shutdown(message_stream_read_fd(stream), SHUT_RDWR);
    pthread_join(thread, NULL);
    close(peer);
    message_stream_destroy(stream);
}

Test(pipe, create_with_a_bad_descriptor_fails)
{
    message_stream *stream = NULL;
    cr_expect_eq(pipe_stream_create(-1, -1, 0, &stream), TROUPE_EIO);
    cr_expect_null(stream);
}

Test(pipe, chromium_answers_commands_and_ends_the_stream_when_it_dies)
{
    chromium browser;
    message_stream *stream = NULL;
    troupe_reason reason = {{0}};
    troupe_buffer command = {0};
    collect c = {0};
    signal(SIGPIPE, SIG_IGN);
    chromium_start(&browser, true);
    cr_assert_eq(pipe_stream_create(browser.from, browser.to, 0, &stream), TROUPE_OK);
    for (int i = 0; i < 50; i++) {
        troupe_buffer_clear(&command);
        cr_assert_eq(cdp_write_command(&command, i + 1, "Browser.getVersion", 18, NULL, 0, "{}", 2),
                     TROUPE_OK);
        cr_assert_eq(message_stream_send(stream, command.data, command.len), TROUPE_OK);
    }
    cr_assert_eq(collect_until(stream, &c, 50, &reason), TROUPE_OK, "%s", reason.text);
    for (int i = 0; i < 50; i++) {
        cdp_message m;
        cr_assert_eq(cdp_scan(c.data[i], c.len[i], &m, NULL), TROUPE_OK);
        cr_expect(m.has_id && m.id == i + 1 && m.result.data != NULL);
    }
    collect_fini(&c);
    chromium_stop(&browser);
    cr_expect_eq(collect_until(stream, &c, 1, &reason), TROUPE_ECLOSED);
    cr_expect_not_null(strstr(reason.text, "closed the pipe"));
    troupe_buffer_fini(&command);
    message_stream_destroy(stream);
}
