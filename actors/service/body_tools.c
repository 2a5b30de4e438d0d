/* SPDX-License-Identifier: MIT */
/* What bodies are made readable with. */
#include "body_tools.h"

#include "jsonpath.h"

#include "actors/json_call.h"

#include "runtime/json_depth.h"
#include "transport/json_scan.h"

#include <brotli/decode.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define PIECE_BYTES 65536

/* One step: its input, and where its output goes. */
typedef struct step {
    const char *name;
    size_t number; /* from 1 */
    const uint8_t *data;
    size_t len;
    size_t max;
    troupe_buffer *out;
    troupe_reason *reason;
} step;

static troupe_error damaged(const step *one, size_t at, const char *what)
{
    return troupe_fail(one->reason, TROUPE_EPARAMS, "decode, step %zu: %s at byte %zu: %s",
                       one->number, one->name, at, what);
}

static troupe_error put(const step *one, const void *data, size_t len)
{
    if (len > one->max - one->out->len) {
        return troupe_fail(one->reason, TROUPE_ELIMIT, "decode, step %zu: %s: more than %zu bytes",
                           one->number, one->name, one->max);
    }
    return troupe_buffer_append(one->out, data, len);
}

/* base64 ------------------------------------------------------------------------------------ */

static int base64_value(uint8_t letter)
{
    return letter >= 'A' && letter <= 'Z'   ? letter - 'A'
           : letter >= 'a' && letter <= 'z' ? letter - 'a' + 26
           : letter >= '0' && letter <= '9' ? letter - '0' + 52
           : letter == '+' || letter == '-' ? 62
           : letter == '/' || letter == '_' ? 63
                                            : -1;
}

static bool is_blank(uint8_t letter)
{
    return letter == ' ' || letter == '\t' || letter == '\r' || letter == '\n';
}

static troupe_error run_base64(const step *one)
{
    uint32_t bits = 0;
    unsigned count = 0; /* letters of the group in hand */
    size_t at = 0;
    for (; at < one->len && one->data[at] != '='; at++) {
        int value = base64_value(one->data[at]);
        if (is_blank(one->data[at])) {
            continue;
        }
        if (value < 0) {
            return damaged(one, at, "not of its alphabet");
        }
        bits = bits << 6 | (uint32_t)value;
        if (++count == 4) {
            const uint8_t bytes[] = {(uint8_t)(bits >> 16), (uint8_t)(bits >> 8), (uint8_t)bits};
            troupe_error error = put(one, bytes, 3);
            if (error != TROUPE_OK) {
                return error;
            }
            count = 0;
            bits = 0;
        }
    }
    for (; at < one->len; at++) {
        if (one->data[at] != '=' && !is_blank(one->data[at])) {
            return damaged(one, at, "something behind the padding");
        }
    }
    if (count == 1) {
        return damaged(one, one->len, "cut off");
    }
    bits <<= 6 * (4 - count);
    const uint8_t bytes[] = {(uint8_t)(bits >> 16), (uint8_t)(bits >> 8)};
    return count > 1 ? put(one, bytes, count - 1) : TROUPE_OK;
}

/* gzip, deflate ----------------------------------------------------------------------------- */

/* One stream of zlib; *used: bytes of the input it took. */
static troupe_error inflate_stream(const step *one, size_t from, int window_bits, size_t *used)
{
    uint8_t piece[PIECE_BYTES];
    z_stream stream = {.next_in = (Bytef *)one->data + from, .avail_in = (uInt)(one->len - from)};
    troupe_error error = TROUPE_OK;
    int code = inflateInit2(&stream, window_bits);
    if (code != Z_OK) {
        return TROUPE_ENOMEM;
    }
    do {
        stream.next_out = piece;
        stream.avail_out = sizeof piece;
        code = inflate(&stream, Z_NO_FLUSH);
        error = put(one, piece, sizeof piece - stream.avail_out);
    } while (error == TROUPE_OK && code == Z_OK && (stream.avail_in > 0 || stream.avail_out == 0));
    *used = one->len - from - stream.avail_in;
    if (error == TROUPE_OK && code != Z_STREAM_END) {
        error = damaged(one, from + *used,
                        code == Z_BUF_ERROR || code == Z_OK ? "cut off"
                        : stream.msg != NULL                ? stream.msg
                                                            : "not of this format");
    }
    inflateEnd(&stream);
    return error;
}

/* A file of gzip may have several members. */
static troupe_error run_gzip(const step *one)
{
    size_t at = 0;
    troupe_error error = TROUPE_OK;
    do {
        size_t used = 0;
        error = inflate_stream(one, at, 15 + 16, &used);
        at += used;
    } while (error == TROUPE_OK && at < one->len);
    return error;
}

/* What servers send as deflate is RFC 1950, or without its head and sum. */
static troupe_error run_deflate(const step *one)
{
    size_t used = 0;
    bool head = one->len >= 2 && (one->data[0] & 0x0f) == 8 &&
                ((unsigned)one->data[0] << 8 | one->data[1]) % 31 == 0;
    troupe_error error = inflate_stream(one, 0, head ? 15 : -15, &used);
    return error == TROUPE_OK && used < one->len ? damaged(one, used, "something behind the end")
                                                 : error;
}

/* br ------------------------------------------------------------------------------------------ */

static troupe_error run_br(const step *one)
{
    uint8_t piece[PIECE_BYTES];
    size_t left = one->len;
    const uint8_t *next = one->data;
    troupe_error error = TROUPE_OK;
    BrotliDecoderResult result;
    BrotliDecoderState *state = BrotliDecoderCreateInstance(NULL, NULL, NULL);
    if (state == NULL) {
        return TROUPE_ENOMEM;
    }
    do {
        uint8_t *to = piece;
        size_t room = sizeof piece;
        result = BrotliDecoderDecompressStream(state, &left, &next, &room, &to, NULL);
        error = put(one, piece, sizeof piece - room);
    } while (error == TROUPE_OK && result == BROTLI_DECODER_RESULT_NEEDS_MORE_OUTPUT);
    if (error == TROUPE_OK && result != BROTLI_DECODER_RESULT_SUCCESS) {
        error = damaged(one, one->len - left,
                        result == BROTLI_DECODER_RESULT_NEEDS_MORE_INPUT
                            ? "cut off"
                            : BrotliDecoderErrorString(BrotliDecoderGetErrorCode(state)));
    } else if (error == TROUPE_OK && left > 0) {
        error = damaged(one, one->len - left, "something behind the end");
    }
    BrotliDecoderDestroyInstance(state);
    return error;
}

/* Decoding ---------------------------------------------------------------------------------- */

const char *const body_codings[] = {"base64", "gzip", "deflate", "br", NULL};

static troupe_error run_step(const step *one)
{
    static troupe_error (*const runs[])(const step *) = {run_base64, run_gzip, run_deflate, run_br};
    for (size_t i = 0; body_codings[i] != NULL; i++) {
        if (one->name != NULL && strcmp(one->name, body_codings[i]) == 0) {
            return runs[i](one);
        }
    }
    return troupe_fail(one->reason, TROUPE_EPARAMS,
                       "decode, step %zu: `%.40s` is none of base64, gzip, deflate, br",
                       one->number, one->name != NULL ? one->name : "?");
}

troupe_error body_decode(const json_t *codings, const void *data, size_t len, size_t max,
                         troupe_buffer *out, troupe_reason *reason)
{
    size_t i;
    json_t *name;
    troupe_buffer from = {0};
    troupe_error error = troupe_buffer_append(&from, data, len);
    json_array_foreach(codings, i, name)
    {
        troupe_buffer to = {0};
        const step one = {.name = json_string_value(name),
                          .number = i + 1,
                          .data = from.data != NULL ? from.data : (const uint8_t *)"",
                          .len = from.len,
                          .max = max,
                          .out = &to,
                          .reason = reason};
        error = error == TROUPE_OK ? run_step(&one) : error;
        troupe_buffer_fini(&from);
        from = to;
    }
    if (error != TROUPE_OK) {
        troupe_buffer_fini(&from);
        return error;
    }
    *out = from;
    return TROUPE_OK;
}

json_t *body_value(const void *data, size_t len, bool *base64)
{
    json_t *text = json_stringn(data != NULL ? data : "", len); /* NULL: not UTF-8 */
    *base64 = text == NULL;
    return text != NULL ? text : json_base64(data, len);
}

/* JSON -------------------------------------------------------------------------------------- */

/* JSON laid out anew, its strings and numbers as they stand. */
typedef struct layout {
    troupe_buffer out;
    size_t max;
    size_t depth;
    bool pretty;
    bool full; /* more than max */
} layout;

static void put_text(layout *to, const char *text, size_t len)
{
    to->full = to->full || len > to->max - to->out.len;
    if (!to->full) {
        (void)troupe_buffer_append(&to->out, text, len);
    }
}

static void new_line(layout *to)
{
    if (to->pretty) {
        put_text(to, "\n", 1);
        for (size_t i = 0; i < to->depth && !to->full; i++) {
            put_text(to, "  ", 2);
        }
    }
}

static void open_bracket(layout *to, char letter)
{
    put_text(to, &letter, 1);
    to->depth++;
    new_line(to);
}

static void close_bracket(layout *to, char letter)
{
    to->depth--;
    new_line(to);
    put_text(to, &letter, 1);
}

/* Behind the closing quote. */
static size_t string_end(const char *text, size_t at)
{
    for (at++; text[at] != '"'; at++) {
        at += text[at] == '\\';
    }
    return at + 1;
}

static size_t blanks(json_span value, size_t at)
{
    while (at < value.len && is_blank((uint8_t)value.data[at])) {
        at++;
    }
    return at;
}

static void write_value(layout *to, json_span value)
{
    size_t at = blanks(value, 0);
    while (at < value.len && !to->full) {
        char letter = value.data[at];
        size_t next = letter == '"' ? string_end(value.data, at) : at + 1;
        size_t behind = blanks(value, next);
        bool empty = (letter == '{' || letter == '[') &&
                     (value.data[behind] == '}' || value.data[behind] == ']');
        if (empty) {
            put_text(to, letter == '{' ? "{}" : "[]", 2);
            behind = blanks(value, behind + 1);
        } else if (letter == '{' || letter == '[') {
            open_bracket(to, letter);
        } else if (letter == '}' || letter == ']') {
            close_bracket(to, letter);
        } else {
            put_text(to, value.data + at, next - at);
        }
        if (letter == ',') {
            new_line(to);
        } else if (letter == ':' && to->pretty) {
            put_text(to, " ", 1);
        }
        at = behind;
    }
}

static void write_list(layout *to, const jsonpath_values *values)
{
    if (values->count == 0) {
        put_text(to, "[]", 2);
        return;
    }
    open_bracket(to, '[');
    for (size_t i = 0; i < values->count && !to->full; i++) {
        if (i > 0) {
            put_text(to, ",", 1);
            new_line(to);
        }
        write_value(to, values->items[i]);
    }
    close_bracket(to, ']');
}

static bool is_utf8(const char *text, size_t len)
{
    json_t *string = json_stringn(text, len);
    bool valid = string != NULL;
    json_decref(string);
    return valid;
}

static troupe_error check_json(const char *text, size_t len, troupe_reason *reason)
{
    size_t at = 0;
    size_t line = 1;
    size_t column = 1;
    if (!json_depth_within(text, len, JSON_TEXT_DEPTH_MAX)) {
        return troupe_fail(reason, TROUPE_EPARAMS, "JSON that nests deeper than %u",
                           JSON_TEXT_DEPTH_MAX);
    }
    bool text_is_fine = is_utf8(text, len);
    if (text_is_fine && json_check(text, len, &at) == TROUPE_OK) {
        return TROUPE_OK;
    }
    if (!text_is_fine) {
        return troupe_fail(reason, TROUPE_EPARAMS, "not JSON: not UTF-8");
    }
    for (size_t i = 0; i < at && i < len; i++) {
        column = text[i] == '\n' ? 1 : column + 1;
        line += text[i] == '\n';
    }
    char what[32] = "it ends too early";
    bool shown = at < len && text[at] > ' ' && text[at] < 0x7f;
    if (at < len) {
        snprintf(what, sizeof what, shown ? "`%c` is wrong here" : "byte 0x%02x is wrong here",
                 (unsigned char)text[at]);
    }
    return troupe_fail(reason, TROUPE_EPARAMS, "not JSON: line %zu, column %zu: %s", line, column,
                       what);
}

troupe_error body_json(const char *text, size_t len, const char *path, bool pretty, size_t max,
                       char **out, troupe_reason *reason)
{
    bool several = false;
    jsonpath_values found = {0};
    layout to = {.max = max, .pretty = pretty};
    troupe_error error = check_json(text, len, reason);
    if (error == TROUPE_OK) {
        error = jsonpath_find((json_span){text, len}, path != NULL ? path : "$", &found, &several,
                              reason);
    }
    if (error != TROUPE_OK) {
        return error;
    }
    if (several) {
        write_list(&to, &found);
    } else {
        write_value(&to, found.items[0]);
    }
    jsonpath_values_fini(&found);
    (void)troupe_buffer_append(&to.out, "", 1);
    if (to.full || to.out.failed) {
        troupe_buffer_fini(&to.out);
        return to.full
                   ? troupe_fail(reason, TROUPE_ELIMIT, "laid out, it has more than %zu bytes", max)
                   : TROUPE_ENOMEM;
    }
    *out = (char *)to.out.data;
    return TROUPE_OK;
}
