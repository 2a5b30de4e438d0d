/* SPDX-License-Identifier: MIT */
/* What a terminal shows. */
#include "term.h"

#include <langinfo.h>
#include <locale.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

#define REPLACEMENT 0xfffdu

void term_init(void)
{
    (void)setlocale(LC_CTYPE, "");
    if (strcmp(nl_langinfo(CODESET), "UTF-8") != 0) {
        (void)setlocale(LC_CTYPE, "C.UTF-8");
    }
}

size_t term_width(FILE *out)
{
    const char *columns = getenv("COLUMNS");
    if (columns != NULL) {
        unsigned long value = strtoul(columns, NULL, 10);
        if (value >= 20 && value <= 10000) {
            return value;
        }
    }
    struct winsize size;
    int fd = fileno(out);
    if (fd < 0 || !isatty(fd)) {
        return 0;
    }
    if (ioctl(fd, TIOCGWINSZ, &size) != 0 || size.ws_col < 20) {
        return 80;
    }
    return size.ws_col;
}

bool term_colours(FILE *out)
{
    const char *no_color = getenv("NO_COLOR");
    const char *term = getenv("TERM");
    int fd = fileno(out);
    return (no_color == NULL || *no_color == '\0') && (term == NULL || strcmp(term, "dumb") != 0) &&
           fd >= 0 && isatty(fd);
}

const char *term_code(term_colour colour)
{
    static const char *const codes[] = {
        [TERM_PLAIN] = "",        [TERM_BOLD] = "\033[1m",   [TERM_DIM] = "\033[2m",
        [TERM_RED] = "\033[31m",  [TERM_GREEN] = "\033[32m", [TERM_YELLOW] = "\033[33m",
        [TERM_BLUE] = "\033[34m", [TERM_CYAN] = "\033[36m",
    };
    return codes[colour];
}

/* Length of the UTF-8 sequence that begins with this byte; 0 if none can. */
static size_t sequence_length(unsigned char first)
{
    if (first < 0x80) {
        return 1;
    }
    if (first >= 0xc2 && first <= 0xdf) {
        return 2;
    }
    if (first >= 0xe0 && first <= 0xef) {
        return 3;
    }
    return first >= 0xf0 && first <= 0xf4 ? 4 : 0;
}

/* One character; REPLACEMENT for one byte that is not UTF-8. Returns the bytes it took. */
static size_t decode(const char *text, uint32_t *out)
{
    const unsigned char *bytes = (const unsigned char *)text;
    size_t len = sequence_length(bytes[0]);
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    static const unsigned char masks[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    *out = REPLACEMENT;
    if (len == 0) {
        return 1;
    }
    uint32_t value = bytes[0] & masks[len];
    for (size_t i = 1; i < len; i++) {
        if ((bytes[i] & 0xc0) != 0x80) {
            return 1;
        }
        value = value << 6 | (bytes[i] & 0x3fu);
    }
    if (value < least[len] || value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff)) {
        return 1;
    }
    *out = value;
    return len;
}

static size_t width_of(uint32_t character)
{
    int width = wcwidth((wchar_t)character);
    return width < 0 ? 1 : (size_t)width;
}

size_t term_text_width(const char *text)
{
    size_t width = 0;
    while (*text != '\0') {
        uint32_t character;
        text += decode(text, &character);
        width += width_of(character);
    }
    return width;
}

/* Control characters, and those that reorder a line (bidirectional overrides). */
static bool steers(uint32_t character)
{
    return character < 0x20 || (character >= 0x7f && character <= 0x9f) ||
           (character >= 0x202a && character <= 0x202e) ||
           (character >= 0x2066 && character <= 0x2069);
}

char *term_clean(const char *text)
{
    char *out = malloc(strlen(text) * 3 + 1);
    if (out == NULL) {
        return NULL;
    }
    char *at = out;
    while (*text != '\0') {
        uint32_t character;
        size_t len = decode(text, &character);
        if (*text == '\n' || *text == '\t' || *text == '\r') {
            *at++ = ' ';
        } else if (steers(character) || character == REPLACEMENT) {
            memcpy(at, "\xef\xbf\xbd", 3);
            at += 3;
        } else {
            memcpy(at, text, len);
            at += len;
        }
        bool line_break = *text == '\n';
        text += len;
        if (line_break) {
            text += strspn(text, " \t"); /* the indent of the next line */
        }
    }
    *at = '\0';
    return out;
}

/* Bytes of the longest beginning that takes at most `width` columns. */
static size_t head_bytes(const char *text, size_t width)
{
    const char *at = text;
    size_t used = 0;
    while (*at != '\0') {
        uint32_t character;
        size_t len = decode(at, &character);
        used += width_of(character);
        if (used > width) {
            break;
        }
        at += len;
    }
    return (size_t)(at - text);
}

/* Where the longest end that takes at most `width` columns begins. */
static size_t tail_start(const char *text, size_t width)
{
    size_t total = term_text_width(text);
    const char *at = text;
    while (*at != '\0' && total > width) {
        uint32_t character;
        at += decode(at, &character);
        total -= width_of(character);
    }
    return (size_t)(at - text);
}

char *term_fit(const char *text, size_t width, term_cut cut)
{
    if (width == 0 || cut == TERM_KEEP || term_text_width(text) <= width) {
        return strdup(text);
    }
    size_t tail_width = cut == TERM_MIDDLE ? (width - 1) * 2 / 5 : 0;
    size_t head = head_bytes(text, width - 1 - tail_width);
    const char *tail = tail_width > 0 ? text + tail_start(text, tail_width) : "";
    size_t tail_len = strlen(tail);
    char *out = malloc(head + 3 + tail_len + 1);
    if (out == NULL) {
        return NULL;
    }
    memcpy(out, text, head);
    memcpy(out + head, "\xe2\x80\xa6", 3);
    memcpy(out + head + 3, tail, tail_len + 1);
    return out;
}
