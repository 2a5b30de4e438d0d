/* SPDX-License-Identifier: MIT */
/** Whether bytes are UTF-8, piece by piece: text of a WebSocket comes in frames that may cut a
 * character in two. */
#ifndef TROUPE_TRANSPORT_UTF8_CHECK_H
#define TROUPE_TRANSPORT_UTF8_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Where a text stands; zero-initialised is the start of one, and the end of a whole one. */
typedef uint64_t utf8_state;

/**
 * Take the next bytes. UTF-8 as RFC 3629 has it: no surrogates, nothing above U+10FFFF, shortest
 * forms only. A wrong byte is noticed in the piece that holds it.
 *
 * @return false: it is not UTF-8, whatever follows
 */
bool utf8_check(utf8_state *state, const char *data, size_t len);

/** Whether the text may end here: no character is cut. */
static inline bool utf8_whole(utf8_state state)
{
    return state == 0;
}

/** A whole text at once. */
bool utf8_ok(const char *data, size_t len);

#endif
