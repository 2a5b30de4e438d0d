/* SPDX-License-Identifier: MIT */
/**
 * A part of RFC 9535 (JSONPath): `$`, `.name`, `['name']`, `[2]`, `[-1]`, `[1:3]`, `.*`, `[*]`,
 * `..name`, `..*`,
 * `..[0]`, `[0,2]`, `['a','b']`. No filters.
 */
#ifndef TROUPE_SERVICE_JSONPATH_H
#define TROUPE_SERVICE_JSONPATH_H

#include "troupe/error.h"

#include <jansson.h>

/**
 * What the path names.
 *
 * @param out  new reference, stored on TROUPE_OK: where the path can name one value only, that
 * value; else the list of all that were found, in the document's order
 * @return TROUPE_OK; TROUPE_ENOTFOUND: it names one value, and there is none; TROUPE_EPARAMS: a
 * wrong path, *reason says at which character; TROUPE_ELIMIT: more than 100,000 values
 */
troupe_error jsonpath_find(json_t *document, const char *path, json_t **out,
                           troupe_reason *reason) TROUPE_MUST_USE;

#endif
