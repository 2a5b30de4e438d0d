/* SPDX-License-Identifier: MIT */
/*
 * The envelope codec: writes and reads the eight fields by hand, bounded on every side.
 * The layout is specified in docs/envelope.md, whose vectors are tested.
 */
#include "envelope.h"
#include "json_depth.h"
#include "names.h"
#include "wire.h"

#include <string.h>

#define ARRAY_OF_8 0x98
#define FIELDS     8

#define KEY_TIMEOUT  "timeout_ms"
#define KEY_EPOCH    "epoch"
#define KEY_TRACE    "trace"
#define KEY_SESSION  "session"
#define KEY_LEN(key) (sizeof(key) - 1)

bool envelope_valid(const troupe_envelope *envelope)
{
    return envelope->to < ENVELOPE_NUMBER_LIMIT && envelope->from < ENVELOPE_NUMBER_LIMIT &&
           envelope->ref < ENVELOPE_NUMBER_LIMIT && (unsigned)envelope->kind <= TROUPE_SIGNAL &&
           envelope->verb_len >= 1 && envelope->verb_len <= ENVELOPE_VERB_MAX &&
           envelope->meta.trace_len <= ENVELOPE_TEXT_MAX &&
           envelope->meta.session_len <= ENVELOPE_TEXT_MAX;
}

static unsigned meta_count(const troupe_meta *meta)
{
    return (meta->timeout_ms != 0 ? 1U : 0U) + (meta->has_epoch ? 1U : 0U) +
           (meta->trace != NULL ? 1U : 0U) + (meta->session != NULL ? 1U : 0U);
}

static size_t meta_size(const troupe_meta *meta)
{
    size_t size = 1;
    if (meta->timeout_ms != 0)
        size += wire_str_size(KEY_LEN(KEY_TIMEOUT)) + wire_uint_size(meta->timeout_ms);
    if (meta->has_epoch)
        size += wire_str_size(KEY_LEN(KEY_EPOCH)) + wire_uint_size(meta->epoch);
    if (meta->trace != NULL)
        size += wire_str_size(KEY_LEN(KEY_TRACE)) + wire_str_size(meta->trace_len);
    if (meta->session != NULL)
        size += wire_str_size(KEY_LEN(KEY_SESSION)) + wire_str_size(meta->session_len);
    return size;
}

static uint8_t *meta_encode(uint8_t *at, const troupe_meta *meta)
{
    unsigned count = meta_count(meta);
    *at++ = count == 0 ? WIRE_NIL : (uint8_t)(0x80 | count);
    if (count == 0)
        return at;
    if (meta->timeout_ms != 0) {
        at = wire_put_str(at, KEY_TIMEOUT, KEY_LEN(KEY_TIMEOUT));
        at = wire_put_uint(at, meta->timeout_ms);
    }
    if (meta->has_epoch) {
        at = wire_put_str(at, KEY_EPOCH, KEY_LEN(KEY_EPOCH));
        at = wire_put_uint(at, meta->epoch);
    }
    if (meta->trace != NULL) {
        at = wire_put_str(at, KEY_TRACE, KEY_LEN(KEY_TRACE));
        at = wire_put_str(at, meta->trace, meta->trace_len);
    }
    if (meta->session != NULL) {
        at = wire_put_str(at, KEY_SESSION, KEY_LEN(KEY_SESSION));
        at = wire_put_str(at, meta->session, meta->session_len);
    }
    return at;
}

size_t envelope_size(const troupe_envelope *envelope)
{
    return 3 + wire_uint_size(envelope->to) + wire_uint_size(envelope->from) +
           wire_uint_size(envelope->ref) + wire_str_size(envelope->verb_len) +
           meta_size(&envelope->meta) + (envelope->payload.len > 0 ? envelope->payload.len : 1);
}

uint8_t *envelope_encode(uint8_t *at, const troupe_envelope *envelope)
{
    *at++ = ARRAY_OF_8;
    *at++ = TROUPE_ENVELOPE_VERSION;
    *at++ = (uint8_t)envelope->kind;
    at = wire_put_uint(at, envelope->to);
    at = wire_put_uint(at, envelope->from);
    at = wire_put_uint(at, envelope->ref);
    at = wire_put_str(at, envelope->verb, envelope->verb_len);
    at = meta_encode(at, &envelope->meta);
    if (envelope->payload.len == 0) {
        *at++ = WIRE_NIL;
        return at;
    }
    memcpy(at, envelope->payload.data, envelope->payload.len);
    return at + envelope->payload.len;
}

troupe_error troupe_envelope_write(troupe_buffer *buffer, const troupe_envelope *envelope)
{
    if (!envelope_valid(envelope))
        return TROUPE_EINVAL;
    size_t size = envelope_size(envelope);
    if (troupe_buffer_reserve(buffer, size) != TROUPE_OK)
        return TROUPE_ENOMEM;
    envelope_encode(buffer->data + buffer->len, envelope);
    buffer->len += size;
    return TROUPE_OK;
}

troupe_error troupe_envelope_write_edge(troupe_buffer *buffer, const troupe_envelope *envelope,
                                        const char *name)
{
    if (name == NULL)
        return troupe_envelope_write(buffer, envelope);
    troupe_envelope e = *envelope;
    size_t name_len = strnlen(name, NAME_MAX_LEN + 1);
    e.to = 0; /* one byte, where the name is put */
    if (name_len < 1 || name_len > NAME_MAX_LEN || !envelope_valid(&e))
        return TROUPE_EINVAL;
    size_t size = envelope_size(&e);
    size_t more = wire_str_size(name_len) - 1;
    if (troupe_buffer_reserve(buffer, size + more) != TROUPE_OK)
        return TROUPE_ENOMEM;
    uint8_t *at = buffer->data + buffer->len;
    envelope_encode(at + more, &e);
    memmove(at, at + more, ENVELOPE_TO_AT);
    wire_put_str(at + ENVELOPE_TO_AT, name, name_len);
    buffer->len += size + more;
    return TROUPE_OK;
}

/* The fields of a header; inline, because every envelope that is received passes here. */
static inline __attribute__((always_inline)) bool read_uint(troupe_bytes *data, uint64_t max,
                                                            uint64_t *out)
{
    wire_token token;
    if (!wire_read(*data, &token) || token.type != WIRE_TYPE_UINT || token.number > max)
        return false;
    *out = token.number;
    *data = wire_behind(*data, token.len);
    return true;
}

static inline __attribute__((always_inline)) bool read_str(troupe_bytes *data, const char **text,
                                                           size_t *len)
{
    wire_token token;
    if (!wire_read(*data, &token) || token.type != WIRE_TYPE_STR ||
        token.body_len > ENVELOPE_TEXT_MAX)
        return false;
    *text = (const char *)token.body;
    *len = token.body_len;
    *data = wire_behind(*data, token.len);
    return true;
}

static bool skip_value(troupe_bytes *data)
{
    size_t len;
    if (troupe_pack_walk(*data, &len) != TROUPE_OK)
        return false;
    *data = wire_behind(*data, len);
    return true;
}

static bool key_is(const char *key, size_t len, const char *name, size_t name_len)
{
    return len == name_len && memcmp(key, name, len) == 0;
}

/* One entry; unknown keys are passed over, so that later versions may add some. */
static bool read_meta_entry(troupe_bytes *data, troupe_meta *meta)
{
    const char *key;
    size_t len;
    uint64_t number;
    if (!read_str(data, &key, &len))
        return false;
    if (key_is(key, len, KEY_TIMEOUT, KEY_LEN(KEY_TIMEOUT))) {
        if (!read_uint(data, UINT32_MAX, &number))
            return false;
        meta->timeout_ms = (uint32_t)number;
        return true;
    }
    if (key_is(key, len, KEY_EPOCH, KEY_LEN(KEY_EPOCH))) {
        meta->has_epoch = true;
        return read_uint(data, UINT64_MAX, &meta->epoch);
    }
    if (key_is(key, len, KEY_TRACE, KEY_LEN(KEY_TRACE)))
        return read_str(data, &meta->trace, &meta->trace_len);
    if (key_is(key, len, KEY_SESSION, KEY_LEN(KEY_SESSION)))
        return read_str(data, &meta->session, &meta->session_len);
    return skip_value(data);
}

static bool read_meta(troupe_bytes *data, troupe_meta *meta)
{
    wire_token token;
    memset(meta, 0, sizeof *meta);
    if (data->len > 0 && data->data[0] == WIRE_NIL) {
        *data = wire_behind(*data, 1);
        return true;
    }
    if (!wire_read(*data, &token))
        return false;
    *data = wire_behind(*data, token.len);
    if (token.type == WIRE_TYPE_NIL)
        return true;
    if (token.type != WIRE_TYPE_MAP)
        return false;
    for (uint64_t i = 0; i < token.number; i++) { /* ends with the data at the latest */
        if (!read_meta_entry(data, meta))
            return false;
    }
    return true;
}

static inline bool read_head(troupe_bytes *data)
{
    wire_token array;
    if (data->len > 0 && data->data[0] == ARRAY_OF_8) {
        *data = wire_behind(*data, 1);
        return true;
    }
    if (!wire_read(*data, &array) || array.type != WIRE_TYPE_ARRAY || array.number != FIELDS)
        return false;
    *data = wire_behind(*data, array.len);
    return true;
}

/* `to`: a number, or a str if there is a place for a name. */
static inline bool read_to(troupe_bytes *data, uint64_t *to, troupe_bytes *name)
{
    const char *text;
    size_t len;
    if (name == NULL || !read_str(data, &text, &len))
        return read_uint(data, ENVELOPE_NUMBER_LIMIT - 1, to);
    name->data = (const uint8_t *)text;
    name->len = len;
    *to = 0;
    return len >= 1 && len <= NAME_MAX_LEN && memchr(text, '\0', len) == NULL;
}

/* name: NULL = `to` must be a number; else it is set if `to` is a str. Inline, so that the reader
 * of inner envelopes has no trace of names. */
static inline __attribute__((always_inline)) troupe_error
read_envelope(troupe_bytes data, troupe_envelope *out, size_t *used, troupe_bytes *name)
{
    troupe_envelope e;
    troupe_bytes rest = data;
    uint64_t version;
    uint64_t kind;
    size_t payload_len;
    if (!read_head(&rest))
        return TROUPE_EPROTOCOL;
    if (!read_uint(&rest, ENVELOPE_NUMBER_LIMIT - 1, &version) ||
        version != TROUPE_ENVELOPE_VERSION || !read_uint(&rest, TROUPE_SIGNAL, &kind) ||
        !read_to(&rest, &e.to, name) || !read_uint(&rest, ENVELOPE_NUMBER_LIMIT - 1, &e.from) ||
        !read_uint(&rest, ENVELOPE_NUMBER_LIMIT - 1, &e.ref) ||
        !read_str(&rest, &e.verb, &e.verb_len) || e.verb_len == 0 ||
        e.verb_len > ENVELOPE_VERB_MAX || !read_meta(&rest, &e.meta) ||
        (payload_len = wire_value_len(rest)) == 0)
        return TROUPE_EPROTOCOL;
    e.kind = (troupe_kind)kind;
    e.payload.data = rest.data;
    e.payload.len = payload_len;
    *out = e;
    *used = data.len - rest.len + payload_len;
    return TROUPE_OK;
}

troupe_error troupe_envelope_read(troupe_bytes data, troupe_envelope *out, size_t *used)
{
    return read_envelope(data, out, used, NULL);
}

/* Bytes of the UTF-8 character at `at`, no control character among them; 0: it is none. */
static size_t printable_at(const uint8_t *at, size_t left)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000}; /* shorter forms exist below */
    size_t len = at[0] < 0x80 ? 1 : (at[0] & 0xe0) == 0xc0 ? 2 : (at[0] & 0xf0) == 0xe0 ? 3 : 4;
    if (len == 1)
        return at[0] >= 0x20 && at[0] != 0x7f ? 1 : 0;
    if (len > left || (len == 4 && (at[0] & 0xf8) != 0xf0))
        return 0;
    uint32_t code = at[0] & (0x7fU >> len);
    for (size_t i = 1; i < len; i++) {
        if ((at[i] & 0xc0) != 0x80)
            return 0;
        code = code << 6 | (at[i] & 0x3fU);
    }
    bool surrogate = code >= 0xd800 && code < 0xe000;
    return code >= least[len] && code >= 0xa0 && code <= 0x10ffff && !surrogate ? len : 0;
}

static bool printable(const char *text, size_t len)
{
    const uint8_t *at = (const uint8_t *)text;
    for (size_t i = 0; i < len;) {
        size_t step = printable_at(at + i, len - i);
        if (step == 0)
            return false;
        i += step;
    }
    return true;
}

/* The payload was walked: its tokens stand one behind the other, containers' heads before what
 * they hold. */
static bool payload_flat(troupe_bytes payload)
{
    wire_token token;
    while (payload.len > 0 && wire_read(payload, &token)) {
        if (token.type == WIRE_TYPE_EXT && token.ext_type == TROUPE_EXT_JSON &&
            !json_depth_within((const char *)token.body, token.body_len, ENVELOPE_JSON_DEPTH_MAX))
            return false;
        payload = wire_behind(payload, token.len);
    }
    return true;
}

troupe_error troupe_envelope_read_edge(troupe_bytes data, troupe_envelope *out, const char **name,
                                       size_t *name_len, size_t *used)
{
    troupe_envelope e;
    troupe_bytes to = {NULL, 0};
    size_t len;
    if (read_envelope(data, &e, &len, &to) != TROUPE_OK || !printable(e.verb, e.verb_len) ||
        !payload_flat(e.payload))
        return TROUPE_EPROTOCOL;
    *out = e;
    *name = (const char *)to.data;
    *name_len = to.len;
    *used = len;
    return TROUPE_OK;
}

void troupe_fault_read(const troupe_envelope *envelope, troupe_fault_view *out)
{
    int64_t code = 0;
    const char *name = NULL;
    size_t name_len = 0;
    memset(out, 0, sizeof *out);
    out->code = TROUPE_EPROTOCOL;
    out->message = troupe_error_text(TROUPE_EPROTOCOL);
    out->message_len = strlen(out->message);
    if (envelope->kind != TROUPE_FAULT ||
        troupe_unpack(envelope->payload, "{s:I,s?:s#,s?:s#,s?:j#}", "code", &code, "name", &name,
                      &name_len, "message", &out->message, &out->message_len, "data", &out->data,
                      &out->data_len) != TROUPE_OK)
        return;
    if (code > TROUPE_OK && code <= TROUPE_EIO)
        out->code = (troupe_error)code;
}
