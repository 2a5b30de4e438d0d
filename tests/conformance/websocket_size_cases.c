/* SPDX-License-Identifier: MIT */
/* Sizes and numbers. What Autobahn measures is not measured here: bench/ does that. */
#include "websocket_book.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KIB ((size_t)1 << 10)
#define MIB ((size_t)1 << 20)

static const char *kind(bool binary)
{
    return binary ? "binary" : "text";
}

static int first_of(bool binary)
{
    return binary ? BINARY : TEXT;
}

static char *fill(bool binary, size_t len)
{
    char *payload = malloc(len + 1);
    if (payload == NULL) {
        abort();
    }
    for (size_t i = 0; i < len; i++) {
        payload[i] = binary ? (char)(i * 7) : "BAsd7&jh23"[i % 10];
    }
    return payload;
}

/* A close frame would overtake what does not fit the socket. */
static void end_when_back(book *b, const char *wanted)
{
    stage_run(&b->s, b->chop);
    stage_await(&b->s, 1);
    case_end(b, wanted, NULL);
}

static void whole(book *b, bool binary)
{
    static const size_t sizes[] = {64 * KIB, 256 * KIB, MIB, 4 * MIB, 8 * MIB, 16 * MIB};
    char *payload = fill(binary, 16 * MIB);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        char number[16];
        snprintf(number, sizeof number, "9.%d.%zu", binary ? 2 : 1, i + 1);
        if (case_begin(b, number, MUST_ECHO, "a %s message of %zu KiB", kind(binary),
                       sizes[i] / KIB)) {
            case_bytes(b, FIN | first_of(binary), payload, sizes[i]);
            end_when_back(b, case_echo(binary, payload, sizes[i]));
        }
    }
    free(payload);
}

static void fragmented(book *b, const char *number, bool binary, size_t len, size_t fragment)
{
    if (!case_begin(b, number, MUST_ECHO, "a %s message of %zu KiB in fragments of %zu bytes",
                    kind(binary), len / KIB, fragment)) {
        return;
    }
    char *payload = fill(binary, len);
    for (size_t at = 0; at < len; at += fragment) {
        size_t piece = len - at < fragment ? len - at : fragment;
        int fin = at + piece == len ? FIN : 0;
        case_bytes(b, fin | (at == 0 ? first_of(binary) : CONT), payload + at, piece);
    }
    end_when_back(b, case_echo(binary, payload, len));
    free(payload);
}

static void in_fragments(book *b, bool binary)
{
    size_t fragment = 64;
    for (int i = 1; i <= 9; i++) {
        char number[16];
        snprintf(number, sizeof number, "9.%d.%d", binary ? 4 : 3, i);
        fragmented(b, number, binary, 4 * MIB, fragment);
        fragment *= 4;
        fragment = i == 8 ? 4 * MIB : fragment;
    }
}

static void in_pieces(book *b, bool binary)
{
    char *payload = fill(binary, MIB);
    for (int i = 1; i <= 6; i++) {
        char number[16];
        size_t chop = (size_t)32 << i;
        snprintf(number, sizeof number, "9.%d.%d", binary ? 6 : 5, i);
        if (case_begin(b, number, MUST_ECHO,
                       "a %s message of 1024 KiB, written in pieces of %zu bytes", kind(binary),
                       chop)) {
            case_chop(b, chop);
            case_bytes(b, FIN | first_of(binary), payload, MIB);
            end_when_back(b, case_echo(binary, payload, MIB));
        }
    }
    free(payload);
}

/* One after the other: each is sent when the last one came back. */
static void many(book *b, bool binary)
{
    static const size_t sizes[] = {0, 16, 64, 256, 1024, 4096};
    char *payload = fill(binary, 4096);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        char number[16];
        snprintf(number, sizeof number, "9.%d.%zu", binary ? 8 : 7, i + 1);
        if (!case_begin(b, number, "send each back", "1,000 %s messages of %zu bytes, one by one",
                        kind(binary), sizes[i])) {
            continue;
        }
        char *event = stage_event(kind(binary), payload, sizes[i]);
        char *wanted = malloc(1000 * (strlen(event) + 1) + 20);
        wanted[0] = '\0';
        char *at = wanted;
        for (unsigned n = 1; n <= 1000; n++) {
            at += sprintf(at, "%s|", event);
            case_bytes(b, FIN | first_of(binary), payload, sizes[i]);
            stage_run(&b->s, CHOP_NONE);
            stage_await(&b->s, n);
        }
        sprintf(at, "close 1000");
        case_end(b, wanted, NULL);
        free(event);
        free(wanted);
    }
    free(payload);
}

void size_cases(book *b)
{
    whole(b, false);
    whole(b, true);
    in_fragments(b, false);
    in_fragments(b, true);
    in_pieces(b, false);
    in_pieces(b, true);
    many(b, false);
    many(b, true);
    fragmented(b, "10.1.1", false, 64 * KIB, 1300);
}
