/* SPDX-License-Identifier: MIT */
/** What a terminal shows: widths of UTF-8 text, cutting, colours, and nothing that could steer it.
 */
#ifndef TROUPE_CLI_TERM_H
#define TROUPE_CLI_TERM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

typedef enum term_colour {
    TERM_PLAIN,
    TERM_BOLD,
    TERM_DIM,
    TERM_RED,
    TERM_GREEN,
    TERM_YELLOW,
    TERM_BLUE,
    TERM_CYAN,
} term_colour;

typedef enum term_cut {
    TERM_KEEP,   /* never cut */
    TERM_END,    /* "beginning…" */
    TERM_MIDDLE, /* "http://exam…/file.js": both ends of a URL say something */
} term_cut;

/** Make character widths known (LC_CTYPE only; UTF-8 is assumed if the locale does not say so). */
void term_init(void);

/** Columns of the terminal behind `out`; $COLUMNS beats it; 0 = no terminal, no limit. */
size_t term_width(FILE *out);

/** Whether colours are wanted: a terminal, and NO_COLOR not set, and TERM not "dumb". */
bool term_colours(FILE *out);

/** Escape sequences; "" for TERM_PLAIN. */
const char *term_code(term_colour colour);
#define TERM_RESET "\033[0m"

/** Columns that the text takes. Bytes that are not UTF-8 count 1 each. */
size_t term_text_width(const char *text);

/** A copy in one line that cannot steer the terminal: line breaks (with the indent behind
 * them) and tabs become blanks, other
 * control characters and bytes that are not UTF-8 become U+FFFD. Freed by the caller; NULL: no
 * memory. */
char *term_clean(const char *text);

/** A copy of at most `width` columns, with "…" where something was cut. width 0 = no limit. Freed
 * by the caller; NULL: no memory. */
char *term_fit(const char *text, size_t width, term_cut cut);

#endif
