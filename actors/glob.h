/* SPDX-License-Identifier: MIT */
/** Patterns of addresses: `*` stands for any text, `?` for one character, all else for itself. */
#ifndef TROUPE_ACTORS_GLOB_H
#define TROUPE_ACTORS_GLOB_H

#include <stdbool.h>
#include <stddef.h>

/** Whether the whole text matches; bytes are compared. Linear in practice, at worst the product of
 * both lengths. */
static inline bool glob_matches(const char *pattern, const char *text)
{
    const char *star = NULL; /* the last one, and what it stands for ends before `retry` */
    const char *retry = NULL;
    while (*text != '\0') {
        if (*pattern == '*') {
            star = ++pattern;
            retry = text;
        } else if (*pattern == '?' || *pattern == *text) {
            pattern++;
            text++;
        } else if (star != NULL) {
            pattern = star;
            text = ++retry;
        } else {
            return false;
        }
    }
    while (*pattern == '*') {
        pattern++;
    }
    return *pattern == '\0';
}

#endif
