/* SPDX-License-Identifier: MIT */
/* ASCII is passed over 64 bytes at a time. The rest runs through an automaton whose nine states are
 * shift counts: the row of a byte holds, at each state's count, the next state in six bits. So a
 * step is one shift, and only the shift depends on the step before. */
#include "utf8_check.h"

#include <string.h>

/* States, as shift counts. START is 0, so that a fresh state is a zero. */
#define START      0
#define REJECT     6
#define ONE_LEFT   12
#define TWO_LEFT   18
#define THREE_LEFT 24
#define AFTER_E0   30 /* A0..BF must follow: shorter forms exist for less */
#define AFTER_ED   36 /* 80..9F: the rest are surrogates */
#define AFTER_F0   42 /* 90..BF: shorter forms exist for less */
#define AFTER_F4   48 /* 80..8F: nothing above U+10FFFF */

#define SHIFT_MASK 63
#define BLOCK      64 /* bytes of ASCII passed over at a time */

/* A row is REJECT at every state, but for what is xor-ed into it. */
#define TO(from, to)  ((uint64_t)((to) ^ REJECT) << (from))
#define BAD           ((uint64_t)REJECT * 0x1041041041041ULL)
#define ASCII         (BAD ^ TO(START, START))
#define LEAD(state)   (BAD ^ TO(START, state))
#define FOLLOW        (BAD ^ TO(ONE_LEFT, START) ^ TO(TWO_LEFT, ONE_LEFT) ^ TO(THREE_LEFT, TWO_LEFT))
#define FOLLOW_80     (FOLLOW ^ TO(AFTER_ED, ONE_LEFT) ^ TO(AFTER_F4, TWO_LEFT))
#define FOLLOW_90     (FOLLOW ^ TO(AFTER_ED, ONE_LEFT) ^ TO(AFTER_F0, TWO_LEFT))
#define FOLLOW_A0     (FOLLOW ^ TO(AFTER_E0, ONE_LEFT) ^ TO(AFTER_F0, TWO_LEFT))
#define TIMES_4(row)  row, row, row, row
#define TIMES_16(row) TIMES_4(row), TIMES_4(row), TIMES_4(row), TIMES_4(row)
#define TIMES_64(row) TIMES_16(row), TIMES_16(row), TIMES_16(row), TIMES_16(row)

/* clang-format off */
static const uint64_t rows[256] = {
    TIMES_64(ASCII), TIMES_64(ASCII),
    TIMES_16(FOLLOW_80), TIMES_16(FOLLOW_90), TIMES_16(FOLLOW_A0), TIMES_16(FOLLOW_A0),
    BAD, BAD, LEAD(ONE_LEFT), LEAD(ONE_LEFT), TIMES_4(LEAD(ONE_LEFT)), /* C0.. */
    TIMES_4(LEAD(ONE_LEFT)), TIMES_4(LEAD(ONE_LEFT)),
    TIMES_16(LEAD(ONE_LEFT)),                                          /* D0.. */
    LEAD(AFTER_E0), LEAD(TWO_LEFT), LEAD(TWO_LEFT), LEAD(TWO_LEFT),    /* E0.. */
    TIMES_4(LEAD(TWO_LEFT)), TIMES_4(LEAD(TWO_LEFT)),
    LEAD(TWO_LEFT), LEAD(AFTER_ED), LEAD(TWO_LEFT), LEAD(TWO_LEFT),
    LEAD(AFTER_F0), LEAD(THREE_LEFT), LEAD(THREE_LEFT), LEAD(THREE_LEFT), /* F0.. */
    LEAD(AFTER_F4), BAD, BAD, BAD, TIMES_4(BAD), TIMES_4(BAD),
};
/* clang-format on */

static bool words_are_ascii(const char *data, size_t count)
{
    uint64_t words[BLOCK / 8];
    uint64_t all = 0;
    memcpy(words, data, 8 * count);
    for (size_t i = 0; i < count; i++) {
        all |= words[i];
    }
    return (all & 0x8080808080808080ULL) == 0;
}

/** How many of the first bytes are ASCII: whole blocks, then whole words. */
static size_t ascii_prefix(const char *data, size_t len)
{
    size_t at = 0;
    while (len - at >= BLOCK && words_are_ascii(data + at, BLOCK / 8)) {
        at += BLOCK;
    }
    while (len - at >= 8 && words_are_ascii(data + at, 1)) {
        at += 8;
    }
    return at;
}

bool utf8_check(utf8_state *state, const char *data, size_t len)
{
    uint64_t at_state = *state;
    size_t at = 0;
    while (at < len) {
        if (at_state == START) {
            at += ascii_prefix(data + at, len - at);
        }
        size_t end = len - at > BLOCK ? at + BLOCK : len;
        for (; at < end; at++) {
            at_state = rows[(unsigned char)data[at]] >> (at_state & SHIFT_MASK);
        }
        at_state &= SHIFT_MASK;
        if (at_state == REJECT) {
            break;
        }
    }
    *state = at_state;
    return at_state != REJECT;
}

bool utf8_ok(const char *data, size_t len)
{
    utf8_state state = START;
    return utf8_check(&state, data, len) && utf8_whole(state);
}
