/* SPDX-License-Identifier: MIT */
/**
 * The US keyboard: what Input.dispatchKeyEvent needs for a key, and text with keys in it as
 * strokes.
 *
 * Text may hold keys in braces: "{Enter}", "{Control+a}"; "{{" is a brace.
 */
#ifndef TROUPE_ACTORS_BROWSER_KEYBOARD_H
#define TROUPE_ACTORS_BROWSER_KEYBOARD_H

#include "troupe/error.h"

#include <stddef.h>

/** Bits of Input's `modifiers`. */
enum { KEY_ALT = 1, KEY_CONTROL = 2, KEY_META = 4, KEY_SHIFT = 8 };

/** One key pressed and released, or text that no key gives. */
typedef struct key_stroke {
    char key[24];       /* DOM `key`: "a", "Enter"; "" = only text */
    char code[24];      /* DOM `code`: "KeyA" */
    char text[8];       /* what it types, UTF-8; "" = nothing */
    int key_code;       /* windowsVirtualKeyCode */
    int location;       /* 1 = left, 3 = numeric keypad, else 0 */
    unsigned modifiers; /* held with it */
} key_stroke;

/**
 * The next stroke of a text with keys in braces.
 *
 * @param at  the place in `text` (NUL-terminated UTF-8), moved behind the stroke
 * @return TROUPE_OK; TROUPE_EPARAMS with the reason (which key, where) at braces that name none
 */
troupe_error keyboard_next(const char *text, size_t *at, key_stroke *out,
                           troupe_reason *reason) TROUPE_MUST_USE;

/** A key with modifiers: "Control+Shift+K", "Enter". TROUPE_EPARAMS with the reason. */
troupe_error keyboard_combination(const char *text, size_t len, key_stroke *out,
                                  troupe_reason *reason) TROUPE_MUST_USE;

#endif
