/* SPDX-License-Identifier: MIT */
/* Messages of the Chrome DevTools Protocol, by span. Chrome writes sessionId last, so every message
 * is walked to its end; json_scan makes that cheap. */
#include "cdp.h"

#include <string.h>

#define ID_DIGITS_MAX 20

static bool key_is(json_span key, const char *name, size_t len)
{
    return key.len == len && memcmp(key.data, name, len) == 0;
}

#define KEY_IS(key, name) key_is(key, name, sizeof(name) - 1)

static bool is_null(json_span value)
{
    return value.len == 4 && memcmp(value.data, "null", 4) == 0;
}

/** A string without escapes; null counts as absent. */
static bool take_string(json_span value, const char **out, size_t *len)
{
    *out = NULL;
    *len = 0;
    return is_null(value) || json_plain_string(value, out, len);
}

/** An object; null counts as absent. */
static bool take_object(json_span value, json_span *out)
{
    *out = (json_span){NULL, 0};
    if (value.data[0] == '{') {
        *out = value;
        return true;
    }
    return is_null(value);
}

/** False if it is one of ours and has the wrong type. */
static bool take_member(cdp_message *out, json_span key, json_span value)
{
    if (KEY_IS(key, "id")) {
        out->has_id = json_span_integer(value, &out->id);
        return out->has_id;
    }
    if (KEY_IS(key, "method")) {
        return json_plain_string(value, &out->method, &out->method_len) && out->method_len > 0;
    }
    if (KEY_IS(key, "sessionId")) {
        return take_string(value, &out->session, &out->session_len);
    }
    if (KEY_IS(key, "params")) {
        return take_object(value, &out->params);
    }
    if (KEY_IS(key, "result")) {
        return take_object(value, &out->result);
    }
    if (KEY_IS(key, "error")) {
        return take_object(value, &out->error);
    }
    return true;
}

troupe_error cdp_scan(const char *text, size_t len, cdp_message *out, troupe_reason *reason)
{
    json_members members;
    json_span key;
    json_span value;
    memset(out, 0, sizeof(*out));
    if (!json_members_open(&members, text, len)) {
        return troupe_fail(reason, TROUPE_EPROTOCOL, "the message is not a JSON object");
    }
    while (json_members_next(&members, &key, &value)) {
        if (!take_member(out, key, value)) {
            return troupe_fail(reason, TROUPE_EPROTOCOL, "member '%.*s' has the wrong type",
                               (int)key.len, key.data);
        }
    }
    if (!json_members_complete(&members)) {
        return troupe_fail(reason, TROUPE_EPROTOCOL,
                           "the message is cut off or not JSON (%zu bytes)", len);
    }
    if (!out->has_id && out->method == NULL) {
        return troupe_fail(reason, TROUPE_EPROTOCOL, "the message has neither id nor method");
    }
    return TROUPE_OK;
}

/* --- writing -------------------------------------------------------------------------------- */

static bool is_name(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!letter && c != '.' && c != '_' && c != '-') {
            return false;
        }
    }
    return len > 0;
}

static char *put(char *at, const char *data, size_t len)
{
    memcpy(at, data, len);
    return at + len;
}

#define PUT(at, text) put(at, text, sizeof(text) - 1)

static char *put_integer(char *at, int64_t value)
{
    char digits[ID_DIGITS_MAX];
    size_t n = sizeof(digits);
    uint64_t rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    do {
        digits[--n] = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest != 0);
    if (value < 0) {
        *at++ = '-';
    }
    return put(at, digits + n, sizeof(digits) - n);
}

troupe_error cdp_write_command(troupe_buffer *out, int64_t id, const char *method,
                               size_t method_len, const char *session, size_t session_len,
                               const char *params, size_t params_len)
{
    if (!is_name(method, method_len) || (session != NULL && !is_name(session, session_len))) {
        return TROUPE_EPARAMS;
    }
    size_t fixed =
        sizeof("{\"id\":-,\"method\":\"\",\"sessionId\":\"\",\"params\":}") + ID_DIGITS_MAX;
    size_t most = fixed + method_len + (session != NULL ? session_len : 0);
    if (params != NULL) {
        most += params_len;
    }
    if (troupe_buffer_reserve(out, most) != TROUPE_OK) {
        return TROUPE_ENOMEM;
    }
    char *at = (char *)out->data + out->len;
    at = put_integer(PUT(at, "{\"id\":"), id);
    at = put(PUT(at, ",\"method\":\""), method, method_len);
    at = PUT(at, "\"");
    if (session != NULL) {
        at = put(PUT(at, ",\"sessionId\":\""), session, session_len);
        at = PUT(at, "\"");
    }
    if (params != NULL && params_len > 0) {
        at = put(PUT(at, ",\"params\":"), params, params_len);
    }
    *at++ = '}';
    out->len = (size_t)(at - (char *)out->data);
    return TROUPE_OK;
}
