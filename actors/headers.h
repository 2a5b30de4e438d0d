/* SPDX-License-Identifier: MIT */
/** Headers of HTTP as Chrome tells them: {name: value}; the values of one that was sent several
 * times are joined by line breaks. */
#ifndef TROUPE_ACTORS_HEADERS_H
#define TROUPE_ACTORS_HEADERS_H

#include <jansson.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

/** The value of a header, case of its name ignored: the first one of that name. Borrowed; NULL:
 * none. */
static inline json_t *headers_find(const json_t *headers, const char *wanted)
{
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)headers, name, value)
    {
        if (strcasecmp(name, wanted) == 0) {
            return value;
        }
    }
    return NULL;
}

/** One value after the other of those that are joined.
 * @param rest   the text at first; then what follows, NULL behind the last one
 * @param value  *len bytes of it
 * @return false: there was none left */
static inline bool headers_next(const char **rest, const char **value, size_t *len)
{
    if (*rest == NULL) {
        return false;
    }
    *value = *rest;
    *len = strcspn(*value, "\n");
    *rest = (*value)[*len] == '\n' ? *value + *len + 1 : NULL;
    return true;
}

#endif
