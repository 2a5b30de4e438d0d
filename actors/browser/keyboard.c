/* SPDX-License-Identifier: MIT */
/* Layout: that of a US keyboard, as https://www.w3.org/TR/uievents-code/ names its keys. */
#include "keyboard.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

typedef struct named_key {
    const char *name; /* as DOM `key` says it */
    const char *code;
    int key_code;
    int location;
    const char *text;
} named_key;

static const named_key named[] = {
    {"Enter", "Enter", 13, 0, "\r"},
    {"Tab", "Tab", 9, 0, ""},
    {"Escape", "Escape", 27, 0, ""},
    {"Backspace", "Backspace", 8, 0, ""},
    {"Delete", "Delete", 46, 0, ""},
    {"ArrowUp", "ArrowUp", 38, 0, ""},
    {"ArrowDown", "ArrowDown", 40, 0, ""},
    {"ArrowLeft", "ArrowLeft", 37, 0, ""},
    {"ArrowRight", "ArrowRight", 39, 0, ""},
    {"Home", "Home", 36, 0, ""},
    {"End", "End", 35, 0, ""},
    {"PageUp", "PageUp", 33, 0, ""},
    {"PageDown", "PageDown", 34, 0, ""},
    {"Insert", "Insert", 45, 0, ""},
    {"Shift", "ShiftLeft", 16, 1, ""},
    {"Control", "ControlLeft", 17, 1, ""},
    {"Alt", "AltLeft", 18, 1, ""},
    {"Meta", "MetaLeft", 91, 1, ""},
    {"CapsLock", "CapsLock", 20, 0, ""},
    {"ContextMenu", "ContextMenu", 93, 0, ""},
    {"Pause", "Pause", 19, 0, ""},
    {"ScrollLock", "ScrollLock", 145, 0, ""},
    {"NumLock", "NumLock", 144, 0, ""},
    {"PrintScreen", "PrintScreen", 44, 0, ""},
};

/* What may be said instead. */
static const char *const aliases[][2] = {
    {"Space", " "},        {"Esc", "Escape"},     {"Return", "Enter"},     {"Up", "ArrowUp"},
    {"Down", "ArrowDown"}, {"Left", "ArrowLeft"}, {"Right", "ArrowRight"}, {"Ctrl", "Control"},
    {"Cmd", "Meta"},       {"Command", "Meta"},   {"Option", "Alt"},       {"Del", "Delete"},
    {"Plus", "+"},
};

/* Keys of characters that are neither letters nor digits: with and without shift. */
static const struct {
    const char *code;
    int key_code;
    char plain, shifted;
} signs[] = {
    {"Minus", 189, '-', '_'},        {"Equal", 187, '=', '+'},      {"BracketLeft", 219, '[', '{'},
    {"BracketRight", 221, ']', '}'}, {"Backslash", 220, '\\', '|'}, {"Semicolon", 186, ';', ':'},
    {"Quote", 222, '\'', '"'},       {"Backquote", 192, '`', '~'},  {"Comma", 188, ',', '<'},
    {"Period", 190, '.', '>'},       {"Slash", 191, '/', '?'},      {"Space", 32, ' ', ' '},
};

static const char digits_shifted[] = ")!@#$%^&*(";

static void set_char(key_stroke *out, char c, int key_code, bool shifted)
{
    out->key[0] = c;
    out->key[1] = '\0';
    memcpy(out->text, out->key, 2);
    out->key_code = key_code;
    out->modifiers |= shifted ? KEY_SHIFT : 0;
}

static bool stroke_of_digit(char c, key_stroke *out)
{
    const char *above = c != '\0' ? strchr(digits_shifted, c) : NULL;
    bool plain = c >= '0' && c <= '9';
    if (!plain && above == NULL) {
        return false;
    }
    int digit = plain ? c - '0' : (int)(above - digits_shifted);
    snprintf(out->code, sizeof out->code, "Digit%d", digit);
    set_char(out, c, '0' + digit, !plain);
    return true;
}

static bool stroke_of_char(char c, key_stroke *out)
{
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) {
        int upper = c >= 'a' ? c - 'a' + 'A' : c;
        snprintf(out->code, sizeof out->code, "Key%c", upper);
        set_char(out, c, upper, c < 'a');
        return true;
    }
    if (stroke_of_digit(c, out)) {
        return true;
    }
    for (size_t i = 0; i < sizeof signs / sizeof *signs; i++) {
        if (c == signs[i].plain || c == signs[i].shifted) {
            snprintf(out->code, sizeof out->code, "%s", signs[i].code);
            set_char(out, c, signs[i].key_code, c != signs[i].plain);
            return true;
        }
    }
    return false;
}

static bool same(const char *name, size_t len, const char *other)
{
    return strlen(other) == len && strncasecmp(name, other, len) == 0;
}

static bool stroke_of_function(const char *name, size_t len, key_stroke *out)
{
    int number = 0;
    if (len < 2 || len > 3 || (name[0] | 0x20) != 'f') {
        return false;
    }
    for (size_t i = 1; i < len; i++) {
        if (name[i] < '0' || name[i] > '9') {
            return false;
        }
        number = number * 10 + (name[i] - '0');
    }
    if (number < 1 || number > 24) {
        return false;
    }
    snprintf(out->key, sizeof out->key, "F%d", number);
    snprintf(out->code, sizeof out->code, "F%d", number);
    out->key_code = 111 + number;
    return true;
}

static bool stroke_of_name(const char *name, size_t len, key_stroke *out)
{
    for (size_t i = 0; i < sizeof aliases / sizeof *aliases; i++) {
        if (same(name, len, aliases[i][0])) {
            name = aliases[i][1];
            len = strlen(name);
            break;
        }
    }
    if (len == 1) {
        return stroke_of_char(name[0], out);
    }
    for (size_t i = 0; i < sizeof named / sizeof *named; i++) {
        if (same(name, len, named[i].name)) {
            snprintf(out->key, sizeof out->key, "%s", named[i].name);
            snprintf(out->code, sizeof out->code, "%s", named[i].code);
            snprintf(out->text, sizeof out->text, "%s", named[i].text);
            out->key_code = named[i].key_code;
            out->location = named[i].location;
            return true;
        }
    }
    return stroke_of_function(name, len, out);
}

static unsigned modifier_of(const key_stroke *key)
{
    return strcmp(key->key, "Alt") == 0       ? KEY_ALT
           : strcmp(key->key, "Control") == 0 ? KEY_CONTROL
           : strcmp(key->key, "Meta") == 0    ? KEY_META
           : strcmp(key->key, "Shift") == 0   ? KEY_SHIFT
                                              : 0;
}

/* With shift a letter is the capital one; with another modifier a key types nothing, and "A" is the
 * key of that letter: Control+A is not Control+Shift+A. */
static void apply_modifiers(key_stroke *out, unsigned held)
{
    if ((held & ~(unsigned)KEY_SHIFT) != 0 && out->key[1] == '\0' && out->key[0] >= 'A' &&
        out->key[0] <= 'Z') {
        out->key[0] = (char)(out->key[0] - 'A' + 'a');
        out->modifiers = 0;
    }
    out->modifiers |= held;
    if ((out->modifiers & KEY_SHIFT) != 0 && out->key[1] == '\0' && out->key[0] >= 'a' &&
        out->key[0] <= 'z') {
        out->key[0] = (char)(out->key[0] - 'a' + 'A');
        out->text[0] = out->key[0];
    }
    if ((out->modifiers & (KEY_ALT | KEY_CONTROL | KEY_META)) != 0) {
        out->text[0] = '\0';
    }
}

troupe_error keyboard_combination(const char *text, size_t len, key_stroke *out,
                                  troupe_reason *reason)
{
    unsigned held = 0;
    size_t start = 0;
    for (size_t i = 0; i <= len; i++) {
        bool end = i == len;
        if (!end && (text[i] != '+' || i == start)) { /* "+" itself is a key */
            continue;
        }
        key_stroke key = {.key_code = 0};
        if (!stroke_of_name(text + start, i - start, &key)) {
            return troupe_fail(reason, TROUPE_EPARAMS,
                               "no key is called \"%.*s\" (Enter, Tab, ArrowUp, F5, a, …)",
                               (int)(i - start > 40 ? 40 : i - start), text + start);
        }
        if (!end && modifier_of(&key) == 0) {
            return troupe_fail(reason, TROUPE_EPARAMS,
                               "\"%.*s\" cannot be held: only Alt, Control, Meta and Shift can",
                               (int)(i - start), text + start);
        }
        if (!end) {
            held |= modifier_of(&key);
            start = i + 1;
            continue;
        }
        apply_modifiers(&key, held);
        *out = key;
    }
    return TROUPE_OK;
}

/* Bytes of the character that begins there; at least 1. */
static size_t character_len(const char *text)
{
    unsigned char first = (unsigned char)text[0];
    size_t len = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    for (size_t i = 1; i < len; i++) {
        if (((unsigned char)text[i] & 0xc0) != 0x80) {
            return i;
        }
    }
    return len;
}

static troupe_error braces(const char *text, size_t *at, key_stroke *out, troupe_reason *reason)
{
    size_t len = strcspn(text + *at + 1, "}");
    if (text[*at + 1 + len] == '\0' || len == 0) {
        return troupe_fail(reason, TROUPE_EPARAMS,
                           "at byte %zu of the text: \"{\" begins the name of a key, as in "
                           "{Enter}; \"{{\" is a brace",
                           *at);
    }
    troupe_reason why = {{0}};
    if (keyboard_combination(text + *at + 1, len, out, &why) != TROUPE_OK) {
        return troupe_fail(reason, TROUPE_EPARAMS, "at byte %zu of the text: %s", *at, why.text);
    }
    *at += len + 2;
    return TROUPE_OK;
}

troupe_error keyboard_next(const char *text, size_t *at, key_stroke *out, troupe_reason *reason)
{
    memset(out, 0, sizeof *out);
    if (text[*at] == '{' && text[*at + 1] != '{') {
        return braces(text, at, out, reason);
    }
    if (text[*at] == '\n' || text[*at] == '\r' || text[*at] == '\t') {
        const char *name = text[*at] == '\t' ? "Tab" : "Enter";
        *at += text[*at] == '\r' && text[*at + 1] == '\n' ? 2 : 1;
        (void)stroke_of_name(name, strlen(name), out);
        return TROUPE_OK;
    }
    size_t len = character_len(text + *at);
    if (len > 1 || !stroke_of_char(text[*at], out)) {
        memcpy(out->text, text + *at, len);
        out->text[len] = '\0';
    }
    *at += text[*at] == '{' ? 2 : len;
    return TROUPE_OK;
}
