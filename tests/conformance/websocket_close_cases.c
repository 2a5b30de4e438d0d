/* SPDX-License-Identifier: MIT */
/* Closing. */
#include "websocket_book.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void order(book *b)
{
    if (case_begin(b, "7.1.1", "send it back, then close", "a text, then a close frame")) {
        case_frame(b, FIN | TEXT, "Hello World!");
        case_end(b, "text Hello World!|close 1000", NULL);
    }
    if (case_begin(b, "7.1.2", MUST_CLOSE, "two close frames")) {
        case_close(b, 1000, NULL);
        case_close(b, 1000, NULL);
        case_end(b, "close 1000", NULL);
    }
    if (case_begin(b, "7.1.3", "close; no pong", "a close frame, then a ping")) {
        case_close(b, 1000, NULL);
        case_frame(b, PING, "");
        case_end(b, "close 1000", NULL);
    }
    if (case_begin(b, "7.1.4", "close; nothing is sent back", "a close frame, then a text")) {
        case_close(b, 1000, NULL);
        case_frame(b, FIN | TEXT, "Hello World!");
        case_end(b, "close 1000", NULL);
    }
    if (case_begin(b, "7.1.5", "close; nothing is sent back",
                   "a fragment, then a close frame, then the last fragment")) {
        case_frame(b, TEXT, "fragment1");
        case_close(b, 1000, NULL);
        case_frame(b, FIN | CONT, "fragment2");
        case_end(b, "close 1000", NULL);
    }
    if (case_begin(b, "7.1.6", "close; what it sends back before is left open",
                   "256 KiB of text, a short text, a close frame, a ping")) {
        size_t len = (size_t)256 << 10;
        char *big = malloc(len);
        memset(big, '*', len);
        case_bytes(b, FIN | TEXT, big, len);
        case_frame(b, FIN | TEXT, "Hello World!");
        case_close(b, 1000, NULL);
        case_frame(b, PING, "");
        case_end_informational(b, false);
        free(big);
    }
}

static void lengths(book *b)
{
    char reason[125];
    memset(reason, '*', sizeof reason);
    if (case_begin(b, "7.3.1", MUST_CLOSE, "an empty close frame")) {
        case_close(b, -1, NULL);
        case_end(b, "close 0", "close 1000");
    }
    if (case_begin(b, "7.3.2", MUST_FAIL, "a close frame of one byte")) {
        case_frame(b, CLOSE, "a");
        case_end(b, "close 1002", "end");
    }
    if (case_begin(b, "7.3.3", MUST_CLOSE, "a close frame with a code")) {
        case_close(b, 1000, NULL);
        case_end(b, "close 1000", NULL);
    }
    if (case_begin(b, "7.3.4", MUST_CLOSE, "a close frame with a code and a reason")) {
        case_close(b, 1000, "Hello World!");
        case_end(b, "close 1000", NULL);
    }
    reason[123] = '\0';
    if (case_begin(b, "7.3.5", MUST_CLOSE, "a close frame with a reason of 123 bytes")) {
        case_close(b, 1000, reason);
        case_end(b, "close 1000", NULL);
    }
    reason[123] = '*';
    reason[124] = '\0';
    if (case_begin(b, "7.3.6", MUST_FAIL, "a close frame with a reason of 124 bytes")) {
        case_close(b, 1000, reason);
        case_end(b, "close 1002", "end");
    }
}

static void codes(book *b)
{
    static const int good[] = {1000, 1001, 1002, 1003, 1007, 1008, 1009,
                               1010, 1011, 3000, 3999, 4000, 4999};
    static const int bad[] = {0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999};
    static const int unknown[] = {5000, 65535};
    char number[16];
    char wanted[32];
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        snprintf(number, sizeof number, "7.7.%zu", i + 1);
        snprintf(wanted, sizeof wanted, "close %d", good[i]);
        if (case_begin(b, number, "close with the same code, or 1000", "a close frame with %d",
                       good[i])) {
            case_close(b, good[i], NULL);
            case_end(b, wanted, NULL);
        }
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        snprintf(number, sizeof number, "7.9.%zu", i + 1);
        if (case_begin(b, number, MUST_FAIL, "a close frame with %d, which is not allowed",
                       bad[i])) {
            case_close(b, bad[i], NULL);
            case_end(b, "close 1002", "end");
        }
    }
    for (size_t i = 0; i < sizeof unknown / sizeof unknown[0]; i++) {
        snprintf(number, sizeof number, "7.13.%zu", i + 1);
        if (case_begin(b, number, "the RFC does not say", "a close frame with %d", unknown[i])) {
            case_close(b, unknown[i], NULL);
            case_end_informational(b, true);
        }
    }
}

void close_cases(book *b)
{
    order(b);
    lengths(b);
    if (case_begin(b, "7.5.1", "fail the connection: 1007 or 1002",
                   "a close frame with a reason that is no UTF-8")) {
        case_close(
            b, 1000,
            "\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80\x65\x64\x69\x74\x65\x64");
        case_end(b, "close 1007", "close 1002");
    }
    codes(b);
}
