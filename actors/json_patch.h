/* SPDX-License-Identifier: MIT */
/** JSON merge patches (RFC 7396). */
#ifndef TROUPE_ACTORS_JSON_PATCH_H
#define TROUPE_ACTORS_JSON_PATCH_H

#include <jansson.h>

/** The patch that leads from one object to another; an empty one if they are equal. Nulls cannot be
 * told from absence (RFC 7396), so neither may hold any: see json_patch_clean. New reference. */
json_t *json_patch_diff(const json_t *from, const json_t *to);

/** Apply a patch to an object in place. */
void json_patch_apply(json_t *object, const json_t *patch);

/** Take null members out of an object, however deep in objects. */
void json_patch_clean(json_t *object);

#endif
