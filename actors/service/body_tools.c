/* SPDX-License-Identifier: MIT */
/* What bodies are made readable with. */
#include "body_tools.h"

#include "jsonpath.h"

#include "actors/json_call.h"

#include "runtime/json_depth.h"

#include <brotli/decode.h>
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
    return inflate_stream(one, 0, head ? 15 : -15, &used);
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

troupe_error body_json(const char *text, size_t len, const char *path, bool pretty, char **out,
                       troupe_reason *reason)
{
    json_error_t flaw;
    json_t *value = NULL;
    size_t flags = pretty ? JSON_INDENT(2) : JSON_COMPACT;
    if (!json_depth_within(text, len, JSON_TEXT_DEPTH_MAX)) {
        return troupe_fail(reason, TROUPE_EPARAMS, "JSON that nests deeper than %u",
                           JSON_TEXT_DEPTH_MAX);
    }
    value = json_loadb(text, len, JSON_DECODE_ANY | JSON_ALLOW_NUL, &flaw);
    if (value == NULL) {
        return troupe_fail(reason, TROUPE_EPARAMS, "not JSON: line %d, column %d: %s", flaw.line,
                           flaw.column, flaw.text);
    }
    json_t *part = NULL;
    troupe_error error = TROUPE_OK;
    if (path != NULL) {
        error = jsonpath_find(value, path, &part, reason);
    } else {
        part = json_incref(value);
    }
    if (error == TROUPE_OK) {
        *out = json_dumps(part, flags | JSON_ENCODE_ANY);
        error = *out != NULL ? TROUPE_OK : TROUPE_ENOMEM;
    }
    json_decref(part);
    json_decref(value);
    return error;
}
