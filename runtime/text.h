/* SPDX-License-Identifier: MIT */
/** Texts for people that stand in buffers of fixed size: whole characters, valid UTF-8. */
#ifndef TROUPE_RUNTIME_TEXT_H
#define TROUPE_RUNTIME_TEXT_H

#include <stddef.h>

#define TEXT_CUT ((size_t)-1)

/** Bytes of the character that a NUL-terminated text begins with; 0: that is none (RFC 3629);
 * TEXT_CUT: the text ends inside it. */
static inline size_t text_character(const char *text)
{
    const unsigned char *at = (const unsigned char *)text;
    size_t len = at[0] < 0x80 ? 1 : at[0] < 0xc2 ? 0 : at[0] < 0xe0 ? 2 : at[0] < 0xf0 ? 3 : 4;
    for (size_t i = 1; i < len; i++) {
        if ((at[i] & 0xc0) != 0x80)
            return at[i] == '\0' && at[0] <= 0xf4 ? TEXT_CUT : 0;
    }
    int low = at[0] == 0xe0 ? 0xa0 : at[0] == 0xf0 ? 0x90 : 0x80;
    int high = at[0] == 0xed ? 0x9f : at[0] == 0xf4 ? 0x8f : 0xbf;
    return at[0] > 0xf4 || (len > 2 && (at[1] < low || at[1] > high)) ? 0 : len;
}

/** Make it valid UTF-8: a character that was cut at the end goes, other wrong bytes become '?'. */
static inline void text_repair(char *text)
{
    while (*text != '\0') {
        size_t len = text_character(text);
        if (len == TEXT_CUT) {
            *text = '\0';
        } else if (len == 0) {
            *text++ = '?';
        } else {
            text += len;
        }
    }
}

#endif
