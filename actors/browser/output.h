/* SPDX-License-Identifier: MIT */
/** The last that a process printed: a ring of bounded size. */
#ifndef TROUPE_ACTORS_BROWSER_OUTPUT_H
#define TROUPE_ACTORS_BROWSER_OUTPUT_H

#include <stddef.h>
#include <stdint.h>

#define OUTPUT_MAX (64u << 10)

/** Zero-initialised is empty. */
typedef struct output {
    char *bytes; /* grows up to OUTPUT_MAX, then a ring; NULL while nothing was printed */
    size_t capacity;
    uint64_t total; /* printed so far; more than OUTPUT_MAX: the first are gone */
} output;

/** Take in bytes. Without memory they are counted, not kept. */
void output_add(output *self, const char *bytes, size_t len);

/**
 * What is kept, as text: new, NUL-terminated, valid UTF-8 (what is not, or a NUL, becomes U+FFFD);
 * begins at a line if its begin was lost. NULL without memory.
 */
char *output_text(const output *self);

/** The last line worth showing, printable ASCII; "" if none. */
void output_last_words(const output *self, char *line, size_t size);

void output_fini(output *self);

#endif
