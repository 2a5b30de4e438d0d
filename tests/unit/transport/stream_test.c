/* SPDX-License-Identifier: MIT */
/* What every stream promises, on all four kinds: one function a promise, one test a kind. */
#include "stream_pair.h"

#include <fcntl.h>
#include <stdint.h>

#define ON_EACH_KIND(name)                \
    static void name(pair *p);            \
    ON_KIND(name, tcp, PAIR_TCP)          \
    ON_KIND(name, tls, PAIR_TLS)          \
    ON_KIND(name, unix_socket, PAIR_UNIX) \
    ON_KIND(name, pipe_pair, PAIR_PIPE)   \
    static void name(pair *p)

#define ON_KIND(name, suffix, kind) \
    Test(stream, name##_##suffix)   \
    {                               \
        pair p;                     \
        pair_open(&p, kind);        \
        name(&p);                   \
        pair_close(&p);             \
    }

/* --- helpers -------------------------------------------------------------------------------- */

/** The byte at place `at` of what flows in that direction. */
static char byte_at(size_t at, unsigned direction)
{
    return (char)((at * 31 + (at >> 8) * 7 + direction) & 0xFF);
}

/** One direction of traffic: `total` bytes, offered and taken in pieces of odd sizes. */
typedef struct flow {
    stream *from;
    stream *to;
    unsigned direction;
    size_t total;
    size_t written;
    size_t got;
    size_t piece; /* of reading and writing; 0 = sizes that change */
} flow;

static const size_t sizes[] = {1,    2,     3,     7,     4095,  4096,  4097,
                               8191, 16383, 16384, 16385, 65535, 65536, 65537};

static size_t next_piece(const flow *f, size_t at)
{
    return f->piece != 0 ? f->piece : sizes[at / 3 % (sizeof(sizes) / sizeof(sizes[0]))];
}

static void flow_write(flow *f)
{
    char data[65537];
    troupe_reason reason = {{0}};
    while (f->written < f->total) {
        size_t n = 0;
        size_t len = next_piece(f, f->written);
        /* The buffer rule: never less than was offered before, from the same place on. */
        len = len < f->total - f->written ? len : f->total - f->written;
        len = len < sizeof(data) && f->total - f->written >= sizeof(data) && f->piece == 0
                  ? sizeof(data)
                  : len;
        for (size_t i = 0; i < len; i++) {
            data[i] = byte_at(f->written + i, f->direction);
        }
        cr_assert_eq(stream_write(f->from, data, len, &n, &reason), TROUPE_OK, "%s", reason.text);
        f->written += n;
        if (n < len) {
            return;
        }
    }
}

static void flow_read(flow *f)
{
    char data[65537];
    troupe_reason reason = {{0}};
    for (;;) {
        size_t n = 0;
        size_t size = next_piece(f, f->got + 5);
        cr_assert_eq(stream_read(f->to, data, size, &n, &reason), TROUPE_OK, "%s", reason.text);
        cr_assert_leq(n, size);
        for (size_t i = 0; i < n; i++) {
            if (data[i] != byte_at(f->got + i, f->direction)) {
                cr_assert_fail("byte %zu is wrong", f->got + i);
            }
        }
        f->got += n;
        if (n == 0) {
            return;
        }
    }
}

static void wait_for_flow(const flow *a, const flow *b)
{
    struct pollfd fds[4];
    nfds_t count = 0;
    const flow *const flows[] = {a, b};
    for (size_t i = 0; i < 2; i++) {
        const flow *f = flows[i];
        bool write = f->written < f->total || stream_wants_write(f->from);
        fds[count++] = (struct pollfd){stream_read_fd(f->to), f->got < f->total ? POLLIN : 0, 0};
        fds[count++] = (struct pollfd){stream_write_fd(f->from), write ? POLLOUT : 0, 0};
        cr_assert_not(stream_pending(f->to), "something is pending after a read gave nothing");
    }
    cr_assert_gt(poll(fds, count, PAIR_LIMIT_MS), 0, "stuck at %zu of %zu, %zu of %zu", a->got,
                 a->total, b->got, b->total);
}

static void run_flows(flow *a, flow *b)
{
    while (a->got < a->total || b->got < b->total) {
        flow_write(a);
        flow_write(b);
        flow_read(a);
        flow_read(b);
        if (a->got < a->total || b->got < b->total) {
            wait_for_flow(a, b);
        }
    }
}

/** Both ways at once. */
static void exchange(pair *p, size_t total, size_t piece)
{
    flow up = {.from = p->client, .to = p->server, .total = total, .piece = piece};
    flow down = {
        .from = p->server, .to = p->client, .total = total, .piece = piece, .direction = 1};
    run_flows(&up, &down);
    cr_expect_eq(up.got, total);
    cr_expect_eq(down.got, total);
}

/** Read until something else than "nothing now" is there; what was read is added to *total. */
static troupe_error read_to_end(stream *s, size_t *total, troupe_reason *reason)
{
    char data[4096];
    for (;;) {
        size_t n = 0;
        troupe_error error = stream_read(s, data, sizeof(data), &n, reason);
        *total += n;
        if (error != TROUPE_OK) {
            return error;
        }
        if (n == 0) {
            struct pollfd fd = {stream_read_fd(s), POLLIN, 0};
            cr_assert_eq(poll(&fd, 1, PAIR_LIMIT_MS), 1, "no end comes");
        }
    }
}

static void say(stream *s, const char *data, size_t len)
{
    size_t n = 0;
    troupe_reason reason = {{0}};
    cr_assert_eq(stream_write(s, data, len, &n, &reason), TROUPE_OK, "%s", reason.text);
    cr_assert_eq(n, len);
}

/** Read exactly that. */
static void hear(stream *s, const char *data, size_t len)
{
    char got[256];
    size_t total = 0;
    while (total < len) {
        size_t n = 0;
        troupe_reason reason = {{0}};
        cr_assert_eq(stream_read(s, got + total, len - total, &n, &reason), TROUPE_OK, "%s",
                     reason.text);
        struct pollfd fd = {stream_read_fd(s), POLLIN, 0};
        cr_assert(n > 0 || poll(&fd, 1, PAIR_LIMIT_MS) == 1, "nothing comes");
        total += n;
    }
    cr_expect_arr_eq(got, data, len);
}

/** Write until no more goes; the count of bytes. */
static size_t fill(stream *s)
{
    static char block[40000];
    size_t total = 0;
    for (;;) {
        size_t n = 0;
        cr_assert_eq(stream_write(s, block, sizeof(block), &n, NULL), TROUPE_OK);
        total += n;
        if (n < sizeof(block) && n == 0) {
            return total;
        }
        cr_assert_lt(total, (size_t)1 << 30, "there is no back-pressure");
    }
}

/* --- promises ------------------------------------------------------------------------------- */

ON_EACH_KIND(bytes_of_awkward_sizes_keep_order_both_ways)
{
    exchange(p, 3000017, 0);
}

ON_EACH_KIND(bytes_one_by_one_keep_order_both_ways)
{
    exchange(p, 3001, 1);
}

ON_EACH_KIND(bytes_of_a_large_transfer_are_whole)
{
    exchange(p, (size_t)24 << 20, 65536);
}

ON_EACH_KIND(read_and_write_of_nothing_do_nothing)
{
    char none[1] = "";
    size_t n = 9;
    cr_expect_eq(stream_write(p->client, none, 0, &n, NULL), TROUPE_OK);
    cr_expect_eq(n, 0);
    n = 9;
    cr_expect_eq(stream_read(p->client, none, 0, &n, NULL), TROUPE_OK);
    cr_expect_eq(n, 0);
    n = 9;
    cr_expect_eq(stream_read(p->client, none, 1, &n, NULL), TROUPE_OK, "nothing is there");
    cr_expect_eq(n, 0);
    say(p->client, "x", 1);
    hear(p->server, "x", 1);
}

ON_EACH_KIND(write_without_a_reader_stops_and_goes_on_when_it_reads)
{
    size_t got = 0;
    char data[30000];
    size_t written = fill(p->client);
    struct pollfd fd = {stream_write_fd(p->client), POLLOUT, 0};
    cr_expect_gt(written, 0);
    cr_expect_eq(poll(&fd, 1, 0), 0, "it takes more than it said");
    while (got < written) {
        size_t n = 0;
        cr_assert_eq(stream_read(p->server, data, sizeof(data), &n, NULL), TROUPE_OK);
        got += n;
        if (n == 0) { /* TLS holds the rest of a record until it can go */
            size_t more = 0;
            static char block[40000];
            cr_assert_eq(stream_write(p->client, block, sizeof(block), &more, NULL), TROUPE_OK);
            written += more;
        }
    }
    cr_expect_eq(poll(&fd, 1, PAIR_LIMIT_MS), 1, "no room although all was read");
}

ON_EACH_KIND(shutdown_ends_one_side_only)
{
    size_t n = 0;
    size_t total = 0;
    troupe_reason reason = {{0}};
    say(p->client, "bye", 3);
    cr_expect_eq(stream_shutdown(p->client, &reason), TROUPE_OK, "%s", reason.text);
    cr_expect_eq(stream_shutdown(p->client, &reason), TROUPE_OK, "twice is as once");
    cr_expect_eq(stream_write(p->client, "x", 1, &n, &reason), TROUPE_ECLOSED);
    cr_expect_gt(strlen(reason.text), 0);
    hear(p->server, "bye", 3);
    cr_expect_eq(read_to_end(p->server, &total, &reason), TROUPE_ECLOSED);
    cr_expect_eq(total, 0);
    cr_expect_eq(stream_ended(p->server), STREAM_END_CLEAN, "%s", reason.text);
    cr_expect_eq(stream_ended(p->client), STREAM_END_NONE);
    say(p->server, "still here", 10);
    hear(p->client, "still here", 10);
    flow down = {.from = p->server, .to = p->client, .total = 1000003, .direction = 1};
    flow none = {.from = p->server, .to = p->client};
    run_flows(&down, &none);
    stream_destroy(p->server);
    p->server = NULL;
    cr_expect_eq(read_to_end(p->client, &total, &reason), TROUPE_ECLOSED);
    cr_expect_eq(stream_ended(p->client), STREAM_END_CLEAN, "%s", reason.text);
}

ON_EACH_KIND(end_of_the_peer_comes_after_what_it_wrote)
{
    char data[50000];
    size_t n = 0;
    size_t total = 0;
    size_t written = 0;
    troupe_reason reason = {{0}};
    memset(data, 'x', sizeof(data));
    while (written < sizeof(data)) {
        cr_assert_eq(stream_write(p->server, data + written, sizeof(data) - written, &n, NULL),
                     TROUPE_OK);
        cr_assert_gt(n, 0);
        written += n;
    }
    stream_destroy(p->server);
    p->server = NULL;
    cr_expect_eq(read_to_end(p->client, &total, &reason), TROUPE_ECLOSED);
    cr_expect_eq(total, sizeof(data));
    cr_expect_eq(stream_ended(p->client), STREAM_END_CLEAN, "%s", reason.text);
    troupe_reason again = {{0}};
    cr_expect_eq(stream_read(p->client, data, 1, &n, &again), TROUPE_ECLOSED);
    cr_expect_str_eq(again.text, reason.text);
    cr_expect_not(stream_pending(p->client));
}

ON_EACH_KIND(write_to_a_peer_that_is_gone_is_closed)
{
    size_t n = 0;
    troupe_reason reason = {{0}};
    troupe_error error = TROUPE_OK;
    say(p->server, "last words", 10);
    hear(p->client, "last", 4);
    stream_destroy(p->server);
    p->server = NULL;
    for (int i = 0; i < 1000 && error == TROUPE_OK; i++) {
        struct pollfd fd = {stream_write_fd(p->client), POLLOUT, 0};
        error = stream_write(p->client, "x", 1, &n, &reason);
        (void)poll(&fd, 1, 10); /* a reset takes its time, even on loopback */
    }
    cr_expect_eq(error, TROUPE_ECLOSED, "%s", reason.text);
    cr_expect_gt(strlen(reason.text), 0);
}

ON_EACH_KIND(peer_is_described)
{
    static const char *const words[] = {"127.0.0.1:", "127.0.0.1:", "unix:/tmp/troupe-stream-",
                                        "pipe"};
    uid_t uid = 12345;
    cr_expect_eq(strncmp(stream_peer(p->client), words[p->kind], strlen(words[p->kind])), 0, "%s",
                 stream_peer(p->client));
    cr_expect_eq(stream_peer_uid(p->client, &uid), p->kind == PAIR_UNIX);
    cr_expect_eq(stream_peer_uid(p->server, &uid), p->kind == PAIR_UNIX);
    cr_expect_eq(uid, p->kind == PAIR_UNIX ? getuid() : 12345);
}

/* --- resets --------------------------------------------------------------------------------- */

/** Close with a reset: at once, whatever is unsent. */
static void break_off(const stream *s)
{
    struct linger now = {1, 0};
    cr_assert_eq(setsockopt(stream_read_fd(s), SOL_SOCKET, SO_LINGER, &now, sizeof(now)), 0);
}

static void reset_is_told_apart(pair *p)
{
    size_t total = 0;
    troupe_reason reason = {{0}};
    say(p->client, "unread", 6); /* a Unix socket is reset by what was left unread */
    if (p->kind != PAIR_UNIX) {
        break_off(p->server);
    }
    if (p->kind == PAIR_TLS) { /* no goodbye before it */
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        struct sockaddr nowhere = {.sa_family = AF_UNSPEC};
        cr_assert_eq(connect(stream_read_fd(p->server), &nowhere, sizeof(nowhere)), 0);
        close(fd);
    }
    stream_destroy(p->server);
    p->server = NULL;
    cr_expect_eq(read_to_end(p->client, &total, &reason), TROUPE_ECLOSED);
    cr_expect_eq(total, 0);
    cr_expect_eq(stream_ended(p->client), STREAM_END_RESET, "%s", reason.text);
    cr_expect_not_null(strstr(reason.text, "reset"), "%s", reason.text);
}

ON_KIND(reset_is_told_apart, tcp, PAIR_TCP)
ON_KIND(reset_is_told_apart, tls, PAIR_TLS)
ON_KIND(reset_is_told_apart, unix_socket, PAIR_UNIX)

/* --- what is TLS's own ---------------------------------------------------------------------- */

static void end_without_goodbye_is_cut(pair *p)
{
    size_t total = 0;
    troupe_reason reason = {{0}};
    say(p->server, "half a tr", 9);
    cr_assert_eq(shutdown(stream_write_fd(p->server), SHUT_WR), 0);
    cr_expect_eq(read_to_end(p->client, &total, &reason), TROUPE_ECLOSED);
    cr_expect_eq(total, 9);
    cr_expect_eq(stream_ended(p->client), STREAM_END_CUT, "%s", reason.text);
    cr_expect_not_null(strstr(reason.text, "goodbye"), "%s", reason.text);
}

ON_KIND(end_without_goodbye_is_cut, tls, PAIR_TLS)

/** What was decrypted wakes no poll: the stream tells of it. */
static void records_inside_are_pending(pair *p)
{
    char byte = 0;
    size_t n = 0;
    say(p->server, "0123456789", 10);
    hear(p->client, "0", 1);
    for (int i = 1; i < 10; i++) {
        struct pollfd fd = {stream_read_fd(p->client), POLLIN, 0};
        cr_expect_eq(poll(&fd, 1, 0), 0);
        cr_expect(stream_pending(p->client));
        cr_assert_eq(stream_read(p->client, &byte, 1, &n, NULL), TROUPE_OK);
        cr_assert_eq(n, 1);
        cr_expect_eq(byte, '0' + i);
    }
    cr_expect_not(stream_pending(p->client));
    cr_assert_eq(stream_read(p->client, &byte, 1, &n, NULL), TROUPE_OK);
    cr_expect_eq(n, 0);
    cr_expect_not(stream_pending(p->client));
}

ON_KIND(records_inside_are_pending, tls, PAIR_TLS)

/** After "no more now" the queue grew and moved: nothing is lost, nothing comes twice. */
static void write_again_from_a_queue_that_moved(pair *p)
{
    size_t total = (size_t)8 << 20;
    size_t written = 0;
    size_t got = 0;
    char data[65536];
    while (got < total) {
        size_t n = 0;
        size_t len = total - written;
        char *moved = malloc(len + 1); /* another place each time */
        for (size_t i = 0; i < len; i++) {
            moved[i] = byte_at(written + i, 0);
        }
        do {
            cr_assert_eq(stream_write(p->client, moved, len, &n, NULL), TROUPE_OK);
            memmove(moved, moved + n, len - n);
            len -= n;
            written += n;
        } while (n > 0);
        free(moved);
        do {
            cr_assert_eq(stream_read(p->server, data, sizeof(data), &n, NULL), TROUPE_OK);
            for (size_t i = 0; i < n; i++) {
                cr_assert(data[i] == byte_at(got + i, 0), "byte %zu", got + i);
            }
            got += n;
        } while (n > 0);
    }
    cr_expect_eq(got, total);
}

ON_KIND(write_again_from_a_queue_that_moved, tls, PAIR_TLS)

static void garbage_is_a_protocol_error(pair *p)
{
    size_t total = 0;
    troupe_reason reason = {{0}};
    cr_assert_eq(send(stream_write_fd(p->server), "this is no record of TLS", 24, 0), 24);
    cr_expect_eq(read_to_end(p->client, &total, &reason), TROUPE_EPROTOCOL, "%s", reason.text);
    cr_expect_eq(stream_ended(p->client), STREAM_END_FAULT);
    cr_expect_eq(strncmp(reason.text, "TLS: ", 5), 0, "%s", reason.text);
}

ON_KIND(garbage_is_a_protocol_error, tls, PAIR_TLS)

/* --- making one ----------------------------------------------------------------------------- */

Test(stream, create_of_no_descriptor_is_refused)
{
    stream *s = NULL;
    cr_expect_eq(stream_create(-1, -1, &s), TROUPE_EIO);
    cr_expect_null(s);
    stream_destroy(NULL);
}
