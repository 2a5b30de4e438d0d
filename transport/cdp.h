/* SPDX-License-Identifier: MIT */
/** Messages of the Chrome DevTools Protocol: a scanner for what arrives, a writer for what is sent.
 * No I/O; the hot path, so no document is built. */
#ifndef TROUPE_TRANSPORT_CDP_H
#define TROUPE_TRANSPORT_CDP_H

#include "json_scan.h"
#include "troupe/pack.h"

#include <string.h>

/** What one message holds; spans point into it. */
typedef struct cdp_message {
    bool has_id;
    int64_t id;
    const char *method; /* without quotes; NULL if absent */
    size_t method_len;
    const char *session; /* without quotes; NULL if absent */
    size_t session_len;
    json_span params;
    json_span result;
    json_span error;
} cdp_message;

/**
 * Scan one message; members may stand in any order, unknown ones are skipped. Where a key stands
 * twice, the last one counts.
 *
 * What it promises: every message that is JSON (RFC 8259), has an id or a method, and whose members
 * have the types of the protocol is accepted, and each span is that member's value. The object
 * itself is followed exactly: keys in quotes, colons, commas, nothing behind it. Inside of values
 * only strings and brackets are followed, so that more is accepted there than is JSON: kinds of
 * brackets are not told apart, words, numbers, escapes and UTF-8 are not looked at. Whoever parses
 * a span finds out. The exceptions: id is an integer of 64 bits; method and sessionId have no
 * escapes; keys written with escapes ("\u0069d") are not recognised.
 *
 * @return TROUPE_OK: it has an id (an answer) or a method (an event or a command).
 *         TROUPE_EPROTOCOL: not an object, cut off, neither id nor method, or one of the members
 * has the wrong type
 */
troupe_error cdp_scan(const char *text, size_t len, cdp_message *out,
                      troupe_reason *reason) TROUPE_MUST_USE;

/** Whether that is the message's method. */
static inline bool cdp_is(const cdp_message *message, const char *method)
{
    return message->method != NULL && strlen(method) == message->method_len &&
           memcmp(message->method, method, message->method_len) == 0;
}

/**
 * Append a command: {"id":…,"method":"…","sessionId":"…","params":…}.
 *
 * @param session  NULL = the browser's own; written as it is, so it must be a plain string
 * @param params   JSON text of an object; NULL = none
 * @return TROUPE_OK; TROUPE_EPARAMS (method or session with characters outside [A-Za-z0-9._-]);
 *         TROUPE_ENOMEM
 */
troupe_error cdp_write_command(troupe_buffer *out, int64_t id, const char *method,
                               size_t method_len, const char *session, size_t session_len,
                               const char *params, size_t params_len) TROUPE_MUST_USE;

#endif
