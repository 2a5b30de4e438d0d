/* SPDX-License-Identifier: MIT */
/* Values that people write and read. */
#include "value.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct unit {
    const char *name;
    uint64_t factor;
} unit;

/* Largest first: the first that divides a value is the one it is written with. */
static const unit byte_units[] = {
    {"T", 1ull << 40},
    {"G", 1ull << 30},
    {"M", 1ull << 20},
    {"K", 1ull << 10},
};
static const unit time_units[] = {
    {"w", 604800000}, {"d", 86400000}, {"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1},
};

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

bool value_uint(const char *text, uint64_t *out)
{
    if (!isdigit((unsigned char)text[0])) {
        return false;
    }
    char *end;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (errno != 0 || *end != '\0') {
        return false;
    }
    *out = value;
    return true;
}

/* Digits with an optional fraction; `rest` is what follows them, without blanks. The whole part is
 * kept apart so that large exact values stay exact. */
static bool read_number(const char *text, uint64_t *whole, double *fraction, const char **rest)
{
    if (!isdigit((unsigned char)text[0])) {
        return false;
    }
    char *end;
    errno = 0;
    *whole = strtoull(text, &end, 10);
    if (errno != 0) {
        return false;
    }
    *fraction = 0;
    if (*end == '.') {
        double scale = 0.1;
        for (end++; isdigit((unsigned char)*end); end++, scale /= 10) {
            *fraction += (*end - '0') * scale;
        }
    }
    while (*end == ' ') {
        end++;
    }
    *rest = end;
    return true;
}

static bool scale(uint64_t whole, double fraction, uint64_t factor, uint64_t *out)
{
    uint64_t value;
    if (__builtin_mul_overflow(whole, factor, &value) ||
        __builtin_add_overflow(value, (uint64_t)(fraction * (double)factor + 0.5), &value)) {
        return false;
    }
    *out = value;
    return true;
}

bool value_bytes(const char *text, uint64_t *out)
{
    uint64_t whole;
    double fraction;
    const char *rest;
    if (!read_number(text, &whole, &fraction, &rest)) {
        return false;
    }
    if (*rest == '\0' || strcasecmp(rest, "B") == 0) {
        return scale(whole, fraction, 1, out);
    }
    for (size_t i = 0; i < COUNT(byte_units); i++) {
        if (strncasecmp(rest, byte_units[i].name, 1) == 0 &&
            (rest[1] == '\0' || strcasecmp(rest + 1, "B") == 0 ||
             strcasecmp(rest + 1, "iB") == 0)) {
            return scale(whole, fraction, byte_units[i].factor, out);
        }
    }
    return false;
}

bool value_duration(const char *text, uint64_t *out_ms)
{
    uint64_t whole;
    double fraction;
    const char *rest;
    if (!read_number(text, &whole, &fraction, &rest)) {
        return false;
    }
    for (size_t i = 0; i < COUNT(time_units); i++) {
        if (strcmp(rest, time_units[i].name) == 0) {
            return scale(whole, fraction, time_units[i].factor, out_ms);
        }
    }
    if (*rest != '\0' || whole != 0 || fraction > 0) {
        return false;
    }
    *out_ms = 0;
    return true;
}

bool value_bool(const char *text, bool *out)
{
    static const char *const words[][2] = {
        {"false", "true"}, {"no", "yes"}, {"off", "on"}, {"0", "1"}};
    for (size_t i = 0; i < COUNT(words); i++) {
        for (int j = 0; j < 2; j++) {
            if (strcasecmp(text, words[i][j]) == 0) {
                *out = j == 1;
                return true;
            }
        }
    }
    return false;
}

static void exact_text(uint64_t value, const unit *units, size_t count, char *out, size_t size)
{
    for (size_t i = 0; i < count; i++) {
        if (value != 0 && value % units[i].factor == 0) {
            snprintf(out, size, "%llu%s", (unsigned long long)(value / units[i].factor),
                     units[i].name);
            return;
        }
    }
    snprintf(out, size, "%llu", (unsigned long long)value);
}

void value_bytes_text(uint64_t bytes, char *out, size_t size)
{
    exact_text(bytes, byte_units, COUNT(byte_units), out, size);
}

void value_duration_text(uint64_t ms, char *out, size_t size)
{
    /* Weeks read badly (7d is what people write): start at days. */
    exact_text(ms, time_units + 1, COUNT(time_units) - 1, out, size);
}

void human_bytes(double bytes, char *out, size_t size)
{
    static const char *const names[] = {"B", "kB", "MB", "GB", "TB"};
    size_t step = 0;
    while (bytes >= 999.5 && step + 1 < COUNT(names)) {
        bytes /= 1000;
        step++;
    }
    int digits = step > 0 && bytes < 99.95 ? 1 : 0;
    snprintf(out, size, "%.*f %s", digits, bytes, names[step]);
}

void human_ms(double ms, char *out, size_t size)
{
    if (ms < 999.5) {
        snprintf(out, size, ms < 9.95 && ms > 0 ? "%.1f ms" : "%.0f ms", ms);
        return;
    }
    double seconds = ms / 1000;
    if (seconds < 59.95) {
        snprintf(out, size, "%.1f s", seconds);
        return;
    }
    unsigned long long total = (unsigned long long)(seconds + 0.5);
    if (total < 3600) {
        snprintf(out, size, "%llu m %llu s", total / 60, total % 60);
    } else if (total < 86400) {
        snprintf(out, size, "%llu h %llu m", total / 3600, total % 3600 / 60);
    } else {
        snprintf(out, size, "%llu d %llu h", total / 86400, total % 86400 / 3600);
    }
}
