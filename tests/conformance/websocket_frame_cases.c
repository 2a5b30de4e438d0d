/* SPDX-License-Identifier: MIT */
/* Framing, pings, reserved bits and opcodes, fragmentation. */
#include "websocket_book.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HELLO "Hello, world!"

static const struct size {
    size_t len, chop;
} sizes[] = {{0, 0}, {125, 0}, {126, 0}, {127, 0}, {128, 0}, {65535, 0}, {65536, 0}, {65536, 997}};

static void framing(book *b, bool binary)
{
    char number[16];
    char *payload = malloc(65536);
    memset(payload, binary ? 0xFE : '*', 65536);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        const struct size *size = &sizes[i];
        snprintf(number, sizeof number, "1.%d.%zu", binary ? 2 : 1, i + 1);
        if (case_begin(b, number, MUST_ECHO, "a %s message of %zu bytes%s",
                       binary ? "binary" : "text", size->len,
                       size->chop > 0 ? ", written in pieces of 997" : "")) {
            case_chop(b, size->chop);
            case_bytes(b, FIN | (binary ? BINARY : TEXT), payload, size->len);
            case_end(b, case_echo(binary, payload, size->len), NULL);
        }
    }
    free(payload);
}

/* Pings and pongs --------------------------------------------------------------------------- */

static void ping(book *b, const char *number, const void *payload, size_t len, size_t chop,
                 const char *what)
{
    char wanted[200];
    if (case_begin(b, number, MUST_PONG, "a ping %s", what)) {
        char *pong = stage_event("pong", payload, len);
        snprintf(wanted, sizeof wanted, "%s|close 1000", pong);
        free(pong);
        case_chop(b, chop);
        case_bytes(b, PING, payload, len);
        case_end(b, wanted, NULL);
    }
}

static void ten_pings(book *b, const char *number, size_t chop)
{
    char wanted[400] = "";
    if (!case_begin(b, number, "answer each, in order (the RFC does not ask for all)",
                    "ten pings%s", chop > 0 ? ", written byte by byte" : "")) {
        return;
    }
    case_chop(b, chop);
    for (int i = 0; i < 10; i++) {
        char payload[20];
        char event[40];
        snprintf(payload, sizeof payload, "payload-%d", i);
        snprintf(event, sizeof event, "pong %s|", payload);
        strcat(wanted, event);
        case_frame(b, PING, payload);
    }
    strcat(wanted, "close 1000");
    case_end(b, wanted, "pong payload-9|close 1000");
}

static void pings(book *b)
{
    static const char binary[] = "\x00\xff\xfe\xfd\xfc\xfb\x00\xff";
    char fe[126];
    memset(fe, 0xFE, sizeof fe);
    ping(b, "2.1", "", 0, CHOP_NONE, "without a payload");
    ping(b, "2.2", HELLO, strlen(HELLO), CHOP_NONE, "with text");
    ping(b, "2.3", binary, sizeof binary - 1, CHOP_NONE, "with bytes that are no text");
    ping(b, "2.4", fe, 125, CHOP_NONE, "with 125 bytes");
    if (case_begin(b, "2.5", MUST_FAIL, "a ping with 126 bytes")) {
        case_bytes(b, PING, fe, 126);
        case_end(b, "close 1002", NULL);
    }
    ping(b, "2.6", fe, 125, CHOP_OCTETS, "with 125 bytes, written byte by byte");
    if (case_begin(b, "2.7", "take no notice", "a pong that nobody asked for, empty")) {
        case_frame(b, PONG, "");
        case_end(b, "close 1000", NULL);
    }
    if (case_begin(b, "2.8", "take no notice", "a pong that nobody asked for, with text")) {
        case_frame(b, PONG, "unsolicited");
        case_end(b, "close 1000", NULL);
    }
    if (case_begin(b, "2.9", "answer the ping alone",
                   "a pong that nobody asked for, then a ping")) {
        case_frame(b, PONG, "unsolicited");
        case_frame(b, PING, "ping");
        case_end(b, "pong ping|close 1000", NULL);
    }
    ten_pings(b, "2.10", CHOP_NONE);
    ten_pings(b, "2.11", CHOP_OCTETS);
}

/* What is reserved -------------------------------------------------------------------------- */

/* `first` of a frame that must not be, after a text (unless `alone`) and before a ping. */
static void reserved(book *b, const char *number, int first, const char *payload, bool alone,
                     size_t chop, const char *what)
{
    if (!case_begin(b, number, alone ? MUST_FAIL : "send the text back, then fail: 1002; no pong",
                    "%s%s%s", alone ? "" : "a text, then ", what,
                    chop == CHOP_OCTETS   ? ", then a ping, written byte by byte"
                    : chop == CHOP_FRAMES ? ", then a ping, written frame by frame"
                    : alone               ? ""
                                          : ", then a ping")) {
        return;
    }
    case_chop(b, chop);
    if (!alone) {
        case_frame(b, FIN | TEXT, HELLO);
    }
    case_frame(b, first, payload);
    if (!alone) {
        case_frame(b, PING, "");
    }
    case_end(b, alone ? "close 1002" : "text " HELLO "|close 1002", alone ? NULL : "close 1002");
}

static void reserved_bits(book *b)
{
    const int text = FIN | TEXT;
    reserved(b, "3.1", text | 1 * RSV, HELLO, true, CHOP_NONE, "a text with RSV3 set");
    reserved(b, "3.2", text | 2 * RSV, HELLO, false, CHOP_NONE, "one with RSV2 set");
    reserved(b, "3.3", text | 3 * RSV, HELLO, false, CHOP_FRAMES, "one with RSV2 and RSV3 set");
    reserved(b, "3.4", text | 4 * RSV, HELLO, false, CHOP_OCTETS, "one with RSV1 set");
    reserved(b, "3.5", FIN | BINARY | 5 * RSV, "\xff\xfe", true, CHOP_NONE,
             "a binary message with RSV1 and RSV3 set");
    reserved(b, "3.6", PING | 6 * RSV, "", true, CHOP_NONE, "a ping with RSV1 and RSV2 set");
    reserved(b, "3.7", CLOSE | 7 * RSV, "\x03\xe8", true, CHOP_NONE,
             "a close frame with all RSV bits set");
}

static void reserved_opcodes(book *b)
{
    for (int control = 0; control < 2; control++) {
        for (int i = 1; i <= 5; i++) {
            char number[16];
            char what[80];
            int opcode = (control != 0 ? 10 : 2) + i;
            const char *payload = i == 1 || i == 3 ? "" : "payload";
            snprintf(number, sizeof number, "4.%d.%d", 1 + control, i);
            snprintf(what, sizeof what, "a frame with opcode %d%s", opcode,
                     *payload != '\0' ? " and a payload" : "");
            reserved(b, number, FIN | opcode, payload, i <= 2, i == 5 ? CHOP_OCTETS : CHOP_NONE,
                     what);
        }
    }
}

/* Fragmentation ----------------------------------------------------------------------------- */

/* Three cases in a row that differ in how the bytes are written: at once, frame by frame, byte by
 * byte. */
static const struct way {
    size_t chop;
    const char *words;
} ways[] = {{CHOP_NONE, ""}, {CHOP_FRAMES, ", frame by frame"}, {CHOP_OCTETS, ", byte by byte"}};

static void fragments(book *b, int first_number, bool with_ping)
{
    for (int i = 0; i < 3; i++) {
        char number[16];
        snprintf(number, sizeof number, "5.%d", first_number + i);
        if (case_begin(b, number,
                       with_ping ? "answer the ping, then send the text back" : MUST_ECHO,
                       "a text in two fragments%s%s", with_ping ? ", a ping between them" : "",
                       ways[i].words)) {
            case_chop(b, ways[i].chop);
            case_frame(b, TEXT, "fragment1");
            if (with_ping) {
                case_frame(b, PING, "ping four!");
            }
            case_frame(b, FIN | CONT, "fragment2");
            case_end(b,
                     with_ping ? "pong ping four!|text fragment1fragment2|close 1000"
                               : "text fragment1fragment2|close 1000",
                     NULL);
        }
    }
}

static void nothing_to_continue(book *b, int first_number, int fin)
{
    for (int i = 0; i < 3; i++) {
        char number[16];
        snprintf(number, sizeof number, "5.%d", first_number + i);
        if (case_begin(b, number, MUST_FAIL, "a continuation (%s) of nothing, then a text%s",
                       fin != 0 ? "the last" : "not the last", ways[i].words)) {
            case_chop(b, ways[i].chop);
            case_frame(b, fin | CONT, "continues nothing");
            case_frame(b, FIN | TEXT, HELLO);
            case_end(b, "close 1002", NULL);
        }
    }
}

static void repeated(book *b, const char *number, int fin)
{
    if (case_begin(b, number, MUST_FAIL,
                   "twice: a continuation (%s) of nothing, then a text in two fragments",
                   fin != 0 ? "the last" : "not the last")) {
        for (int i = 0; i < 2; i++) {
            case_frame(b, fin | CONT, "fragment1");
            case_frame(b, TEXT, "fragment2");
            case_frame(b, FIN | CONT, "fragment3");
        }
        case_end(b, "close 1002", NULL);
    }
}

static void five_fragments(book *b, const char *number, size_t chop)
{
    if (!case_begin(
            b, number, "answer the first ping at once, then the second, then send the text back",
            "a text in five fragments, a ping behind the second and one behind the fourth, with a "
            "pause behind the first ping%s",
            chop > 0 ? ", written frame by frame" : "")) {
        return;
    }
    case_chop(b, chop);
    case_frame(b, TEXT, "fragment1");
    case_frame(b, CONT, "fragment2");
    case_frame(b, PING, "pongme 1!");
    stage_run(&b->s, CHOP_NONE);
    stage_await(&b->s, 1); /* the pong: nothing more is sent before */
    case_frame(b, CONT, "fragment3");
    case_frame(b, CONT, "fragment4");
    case_frame(b, PING, "pongme 2!");
    case_frame(b, FIN | CONT, "fragment5");
    case_end(b,
             "pong pongme 1!|pong pongme 2!|"
             "text fragment1fragment2fragment3fragment4fragment5|close 1000",
             "pong pongme 1!|text fragment1fragment2fragment3fragment4fragment5|pong pongme "
             "2!|close 1000");
}

static void fragmentation(book *b)
{
    if (case_begin(b, "5.1", MUST_FAIL, "a ping in two fragments")) {
        case_frame(b, PING & ~FIN, "fragment1");
        case_frame(b, FIN | CONT, "fragment2");
        case_end(b, "close 1002", NULL);
    }
    if (case_begin(b, "5.2", MUST_FAIL, "a pong in two fragments")) {
        case_frame(b, PONG & ~FIN, "fragment1");
        case_frame(b, FIN | CONT, "fragment2");
        case_end(b, "close 1002", NULL);
    }
    fragments(b, 3, false);
    fragments(b, 6, true);
    nothing_to_continue(b, 9, FIN);
    nothing_to_continue(b, 12, 0);
    if (case_begin(b, "5.15", "send the first text back, then fail: 1002",
                   "a text in two fragments, then a continuation (not the last) of nothing, then a "
                   "text")) {
        case_frame(b, TEXT, "fragment1");
        case_frame(b, FIN | CONT, "fragment2");
        case_frame(b, CONT, "fragment3");
        case_frame(b, FIN | TEXT, "fragment4");
        case_end(b, "text fragment1fragment2|close 1002", "close 1002");
    }
    repeated(b, "5.16", 0);
    repeated(b, "5.17", FIN);
    if (case_begin(b, "5.18", MUST_FAIL,
                   "a text in two fragments, both with the opcode of a text")) {
        case_frame(b, TEXT, "fragment1");
        case_frame(b, FIN | TEXT, "fragment2");
        case_end(b, "close 1002", NULL);
    }
    five_fragments(b, "5.19", CHOP_NONE);
    five_fragments(b, "5.20", CHOP_FRAMES);
}

void frame_cases(book *b)
{
    framing(b, false);
    framing(b, true);
    pings(b);
    reserved_bits(b);
    reserved_opcodes(b);
    fragmentation(b);
}
