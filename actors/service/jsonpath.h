/* SPDX-License-Identifier: MIT */
/**
 * A part of RFC 9535 (JSONPath): `$`, `.name`, `['name']`, `[2]`, `[-1]`, `[1:3]`, `.*`, `[*]`,
 * `..name`, `..*`, `..[0]`, `[0,2]`, `['a','b']`. No filters.
 *
 * It works on the text: what is found are pieces of it, as they stand. Of members with the same
 * name, a name means the last one; `*` all of them.
 */
#ifndef TROUPE_SERVICE_JSONPATH_H
#define TROUPE_SERVICE_JSONPATH_H

#include "transport/json_scan.h"
#include "troupe/error.h"

/** Values of a document, in its order. Begins zeroed. */
typedef struct jsonpath_values {
    json_span *items; /* they point into the document */
    size_t count;
    size_t room;
} jsonpath_values;

void jsonpath_values_fini(jsonpath_values *values);

/**
 * What the path names.
 *
 * @param document  JSON that json_check accepts
 * @param out       on TROUPE_OK what was found, to be finished; untouched otherwise
 * @param several   on TROUPE_OK whether the path can name more than one value; if not, there is one
 * @return TROUPE_OK; TROUPE_ENOTFOUND: it names one value, and there is none; TROUPE_EPARAMS: a
 * wrong path, *reason says at which character; TROUPE_ELIMIT: a step finds more than 100,000
 * values; TROUPE_ENOMEM
 */
troupe_error jsonpath_find(json_span document, const char *path, jsonpath_values *out,
                           bool *several, troupe_reason *reason) TROUPE_MUST_USE;

#endif
