/* SPDX-License-Identifier: MIT */
#include "websocket_book.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void book_init(book *b)
{
    memset(b, 0, sizeof *b);
    stage_init(&b->s);
}

void book_fini(book *b)
{
    stage_fini(&b->s);
    free(b->rows);
}

/* "6.4.1" is in "6.4.1", "6.4" and "6". */
static bool is_in(const char *number, const char *group)
{
    size_t len = strlen(group);
    return strncmp(number, group, len) == 0 && (number[len] == '\0' || number[len] == '.');
}

bool case_begin(book *b, const char *number, const char *must, const char *sends, ...)
{
    if (b->only != NULL && !is_in(number, b->only)) {
        return false;
    }
    va_list args;
    va_start(args, sends);
    int n = vasprintf(&b->sends, sends, args);
    va_end(args);
    snprintf(b->number, sizeof b->number, "%s", number);
    b->must = must;
    b->closing = false;
    b->chop = CHOP_NONE;
    if (n < 0 || !stage_open(&b->s, b->answer, &b->options)) {
        fprintf(stderr, "%s: cannot connect: %s\n", number, b->s.reason.text);
        exit(1);
    }
    return true;
}

void case_bytes(book *b, int first, const void *payload, size_t len)
{
    b->closing = b->closing || first == CLOSE;
    stage_frame(&b->s, first, payload, len);
    if (b->chop == CHOP_FRAMES) {
        stage_run(&b->s, CHOP_NONE);
    }
}

void case_chop(book *b, size_t chop)
{
    b->chop = chop;
}

void case_frame(book *b, int first, const char *text)
{
    case_bytes(b, first, text, strlen(text));
}

void case_close(book *b, int code, const char *text)
{
    char payload[256] = {(char)(code >> 8), (char)code};
    size_t len = text != NULL ? strlen(text) : 0;
    if (len > 0) {
        memcpy(payload + 2, text, len);
    }
    case_bytes(b, CLOSE, payload, code < 0 ? 0 : 2 + len);
}

void case_wait(book *b)
{
    stage_run(&b->s, CHOP_NONE);
    if (stage_is_open(&b->s)) {
        stage_note(&b->s, "open");
    }
}

const char *case_echo(bool binary, const void *payload, size_t len)
{
    static char text[200];
    char *event = stage_event(binary ? "binary" : "text", payload, len);
    snprintf(text, sizeof text, "%s|close 1000", event);
    free(event);
    return text;
}

/* What comes back is read, up to the end. */
static void finish(book *b)
{
    stage_run(&b->s, b->chop == CHOP_FRAMES ? CHOP_NONE : b->chop);
    if (!b->closing) {
        b->chop = CHOP_NONE;
        case_close(b, 1000, NULL);
    }
    stage_finish(&b->s);
}

static void write_row(book *b, const char *verdict)
{
    char *row = NULL;
    int n = asprintf(&row, "| %s | %s | %s | %s |\n", b->number, b->sends, b->must, verdict);
    b->rows = realloc(b->rows, b->rows_len + (size_t)n + 1);
    if (n < 0 || b->rows == NULL) {
        abort();
    }
    memcpy(b->rows + b->rows_len, row, (size_t)n + 1);
    b->rows_len += (size_t)n;
    b->count++;
    free(row);
    free(b->sends);
    stage_close(&b->s);
}

void case_end(book *b, const char *strict, const char *lenient)
{
    finish(b);
    const char *events = b->s.events != NULL ? b->s.events : "";
    if (strcmp(events, strict) == 0) {
        b->strict++;
        write_row(b, "pass");
    } else if (lenient != NULL && strcmp(events, lenient) == 0) {
        b->lenient++;
        write_row(b, "pass, not strict");
    } else {
        b->failed++;
        fprintf(stderr, "%s (%s)\n  came: %s\n  must: %s\n", b->number, b->sends, events, strict);
        write_row(b, "FAILED");
    }
}

void case_end_informational(book *b, bool stable)
{
    char verdict[256];
    finish(b);
    b->informational++;
    snprintf(verdict, sizeof verdict, stable ? "informational: `%s`" : "informational%.0s",
             b->s.events != NULL ? b->s.events : "");
    for (char *at = verdict; *at != '\0'; at++) {
        *at = *at == '|' ? ',' : *at; /* it is a table's cell */
    }
    write_row(b, verdict);
}
