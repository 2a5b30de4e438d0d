/* SPDX-License-Identifier: MIT */
/* The last that a process printed. */
#include "output.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OUTPUT_LEAST 1024

static size_t kept(const output *self)
{
    return self->total < self->capacity ? (size_t)self->total : self->capacity;
}

/* Grows only while nothing was lost: the bytes lie in order from the start. */
static void make_room(output *self, size_t more)
{
    size_t needed = (size_t)self->total + more;
    size_t capacity = self->capacity == 0 ? OUTPUT_LEAST : self->capacity;
    while (capacity < needed && capacity < OUTPUT_MAX) {
        capacity *= 2;
    }
    char *bytes = capacity > self->capacity ? realloc(self->bytes, capacity) : NULL;
    if (bytes != NULL) {
        self->bytes = bytes;
        self->capacity = capacity;
    }
}

void output_add(output *self, const char *bytes, size_t len)
{
    if (self->total + len > self->capacity && self->capacity < OUTPUT_MAX &&
        self->total <= self->capacity) {
        make_room(self, len);
    }
    for (size_t i = 0; self->capacity > 0 && i < len;) {
        size_t at = (size_t)((self->total + i) % self->capacity);
        size_t run = self->capacity - at < len - i ? self->capacity - at : len - i;
        memcpy(self->bytes + at, bytes + i, run);
        i += run;
    }
    self->total += len;
}

/* In order, NUL-terminated, with `room` bytes of space behind. */
static char *straighten(const output *self, size_t *len)
{
    *len = kept(self);
    char *text = malloc(*len + 1);
    if (text == NULL) {
        return NULL;
    }
    size_t start = self->total > self->capacity && self->capacity > 0
                       ? (size_t)(self->total % self->capacity)
                       : 0;
    if (*len > 0) {
        memcpy(text, self->bytes + start, *len - start);
        memcpy(text + *len - start, self->bytes, start);
    }
    text[*len] = '\0';
    return text;
}

/* Length of the UTF-8 sequence at `at`, 0 if it is none (RFC 3629). */
static size_t sequence(const unsigned char *at, size_t len)
{
    static const struct {
        unsigned char first, last, low, high, size;
    } forms[] = {
        {0x01, 0x7f, 0, 0, 1},       {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3},
        {0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
        {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
    };
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        if (at[0] < forms[i].first || at[0] > forms[i].last || len < forms[i].size) {
            continue;
        }
        bool fine = forms[i].size == 1 || (at[1] >= forms[i].low && at[1] <= forms[i].high);
        for (size_t j = 2; fine && j < forms[i].size; j++) {
            fine = (at[j] & 0xc0) == 0x80;
        }
        return fine ? forms[i].size : 0;
    }
    return 0;
}

char *output_text(const output *self)
{
    size_t len;
    char *raw = straighten(self, &len);
    char *text = raw != NULL ? malloc(3 * len + 1) : NULL;
    if (text == NULL) {
        free(raw);
        return NULL;
    }
    size_t at = 0;
    if (self->total > len) { /* not from the middle of a line */
        const char *line = memchr(raw, '\n', len);
        at = line != NULL ? (size_t)(line - raw) + 1 : 0;
    }
    size_t used = 0;
    while (at < len) {
        size_t size = sequence((const unsigned char *)raw + at, len - at);
        memcpy(text + used, size > 0 ? raw + at : "\xef\xbf\xbd", size > 0 ? size : 3);
        used += size > 0 ? size : 3;
        at += size > 0 ? size : 1;
    }
    text[used] = '\0';
    free(raw);
    return text;
}

void output_last_words(const output *self, char *line, size_t size)
{
    size_t len;
    char *text = straighten(self, &len);
    line[0] = '\0';
    for (size_t at = 0; text != NULL && at < len;) {
        size_t run = strcspn(text + at, "\n");
        /* Chromium's complaints about a missing desktop bus explain nothing. */
        if (run > 0 && memmem(text + at, run, "dbus", 4) == NULL) {
            snprintf(line, size, "%.*s", (int)run, text + at);
        }
        at += run + 1;
    }
    free(text);
    for (char *each = line; *each != '\0'; each++) {
        if (*each < ' ' || *each > '~') {
            *each = '?';
        }
    }
}

void output_fini(output *self)
{
    free(self->bytes);
    *self = (output){0};
}
