/* SPDX-License-Identifier: MIT */
#include "websocket_extremes.h"

#include "peer_client.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define KIB         ((size_t)1 << 10)
#define MIB         ((size_t)1 << 20)
#define LIMIT_BYTES ((uint64_t)WEBSOCKET_MESSAGE_MAX)
#define QUEUE_BYTES (16 * MIB) /* what a client queues at most, but for one message */
#define SHORT_MS    50         /* a limit that is meant to pass */

#if defined(__SANITIZE_ADDRESS__)
#define MEMORY_IS_MEASURED false /* the sanitizer keeps freed memory */
#else
#define MEMORY_IS_MEASURED true
#endif

static unsigned failures;

static void expect(bool holds, const char *name, const char *what, const outcome *o)
{
    if (!holds) {
        failures++;
        fprintf(stderr, "%s: not so: %s\n  %s: %s; %lu messages, %llu bytes\n", name, what,
                troupe_error_name(o->error), o->reason.text, o->messages,
                (unsigned long long)o->bytes);
    }
}

static void expect_error(troupe_error error, const char *words, const char *name, const outcome *o)
{
    expect(o->error == error, name, troupe_error_name(error), o);
    expect(strcasestr(o->reason.text, words) != NULL, name, words, o);
}

/* Memory ------------------------------------------------------------------------------------ */

static size_t status_kib(const char *name)
{
    char line[256];
    size_t kib = 0;
    FILE *in = fopen("/proc/self/status", "r");
    while (in != NULL && fgets(line, sizeof line, in) != NULL) {
        if (strncmp(line, name, strlen(name)) == 0) {
            kib = strtoul(line + strlen(name), NULL, 10);
        }
    }
    if (in != NULL) {
        fclose(in);
    }
    return kib;
}

static size_t memory_now(void)
{
    int fd = open("/proc/self/clear_refs", O_WRONLY);
    if (fd >= 0) {
        (void)!write(fd, "5", 1); /* the peak begins anew */
        close(fd);
    }
    return status_kib("VmRSS:") * KIB;
}

/* How much more there was at once since memory_now said `before`. */
static size_t memory_peak(size_t before)
{
    size_t peak = status_kib("VmHWM:") * KIB;
    return peak > before ? peak - before : 0;
}

/* Number ------------------------------------------------------------------------------------ */

static void ignore(void *context, char *data, size_t len)
{
    outcome *o = context;
    (void)data;
    o->messages++;
    o->bytes += len;
}

static void await_bytes(int fd, int wanted)
{
    int there = 0;
    while (ioctl(fd, FIONREAD, &there) == 0 && there < wanted) {
        sched_yield();
    }
}

static void ten_thousand_messages_in_one_read(peer *p)
{
    static char bytes[30000];
    char url[64];
    outcome o = {0};
    message_stream *stream = NULL;
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = "\x81\x01x"[i % 3];
    }
    const peer_script script = {.bytes = bytes, .len = sizeof bytes, .cut = PEER_WHOLE};
    websocket_options options = client_options(p, url);
    peer_play(p, &script);
    o.error = websocket_connect(&options, &stream, &o.reason);
    if (o.error == TROUPE_OK) {
        await_bytes(message_stream_read_fd(stream), sizeof bytes);
        o.error = message_stream_receive(stream, ignore, &o, &o.reason);
    }
    expect(o.error == TROUPE_OK && o.messages == 10000, __func__, "all of them", &o);
    message_stream_destroy(stream);
    peer_join(p);
}

/* Size -------------------------------------------------------------------------------------- */

static void write_header(char header[10], uint64_t len)
{
    header[0] = '\x81';
    header[1] = 127;
    for (int i = 0; i < 8; i++) {
        header[2 + i] = (char)(len >> 8 * (7 - i));
    }
}

static void one_message_as_long_as_the_limit(peer *p)
{
    uint64_t len = MEMORY_IS_MEASURED ? LIMIT_BYTES : LIMIT_BYTES / 16;
    char url[64];
    char header[10];
    outcome o;
    write_header(header, len);
    const peer_script script = {.bytes = header,
                                .len = sizeof header,
                                .zeros = len,
                                .tail = "\x81\x02hi",
                                .tail_len = 4,
                                .cut = PEER_WHOLE};
    websocket_options options = client_options(p, url);
    peer_play(p, &script);
    size_t before = memory_now();
    client_run(&options, 2, &o);
    size_t peak = memory_peak(before);
    peer_join(p);
    expect(o.error == TROUPE_OK && o.messages == 2 && o.bytes == len + 2, __func__, "both", &o);
    expect(!MEMORY_IS_MEASURED || peak < len / 10 * 22, __func__, "memory of 2.2 times", &o);
    printf("one message of %llu MiB: %zu MiB of memory\n", (unsigned long long)(len / MIB),
           peak / MIB);
}

static void one_byte_more_is_refused_by_its_header(peer *p)
{
    char url[64];
    char header[10];
    outcome o;
    write_header(header, LIMIT_BYTES + 1);
    const peer_script script = {.bytes = header, .len = sizeof header, .cut = PEER_WHOLE};
    websocket_options options = client_options(p, url);
    peer_play(p, &script);
    size_t before = memory_now();
    client_run(&options, 1, &o);
    size_t peak = memory_peak(before);
    peer_join(p);
    expect_error(TROUPE_ELIMIT, "longer", __func__, &o);
    expect(p->seen.close_code == 1009, __func__, "close code 1009", &o);
    expect(!MEMORY_IS_MEASURED || peak < 4 * MIB, __func__, "no memory for it", &o);
}

/* A long payload is read another way than short ones: it comes through the same in single bytes. */
static void long_message_in_single_bytes(peer *p)
{
    static char bytes[10 + 40000];
    peer_script script = {.bytes = bytes, .len = sizeof bytes, .cut = PEER_WHOLE};
    char url[64];
    outcome whole;
    outcome o;
    write_header(bytes, sizeof bytes - 10);
    bytes[1] = 126; /* two bytes of length are the shortest form */
    bytes[2] = (char)((sizeof bytes - 4) >> 8);
    bytes[3] = (char)(sizeof bytes - 4);
    for (size_t i = 4; i < sizeof bytes; i++) {
        bytes[i] = (char)('0' + i % 75);
    }
    websocket_options options = client_options(p, url);
    peer_play(p, &script);
    client_run(&options, 1, &whole);
    peer_join(p);
    expect(whole.error == TROUPE_OK && whole.bytes == sizeof bytes - 4, __func__, "whole", &whole);
    script.cut = PEER_EACH;
    script.each_max = peer_answer_len(&script) + 4000;
    peer_play(p, &script);
    client_run(&options, 1, &o);
    peer_join(p);
    expect(o.error == TROUPE_OK && o.digest == whole.digest, __func__, "the same", &o);
}

/* The byte that is no UTF-8 comes late in a frame that has not ended: it is refused at once. */
static void one_bad_byte_in_a_long_text(peer *p)
{
    static const size_t before[] = {0, 1, 63, 64, 32757, 32758, 32768, 65536, 100001, 1 << 20};
    for (size_t i = 0; i < sizeof before / sizeof before[0]; i++) {
        char url[64];
        char header[10];
        outcome o;
        write_header(header, before[i] + 70000);
        const peer_script script = {.bytes = header,
                                    .len = sizeof header,
                                    .zeros = before[i],
                                    .tail = i % 2 == 0 ? "\xff" : "\xe2\x82 ",
                                    .tail_len = i % 2 == 0 ? 1 : 3,
                                    .cut = PEER_WHOLE};
        websocket_options options = client_options(p, url);
        peer_play(p, &script);
        client_run(&options, 1, &o);
        peer_join(p);
        expect_error(TROUPE_EPROTOCOL, "utf-8", __func__, &o);
        expect(p->seen.close_code == 1007, __func__, "close code 1007", &o);
    }
}

/* Endless ----------------------------------------------------------------------------------- */

static void endless_header_is_refused(peer *p)
{
    static const peer_script script = {.answer = "HTTP/1.1 101 Switching Protocols\r\nX: ",
                                       .bytes = "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
                                       .len = 32,
                                       .end = PEER_REPEATS,
                                       .cut = PEER_WHOLE};
    char url[64];
    outcome o;
    websocket_options options = client_options(p, url);
    peer_play(p, &script);
    client_run(&options, 1, &o);
    peer_join(p);
    expect_error(TROUPE_EPROTOCOL, "too long", __func__, &o);
}

/* Receive until so many bytes came; the queue and the memory stay bounded. */
static void flood(peer *p, const peer_script *script, size_t bytes, const char *name)
{
    char url[64];
    outcome o = {0};
    message_stream *stream = NULL;
    websocket_options options = client_options(p, url);
    size_t queued = 0;
    peer_play(p, script);
    size_t before = memory_now();
    o.error = websocket_connect(&options, &stream, &o.reason);
    while (o.error == TROUPE_OK && websocket_received_bytes(stream) < bytes) {
        struct pollfd entry = {message_stream_read_fd(stream), POLLIN, 0};
        (void)poll(&entry, 1, -1);
        o.error = message_stream_receive(stream, ignore, &o, &o.reason);
        if (o.error == TROUPE_OK) {
            o.error = message_stream_flush(stream, &o.reason);
            queued =
                message_stream_queued(stream) > queued ? message_stream_queued(stream) : queued;
        }
    }
    size_t peak = memory_peak(before);
    message_stream_destroy(stream);
    peer_join(p);
    expect(o.error == TROUPE_OK && o.messages == 0, name, "it holds", &o);
    expect(queued < QUEUE_BYTES + MIB, name, "a bounded queue", &o);
    expect(!MEMORY_IS_MEASURED || peak < 3 * QUEUE_BYTES, name, "bounded memory", &o);
}

static void endless_pings_of_one_who_never_reads_take_bounded_memory(peer *p)
{
    static char ping[127] = "\x89\x7d";
    const peer_script script = {
        .bytes = ping, .len = sizeof ping, .end = PEER_REPEATS, .cut = PEER_WHOLE};
    flood(p, &script, 64 * MIB, __func__);
}

static void endless_empty_fragments_take_no_memory(peer *p)
{
    static const peer_script script = {.answer = PEER_ANSWER "\x01",
                                       .answer_len = sizeof(PEER_ANSWER "\x01"), /* and its NUL */
                                       .bytes = "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
                                       .len = 16,
                                       .end = PEER_REPEATS,
                                       .cut = PEER_WHOLE};
    flood(p, &script, 16 * MIB, __func__);
}

/* One who reads nothing: the queue fills, says so, and ends without waiting. */
static void sending_to_one_who_never_reads_is_refused_at_the_bound(peer *p)
{
    static const peer_script script = {.no_reading = true, .cut = PEER_WHOLE};
    static char data[64 << 10];
    char url[64];
    outcome o = {0};
    message_stream *stream = NULL;
    websocket_options options = client_options(p, url);
    peer_play(p, &script);
    o.error = websocket_connect(&options, &stream, &o.reason);
    memset(data, 'x', sizeof data);
    while (o.error == TROUPE_OK && o.bytes < 256 * MIB) {
        o.error = message_stream_send(stream, data, sizeof data);
        o.bytes += sizeof data;
        if (o.error == TROUPE_OK) {
            o.error = message_stream_flush(stream, &o.reason);
        }
    }
    expect(o.error == TROUPE_EBUSY, __func__, "BUSY", &o);
    expect(message_stream_queued(stream) <= QUEUE_BYTES + sizeof data, __func__, "the bound", &o);
    message_stream_destroy(stream);
    peer_join(p);
}

/* Time -------------------------------------------------------------------------------------- */

static void slow_header_ends_at_the_limit(peer *p)
{
    static const peer_script script = {
        .answer = "HTTP/1.1 101 Switching Protocols\r\nX: ", .end = PEER_DRIPS, .cut = PEER_WHOLE};
    char url[64];
    outcome o;
    websocket_options options = client_options(p, url);
    options.connect_timeout_ms = SHORT_MS;
    peer_play(p, &script);
    client_run(&options, 1, &o);
    peer_join(p);
    expect_error(TROUPE_ETIMEOUT, "time", __func__, &o);
}

static void silence_inside_the_header_ends_at_the_limit(peer *p)
{
    static const char answer[] = PEER_ANSWER;
    char url[64];
    outcome o;
    for (size_t len = 0; len < sizeof answer - 1; len++) {
        char part[sizeof answer] = "";
        memcpy(part, answer, len);
        const peer_script script = {.answer = part, .cut = PEER_WHOLE};
        websocket_options options = client_options(p, url);
        options.connect_timeout_ms = SHORT_MS / 5;
        peer_play(p, &script);
        client_run(&options, 1, &o);
        peer_join(p);
        expect(o.error == TROUPE_ETIMEOUT, __func__, "TIMEOUT", &o);
    }
}

/* The refusal counts, though the words it announced never come. */
static void refusal_without_its_body_is_a_refusal(peer *p)
{
    static const peer_script script = {
        .answer = "HTTP/1.1 401 Unauthorized\r\nContent-Length: 100\r\n\r\nBecau",
        .cut = PEER_WHOLE};
    char url[64];
    outcome o;
    websocket_options options = client_options(p, url);
    options.connect_timeout_ms = SHORT_MS;
    peer_play(p, &script);
    client_run(&options, 1, &o);
    peer_join(p);
    expect_error(TROUPE_EUNAUTHORIZED, "401", __func__, &o);
}

static const struct extreme {
    const char *name;
    void (*play)(peer *p);
} extremes[] = {
    {"10,000 messages in one read", ten_thousand_messages_in_one_read},
    {"one message as long as the limit", one_message_as_long_as_the_limit},
    {"one byte more", one_byte_more_is_refused_by_its_header},
    {"a long message in single bytes", long_message_in_single_bytes},
    {"one bad byte in a long text", one_bad_byte_in_a_long_text},
    {"an endless header", endless_header_is_refused},
    {"endless pings", endless_pings_of_one_who_never_reads_take_bounded_memory},
    {"endless empty fragments", endless_empty_fragments_take_no_memory},
    {"a server that never reads", sending_to_one_who_never_reads_is_refused_at_the_bound},
    {"a slow header", slow_header_ends_at_the_limit},
    {"a refusal without its body", refusal_without_its_body_is_a_refusal},
    {"silence inside the header", silence_inside_the_header_ends_at_the_limit},
};

unsigned websocket_extremes(void)
{
    static const peer_script hi = {.bytes = "\x81\x02hi", .len = 4, .cut = PEER_WHOLE};
    char url[64];
    outcome o;
    peer p;
    unsigned before = client_descriptors();
    peer_open(&p);
    for (size_t i = 0; i < sizeof extremes / sizeof extremes[0]; i++) {
        extremes[i].play(&p);
        websocket_options options = client_options(&p, url);
        peer_play(&p, &hi);
        client_run(&options, 1, &o);
        peer_join(&p);
        expect(o.error == TROUPE_OK && o.messages == 1, extremes[i].name, "the next works", &o);
    }
    peer_close(&p);
    expect(client_descriptors() == before, "descriptors", "none is left", &o);
    return failures;
}
