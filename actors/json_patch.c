/* SPDX-License-Identifier: MIT */
/* JSON merge patches. Arrays are replaced whole, as the RFC says. */
#include "json_patch.h"

json_t *json_patch_diff(const json_t *from, const json_t *to)
{
    json_t *patch = json_object();
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)from, name, value)
    {
        if (json_object_get(to, name) == NULL) {
            json_object_set_new(patch, name, json_null());
        }
    }
    json_object_foreach((json_t *)to, name, value)
    {
        json_t *before = json_object_get(from, name);
        if (before != NULL && json_equal(before, value)) {
            continue;
        }
        if (json_is_object(value) && json_is_object(before)) {
            json_object_set_new(patch, name, json_patch_diff(before, value));
        } else {
            json_object_set(patch, name, value);
        }
    }
    return patch;
}

void json_patch_apply(json_t *object, const json_t *patch)
{
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)patch, name, value)
    {
        json_t *before = json_object_get(object, name);
        if (json_is_null(value)) {
            json_object_del(object, name);
        } else if (json_is_object(value) && json_is_object(before)) {
            json_patch_apply(before, value);
        } else {
            json_object_set_new(object, name, json_deep_copy(value));
        }
    }
}

void json_patch_clean(json_t *object)
{
    const char *name;
    json_t *value;
    void *next;
    json_object_foreach_safe(object, next, name, value)
    {
        if (json_is_null(value)) {
            json_object_del(object, name);
        } else {
            json_patch_clean(value); /* does nothing to what is no object */
        }
    }
}
