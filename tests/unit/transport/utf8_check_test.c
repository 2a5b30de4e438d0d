/* SPDX-License-Identifier: MIT */
#include "transport/utf8_check.h"

#include <criterion/criterion.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/** The rules of RFC 3629, section 4, written down the slow way. */
static bool plainly_ok(const uint8_t *s, size_t len)
{
    for (size_t i = 0; i < len;) {
        size_t left = s[i] < 0x80 ? 0 : s[i] < 0xC2 ? 9 : s[i] < 0xE0 ? 1 : s[i] < 0xF0 ? 2 : 3;
        uint8_t low = s[i] == 0xE0 ? 0xA0 : s[i] == 0xF0 ? 0x90 : 0x80;
        uint8_t high = s[i] == 0xED ? 0x9F : s[i] == 0xF4 ? 0x8F : 0xBF;
        if (s[i] > 0xF4 || left > len - i - 1) {
            return false;
        }
        for (size_t k = 1; k <= left; k++, low = 0x80, high = 0xBF) {
            if (s[i + k] < low || s[i + k] > high) {
                return false;
            }
        }
        i += left + 1;
    }
    return true;
}

static void expect_same(const uint8_t *bytes, size_t len)
{
    bool ok = utf8_ok((const char *)bytes, len);
    cr_assert_eq(ok, plainly_ok(bytes, len), "%zu bytes: %02x %02x %02x %02x", len, bytes[0],
                 bytes[1], bytes[2], bytes[3]);
}

Test(utf8_check, every_sequence_of_up_to_three_bytes_is_judged_by_the_rules)
{
    for (unsigned n = 0; n < 1U << 24; n++) {
        uint8_t bytes[4] = {(uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n, 0};
        expect_same(bytes, 3);
        if ((n & 0xFF) == 0) {
            expect_same(bytes, 2);
        }
    }
}

Test(utf8_check, four_byte_sequences_are_judged_by_the_rules)
{
    static const uint8_t edges[] = {0x00, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xFF};
    for (unsigned lead = 0xC0; lead < 0x100; lead++) {
        for (unsigned n = 0; n < 1000; n++) {
            uint8_t bytes[4] = {(uint8_t)lead, edges[n / 100], edges[n / 10 % 10], edges[n % 10]};
            expect_same(bytes, 4);
        }
    }
}

Test(utf8_check, every_character_is_accepted_and_cut_anywhere_but_at_its_end_not_whole)
{
    for (uint32_t c = 0; c <= 0x10FFFF; c += c >= 0x10000 ? 251 : 1) {
        uint8_t s[4] = {(uint8_t)c};
        size_t len = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
        static const uint8_t marks[] = {0, 0, 0xC0, 0xE0, 0xF0};
        for (size_t i = len - 1, rest = c; len > 1 && i < len; i--, rest >>= 6) {
            s[i] = (uint8_t)(i == 0 ? marks[len] | rest : 0x80 | (rest & 0x3F));
        }
        bool surrogate = c >= 0xD800 && c <= 0xDFFF;
        cr_assert_eq(utf8_ok((char *)s, len), !surrogate, "U+%04X", c);
        for (size_t cut = 1; cut < len && !surrogate; cut++) {
            utf8_state state = 0;
            cr_assert(utf8_check(&state, (char *)s, cut));
            cr_assert_not(utf8_whole(state));
            cr_assert(utf8_check(&state, (char *)s + cut, len - cut));
            cr_assert(utf8_whole(state));
        }
    }
}

Test(utf8_check, long_texts_with_one_wrong_byte_anywhere_are_refused_in_its_piece)
{
    char text[300];
    for (size_t i = 0; i < sizeof(text) - 1; i += 3) {
        memcpy(text + i, i / 90 % 2 == 0 ? "abc" : "\xe2\x82\xac", 3);
    }
    cr_assert(utf8_ok(text, sizeof(text)));
    for (size_t wrong = 0; wrong < sizeof(text); wrong++) {
        char kept = text[wrong];
        text[wrong] = (char)0xFF;
        cr_assert_not(utf8_ok(text, sizeof(text)));
        for (size_t step = 1; step < 80; step += 7) {
            utf8_state state = 0;
            for (size_t at = 0; at < sizeof(text); at += step) {
                size_t len = sizeof(text) - at < step ? sizeof(text) - at : step;
                bool ok = utf8_check(&state, text + at, len);
                cr_assert_eq(ok, at + len <= wrong, "byte %zu, pieces of %zu", wrong, step);
                if (!ok) {
                    break;
                }
            }
        }
        text[wrong] = kept;
    }
}
