/* SPDX-License-Identifier: MIT */
/* permessage-deflate. Autobahn's texts and pictures are not ours to keep: data of the same kinds is
 * made up here. It plays each case with 1,000 messages; here long ones are fewer. */
#include "websocket_book.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define DATA_BYTES ((size_t)1 << 18)
#define CASE_BYTES ((size_t)256 << 10) /* of all messages of one case, but at least 4 */
#define ANSWER                                                                          \
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" \
    "Sec-WebSocket-Accept: {accept}\r\nSec-WebSocket-Extensions: permessage-deflate"

static const struct size {
    size_t len, fragment;
} sizes[] = {
    {16, 0},      {64, 0},      {256, 0},      {1024, 0},      {4096, 0},      {8192, 0},
    {16384, 0},   {32768, 0},   {65536, 0},    {131072, 0},    {8192, 256},    {16384, 256},
    {32768, 256}, {65536, 256}, {131072, 256}, {131072, 1024}, {131072, 4096}, {131072, 32768},
};

/* The server's streams ---------------------------------------------------------------------- */

typedef struct streams {
    z_stream out;
    z_stream in;
    bool fresh; /* each of the client's messages begins a context of its own */
    uInt step;  /* inflated at a time: less than the window, so that reaching too far back shows */
    byte_queue packed;
    byte_queue plain;
} streams;

static void streams_open(streams *z, int client_bits, bool client_no_context)
{
    memset(z, 0, sizeof *z);
    z->fresh = client_no_context;
    z->step = client_bits < 15 ? 1u << (client_bits - 1) : 65536;
    if (deflateInit2(&z->out, 6, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY) != Z_OK ||
        inflateInit2(&z->in, client_bits > 8 ? -client_bits : -9) != Z_OK) {
        abort();
    }
}

static void streams_close(streams *z)
{
    deflateEnd(&z->out);
    inflateEnd(&z->in);
    byte_queue_fini(&z->packed);
    byte_queue_fini(&z->plain);
}

/* Without the four bytes that each message ends with. */
static void pack(streams *z, const char *data, size_t len)
{
    byte_queue_consume(&z->packed, byte_queue_len(&z->packed));
    z->out.next_in = (z_const Bytef *)(uintptr_t)data;
    z->out.avail_in = (uInt)len;
    do {
        if (!byte_queue_reserve(&z->packed, 65536)) {
            abort();
        }
        z->out.next_out = (Bytef *)(z->packed.data + z->packed.tail);
        z->out.avail_out = 65536;
        (void)deflate(&z->out, Z_SYNC_FLUSH);
        z->packed.tail += 65536 - z->out.avail_out;
    } while (z->out.avail_out == 0);
    z->packed.tail -= 4;
}

static bool inflate_piece(streams *z, const char *data, size_t len)
{
    int code;
    z->in.next_in = (z_const Bytef *)(uintptr_t)data;
    z->in.avail_in = (uInt)len;
    do {
        if (!byte_queue_reserve(&z->plain, 65536)) {
            abort();
        }
        z->in.next_out = (Bytef *)(z->plain.data + z->plain.tail);
        z->in.avail_out = z->step;
        code = inflate(&z->in, Z_SYNC_FLUSH);
        z->plain.tail += z->step - z->in.avail_out;
    } while (code == Z_OK && (z->in.avail_in > 0 || z->in.avail_out == 0));
    return code == Z_OK || code == Z_BUF_ERROR;
}

/* For the stage: a message of the client's that has RSV1 set. */
static bool unpack(void *context, const char *data, size_t len, const char **out, size_t *out_len)
{
    streams *z = context;
    byte_queue_consume(&z->plain, byte_queue_len(&z->plain));
    bool ok = inflate_piece(z, data, len) && inflate_piece(z, "\x00\x00\xff\xff", 4);
    if (z->fresh) {
        ok = inflateReset(&z->in) == Z_OK && ok;
    }
    *out = byte_queue_head(&z->plain);
    *out_len = byte_queue_len(&z->plain);
    return ok;
}

/* Data -------------------------------------------------------------------------------------- */

static uint32_t next_random(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

static void fill_text(char *data, size_t len, const char *const *words, size_t count)
{
    uint32_t state = 1;
    for (size_t at = 0; at < len;) {
        const char *word = words[next_random(&state) % count];
        for (; *word != '\0' && at < len; word++) {
            data[at++] = *word;
        }
    }
}

/* A slope with noise in the last bits. */
static void fill_picture(char *data, size_t len)
{
    uint32_t state = 2;
    for (size_t i = 0; i < len; i++) {
        data[i] = (char)((i % 512 + i / 512) / 4 + next_random(&state) % 4);
    }
}

/* Words between pieces that are compressed already. */
static void fill_document(char *data, size_t len)
{
    uint32_t state = 3;
    for (size_t i = 0; i < len; i++) {
        data[i] = i / 2048 % 4 == 0 ? "endobj stream /Length 2048 >> "[i % 30]
                                    : (char)next_random(&state);
    }
}

static void fill(char *data, size_t len, int kind)
{
    static const char *const json[] = {
        "{\"id\":", "17", "2026", ",\"name\":", "\"page\"", ",\"tags\":[",
        "\"a\"",    "]",  "},\n", "null",       "-3.25e-2"};
    static const char *const german[] = {
        "Habe ",  "nun, ",  "ach! ", "der ",     "die ",
        "und ",   "nicht ", "mit ",  "heissem ", "Bem\xc3\xbchn.\n",
        "Geist ", "Welt "};
    static const char *const html[] = {
        "<div class=\"", "row",  "\">",    "</div>\n", "<a href=\"#\">",
        "text",          "</a>", "&nbsp;", "<p>",      "</p>\n"};
    switch (kind) {
    case 1:
        fill_text(data, len, json, sizeof json / sizeof *json);
        break;
    case 2:
        fill_picture(data, len);
        break;
    case 3:
        fill_text(data, len, german, sizeof german / sizeof *german);
        break;
    case 4:
        fill_text(data, len, html, sizeof html / sizeof *html);
        break;
    default:
        fill_document(data, len);
    }
}

/* Cases ------------------------------------------------------------------------------------- */

static void send_packed(book *b, streams *z, int first, const char *data, size_t len,
                        size_t fragment)
{
    pack(z, data, len);
    const char *packed = byte_queue_head(&z->packed);
    size_t packed_len = byte_queue_len(&z->packed);
    if (fragment == 0) {
        fragment = packed_len;
    }
    for (size_t at = 0; at < packed_len; at += fragment) {
        size_t piece = packed_len - at < fragment ? packed_len - at : fragment;
        int fin = at + piece == packed_len ? FIN : 0;
        case_bytes(b, fin | (at == 0 ? first | 4 * RSV : CONT), packed + at, piece);
    }
}

/* Messages one by one, out of `data`; each comes back. */
static void exchange(book *b, streams *z, const char *data, bool binary, const struct size *size,
                     unsigned count)
{
    size_t wanted_len = 0;
    char *wanted = malloc(count * 100 + 32);
    size_t from = 0;
    for (unsigned n = 1; n <= count; n++) {
        char *event = stage_event(binary ? "binary" : "text", data + from, size->len);
        wanted_len += (size_t)sprintf(wanted + wanted_len, "%s|", event);
        free(event);
        send_packed(b, z, binary ? BINARY : TEXT, data + from, size->len, size->fragment);
        stage_run(&b->s, CHOP_NONE);
        stage_await(&b->s, n);
        from = (from + size->len) % (DATA_BYTES - size->len);
    }
    sprintf(wanted + wanted_len, "close 1000");
    case_end(b, wanted, NULL);
    free(wanted);
}

typedef struct agreement {
    const char *parameters; /* in the server's answer */
    int client_bits;
    bool client_no_context;
} agreement;

static void one_size(book *b, const char *number, const char *what, const char *data, bool binary,
                     const struct size *size, const agreement *how)
{
    streams z;
    char fragments[64] = "";
    unsigned count = (unsigned)(CASE_BYTES / size->len);
    count = count > 1000 ? 1000 : count < 4 ? 4 : count;
    if (size->fragment > 0) {
        snprintf(fragments, sizeof fragments, ", in fragments of %zu", size->fragment);
    }
    if (!case_begin(b, number, "send each back", "%u messages of %zu bytes, compressed%s: %s",
                    count, size->len, fragments, what)) {
        return;
    }
    streams_open(&z, how->client_bits, how->client_no_context);
    b->s.inflate = unpack;
    b->s.context = &z;
    exchange(b, &z, data, binary, size, count);
    streams_close(&z);
}

static void all_sizes(book *b, const char *group, int index, const char *what, int kind,
                      const agreement *how)
{
    char number[16];
    char answer[400];
    char *data = malloc(DATA_BYTES);
    bool binary = kind == 2 || kind == 3 || kind == 5;
    fill(data, DATA_BYTES, kind);
    snprintf(answer, sizeof answer, ANSWER "%s\r\n\r\n", how->parameters);
    b->answer = answer;
    b->options.deflate = WEBSOCKET_DEFLATE_ON;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        snprintf(number, sizeof number, "%s.%d.%zu", group, index, i + 1);
        one_size(b, number, what, data, binary, &sizes[i], how);
    }
    b->answer = NULL;
    b->options.deflate = WEBSOCKET_DEFLATE_OFF;
    free(data);
}

void deflate_cases(book *b)
{
    static const char *const kinds[] = {"JSON", "a picture", "German text", "HTML",
                                        "a document, compressed in part"};
    static const agreement plain = {"", 15, false};
    static const agreement small_window = {"; client_max_window_bits=9", 9, false};
    static const struct named_agreement {
        const char *what;
        agreement how;
    } agreements[] = {
        {"JSON, nothing asked of the client", {"", 15, false}},
        {"JSON, without context", {"; client_no_context_takeover", 15, true}},
        {"JSON, a window of 8 bits", {"; client_max_window_bits=8", 8, false}},
        {"JSON, a window of 15 bits", {"; client_max_window_bits=15", 15, false}},
        {"JSON, without context, a window of 8 bits",
         {"; client_no_context_takeover; client_max_window_bits=8", 8, true}},
        {"JSON, without context, a window of 15 bits",
         {"; client_no_context_takeover; client_max_window_bits=15", 15, true}},
        {"JSON, the first that the client offers of: without context and 8 bits, without context, "
         "all",
         {"; client_no_context_takeover; client_max_window_bits=8", 8, true}},
    };
    for (int i = 1; i <= 5; i++) {
        all_sizes(b, "12", i, kinds[i - 1], i, &plain);
    }
    for (int i = 1; i <= 7; i++) {
        all_sizes(b, "13", i, agreements[i - 1].what, 1, &agreements[i - 1].how);
    }
    all_sizes(b, "T", 1, "JSON, a window of 9 bits", 1, &small_window);
}
