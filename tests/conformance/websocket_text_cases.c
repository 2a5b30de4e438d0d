/* SPDX-License-Identifier: MIT */
/* UTF-8. The sequences from 6.5 on are those of Markus Kuhn's UTF-8 stress test. */
#include "websocket_book.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KOSME "\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5" /* the Greek word */

typedef struct sequence {
    bool valid;
    const char *bytes;
    size_t len;
} sequence;

#define YES(text)                    \
    {                                \
        true, text, sizeof(text) - 1 \
    }
#define NO(text)                      \
    {                                 \
        false, text, sizeof(text) - 1 \
    }

static void hex(const char *bytes, size_t len, char *out, size_t size)
{
    size_t at = 0;
    for (size_t i = 0; i < len && at + 4 < size; i++) {
        at += (size_t)snprintf(out + at, size - at, "%02x", (uint8_t)bytes[i]);
    }
    out[at] = '\0';
}

static void one_text(book *b, int group, size_t index, const char *title, const sequence *text)
{
    char number[16];
    char shown[160];
    hex(text->bytes, text->len, shown, sizeof shown);
    snprintf(number, sizeof number, "6.%d.%zu", group, index);
    if (case_begin(b, number, text->valid ? MUST_ECHO : MUST_1007, "%s: `%s`", title, shown)) {
        case_bytes(b, FIN | TEXT, text->bytes, text->len);
        case_end(b, text->valid ? case_echo(false, text->bytes, text->len) : "close 1007", NULL);
    }
}

static void group(book *b, int number, const char *title, const sequence *sequences, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        one_text(b, number, i + 1, title, &sequences[i]);
    }
}

#define GROUP(b, number, title, ...)                              \
    do {                                                          \
        static const sequence all[] = {__VA_ARGS__};              \
        group(b, number, title, all, sizeof all / sizeof all[0]); \
    } while (0)

static void prefixes(book *b)
{
    static const char word[] = KOSME;
    for (size_t len = 1; len < sizeof word; len++) {
        bool whole = len == sizeof word - 1 || ((uint8_t)word[len] & 0xC0) != 0x80;
        sequence prefix = {whole, word, len};
        one_text(b, 6, len, "a prefix of valid text", &prefix);
    }
}

static void good_and_bad_starts(book *b)
{
    GROUP(b, 5, "valid text", YES("hello\x24world"), YES("hello\xC2\xA2world"),
          YES("hello\xE2\x82\xACworld"), YES("hello\xF0\xA4\xAD\xA2world"), YES(KOSME));
    prefixes(b);
    GROUP(b, 7, "the first sequence of a length", YES("\0"), YES("\xc2\x80"), YES("\xe0\xa0\x80"),
          YES("\xf0\x90\x80\x80"));
    GROUP(b, 8, "the first sequence of five or six bytes", NO("\xf8\x88\x80\x80\x80"),
          NO("\xfc\x84\x80\x80\x80\x80"));
    GROUP(b, 9, "the last sequence of a length", YES("\x7f"), YES("\xdf\xbf"), YES("\xef\xbf\xbf"),
          YES("\xf4\x8f\xbf\xbf"));
    GROUP(b, 10, "the last sequence of four, five or six bytes", NO("\xf7\xbf\xbf\xbf"),
          NO("\xfb\xbf\xbf\xbf\xbf"), NO("\xfd\xbf\xbf\xbf\xbf\xbf"));
    GROUP(b, 11, "other bounds", YES("\xed\x9f\xbf"), YES("\xee\x80\x80"), YES("\xef\xbf\xbd"),
          YES("\xf4\x8f\xbf\xbf"), NO("\xf4\x90\x80\x80"));
}

static void lonely(book *b)
{
    static char bytes[64];
    static char starts[5][64];
    static const uint8_t from_to[5][2] = {
        {0xc0, 0xdf}, {0xe0, 0xef}, {0xf0, 0xf7}, {0xf8, 0xfb}, {0xfc, 0xfd}};
    for (int i = 0; i < 63; i++) {
        bytes[i] = (char)(0x80 + i);
    }
    GROUP(b, 12, "continuation bytes alone", NO("\x80"), NO("\xbf"), NO("\x80\xbf"),
          NO("\x80\xbf\x80"), NO("\x80\xbf\x80\xbf"), NO("\x80\xbf\x80\xbf\x80"),
          NO("\x80\xbf\x80\xbf\x80\xbf"));
    sequence continuations = {false, bytes, 63};
    one_text(b, 12, 8, "continuation bytes alone", &continuations);
    for (size_t i = 0; i < 5; i++) {
        size_t len = 0;
        for (int c = from_to[i][0]; c < from_to[i][1]; c++) {
            starts[i][len++] = (char)c;
            starts[i][len++] = ' ';
        }
        sequence lonely = {false, starts[i], len};
        one_text(b, 13, i + 1, "start bytes alone", &lonely);
    }
    GROUP(b, 14, "the last byte is missing", NO("\xc0"), NO("\xe0\x80"), NO("\xf0\x80\x80"),
          NO("\xf8\x80\x80\x80"), NO("\xfc\x80\x80\x80\x80"), NO("\xdf"), NO("\xef\xbf"),
          NO("\xf7\xbf\xbf"), NO("\xfb\xbf\xbf\xbf"), NO("\xfd\xbf\xbf\xbf\xbf"));
    GROUP(b, 15, "all of these in a row",
          NO("\xc0\xe0\x80\xf0\x80\x80\xf8\x80\x80\x80\xfc\x80\x80\x80\x80\xdf\xef\xbf\xf7\xbf\xbf"
             "\xfb\xbf\xbf\xbf\xfd\xbf\xbf\xbf\xbf"));
    GROUP(b, 16, "impossible bytes", NO("\xfe"), NO("\xff"), NO("\xfe\xfe\xff\xff"));
}

static void overlong(book *b)
{
    GROUP(b, 17, "an overlong slash", NO("\xc0\xaf"), NO("\xe0\x80\xaf"), NO("\xf0\x80\x80\xaf"),
          NO("\xf8\x80\x80\x80\xaf"), NO("\xfc\x80\x80\x80\x80\xaf"));
    GROUP(b, 18, "the last overlong sequence of a length", NO("\xc1\xbf"), NO("\xe0\x9f\xbf"),
          NO("\xf0\x8f\xbf\xbf"), NO("\xf8\x87\xbf\xbf\xbf"), NO("\xfc\x83\xbf\xbf\xbf\xbf"));
    GROUP(b, 19, "an overlong NUL", NO("\xc0\x80"), NO("\xe0\x80\x80"), NO("\xf0\x80\x80\x80"),
          NO("\xf8\x80\x80\x80\x80"), NO("\xfc\x80\x80\x80\x80\x80"));
}

static void surrogates(book *b)
{
    GROUP(b, 20, "a single surrogate", NO("\xed\xa0\x80"), NO("\xed\xad\xbf"), NO("\xed\xae\x80"),
          NO("\xed\xaf\xbf"), NO("\xed\xb0\x80"), NO("\xed\xbe\x80"), NO("\xed\xbf\xbf"));
    GROUP(b, 21, "a pair of surrogates", NO("\xed\xa0\x80\xed\xb0\x80"),
          NO("\xed\xa0\x80\xed\xbf\xbf"), NO("\xed\xad\xbf\xed\xb0\x80"),
          NO("\xed\xad\xbf\xed\xbf\xbf"), NO("\xed\xae\x80\xed\xb0\x80"),
          NO("\xed\xae\x80\xed\xbf\xbf"), NO("\xed\xaf\xbf\xed\xb0\x80"),
          NO("\xed\xaf\xbf\xed\xbf\xbf"));
}

/* U+FFFE, U+FFFF and the last two code points of the planes 1 to 16. */
static void non_characters(book *b)
{
    size_t index = 0;
    for (unsigned plane = 0; plane <= 16; plane++) {
        for (unsigned last = 0xFFFE; last <= 0xFFFF; last++) {
            unsigned c = plane << 16 | last;
            char three[] = {(char)(0xE0 | c >> 12), (char)(0x80 | (c >> 6 & 0x3F)),
                            (char)(0x80 | (c & 0x3F)), 0};
            char four[] = {(char)(0xF0 | c >> 18), (char)(0x80 | (c >> 12 & 0x3F)),
                           (char)(0x80 | (c >> 6 & 0x3F)), (char)(0x80 | (c & 0x3F)), 0};
            sequence text = {true, plane == 0 ? three : four, plane == 0 ? 3 : 4};
            one_text(b, 22, ++index, "a code point that is no character", &text);
        }
    }
    GROUP(b, 23, "a special code point", YES("\xef\xbf\xb9"), YES("\xef\xbf\xba"),
          YES("\xef\xbf\xbb"), YES("\xef\xbf\xbc"), YES("\xef\xbf\xbd"), YES("\xef\xbf\xbe"),
          YES("\xef\xbf\xbf"));
}

/* Fragments --------------------------------------------------------------------------------- */

static void in_fragments(book *b, const char *text, size_t len, size_t size)
{
    for (size_t at = 0; at < len; at += size) {
        size_t piece = len - at < size ? len - at : size;
        int fin = at + piece == len ? FIN : 0;
        case_bytes(b, fin | (at == 0 ? TEXT : CONT), text + at, piece);
    }
}

static void empty_fragments(book *b)
{
    if (case_begin(b, "6.1.1", MUST_ECHO, "an empty text")) {
        case_frame(b, FIN | TEXT, "");
        case_end(b, "text|close 1000", NULL);
    }
    if (case_begin(b, "6.1.2", MUST_ECHO, "a text in three fragments, all empty")) {
        case_frame(b, TEXT, "");
        case_frame(b, CONT, "");
        case_frame(b, FIN | CONT, "");
        case_end(b, "text|close 1000", NULL);
    }
    if (case_begin(b, "6.1.3", MUST_ECHO, "a text in three fragments, the first and last empty")) {
        case_frame(b, TEXT, "");
        case_frame(b, CONT, "middle frame payload");
        case_frame(b, FIN | CONT, "");
        case_end(b, "text middle frame payload|close 1000", NULL);
    }
}

static void valid_text(book *b)
{
    static const char text[] =
        "Hello-\xc2\xb5@\xc3\x9f\xc3\xb6\xc3\xa4\xc3\xbc\xc3\xa0\xc3\xa1-UTF-8!!";
    const char *wanted =
        "text Hello-\xc2\xb5@\xc3\x9f\xc3\xb6\xc3\xa4\xc3\xbc\xc3\xa0\xc3\xa1-UTF-8!!"
        "|close 1000";
    size_t len = sizeof text - 1;
    if (case_begin(b, "6.2.1", MUST_ECHO, "a text that is not ASCII")) {
        case_frame(b, FIN | TEXT, text);
        case_end(b, wanted, NULL);
    }
    if (case_begin(b, "6.2.2", MUST_ECHO, "the same in two fragments, cut between characters")) {
        case_bytes(b, TEXT, text, 12);
        case_bytes(b, FIN | CONT, text + 12, len - 12);
        case_end(b, wanted, NULL);
    }
    if (case_begin(b, "6.2.3", MUST_ECHO, "the same in fragments of one byte")) {
        in_fragments(b, text, len, 1);
        case_end(b, wanted, NULL);
    }
    if (case_begin(b, "6.2.4", MUST_ECHO, "a Greek word in fragments of one byte")) {
        in_fragments(b, KOSME, sizeof KOSME - 1, 1);
        case_end(b, case_echo(false, KOSME, sizeof KOSME - 1), NULL);
    }
}

static void invalid_text(book *b)
{
    static const char text[] = KOSME "\xed\xa0\x80"
                                     "edited";
    if (case_begin(b, "6.3.1", MUST_1007, "a text with a surrogate in it")) {
        case_frame(b, FIN | TEXT, text);
        case_end(b, "close 1007", NULL);
    }
    if (case_begin(b, "6.3.2", MUST_1007, "the same in fragments of one byte")) {
        in_fragments(b, text, sizeof text - 1, 1);
        case_end(b, "close 1007", NULL);
    }
}

/* A text in three parts, of which the second makes it invalid: that must show before the third. */
static void fail_fast(book *b, const char *number, size_t first, size_t second, bool frames)
{
    static const char text[] = KOSME "\xf4\x90\x80\x80"
                                     "edited";
    size_t len = sizeof text - 1;
    if (!case_begin(b, number, "take the first part, fail at the second: 1007",
                    "a text above U+10FFFF in three %s, cut %s, a pause between them",
                    frames ? "fragments" : "pieces of one frame",
                    second == 4 ? "around the character" : "around the byte that spoils it")) {
        return;
    }
    if (frames) {
        case_bytes(b, TEXT, text, first);
        case_wait(b);
        case_bytes(b, CONT, text + first, second);
        case_wait(b);
        case_bytes(b, FIN | CONT, text + first + second, len - first - second);
    } else {
        char header[2] = {(char)(FIN | TEXT), (char)len};
        const size_t parts[] = {first, second, len - first - second};
        size_t at = 0;
        (void)byte_queue_append(&b->s.out, header, sizeof header);
        for (int i = 0; i < 3; i++) {
            (void)byte_queue_append(&b->s.out, text + at, parts[i]);
            at += parts[i];
            if (i < 2) {
                case_wait(b);
            }
        }
    }
    case_end(b, "open|close 1007", "open|open|close 1007");
}

void text_cases(book *b)
{
    empty_fragments(b);
    valid_text(b);
    invalid_text(b);
    fail_fast(b, "6.4.1", 11, 4, true);
    fail_fast(b, "6.4.2", 12, 1, true);
    fail_fast(b, "6.4.3", 11, 4, false);
    fail_fast(b, "6.4.4", 12, 1, false);
    good_and_bad_starts(b);
    lonely(b);
    overlong(b);
    surrogates(b);
    non_characters(b);
}
