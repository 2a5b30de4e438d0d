/* SPDX-License-Identifier: MIT */
/* permessage-deflate (RFC 7692), client side, over zlib. */
#include "deflate.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define INFLATE_STEP ((size_t)16 << 10)
#define DEFLATE_STEP ((size_t)16 << 10)
#define LEVEL        1 /* 2 to 4 times as fast as zlib's default, for a tenth more bytes */
#define MEMORY_LEVEL 8

/* What a flush ends with, and what a message on the wire lacks (section 7.2.1). */
static const char flush_tail[4] = {0, 0, (char)0xFF, (char)0xFF};

/* --- negotiation ---------------------------------------------------------------------------- */

void deflate_offer_text(const deflate_offer *offer, char text[DEFLATE_OFFER_SIZE])
{
    char bits[32] = "";
    if (offer->server_bits != 0) {
        snprintf(bits, sizeof(bits), "; server_max_window_bits=%u", offer->server_bits);
    }
    snprintf(text, DEFLATE_OFFER_SIZE, "permessage-deflate; client_max_window_bits%s%s%s", bits,
             offer->server_no_context ? "; server_no_context_takeover" : "",
             offer->client_no_context ? "; client_no_context_takeover" : "");
}

/** What is being read of the server's value. */
typedef struct cursor {
    const char *at;
    const char *end;
} cursor;

/** One parameter: NAME or NAME=VALUE, the quotes of a value taken off. */
typedef struct parameter {
    const char *name;
    size_t name_len;
    const char *value;
    size_t value_len;
    bool has_value;
} parameter;

static void skip_blanks(cursor *c)
{
    while (c->at < c->end && (*c->at == ' ' || *c->at == '\t')) {
        c->at++;
    }
}

static bool take(cursor *c, char wanted)
{
    skip_blanks(c);
    bool there = c->at < c->end && *c->at == wanted;
    c->at += there ? 1 : 0;
    return there;
}

static size_t take_token(cursor *c, const char **token)
{
    static const char others[] = "!#$%&'*+-.^_`|~";
    skip_blanks(c);
    *token = c->at;
    while (c->at < c->end &&
           ((*c->at >= '0' && *c->at <= '9') || (*c->at >= 'a' && *c->at <= 'z') ||
            (*c->at >= 'A' && *c->at <= 'Z') || (*c->at != '\0' && strchr(others, *c->at)))) {
        c->at++;
    }
    return (size_t)(c->at - *token);
}

static bool take_parameter(cursor *c, parameter *p)
{
    memset(p, 0, sizeof(*p));
    p->name_len = take_token(c, &p->name);
    if (p->name_len == 0) {
        return false;
    }
    p->has_value = take(c, '=');
    if (!p->has_value) {
        return true;
    }
    bool quoted = take(c, '"');
    p->value_len = take_token(c, &p->value);
    return p->value_len > 0 && (!quoted || take(c, '"'));
}

static bool is_named(const parameter *p, const char *name)
{
    return p->name_len == strlen(name) && strncasecmp(p->name, name, p->name_len) == 0;
}

/** 8..15 without leading zeros; 0 for anything else. */
static uint8_t bits_of(const parameter *p)
{
    unsigned bits = 0;
    for (size_t i = 0; i < p->value_len && i < 3; i++) {
        if (p->value[i] < '0' || p->value[i] > '9' || (i == 0 && p->value[i] == '0')) {
            return 0;
        }
        bits = bits * 10 + (unsigned)(p->value[i] - '0');
    }
    return bits >= DEFLATE_BITS_MIN && bits <= DEFLATE_BITS_MAX ? (uint8_t)bits : 0;
}

static troupe_error refuse(troupe_reason *reason, const char *what, const parameter *p)
{
    int len = p->name_len < 60 ? (int)p->name_len : 60; /* a token: printable */
    return troupe_fail(reason, TROUPE_EPROTOCOL, "the server's permessage-deflate %s: %.*s", what,
                       len, p->name);
}

/** A parameter without a value that may stand once. */
static troupe_error accept_flag(const parameter *p, bool *flag, troupe_reason *reason)
{
    if (p->has_value) {
        return refuse(reason, "has a value where none belongs", p);
    }
    if (*flag) {
        return refuse(reason, "has a parameter twice", p);
    }
    *flag = true;
    return TROUPE_OK;
}

/** A window: `most` is what was offered; 0 in *bits means that it was not seen yet. */
static troupe_error accept_bits(const parameter *p, uint8_t *bits, uint8_t most,
                                troupe_reason *reason)
{
    uint8_t value = bits_of(p);
    if (*bits != 0) {
        return refuse(reason, "has a parameter twice", p);
    }
    if (value == 0) {
        return refuse(reason, "has a window that is not 8 to 15", p);
    }
    if (value > most) {
        return refuse(reason, "has a larger window than was offered", p);
    }
    *bits = value;
    return TROUPE_OK;
}

static troupe_error accept_parameter(const deflate_offer *offer, const parameter *p,
                                     deflate_params *out, troupe_reason *reason)
{
    uint8_t most = offer->server_bits != 0 ? offer->server_bits : DEFLATE_BITS_MAX;
    if (is_named(p, "server_no_context_takeover")) {
        return accept_flag(p, &out->server_no_context, reason);
    }
    if (is_named(p, "client_no_context_takeover")) {
        return accept_flag(p, &out->client_no_context, reason);
    }
    if (is_named(p, "server_max_window_bits")) {
        return accept_bits(p, &out->server_bits, most, reason);
    }
    if (is_named(p, "client_max_window_bits")) {
        return accept_bits(p, &out->client_bits, DEFLATE_BITS_MAX, reason);
    }
    return refuse(reason, "has an unknown parameter", p);
}

static troupe_error accept_all(const deflate_offer *offer, cursor *c, deflate_params *out,
                               troupe_reason *reason)
{
    parameter p;
    if (!take_parameter(c, &p) || p.has_value || !is_named(&p, "permessage-deflate")) {
        return troupe_fail(reason, TROUPE_EPROTOCOL,
                           "the server chose an extension that was not offered");
    }
    while (take(c, ';')) {
        if (!take_parameter(c, &p)) {
            return troupe_fail(reason, TROUPE_EPROTOCOL,
                               "the server's permessage-deflate is malformed");
        }
        troupe_error error = accept_parameter(offer, &p, out, reason);
        if (error != TROUPE_OK) {
            return error;
        }
    }
    skip_blanks(c);
    if (c->at != c->end) {
        return troupe_fail(reason, TROUPE_EPROTOCOL, "the server's extensions %s",
                           *c->at == ',' ? "are more than the one offered" : "are malformed");
    }
    return TROUPE_OK;
}

troupe_error deflate_accept(const deflate_offer *offer, const char *value, size_t len,
                            deflate_params *out, troupe_reason *reason)
{
    cursor c = {value, value + len};
    deflate_params params = {0};
    troupe_error error = accept_all(offer, &c, &params, reason);
    if (error != TROUPE_OK) {
        return error;
    }
    /* What the offer demanded is only granted by being named. */
    if ((offer->server_no_context && !params.server_no_context) ||
        (offer->server_bits != 0 && params.server_bits == 0)) {
        return troupe_fail(reason, TROUPE_EPROTOCOL,
                           "the server took permessage-deflate without what was asked of it");
    }
    params.server_bits = params.server_bits != 0 ? params.server_bits : DEFLATE_BITS_MAX;
    params.client_bits = params.client_bits != 0 ? params.client_bits : DEFLATE_BITS_MAX;
    *out = params;
    return TROUPE_OK;
}

/* --- the streams ---------------------------------------------------------------------------- */

void deflate_init(deflate_streams *streams, const deflate_params *params)
{
    memset(streams, 0, sizeof(*streams));
    streams->params = *params;
}

static void close_in(deflate_streams *streams)
{
    if (streams->in_open) {
        (void)inflateEnd(&streams->in);
        streams->in_open = false;
    }
}

static void close_out(deflate_streams *streams)
{
    if (streams->out_open) {
        (void)deflateEnd(&streams->out);
        streams->out_open = false;
    }
}

void deflate_fini(deflate_streams *streams)
{
    close_in(streams);
    close_out(streams);
}

void deflate_rest(deflate_streams *streams)
{
    /* A decoder whose context the peer builds on must stay; a compressor may always start anew. */
    if (!streams->out_used) {
        close_out(streams);
    }
    streams->out_used = false;
}

/** One call of inflate with room of at most `max` + 1 bytes in all: one more than allowed shows a
 * message that is too long. */
static troupe_error inflate_step(z_stream *in, byte_queue *out, size_t max, int *code)
{
    size_t held = byte_queue_len(out);
    size_t step = held < INFLATE_STEP ? INFLATE_STEP : held; /* geometric */
    if (step > max - held) {
        step = max - held + 1;
    }
    step = step > UINT32_MAX ? UINT32_MAX : step;
    if (!byte_queue_reserve(out, step)) {
        return TROUPE_ENOMEM;
    }
    in->next_out = (Bytef *)(out->data + out->tail);
    in->avail_out = (uInt)step;
    *code = inflate(in, Z_SYNC_FLUSH);
    out->tail += step - in->avail_out;
    if (byte_queue_len(out) > max) {
        out->tail--;
        return TROUPE_ELIMIT;
    }
    switch (*code) {
    case Z_OK:
    case Z_STREAM_END:
    case Z_BUF_ERROR: /* no progress: it wants more input */
        return TROUPE_OK;
    case Z_MEM_ERROR:
        return TROUPE_ENOMEM;
    default:
        return TROUPE_EPROTOCOL;
    }
}

static troupe_error inflate_some(deflate_streams *streams, const char *data, size_t len,
                                 byte_queue *out, size_t max)
{
    z_stream *in = &streams->in;
    int code = Z_OK;
    streams->in_cut = true;
    in->next_in = (z_const Bytef *)(uintptr_t)data;
    in->avail_in = (uInt)len;
    do {
        troupe_error error = inflate_step(in, out, max, &code);
        if (error != TROUPE_OK) {
            return error;
        }
        /* A final block ends the stream, not the message: what follows is the next stream. */
        if (code == Z_STREAM_END && inflateReset(in) != Z_OK) {
            return TROUPE_EPROTOCOL;
        }
    } while (in->avail_in > 0 || in->avail_out == 0);
    /* 128: between two blocks. */
    streams->in_cut = code != Z_STREAM_END && (in->data_type & 128) == 0;
    return TROUPE_OK;
}

troupe_error deflate_inflate(deflate_streams *streams, const char *data, size_t len,
                             byte_queue *out, size_t max)
{
    if (!streams->in_open) {
        /* The largest window, whatever was agreed on: a server that reaches too far back would be
         * caught or not by where its bytes were cut. */
        if (inflateInit2(&streams->in, -DEFLATE_BITS_MAX) != Z_OK) {
            return TROUPE_ENOMEM;
        }
        streams->in_open = true;
    }
    for (size_t at = 0; at < len;) {
        size_t piece = len - at < UINT32_MAX ? len - at : UINT32_MAX;
        troupe_error error = inflate_some(streams, data + at, piece, out, max);
        if (error != TROUPE_OK) {
            return error;
        }
        at += piece;
    }
    return TROUPE_OK;
}

troupe_error deflate_inflate_end(deflate_streams *streams, byte_queue *out, size_t max)
{
    troupe_error error = deflate_inflate(streams, flush_tail, sizeof(flush_tail), out, max);
    if (error == TROUPE_OK && streams->in_cut) {
        error = TROUPE_EPROTOCOL;
    }
    if (streams->params.server_no_context) {
        close_in(streams); /* nothing of it is needed again */
    }
    return error;
}

static bool open_out(deflate_streams *streams)
{
    if (!streams->out_open) {
        streams->out_open =
            deflateInit2(&streams->out, LEVEL, Z_DEFLATED, -(int)streams->params.client_bits,
                         MEMORY_LEVEL, Z_DEFAULT_STRATEGY) == Z_OK;
    }
    return streams->out_open;
}

/** Deflate all of it, giving up when it has become `len` bytes long. False: given up. */
static bool deflate_all(z_stream *z, const char *data, size_t len, byte_queue *out)
{
    const size_t tail = sizeof(flush_tail);
    size_t fed = 0;
    z->avail_in = 0;
    do {
        if (z->avail_in == 0 && fed < len) {
            size_t piece = len - fed < UINT32_MAX ? len - fed : UINT32_MAX;
            z->next_in = (z_const Bytef *)(uintptr_t)(data + fed);
            z->avail_in = (uInt)piece;
            fed += piece;
        }
        if (!byte_queue_reserve(out, DEFLATE_STEP)) {
            return false;
        }
        z->next_out = (Bytef *)(out->data + out->tail);
        z->avail_out = (uInt)DEFLATE_STEP;
        int code = deflate(z, fed == len ? Z_SYNC_FLUSH : Z_NO_FLUSH);
        out->tail += DEFLATE_STEP - z->avail_out;
        if ((code != Z_OK && code != Z_BUF_ERROR) || byte_queue_len(out) >= len + tail) {
            return false;
        }
    } while (z->avail_in > 0 || fed < len || z->avail_out == 0);
    out->tail -= tail;
    return true;
}

troupe_error deflate_deflate(deflate_streams *streams, const char *data, size_t len,
                             byte_queue *out)
{
    if (!open_out(streams)) {
        return TROUPE_ENOMEM;
    }
    streams->out_used = true;
    if (!deflate_all(&streams->out, data, len, out)) {
        /* The peer will not see it, so nothing may refer to it. */
        byte_queue_consume(out, byte_queue_len(out));
        (void)deflateReset(&streams->out);
    } else if (streams->params.client_no_context) {
        (void)deflateReset(&streams->out);
    }
    return TROUPE_OK;
}
