/* SPDX-License-Identifier: MIT */
/**
 * The book of cases: each is played on a connection of its own and leaves a row with its verdict.
 *
 * Between case_begin and case_end a case says what the server sends. case_end closes (1000), if
 * neither the case nor the client has done so, and compares what came back with what must
 * (websocket_stage.h).
 */
#ifndef TEST_WEBSOCKET_BOOK_H
#define TEST_WEBSOCKET_BOOK_H

#include "websocket_stage.h"

/* What a client must do, in words. */
#define MUST_ECHO  "send it back"
#define MUST_PONG  "answer with a pong that holds the same"
#define MUST_FAIL  "fail the connection: 1002"
#define MUST_1007  "fail the connection: 1007"
#define MUST_CLOSE "answer with a close frame, and end"

/* First bytes of frames. */
enum {
    FIN = 0x80,
    CONT = 0,
    TEXT = 1,
    BINARY = 2,
    CLOSE = 0x88,
    PING = 0x89,
    PONG = 0x8A,
    RSV = 0x10, /* times 1 to 7 */
};

/* How a case's bytes are written: each piece is read before the next; or a number of bytes. */
#define CHOP_NONE   0
#define CHOP_OCTETS 1
#define CHOP_FRAMES ((size_t)-1) /* given to case_chop */

typedef struct book {
    stage s;
    const char *only; /* play this case, or group of cases, alone; NULL: all */
    char number[16];
    char *sends;
    const char *must;
    bool closing; /* the case sends a close frame of its own */
    size_t chop;
    websocket_options options;
    const char *answer;
    char *rows; /* the table, in Markdown */
    size_t rows_len;
    unsigned count, strict, lenient, informational, failed;
} book;

void book_init(book *b);
void book_fini(book *b);

/** Begin the case; false: it is not to be played. The format says what the server sends. */
bool case_begin(book *b, const char *number, const char *must, const char *sends, ...)
    __attribute__((format(printf, 4, 5)));

/** How its bytes are written; before the first frame. Without it: all at once. */
void case_chop(book *b, size_t chop);
/** A frame with that first byte. */
void case_frame(book *b, int first, const char *text);
void case_bytes(book *b, int first, const void *payload, size_t len);
/** A close frame; code -1: empty; text NULL: none. */
void case_close(book *b, int code, const char *text);
/** Until the client has read it all; `open` is written down if it holds the connection open then.
 */
void case_wait(book *b);

/** `strict` and `lenient` (NULL: none): what must come back. Borrowed. */
void case_end(book *b, const char *strict, const char *lenient);
/** Nothing is prescribed. `stable`: what came back is the verdict; else it may differ from run to
 * run. */
void case_end_informational(book *b, bool stable);
/** What must come back when a message does, and a close: valid until the next call. */
const char *case_echo(bool binary, const void *payload, size_t len);

/* The cases, by their first number. */
void frame_cases(book *b);   /* 1 to 5 */
void text_cases(book *b);    /* 6 */
void close_cases(book *b);   /* 7 */
void size_cases(book *b);    /* 9, 10 */
void deflate_cases(book *b); /* 12, 13 */

#endif
