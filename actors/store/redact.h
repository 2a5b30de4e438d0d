/* SPDX-License-Identifier: MIT */
/**
 * Secrets that are not to be written: values of headers, cookies, fields of forms and JSON bodies,
 * and parameters of URLs, by their names. What is named is replaced by REDACTED wherever an event
 * holds it; nothing is said about free text (console messages, bodies of responses, messages).
 */
#ifndef TROUPE_STORE_REDACT_H
#define TROUPE_STORE_REDACT_H

#include "transport/json_scan.h"
#include "troupe/error.h"
#include "troupe/pack.h"

#define REDACTED "[redacted]"

typedef struct redaction redaction;

/**
 * @param rules  names separated by commas or spaces, each alone (of any kind) or as header:NAME,
 *               cookie:NAME, field:NAME, param:NAME; * stands for anything; case does not matter.
 *               "default": a list of what usually is secret. "" or NULL: *out is NULL
 * @return TROUPE_OK; TROUPE_EPARAMS: a rule that cannot be read, named in the reason; TROUPE_ENOMEM
 */
troupe_error redaction_create(const char *rules, redaction **out,
                              troupe_reason *reason) TROUPE_MUST_USE;
void redaction_destroy(redaction *rules);

/** Append an event's params without the secrets. What cannot be read as JSON is left out whole. */
void redaction_params(const redaction *rules, json_span params, troupe_buffer *out);

/** Append a URL without the secrets. */
void redaction_url(const redaction *rules, const char *url, size_t len, troupe_buffer *out);

/** Append what a request sent without the secrets: a form, JSON, or a multipart body. */
void redaction_sent(const redaction *rules, const char *data, size_t len, troupe_buffer *out);

#endif
