/* SPDX-License-Identifier: MIT */
/* Calls whose params and results are JSON. */
#include "actors/json_call.h"

#include "runtime/json_depth.h"
#include "runtime/text.h"

#include <locale.h>
#include <openssl/evp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

json_t *json_text(const char *text, size_t len)
{
    return json_depth_within(text, len, JSON_TEXT_DEPTH_MAX)
               ? json_loadb(text, len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL)
               : NULL;
}

/* Numbers -----------------------------------------------------------------------------------
 */

#define DIGITS_LONG 17 /* jansson writes that many, which most numbers do not need */

/* "1e+05" as "1e5". */
static void tidy_exponent(char *text)
{
    char *at = strchr(text, 'e');
    if (at == NULL) {
        return;
    }
    at += at[1] == '-' ? 2 : 1;
    size_t skip = strspn(at, "+0");
    memmove(at, at + skip, strlen(at + skip) + 1);
}

/* The number of `len` bytes at `from`, as short as it can be, to `to`, which may be the same place.
 * Returns the bytes written. */
static size_t write_number(char *to, const char *from, size_t len)
{
    char text[40];
    bool is_long =
        len >= DIGITS_LONG && (memchr(from, '.', len) != NULL || memchr(from, 'e', len) != NULL);
    double value = is_long ? strtod(from, NULL) : 0;
    for (int digits = 15; is_long && digits < DIGITS_LONG; digits++) {
        (void)snprintf(text, sizeof text - 2, "%.*g", digits, value);
        if (strtod(text, NULL) == value) {
            tidy_exponent(text);
            (void)strcat(text, strpbrk(text, ".e") != NULL ? "" : ".0");
            size_t room = strlen(text);
            memcpy(to, text, room);
            return room;
        }
    }
    memmove(to, from, len);
    return len;
}

static void shorten_numbers(char *text)
{
    bool string = false;
    char *to = text;
    for (const char *at = text; *at != '\0';) {
        size_t number = string ? 0 : strspn(at, "0123456789+-.eE");
        if (number > 0 && strchr("-0123456789", *at) != NULL) {
            to += write_number(to, at, number);
            at += number;
            continue;
        }
        string ^= *at == '"';
        if (string && *at == '\\') {
            *to++ = *at++;
        }
        *to++ = *at++;
    }
    *to = '\0';
}

char *json_write(const json_t *value, size_t flags)
{
    char *text = json_dumps(value, flags);
    if (text != NULL && *localeconv()->decimal_point == '.') {
        shorten_numbers(text);
    }
    return text;
}

/* Payloads ---------------------------------------------------------------------------------- */

json_t *json_payload(troupe_bytes payload)
{
    const char *text;
    size_t len;
    if (troupe_payload_json(payload, &text, &len) != TROUPE_OK) {
        return NULL;
    }
    return json_text(text, len);
}

json_t *json_params(const troupe_envelope *call, troupe_reason *reason)
{
    if (call->payload.len == 0 || (call->payload.len == 1 && call->payload.data[0] == 0xc0)) {
        return json_object();
    }
    json_t *params = json_payload(call->payload);
    if (!json_is_object(params)) {
        json_decref(params);
        (void)troupe_fail(reason, TROUPE_EPARAMS, "params must be a JSON object");
        return NULL;
    }
    return params;
}

troupe_error json_pack_payload(troupe_buffer *buffer, const json_t *value)
{
    char *text = json_write(value, JSON_COMPACT | JSON_ENCODE_ANY);
    if (text == NULL) {
        return TROUPE_ENOMEM;
    }
    troupe_error error = troupe_pack(buffer, "j#", text, strlen(text));
    free(text);
    return error;
}

void json_reply(troupe_actor *self, troupe_caller caller, json_t *value)
{
    char *text = json_write(value, JSON_COMPACT | JSON_ENCODE_ANY);
    json_decref(value);
    if (text == NULL) {
        troupe_fault(self, caller, TROUPE_EINTERNAL, NULL,
                     "the result could not be written as JSON");
        return;
    }
    troupe_reply_json(self, caller, text, strlen(text));
    free(text);
}

json_t *json_base64(const void *data, size_t len)
{
    unsigned char *text = len <= ((size_t)1 << 30) ? malloc(len / 3 * 4 + 5) : NULL;
    int coded = text != NULL ? EVP_EncodeBlock(text, data, (int)len) : 0;
    json_t *value = text != NULL ? json_stringn_nocheck((const char *)text, (size_t)coded) : NULL;
    free(text);
    return value;
}

void json_fault(troupe_actor *self, troupe_caller caller, troupe_error code, json_t *data,
                const char *format, ...)
{
    troupe_reason reason;
    va_list args;
    va_start(args, format);
    vsnprintf(reason.text, sizeof reason.text, format, args);
    va_end(args);
    text_repair(reason.text);
    char *text = data != NULL ? json_dumps(data, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
    json_decref(data);
    troupe_fault(self, caller, code, text, "%s", reason.text);
    free(text);
}

void json_fault_forward(troupe_actor *self, troupe_caller caller, troupe_error error,
                        const troupe_envelope *answer)
{
    if (answer == NULL) {
        troupe_fault(self, caller, error, NULL, NULL);
        return;
    }
    troupe_fault_view fault;
    troupe_fault_read(answer, &fault);
    char *data = fault.data != NULL ? strndup(fault.data, fault.data_len) : NULL;
    troupe_fault(self, caller, fault.code, data, "%.*s", (int)fault.message_len, fault.message);
    free(data);
}

troupe_error json_post(troupe_actor *self, troupe_address to, troupe_kind kind, const char *verb,
                       json_t *value)
{
    troupe_buffer buffer = {0};
    troupe_error error = json_pack_payload(&buffer, value);
    json_decref(value);
    if (error == TROUPE_OK) {
        error = troupe_post(self, to, kind, verb, NULL, troupe_buffer_bytes(&buffer));
    }
    troupe_buffer_fini(&buffer);
    return error;
}

troupe_error json_call(troupe_actor *self, troupe_address to, const char *verb, json_t *params,
                       uint32_t timeout_ms, troupe_answer_fn fn, void *context, uint64_t *ref)
{
    troupe_buffer buffer = {0};
    troupe_error error = params != NULL ? json_pack_payload(&buffer, params) : TROUPE_OK;
    json_decref(params);
    if (error == TROUPE_OK) {
        error = troupe_call(self, to, verb, NULL, troupe_buffer_bytes(&buffer), timeout_ms, fn,
                            context, ref);
    }
    troupe_buffer_fini(&buffer);
    return error;
}

int64_t json_wall_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}
