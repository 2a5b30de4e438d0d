/* SPDX-License-Identifier: MIT */
/**
 * What every family does with calls whose params and results are JSON (RPC methods): parse, answer,
 * fault. Thin wrappers over jansson and troupe/actor.h.
 */
#ifndef TROUPE_ACTORS_JSON_CALL_H
#define TROUPE_ACTORS_JSON_CALL_H

#include "troupe/actor.h"

#include <jansson.h>

/** How deep JSON may nest before it is parsed: jansson recurses, here and when it writes and frees,
 * and an actor's stack is 256 KiB. */
#define JSON_TEXT_DEPTH_MAX 256u

/** Parse JSON text that somebody else wrote (a browser, a page, a client): new reference, or NULL
 * if it is not JSON, or nests deeper than JSON_TEXT_DEPTH_MAX. text: `len` bytes. */
json_t *json_text(const char *text, size_t len);

/** As json_dumps, but real numbers with as few digits as tell them exactly: 8.95 is written so. To
 * be freed; NULL without memory, or of what is no JSON. */
char *json_write(const json_t *value, size_t flags);

/** Bytes as base64: a string. New reference; NULL without memory, or for more than 1 GiB. */
json_t *json_base64(const void *data, size_t len);

/** The params of a JSON call as an object (an empty one if the payload is nil): new reference.
 * NULL and *reason if it is not a JSON object. */
json_t *json_params(const troupe_envelope *call, troupe_reason *reason);

/** A payload that is JSON, of a reply for instance, as a value: new reference, or NULL. */
json_t *json_payload(troupe_bytes payload);

/** Pack JSON as a payload into buffer (appended, ext type 1). value: borrowed. */
troupe_error json_pack_payload(troupe_buffer *buffer, const json_t *value);

/** Answer with a value. value: taken (its reference), also on failure; NULL answers INTERNAL_ERROR.
 */
void json_reply(troupe_actor *self, troupe_caller caller, json_t *value);

/** Answer with a fault that carries data. data: taken; NULL allowed. */
void json_fault(troupe_actor *self, troupe_caller caller, troupe_error code, json_t *data,
                const char *format, ...) TROUPE_PRINTF(5, 6);

/** Pass on how another call ended: the same fault (code, message, data), or `error`'s own text. */
void json_fault_forward(troupe_actor *self, troupe_caller caller, troupe_error error,
                        const troupe_envelope *answer);

/** Post with a JSON payload. value: taken. */
troupe_error json_post(troupe_actor *self, troupe_address to, troupe_kind kind, const char *verb,
                       json_t *value) TROUPE_MUST_USE;

/** Call with JSON params. params: taken (NULL = nil). As troupe_call. */
troupe_error json_call(troupe_actor *self, troupe_address to, const char *verb, json_t *params,
                       uint32_t timeout_ms, troupe_answer_fn fn, void *context,
                       uint64_t *ref) TROUPE_MUST_USE;

/** Wall clock in microseconds since 1970. */
int64_t json_wall_us(void);

#endif
