/* SPDX-License-Identifier: MIT */
/** The nearest of several words to one that was mistyped. */
#ifndef TROUPE_CLI_SUGGEST_H
#define TROUPE_CLI_SUGGEST_H

#include <stddef.h>

/** Start with suggest_start, offer each candidate, then ask. Candidates are borrowed. */
typedef struct suggest {
    const char *word;
    const char *best; /* NULL until one was offered */
    size_t distance;  /* of best */
} suggest;

void suggest_start(suggest *state, const char *word);
void suggest_offer(suggest *state, const char *candidate);

/** The nearest candidate if it is near enough to be what was meant, else NULL. */
const char *suggest_result(const suggest *state);

/** Edits (insert, delete, replace, swap of neighbours) between two words, letters compared without
 * case, `-` and `_` as the same. Words longer than 63 bytes are compared by their first 63. */
size_t suggest_distance(const char *a, const char *b);

#endif
