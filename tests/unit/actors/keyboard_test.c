/* SPDX-License-Identifier: MIT */
#include "actors/browser/keyboard.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

/* Strokes of a text as "key/code/text/code/modifiers", each on a line. */
static const char *strokes(const char *text)
{
    static char out[1000];
    size_t at = 0;
    size_t len = 0;
    out[0] = '\0';
    while (text[at] != '\0') {
        key_stroke key;
        troupe_reason reason = {{0}};
        if (keyboard_next(text, &at, &key, &reason) != TROUPE_OK) {
            snprintf(out + len, sizeof out - len, "! %s", reason.text);
            return out;
        }
        len += (size_t)snprintf(out + len, sizeof out - len, "%s/%s/%s/%d/%u\n", key.key, key.code,
                                strcmp(key.text, "\r") == 0 ? "CR" : key.text, key.key_code,
                                key.modifiers);
    }
    return out;
}

Test(keyboard, characters_are_keys_with_and_without_shift)
{
    cr_expect_str_eq(strokes("aZ1!"), "a/KeyA/a/65/0\nZ/KeyZ/Z/90/8\n1/Digit1/1/49/0\n"
                                      "!/Digit1/!/49/8\n");
    cr_expect_str_eq(strokes("- _}"), "-/Minus/-/189/0\n /Space/ /32/0\n_/Minus/_/189/8\n"
                                      "}/BracketRight/}/221/8\n");
    cr_expect_str_eq(strokes("\t\r\n"), "Tab/Tab//9/0\nEnter/Enter/CR/13/0\n");
}

Test(keyboard, other_characters_are_text)
{
    cr_expect_str_eq(strokes("ü€😀"), "//ü/0/0\n//€/0/0\n//😀/0/0\n");
    cr_expect_str_eq(strokes("\xc3"), "//\xc3/0/0\n", "cut off: passed on as it is");
}

Test(keyboard, braces_name_keys)
{
    cr_expect_str_eq(strokes("{Enter}{{{space}"),
                     "Enter/Enter/CR/13/0\n{/BracketLeft/{/219/8\n /Space/ /32/0\n");
    cr_expect_str_eq(strokes("{Control+a}{ctrl+Shift+k}{F12}"),
                     "a/KeyA//65/2\nK/KeyK//75/10\nF12/F12//123/0\n");
    cr_expect_str_eq(strokes("{Control+A}{Alt+Shift+A}"), "a/KeyA//65/2\nA/KeyA//65/9\n");
    cr_expect_str_eq(strokes("{Shift+ArrowLeft}{Shift+a}{Control++}"),
                     "ArrowLeft/ArrowLeft//37/8\nA/KeyA/A/65/8\n+/Equal//187/10\n");
}

Test(keyboard, every_key_of_the_inventory_is_there)
{
    static const char *const keys[] = {"Enter",   "Tab",       "Escape",    "Backspace",  "Delete",
                                       "ArrowUp", "ArrowDown", "ArrowLeft", "ArrowRight", "Home",
                                       "End",     "PageUp",    "PageDown",  "Space"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        key_stroke key;
        cr_expect_eq(keyboard_combination(keys[i], strlen(keys[i]), &key, NULL), TROUPE_OK, "%s",
                     keys[i]);
        cr_expect(key.key_code != 0 && key.code[0] != '\0', "%s", keys[i]);
    }
}

Test(keyboard, mistakes_are_told_with_their_place)
{
    cr_expect_not_null(strstr(strokes("ab{Entr}"), "at byte 2"));
    cr_expect_not_null(strstr(strokes("ab{Entr}"), "\"Entr\""));
    cr_expect_not_null(strstr(strokes("{"), "at byte 0"));
    cr_expect_not_null(strstr(strokes("x{}"), "at byte 1"));
    cr_expect_not_null(strstr(strokes("{a+b}"), "cannot be held"));
    cr_expect_not_null(strstr(strokes("{F25}"), "no key"));
    cr_expect_not_null(strstr(strokes("{Control+}"), "no key"));
}
