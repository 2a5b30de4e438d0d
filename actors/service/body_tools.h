/* SPDX-License-Identifier: MIT */
/** What bodies are made readable with: codings undone, JSON laid out, parts of it taken. Without
 * I/O. */
#ifndef TROUPE_SERVICE_BODY_TOOLS_H
#define TROUPE_SERVICE_BODY_TOOLS_H

#include "troupe/pack.h"

#include <jansson.h>
#include <stdbool.h>

/** Larger results are refused. */
#define BODY_DECODED_MAX ((size_t)64 << 20)

/** The codings that body_decode knows; NULL ends them. */
extern const char *const body_codings[];

/**
 * Undo codings, in order: "base64" (of either alphabet, white space ignored), "gzip", "deflate"
 * (RFC 1950 or 1951), "br".
 *
 * @param codings  list of names
 * @param data     len bytes
 * @param out      stored on TROUPE_OK; empty before
 * @return TROUPE_OK; TROUPE_EPARAMS: no such coding, or the data are not of it (*reason: which
 * step, at which byte of its input); TROUPE_ELIMIT: more than `max` bytes; TROUPE_ENOMEM
 */
troupe_error body_decode(const json_t *codings, const void *data, size_t len, size_t max,
                         troupe_buffer *out, troupe_reason *reason) TROUPE_MUST_USE;

/** Bytes as a JSON string: as they are if they are UTF-8, else as base64. New reference; NULL
 * without memory. */
json_t *body_value(const void *data, size_t len, bool *base64);

/**
 * Read JSON, take a part of it, lay it out: strings and numbers stay as they stand.
 *
 * @param path    as jsonpath.h; NULL = all of it
 * @param pretty  indented by two blanks, else compact
 * @param max     bytes of the result at most
 * @param out     the text, to be freed
 * @return TROUPE_OK; TROUPE_EPARAMS: not JSON (*reason: line and column), or a wrong path;
 * TROUPE_ENOTFOUND: nothing is there; TROUPE_ELIMIT: too many values, or bytes; TROUPE_ENOMEM
 */
troupe_error body_json(const char *text, size_t len, const char *path, bool pretty, size_t max,
                       char **out, troupe_reason *reason) TROUPE_MUST_USE;

#endif
