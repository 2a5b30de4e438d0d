/* SPDX-License-Identifier: MIT */
/* Frames from a hostile server: fed whole and byte by byte, the codec says the same of them. */
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

static troupe_error feed(const uint8_t *data, size_t size, size_t step, seen *s)
{
    websocket_codec codec;
    troupe_reason reason;
    troupe_error error = websocket_codec_init(&codec, MESSAGE_MAX);
    for (size_t at = 0; at < size && error == TROUPE_OK; at += step) {
        size_t len = size - at < step ? size - at : step;
        error = websocket_codec_feed(&codec, (const char *)data + at, len, note, s, &reason);
    }
    websocket_codec_fini(&codec);
    return error;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    seen whole = {0};
    seen parts = {0};
    if (size == 0)
        return 0;
    troupe_error error = feed(data, size, size, &whole);
    CHECK(error == feed(data, size, 1, &parts));
    CHECK(memcmp(&whole, &parts, sizeof whole) == 0);
    return 0;
}
