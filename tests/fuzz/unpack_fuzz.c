/* SPDX-License-Identifier: MIT */
/*
 * The walker against msgpack-c: whatever one accepts the other accepts, with the same length, up to
 * the depth that the walker allows. Then formats over the same bytes: what is stored lies within.
 */
#include "fuzz.h"

#include "troupe/pack.h"

#include <msgpack.h>

static unsigned depth_of(const msgpack_object *object)
{
    unsigned deepest = 0;
    uint32_t count = object->type == MSGPACK_OBJECT_ARRAY ? object->via.array.size
                     : object->type == MSGPACK_OBJECT_MAP ? 2 * object->via.map.size
                                                          : 0;
    for (uint32_t i = 0; i < count; i++) {
        const msgpack_object *inner = object->type == MSGPACK_OBJECT_ARRAY
                                          ? &object->via.array.ptr[i]
                                      : i % 2 == 0 ? &object->via.map.ptr[i / 2].key
                                                   : &object->via.map.ptr[i / 2].val;
        unsigned depth = depth_of(inner);
        deepest = depth > deepest ? depth : deepest;
    }
    return object->type == MSGPACK_OBJECT_ARRAY || object->type == MSGPACK_OBJECT_MAP ? deepest + 1
                                                                                      : 0;
}

/* msgpack-c reserves memory for each count before it looks: such input is only for the walker. */
static bool counts_are_small(const uint8_t *data, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (data[i] >= 0xdc && data[i] <= 0xdf)
            return false;
    }
    return true;
}

static void compare(troupe_bytes data)
{
    size_t len = 0;
    bool accepted = troupe_pack_walk(data, &len) == TROUPE_OK;
    CHECK(!accepted || (len > 0 && len <= data.len));
    if (!accepted && !counts_are_small(data.data, data.len))
        return;
    msgpack_unpacked unpacked;
    msgpack_unpacked_init(&unpacked);
    size_t end = 0;
    int result = msgpack_unpack_next(&unpacked, (const char *)data.data, data.len, &end);
    if (accepted)
        CHECK(result == MSGPACK_UNPACK_SUCCESS && end == len);
    else if (result == MSGPACK_UNPACK_SUCCESS)
        CHECK(depth_of(&unpacked.data) > TROUPE_PACK_DEPTH_MAX);
    msgpack_unpacked_destroy(&unpacked);
}

static void within(troupe_bytes data, const void *at, size_t len)
{
    const uint8_t *first = at;
    CHECK(len <= data.len && first >= data.data && first + len <= data.data + data.len);
}

static void read_by_format(troupe_bytes data)
{
    const char *text = NULL;
    const uint8_t *raw = NULL;
    size_t len = 0;
    size_t raw_len = 0;
    int i;
    int64_t wide;
    uint64_t number;
    double real;
    if (troupe_unpack(data, "s#", &text, &len) == TROUPE_OK)
        within(data, text, len);
    if (troupe_unpack(data, "r#", &raw, &raw_len) == TROUPE_OK && data.len > 0)
        within(data, raw, raw_len);
    if (troupe_unpack(data, "[s# i? r#]", &text, &len, &i, &raw, &raw_len) == TROUPE_OK)
        within(data, raw, raw_len);
    if (troupe_unpack(data, "{s:x#, s?:j#?, s?:[I U f], s?:{s:b}}", "a", &raw, &raw_len, "b", &text,
                      &len, "c", &wide, &number, &real, "d", "e", &i) == TROUPE_OK)
        within(data, raw, raw_len);
    (void)!troupe_unpack(data, "[[[[[[[[[[[[[[[[I]]]]]]]]]]]]]]]]", &wide);
    if (troupe_payload_json(data, &text, &len) == TROUPE_OK)
        within(data, text, len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    troupe_bytes bytes = {data, size};
    compare(bytes);
    read_by_format(bytes);
    return 0;
}
