/* SPDX-License-Identifier: MIT */
/* The nearest of several words: optimal string alignment distance. */
#include "suggest.h"

#include <ctype.h>
#include <stdint.h>
#include <string.h>

#define WORD_MAX 63

static char fold(char c)
{
    return c == '_' ? '-' : (char)tolower((unsigned char)c);
}

static size_t min3(size_t a, size_t b, size_t c)
{
    size_t least = a < b ? a : b;
    return least < c ? least : c;
}

size_t suggest_distance(const char *a, const char *b)
{
    size_t rows[3][WORD_MAX + 1]; /* two rows back, one back, this one */
    size_t a_len = strnlen(a, WORD_MAX);
    size_t b_len = strnlen(b, WORD_MAX);
    for (size_t j = 0; j <= b_len; j++) {
        rows[0][j] = j;
    }
    for (size_t i = 1; i <= a_len; i++) {
        size_t *now = rows[i % 3];
        const size_t *before = rows[(i + 2) % 3];
        const size_t *earlier = rows[(i + 1) % 3];
        now[0] = i;
        for (size_t j = 1; j <= b_len; j++) {
            size_t same = fold(a[i - 1]) == fold(b[j - 1]) ? 0 : 1;
            now[j] = min3(before[j] + 1, now[j - 1] + 1, before[j - 1] + same);
            if (i > 1 && j > 1 && fold(a[i - 1]) == fold(b[j - 2]) &&
                fold(a[i - 2]) == fold(b[j - 1]) && earlier[j - 2] + 1 < now[j]) {
                now[j] = earlier[j - 2] + 1;
            }
        }
    }
    return rows[a_len % 3][b_len];
}

void suggest_start(suggest *state, const char *word)
{
    state->word = word;
    state->best = NULL;
    state->distance = SIZE_MAX;
}

void suggest_offer(suggest *state, const char *candidate)
{
    size_t distance = suggest_distance(state->word, candidate);
    size_t len = strlen(state->word);
    if (len >= 2 && strncasecmp(candidate, state->word, len) == 0 && distance > 1) {
        distance = 1; /* a beginning of the word counts as one slip */
    }
    if (distance < state->distance) {
        state->distance = distance;
        state->best = candidate;
    }
}

const char *suggest_result(const suggest *state)
{
    size_t slips = 1 + strlen(state->word) / 4;
    return state->distance <= slips ? state->best : NULL;
}
