/* SPDX-License-Identifier: MIT */
/* Frames from a hostile server: fed whole and byte by byte, the codec says the same of them,
 * without compression and with it. The same bytes as a server's Sec-WebSocket-Extensions, and as a
 * message that is compressed, masked, taken off its mask and inflated again. */
#include "fuzz.h"

#include "transport/websocket_codec.h"

#define MESSAGE_MAX 4096

typedef struct seen {
    unsigned messages;
    size_t bytes;
    uint32_t hash;
} seen;

static void note(void *context, char *data, size_t len)
{
    seen *s = context;
    CHECK(len <= MESSAGE_MAX);
    s->messages++;
    s->bytes += len;
    for (size_t i = 0; i < len; i++)
        s->hash = (s->hash ^ (uint8_t)data[i]) * 16777619U;
}

static troupe_error feed(const uint8_t *data, size_t size, size_t step,
                         const deflate_params *params, seen *s)
{
    static websocket_codec codec;
    troupe_reason reason;
    troupe_error error = websocket_codec_init(&codec, MESSAGE_MAX);
    if (params != NULL)
        websocket_codec_use_deflate(&codec, params);
    for (size_t at = 0; at < size && error == TROUPE_OK; at += step) {
        size_t len = size - at < step ? size - at : step;
        error = websocket_codec_feed(&codec, (const char *)data + at, len, note, s, &reason);
        CHECK(byte_queue_len(&codec.message) <= MESSAGE_MAX);
    }
    websocket_codec_fini(&codec);
    return error;
}

static void feed_both_ways(const uint8_t *data, size_t size, const deflate_params *params)
{
    seen whole = {0};
    seen parts = {0};
    troupe_error error = feed(data, size, size, params, &whole);
    CHECK(error == feed(data, size, 1, params, &parts));
    CHECK(memcmp(&whole, &parts, sizeof whole) == 0);
}

static void negotiate(const uint8_t *data, size_t size)
{
    deflate_offer offer = {.server_bits = size % 2 == 0 ? 0 : 10};
    deflate_params params;
    troupe_reason reason = {{0}};
    troupe_error error = deflate_accept(&offer, (const char *)data, size, &params, &reason);
    CHECK(error != TROUPE_OK || (params.server_bits >= 8 && params.server_bits <= 15));
    CHECK(error != TROUPE_OK || (params.client_bits >= 8 && params.client_bits <= 15));
    CHECK(error == TROUPE_OK || reason.text[0] != 0);
}

static void there_and_back(const uint8_t *data, size_t size, const deflate_params *params)
{
    static websocket_codec codec;
    byte_queue back = {0};
    CHECK(websocket_codec_init(&codec, MESSAGE_MAX) == TROUPE_OK);
    websocket_codec_use_deflate(&codec, params);
    codec.deflate_min = 1;
    for (int i = 0; i < 2; i++) {
        CHECK(websocket_codec_write(&codec, WEBSOCKET_BINARY, data, size) == TROUPE_OK);
        char *frame = byte_queue_head(&codec.out);
        size_t head = (frame[1] & 0x7F) < 126 ? 2 : (frame[1] & 0x7F) == 126 ? 4 : 10;
        size_t len = byte_queue_len(&codec.out) - head - 4;
        char *payload = frame + head + 4;
        websocket_frame_mask(payload, payload, len, (const uint8_t *)frame + head);
        if ((frame[0] & WEBSOCKET_RSV1) != 0) {
            CHECK(deflate_inflate(&codec.deflate, payload, len, &back, size) == TROUPE_OK);
            CHECK(deflate_inflate_end(&codec.deflate, &back, size) == TROUPE_OK);
            payload = byte_queue_head(&back);
            len = byte_queue_len(&back);
        }
        CHECK(len == size && memcmp(payload, data, size) == 0);
        byte_queue_consume(&back, byte_queue_len(&back));
        byte_queue_consume(&codec.out, byte_queue_len(&codec.out));
    }
    byte_queue_fini(&back);
    websocket_codec_fini(&codec);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const deflate_params kept = {.server_bits = 15, .client_bits = 15};
    static const deflate_params fresh = {true, true, 9, 9};
    if (size == 0)
        return 0;
    feed_both_ways(data, size, NULL);
    feed_both_ways(data, size, &kept);
    feed_both_ways(data, size, &fresh);
    negotiate(data, size);
    there_and_back(data, size, &kept);
    there_and_back(data, size, &fresh);
    return 0;
}
