/* SPDX-License-Identifier: MIT */
/* The WebSocket codec by itself: no socket, the peer's bytes are copied from memory as a read
 * would.
 *
 *   ninja -C build/release bench_websocket_codec && build/bin/bench_websocket_codec
 */
#include "transport/websocket_codec.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TOTAL  ((size_t)64 << 20) /* bytes a run */
#define ROUNDS 7                  /* the best counts */
#define MAX    ((size_t)256 << 20)

static websocket_codec codec;
static const deflate_params params = {.server_bits = 15, .client_bits = 15};

/** What messages are made of. */
typedef struct kind {
    const char *name;
    const char *text;
} kind;

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now); /* others may use the machine */
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void fail(const char *what)
{
    fprintf(stderr, "bench_websocket_codec: %s\n", what);
    exit(1);
}

static void open_codec(bool unchecked, bool deflating)
{
    if (websocket_codec_init(&codec, MAX) != TROUPE_OK) {
        fail("no codec");
    }
    codec.unchecked_text = unchecked;
    if (deflating) {
        websocket_codec_use_deflate(&codec, &params);
    }
}

/** CDP-like JSON in which numbers go up, so that no two messages are the same. */
static void fill(char *data, size_t len, const kind *k, unsigned *number)
{
    size_t at = 0;
    while (at < len) {
        char row[200];
        unsigned i = (*number)++;
        int n = snprintf(row, sizeof(row), "{\"requestId\":\"%u.%u\",\"text\":\"%s\"},", i * 7919U,
                         i, k->text);
        if (len - at < (size_t)n) {
            memset(data + at, ' ', len - at);
            return;
        }
        memcpy(data + at, row, (size_t)n);
        at += (size_t)n;
    }
}

static void count(void *context, char *data, size_t len)
{
    size_t *bytes = context;
    (void)data;
    *bytes += len;
}

static double take_all(const char *bytes, size_t len, size_t expected)
{
    size_t got = 0;
    double begun = now_s();
    for (size_t at = 0; at < len;) {
        size_t room = 0;
        char *place = websocket_codec_room(&codec, &room);
        size_t n = len - at < room ? len - at : room;
        if (place == NULL) {
            fail("no memory");
        }
        memcpy(place, bytes + at, n);
        if (websocket_codec_received(&codec, n, count, &got, NULL) != TROUPE_OK) {
            fail("refused");
        }
        at += n;
    }
    if (got != expected) {
        fail("not every byte was delivered");
    }
    return now_s() - begun;
}

/** A server's frames: those of a client without their masks. */
static size_t frames(const char *messages, size_t len, size_t count_of, bool deflating, char *out)
{
    size_t total = 0;
    open_codec(false, deflating);
    for (size_t i = 0; i < count_of; i++) {
        if (websocket_codec_write(&codec, WEBSOCKET_TEXT, messages + i * len, len) != TROUPE_OK) {
            fail("no memory");
        }
        uint8_t *frame = (uint8_t *)byte_queue_head(&codec.out);
        size_t head = (frame[1] & 0x7F) < 126 ? 2 : (frame[1] & 0x7F) == 126 ? 4 : 10;
        size_t payload = byte_queue_len(&codec.out) - head - 4;
        frame[1] &= 0x7F;
        memcpy(out + total, frame, head);
        websocket_frame_mask(out + total + head, (char *)frame + head + 4, payload, frame + head);
        total += head + payload;
        byte_queue_consume(&codec.out, byte_queue_len(&codec.out));
    }
    websocket_codec_fini(&codec);
    return total;
}

static double read_rate(const char *bytes, size_t len, size_t plain, bool unchecked, bool deflating)
{
    double best = 1e9;
    for (int i = 0; i < ROUNDS; i++) {
        open_codec(unchecked, deflating);
        double took = take_all(bytes, len, plain);
        best = took < best ? took : best;
        websocket_codec_fini(&codec);
    }
    return (double)plain / best / 1e9;
}

static double write_rate(const char *messages, size_t len, size_t count_of, bool deflating)
{
    double best = 1e9;
    for (int i = 0; i < ROUNDS; i++) {
        open_codec(false, deflating);
        double begun = now_s();
        for (size_t k = 0; k < count_of; k++) {
            if (websocket_codec_write(&codec, WEBSOCKET_TEXT, messages + k * len, len) !=
                TROUPE_OK) {
                fail("no memory");
            }
            byte_queue_consume(&codec.out, byte_queue_len(&codec.out));
        }
        double took = now_s() - begun;
        best = took < best ? took : best;
        websocket_codec_fini(&codec);
    }
    return (double)(len * count_of) / best / 1e9;
}

static void run(const kind *k, size_t len)
{
    size_t count_of = TOTAL / len;
    unsigned number = 0;
    char *messages = malloc(len * count_of);
    char *bytes = malloc((len + WEBSOCKET_HEADER_MAX) * count_of);
    if (messages == NULL || bytes == NULL) {
        fail("no memory");
    }
    for (size_t i = 0; i < count_of; i++) {
        fill(messages + i * len, len, k, &number);
    }
    size_t plain = frames(messages, len, count_of, false, bytes);
    double checked = read_rate(bytes, plain, len * count_of, false, false);
    double unchecked = read_rate(bytes, plain, len * count_of, true, false);
    double written = write_rate(messages, len, count_of, false);
    size_t packed = frames(messages, len, count_of, true, bytes);
    double inflated = read_rate(bytes, packed, len * count_of, false, true);
    double deflated = write_rate(messages, len, count_of, true);
    printf("%-6s %9zu B: read %6.2f GB/s, text unchecked %6.2f, inflated %5.2f; written %6.2f, "
           "deflated %5.2f; to %.1f %%\n",
           k->name, len, checked, unchecked, inflated, written, deflated,
           100.0 * (double)packed / (double)plain);
    free(messages);
    free(bytes);
}

int main(void)
{
    static const kind kinds[] = {
        {"ASCII", "https://example.org/a/page, and some words behind it"},
        {"mixed", "\xd0\x9f\xd1\x80\xd0\xb8\xd0\xb2\xd0\xb5\xd1\x82, \xe4\xb8\x96\xe7\x95\x8c"},
    };
    static const size_t sizes[] = {1024, 65536, (size_t)16 << 20};
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        for (size_t j = 0; j < sizeof(sizes) / sizeof(sizes[0]); j++) {
            run(&kinds[i], sizes[j]);
        }
    }
    return 0;
}
