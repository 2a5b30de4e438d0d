/* SPDX-License-Identifier: MIT */
/** A line of the shell as words. */
#ifndef TROUPE_CLI_SHELL_WORDS_H
#define TROUPE_CLI_SHELL_WORDS_H

#include "troupe/error.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#define SHELL_WORDS_MAX 200

typedef struct shell_words {
    char *word[SHELL_WORDS_MAX + 1]; /* ends with NULL; each owned */
    size_t count;
} shell_words;

/**
 * Split a line as sh does: blanks, '…', "…", \. A word that is $_ or $_.path ($_.rows[0].id) stands
 * for a part of `last`: a text as it is, all else as JSON; not within '…'. # begins a comment.
 *
 * @return TROUPE_OK; TROUPE_EPARAMS with the reason (an open quote, no such part, too many words);
 *         TROUPE_ENOMEM. Nothing is owned then.
 */
troupe_error shell_split(const char *line, const json_t *last, shell_words *out,
                         troupe_reason *reason) TROUPE_MUST_USE;
void shell_words_fini(shell_words *words);

/** Whether more lines belong to it: a quote, bracket or brace is open, or it ends with \. */
bool shell_open(const char *text);

#endif
