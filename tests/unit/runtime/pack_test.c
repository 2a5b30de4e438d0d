/* SPDX-License-Identifier: MIT */
/* troupe_pack, troupe_unpack, the walker and the buffer. */
#include "troupe/pack.h"

#include <criterion/criterion.h>
#include <limits.h>
#include <msgpack.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static void expect(const troupe_buffer *buffer, const char *bytes, size_t len)
{
    cr_assert(buffer->len == len, "%zu bytes instead of %zu", buffer->len, len);
    cr_assert(memcmp(buffer->data, bytes, len) == 0);
}

#define EXPECT(buffer, literal) expect(buffer, literal, sizeof(literal) - 1)

Test(pack, scalars_take_their_shortest_form)
{
    troupe_buffer b = {0};
    cr_assert(troupe_pack(&b, "[iiiiiiU]", 0, 127, 128, -32, -33, -129, (uint64_t)1 << 32) == 0);
    EXPECT(&b, "\x97\x00\x7f\xcc\x80\xe0\xd0\xdf\xd1\xff\x7f\xcf\x00\x00\x00\x01\x00\x00\x00\x00");
    troupe_buffer_clear(&b);
    cr_assert(troupe_pack(&b, "{s:b, s:b, s:n, s:f}", "a", 1, "b", 0, "c", "d", 1.5) == 0);
    EXPECT(&b, "\x84\xa1"
               "a\xc3\xa1"
               "b\xc2\xa1"
               "c\xc0\xa1"
               "d\xcb\x3f\xf8\x00\x00\x00\x00\x00\x00");
    troupe_buffer_fini(&b);
}

Test(pack, strings_bin_json_raw_are_written)
{
    troupe_buffer b = {0};
    const uint8_t raw[] = {0x92, 1, 2};
    cr_assert(troupe_pack(&b, "[s s# x# j# r# r# s j#]", "hi", "xyz", (size_t)2, "\x01", (size_t)1,
                          "{}", (size_t)2, raw, sizeof raw, raw, (size_t)0, (const char *)NULL,
                          (const char *)NULL, (size_t)0) == 0);
    EXPECT(&b, "\x98\xa2hi\xa2xy\xc4\x01\x01\xd5\x01{}\x92\x01\x02\xc0\xc0\xc0");
    troupe_buffer_fini(&b);
}

Test(pack, malformed_format_leaves_the_buffer_as_it_was)
{
    static const char *const bad[] = {"[i", "{s}", "]",      "[i}", "q",   "{s:i",
                                      "i#", "[ii", "{s:i]}", "b#",  "{[}", "s#x"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        troupe_buffer b = {0};
        cr_assert(troupe_pack(&b, "i", 7) == 0);
        cr_assert((troupe_pack)(&b, bad[i], "a", (size_t)1, "b", (size_t)1) == TROUPE_EINVAL, "%s",
                  bad[i]);
        cr_assert(b.len == 1 && !b.failed);
        troupe_buffer_fini(&b);
    }
}

Test(pack, long_containers_and_strings_are_read_by_the_oracle)
{
    troupe_buffer b = {0};
    char text[70000];
    memset(text, 't', sizeof text);
    cr_assert(troupe_pack(&b, "[iiiiiiiiiiiiiiii s# x# j#]", 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12,
                          13, 14, 15, 16, text, sizeof text, text, sizeof text, text,
                          sizeof text) == 0);
    msgpack_unpacked u;
    msgpack_unpacked_init(&u);
    size_t end = 0;
    cr_assert(msgpack_unpack_next(&u, (const char *)b.data, b.len, &end) == MSGPACK_UNPACK_SUCCESS);
    cr_assert(end == b.len && u.data.via.array.size == 19);
    cr_assert(u.data.via.array.ptr[16].via.str.size == sizeof text);
    cr_assert(u.data.via.array.ptr[17].via.bin.size == sizeof text);
    cr_assert(u.data.via.array.ptr[18].via.ext.size == sizeof text);
    cr_assert(u.data.via.array.ptr[18].via.ext.type == TROUPE_EXT_JSON);
    msgpack_unpacked_destroy(&u);
    troupe_buffer_fini(&b);
}

/* A format that is no literal is checked when it is used, whatever the compiler does. */
static const char *checked_late(const char *format)
{
    const char *volatile hidden = format;
    return hidden;
}

#define REFUSED(format, ...) \
    cr_assert(troupe_pack(&b, checked_late(format), __VA_ARGS__) == TROUPE_EINVAL && b.len == 0)

Test(pack, arguments_that_do_not_fit_are_einval_before_any_is_read)
{
    troupe_buffer b = {0};
    const char *nowhere = (const char *)(uintptr_t)1; /* to read it would crash */
    REFUSED("s s#", nowhere, nowhere);
    REFUSED("s s#", nowhere, nowhere, 1);
    REFUSED("s s", nowhere, 1);
    REFUSED("s U", nowhere, 1);
    REFUSED("s I", nowhere, (uint64_t)1);
    REFUSED("s f", nowhere, 1);
    REFUSED("s i", nowhere, 1.0);
    REFUSED("s i", nowhere, nowhere);
    REFUSED("s", nowhere, nowhere);
    REFUSED("s q", nowhere, 1);
    REFUSED("{s}", nowhere);
    REFUSED("[s", nowhere);
    REFUSED("s]", nowhere);
    REFUSED("s n#", nowhere);
    REFUSED("s i?", nowhere, 1);
    REFUSED("iiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiis", 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11,
            12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33,
            34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, nowhere);
    cr_assert(troupe_pack(&b, checked_late("s#"), "abc", (size_t)2) == TROUPE_OK);
    EXPECT(&b, "\xa2"
               "ab");
    troupe_buffer_fini(&b);
}

Test(pack, as_many_arguments_as_promised)
{
    troupe_buffer b = {0};
    cr_assert(troupe_pack(&b, "iiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiii", 1, 2, 3, 4, 5, 6,
                          7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25,
                          26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43,
                          44, 45, 46, 47) == TROUPE_OK);
    cr_assert(b.len == TROUPE_PACK_ARGUMENTS_MAX);
    for (size_t i = 0; i < b.len; i++)
        cr_assert(b.data[i] == i + 1);
    troupe_buffer_fini(&b);
}

static const uint8_t *pack_sample(troupe_buffer *b)
{
    cr_assert(troupe_pack(b, "{s:s, s:I, s:b, s:[iis], s:{s:U}, s:n, s:f}", "text", "hello",
                          "number", INT64_C(-5), "flag", 1, "list", 1, 2, "three", "inner", "deep",
                          (uint64_t)9, "none", "half", 0.5) == 0);
    return b->data;
}

Test(unpack, keys_in_any_order_unknown_and_optional_ones)
{
    troupe_buffer b = {0};
    pack_sample(&b);
    const char *text = NULL;
    const char *third = NULL;
    size_t len = 0;
    size_t third_len = 0;
    int flag = 0;
    int one = 0;
    int64_t number = 0;
    uint64_t deep = 0;
    double half = 0;
    int untouched = 77;
    troupe_error error =
        troupe_unpack(troupe_buffer_bytes(&b),
                      "{s:{s:U}, s:b, s?:i, s:s#, s?:{s:i, s?:[ii]}, s:I, s:[i n s#], s:f, s?:i}",
                      "inner", "deep", &deep, "flag", &flag, "missing", &untouched, "text", &text,
                      &len, "absent", "a", &untouched, "b", &untouched, &untouched, "number",
                      &number, "list", &one, &third, &third_len, "half", &half, "none", &untouched);
    cr_assert(error == TROUPE_OK, "%s", troupe_error_name(error));
    cr_assert(deep == 9 && flag == 1 && number == -5 && one == 1 && untouched == 77);
    cr_assert(len == 5 && memcmp(text, "hello", 5) == 0);
    cr_assert(third_len == 5 && memcmp(third, "three", 5) == 0);
    cr_assert(half == 0.5);
    troupe_buffer_fini(&b);
}

Test(unpack, another_shape_is_eparams)
{
    troupe_buffer b = {0};
    pack_sample(&b);
    troupe_bytes data = troupe_buffer_bytes(&b);
    int i;
    uint64_t u;
    const char *s;
    size_t len;
    cr_assert(troupe_unpack(data, "[i]", &i) == TROUPE_EPARAMS);
    cr_assert(troupe_unpack(data, "{s:i}", "text", &i) == TROUPE_EPARAMS);
    cr_assert(troupe_unpack(data, "{s:i}", "missing", &i) == TROUPE_EPARAMS);
    cr_assert(troupe_unpack(data, "{s:U}", "number", &u) == TROUPE_EPARAMS);
    cr_assert(troupe_unpack(data, "{s:s#}", "flag", &s, &len) == TROUPE_EPARAMS);
    cr_assert(troupe_unpack(data, "{s:[iiii]}", "list", &i, &i, &i, &i) == TROUPE_EPARAMS);
    cr_assert(troupe_unpack(data, "{s:b}", "number", &i) == TROUPE_EPARAMS);
    cr_assert(troupe_unpack(data, "{s:i}", "none", &i) == TROUPE_EPARAMS);
    troupe_buffer_fini(&b);
}

Test(unpack, integers_outside_the_range_are_eparams)
{
    troupe_buffer b = {0};
    int i;
    int64_t wide;
    uint64_t u;
    double d;
    cr_assert(troupe_pack(&b, "U", UINT64_MAX) == 0);
    cr_assert(troupe_unpack(troupe_buffer_bytes(&b), "I", &wide) == TROUPE_EPARAMS);
    cr_assert(troupe_unpack(troupe_buffer_bytes(&b), "i", &i) == TROUPE_EPARAMS);
    cr_assert(troupe_unpack(troupe_buffer_bytes(&b), "U", &u) == TROUPE_OK && u == UINT64_MAX);
    troupe_buffer_clear(&b);
    cr_assert(troupe_pack(&b, "I", INT64_MIN) == 0);
    cr_assert(troupe_unpack(troupe_buffer_bytes(&b), "I", &wide) == TROUPE_OK && wide == INT64_MIN);
    cr_assert(troupe_unpack(troupe_buffer_bytes(&b), "i", &i) == TROUPE_EPARAMS);
    cr_assert(troupe_unpack(troupe_buffer_bytes(&b), "f", &d) == TROUPE_OK && d < -9e18);
    troupe_buffer_clear(&b);
    cr_assert(troupe_pack(&b, "i", INT_MIN) == 0);
    cr_assert(troupe_unpack(troupe_buffer_bytes(&b), "i", &i) == TROUPE_OK && i == INT_MIN);
    troupe_buffer_fini(&b);
}

Test(unpack, nil_is_accepted_where_the_letter_says_so)
{
    troupe_buffer b = {0};
    const char *text = "before";
    size_t len = 6;
    int i = 5;
    cr_assert(troupe_pack(&b, "[nni]", 3) == 0);
    cr_assert(troupe_unpack(troupe_buffer_bytes(&b), "[s#? i? i?]", &text, &len, &i, &i) == 0);
    cr_assert(len == 6 && i == 3);
    cr_assert(troupe_unpack(troupe_buffer_bytes(&b), "[s#]", &text, &len) == TROUPE_EPARAMS);
    troupe_buffer_fini(&b);
}

Test(unpack, raw_takes_a_whole_container)
{
    troupe_buffer b = {0};
    const uint8_t *raw;
    size_t len;
    int last;
    cr_assert(troupe_pack(&b, "[{s:[ii]} i]", "k", 1, 2, 3) == 0);
    cr_assert(troupe_unpack(troupe_buffer_bytes(&b), "[r# i]", &raw, &len, &last) == 0);
    cr_assert(len == 6 && raw[0] == 0x81 && last == 3);
    troupe_buffer_fini(&b);
}

Test(unpack, json_payload_is_found)
{
    troupe_buffer b = {0};
    const char *text;
    size_t len;
    cr_assert(troupe_pack(&b, "j#", "[1]", (size_t)3) == 0);
    cr_assert(troupe_payload_json(troupe_buffer_bytes(&b), &text, &len) == TROUPE_OK);
    cr_assert(len == 3 && memcmp(text, "[1]", 3) == 0);
    troupe_buffer_clear(&b);
    cr_assert(troupe_pack(&b, "i", 1) == 0);
    cr_assert(troupe_payload_json(troupe_buffer_bytes(&b), &text, &len) == TROUPE_EPARAMS);
    troupe_bytes none = {NULL, 0};
    cr_assert(troupe_payload_json(none, &text, &len) == TROUPE_EPARAMS);
    troupe_buffer_fini(&b);
}

Test(unpack, bad_format_is_einval)
{
    const uint8_t map[] = {0x81, 0xa1, 'a', 1};
    troupe_bytes data = {map, sizeof map};
    int i;
    cr_assert((troupe_unpack)(data, "{i}", &i) == TROUPE_EINVAL);
    cr_assert((troupe_unpack)(data, "{s:i", "a", &i) == TROUPE_EINVAL);
    cr_assert((troupe_unpack)(data, "") == TROUPE_EINVAL);
    cr_assert((troupe_unpack)(data, "{s:q}", "a", &i) == TROUPE_EINVAL);
    cr_assert((troupe_unpack)(data, "{s:i}}", "a", &i) == TROUPE_EINVAL);
}

Test(unpack, outputs_that_do_not_fit_are_einval_before_any_is_written)
{
    const uint8_t list[] = {0x92, 1, 0xa1, 'a'};
    troupe_bytes data = {list, sizeof list};
    int i = 77;
    short narrow = 77;
    int64_t wide = 77;
    const char *text = NULL;
    char *own = NULL;
    size_t len = 77;
    cr_assert(troupe_unpack(data, checked_late("[i s#]"), &i, &text) == TROUPE_EINVAL);
    cr_assert(troupe_unpack(data, checked_late("[i s#]"), &i, &text, &i) == TROUPE_EINVAL);
    cr_assert(troupe_unpack(data, checked_late("[i s#]"), &i, &own, &len) == TROUPE_EINVAL);
    cr_assert(troupe_unpack(data, checked_late("[i s#]"), &wide, &text, &len) == TROUPE_EINVAL);
    cr_assert(troupe_unpack(data, checked_late("[i s#]"), &narrow, &text, &len) == TROUPE_EINVAL);
    cr_assert(troupe_unpack(data, checked_late("[i]"), &i, &i) == TROUPE_EINVAL);
    cr_assert(troupe_unpack(data, checked_late("{s:i}"), &i) == TROUPE_EINVAL);
    cr_assert(troupe_unpack(data, checked_late("[i]?"), &i) == TROUPE_EINVAL);
    cr_assert(i == 77 && narrow == 77 && wide == 77 && text == NULL && own == NULL && len == 77);
    cr_assert(troupe_unpack(data, checked_late("[i s#]"), &i, &text, &len) == TROUPE_OK);
    cr_assert(i == 1 && len == 1 && *text == 'a');
}

Test(unpack, bytes_and_chars_take_each_others_pointers)
{
    const uint8_t list[] = {0x92, 0xa1, 'a', 0xc4, 1, 'b'};
    troupe_bytes data = {list, sizeof list};
    const uint8_t *bytes;
    const void *any;
    size_t len;
    cr_assert(troupe_unpack(data, "[s# x#]", &bytes, &len, &any, &len) == TROUPE_OK);
    cr_assert(bytes == list + 2 && any == list + 5);
}

Test(walk, depth_is_bounded)
{
    uint8_t data[20];
    memset(data, 0x91, sizeof data);
    size_t len;
    data[16] = 0xc0;
    troupe_bytes at_limit = {data, 17};
    cr_assert(troupe_pack_walk(at_limit, &len) == TROUPE_OK && len == 17);
    data[16] = 0x90;
    cr_assert(troupe_pack_walk(at_limit, &len) == TROUPE_EPROTOCOL);
}

Test(walk, counts_beyond_the_bytes_are_refused)
{
    static const struct {
        uint8_t data[8];
        size_t len;
    } hostile[] = {
        {{0xdd, 0xff, 0xff, 0xff, 0xff, 0xc0}, 6},
        {{0xdf, 0xff, 0xff, 0xff, 0xff, 0xc0}, 6},
        {{0xdb, 0xff, 0xff, 0xff, 0xff, 'a'}, 6},
        {{0xc6, 0x00, 0x00, 0x00, 0x02, 1}, 6},
        {{0xc9, 0xff, 0xff, 0xff, 0xff, 1}, 6},
        {{0xd8, 0x01, 1, 2}, 4},
        {{0x82, 0xa1, 'a', 1}, 4},
        {{0xcf, 0, 0}, 3},
        {{0xc1}, 1},
        {{0}, 0},
    };
    for (size_t i = 0; i < sizeof hostile / sizeof hostile[0]; i++) {
        size_t len;
        troupe_bytes data = {hostile[i].data, hostile[i].len};
        cr_assert(troupe_pack_walk(data, &len) == TROUPE_EPROTOCOL, "case %zu", i);
    }
}

/* TROUPE_TEST_SEED repeats a run. */
static uint64_t test_seed(void)
{
    const char *given = getenv("TROUPE_TEST_SEED");
    uint64_t seed = given != NULL ? strtoull(given, NULL, 10) : (uint64_t)time(NULL);
    return seed != 0 ? seed : 1;
}

static uint64_t random_next(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static unsigned depth_of(const msgpack_object *object)
{
    bool array = object->type == MSGPACK_OBJECT_ARRAY;
    if (!array && object->type != MSGPACK_OBJECT_MAP)
        return 0;
    unsigned deepest = 0;
    uint32_t count = array ? object->via.array.size : 2 * object->via.map.size;
    for (uint32_t i = 0; i < count; i++) {
        const msgpack_object *inner = array        ? &object->via.array.ptr[i]
                                      : i % 2 == 0 ? &object->via.map.ptr[i / 2].key
                                                   : &object->via.map.ptr[i / 2].val;
        unsigned depth = depth_of(inner);
        deepest = depth > deepest ? depth : deepest;
    }
    return deepest + 1;
}

/* msgpack-c reserves memory for a count before it looks: it gets no 32-bit counts but true ones. */
static bool counts_are_small(troupe_bytes data)
{
    for (size_t i = 0; i < data.len; i++) {
        if (data.data[i] == 0xdd || data.data[i] == 0xdf)
            return false;
    }
    return true;
}

/* Whatever the walker accepts msgpack-c accepts, with that length; and the other way round, as deep
 * as the walker goes. A copy with nothing behind it shows a read beyond to a sanitizer. */
static bool agrees(const uint8_t *bytes, size_t size)
{
    uint8_t *copy = malloc(size > 0 ? size : 1);
    memcpy(copy, bytes, size);
    troupe_bytes data = {copy, size};
    size_t len = 0;
    bool accepted = troupe_pack_walk(data, &len) == TROUPE_OK;
    bool agree = !accepted || (len > 0 && len <= size);
    if (accepted || counts_are_small(data)) {
        msgpack_unpacked u;
        msgpack_unpacked_init(&u);
        size_t end = 0;
        int result = msgpack_unpack_next(&u, (const char *)copy, size, &end);
        if (accepted)
            agree = agree && result == MSGPACK_UNPACK_SUCCESS && end == len;
        else if (result == MSGPACK_UNPACK_SUCCESS)
            agree = depth_of(&u.data) > TROUPE_PACK_DEPTH_MAX;
        msgpack_unpacked_destroy(&u);
    }
    free(copy);
    return agree;
}

Test(walk, random_bytes_agree_with_the_oracle)
{
    uint64_t seed = test_seed();
    uint64_t state = seed;
    for (int round = 0; round < 200000; round++) {
        uint8_t data[24];
        for (size_t i = 0; i < sizeof data; i++)
            data[i] = (uint8_t)random_next(&state);
        if (round % 2 == 0)
            data[0] = (uint8_t)(0x80 | (data[0] & 0x7f)); /* containers and codes, not numbers */
        cr_assert(agrees(data, random_next(&state) % (sizeof data + 1)), "seed %llu, round %d",
                  (unsigned long long)seed, round);
    }
}

/* Values of all kinds, containers with counts of all sizes. */
static void pack_all_kinds(troupe_buffer *b)
{
    static const uint8_t array16[] = {0xdc, 0, 2, 1, 2};
    static const uint8_t array32[] = {0xdd, 0, 0, 0, 1, 3};
    static const uint8_t map16[] = {0xde, 0, 1, 4, 5};
    static const uint8_t map32[] = {0xdf, 0, 0, 0, 1, 6, 7};
    static const uint8_t single[] = {0xca, 0x3f, 0x80, 0, 0};
    cr_assert(troupe_pack(b,
                          "[{s:s#, s:x#, s:j#} [i i i i I] [I U f] [b b n] [[[[[[i]]]]]]"
                          "r# r# r# r# r#]",
                          "text", "0123456789012345678901234567890123456789", (size_t)40, "bytes",
                          "abc", (size_t)3, "json", "[1,2]", (size_t)5, 1, 200, -7, -200,
                          INT64_C(-70000), INT64_MIN, UINT64_MAX, 1.5, 1, 0, 9, array16,
                          sizeof array16, array32, sizeof array32, map16, sizeof map16, map32,
                          sizeof map32, single, sizeof single) == TROUPE_OK);
}

Test(walk, every_truncation_is_refused)
{
    troupe_buffer b = {0};
    pack_all_kinds(&b);
    size_t len;
    cr_assert(troupe_pack_walk(troupe_buffer_bytes(&b), &len) == TROUPE_OK && len == b.len);
    for (size_t cut = 0; cut < b.len; cut++) {
        troupe_bytes part = {b.data, cut};
        cr_assert(troupe_pack_walk(part, &len) == TROUPE_EPROTOCOL, "%zu", cut);
        cr_assert(agrees(b.data, cut), "%zu", cut);
        const uint8_t *raw;
        if (cut > 0) /* nothing at all reads as nil */
            cr_assert(troupe_unpack(part, "r#", &raw, &len) == TROUPE_EPROTOCOL, "%zu", cut);
    }
    troupe_buffer_fini(&b);
}

Test(walk, mutated_messages_agree_with_the_oracle)
{
    uint64_t seed = test_seed();
    uint64_t state = seed;
    troupe_buffer b = {0};
    pack_all_kinds(&b);
    uint8_t copy[256];
    cr_assert(b.len <= sizeof copy);
    for (int round = 0; round < 100000; round++) {
        memcpy(copy, b.data, b.len);
        for (uint64_t changes = 1 + random_next(&state) % 4; changes > 0; changes--)
            copy[random_next(&state) % b.len] = (uint8_t)random_next(&state);
        cr_assert(agrees(copy, b.len), "seed %llu, round %d", (unsigned long long)seed, round);
        troupe_bytes data = {copy, b.len};
        const char *text;
        size_t text_len;
        int64_t wide;
        (void)!troupe_unpack(data, "[{s:s#} [I I I I I] [n n n] [[[[[[I]]]]]]]", "text", &text,
                             &text_len, &wide, &wide, &wide, &wide, &wide, &wide);
    }
    troupe_buffer_fini(&b);
}

/* A count times the size of its elements must not wrap round in 32 bits, nor be believed. */
Test(walk, counts_times_sizes_do_not_overflow)
{
    static const uint32_t counts[] = {0x80000000U, 0x7fffffffU, 0xfffffffeU,
                                      0x80000001U, 0x10000001U, 0x40000000U};
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        uint8_t data[64] = {0};
        for (int code = 0xc6; code <= 0xdf; code++) {
            if (code != 0xc6 && code != 0xc9 && code != 0xdb && code != 0xdd && code != 0xdf)
                continue;
            data[0] = (uint8_t)code;
            for (int byte = 0; byte < 4; byte++)
                data[1 + byte] = (uint8_t)(counts[i] >> (24 - 8 * byte));
            size_t len;
            troupe_bytes bytes = {data, sizeof data};
            cr_assert(troupe_pack_walk(bytes, &len) == TROUPE_EPROTOCOL, "%x %x", code, counts[i]);
        }
    }
    /* Each container may be as large as what is left, together they may not. */
    const uint8_t nested[] = {0x93, 0x93, 0x93, 0, 0, 0, 0, 0};
    size_t len;
    troupe_bytes bytes = {nested, sizeof nested};
    cr_assert(troupe_pack_walk(bytes, &len) == TROUPE_EPROTOCOL);
}

Test(unpack, formats_as_deep_as_the_data_may_be)
{
    uint8_t data[TROUPE_PACK_DEPTH_MAX + 1];
    memset(data, 0x91, sizeof data);
    data[TROUPE_PACK_DEPTH_MAX] = 7;
    troupe_bytes deepest = {data, sizeof data};
    int i = 0;
    cr_assert(troupe_unpack(deepest, "[[[[[[[[[[[[[[[[i]]]]]]]]]]]]]]]]", &i) == TROUPE_OK &&
              i == 7);
    cr_assert(troupe_unpack(deepest, "[[[[[[[[[[[[[[[[[i]]]]]]]]]]]]]]]]]", &i) == TROUPE_EPARAMS);
    /* Skipped with its arguments, and one level more than is allowed is a bad format. */
    const uint8_t empty[] = {0x80};
    troupe_bytes none = {empty, 1};
    cr_assert(troupe_unpack(none, "{s?:[[[[[[[[[[[[[[[i]]]]]]]]]]]]]]]}", "a", &i) == TROUPE_OK);
    cr_assert(troupe_unpack(none, "{s?:[[[[[[[[[[[[[[[[i]]]]]]]]]]]]]]]]}", "a", &i) ==
              TROUPE_EINVAL);
}

Test(buffer, grows_and_formats)
{
    troupe_buffer b = {0};
    for (int i = 0; i < 1000; i++)
        cr_assert(troupe_buffer_printf(&b, "%04d", i) == TROUPE_OK);
    cr_assert(b.len == 4000 && memcmp(b.data + 3996, "0999", 4) == 0);
    troupe_buffer_clear(&b);
    cr_assert(b.len == 0 && b.capacity >= 4000);
    cr_assert(troupe_buffer_append(&b, NULL, 0) == TROUPE_OK);
    troupe_buffer_fini(&b);
    cr_assert(b.data == NULL);
}

Test(buffer, impossible_size_fails_and_stays_failed)
{
    troupe_buffer b = {0};
    cr_assert(troupe_buffer_reserve(&b, SIZE_MAX / 2 + 1) == TROUPE_ENOMEM);
    cr_assert(b.failed);
    cr_assert(troupe_buffer_append(&b, "x", 1) == TROUPE_ENOMEM);
    cr_assert(troupe_pack(&b, "i", 1) == TROUPE_ENOMEM);
    troupe_buffer_clear(&b);
    cr_assert(troupe_buffer_append(&b, "x", 1) == TROUPE_OK);
    troupe_buffer_fini(&b);
}
