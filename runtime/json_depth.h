/* SPDX-License-Identifier: MIT */
/* How deep JSON text nests, before a parser that recurses sees it. Inline: both libraries use it.
 */
#ifndef RUNTIME_JSON_DEPTH_H
#define RUNTIME_JSON_DEPTH_H

#include <stdbool.h>
#include <stddef.h>

/* Whether brackets outside strings nest no deeper than that; says nothing about validity. */
static inline bool json_depth_within(const char *text, size_t len, unsigned max)
{
    unsigned depth = 0;
    bool string = false;
    for (size_t i = 0; i < len; i++) {
        char byte = text[i];
        if (string) {
            i += byte == '\\';
            string = byte != '"';
        } else if (byte == '"') {
            string = true;
        } else if (byte == '[' || byte == '{') {
            if (++depth > max)
                return false;
        } else if ((byte == ']' || byte == '}') && depth > 0) {
            depth--;
        }
    }
    return true;
}

#endif
