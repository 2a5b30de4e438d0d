/* SPDX-License-Identifier: MIT */
/** A list of strings that grows, ready to be an argv: ends with NULL. */
#ifndef TROUPE_ACTORS_BROWSER_WORDS_H
#define TROUPE_ACTORS_BROWSER_WORDS_H

#include "troupe/error.h"

#include <stdbool.h>
#include <stddef.h>

/** Zero-initialised is empty. */
typedef struct words {
    char **items; /* `count`, then NULL; NULL while nothing was added */
    size_t count;
    size_t capacity;
    bool failed; /* memory ran out: some are missing */
} words;

/** Add a copy. Failures are remembered in `failed`, to be looked at once. */
void words_add(words *list, const char *text);
/** Likewise, printed. */
void words_addf(words *list, const char *format, ...) TROUPE_PRINTF(2, 3);
void words_fini(words *list);

#endif
