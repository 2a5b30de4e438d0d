/* SPDX-License-Identifier: MIT */
/** The files of the web/ folder, embedded into the binary by the build. */
#ifndef TROUPE_ACTORS_ASSETS_H
#define TROUPE_ACTORS_ASSETS_H

#include <stddef.h>
#include <string.h>

typedef struct asset {
    const char *path; /* relative to web/: "demo/index.html" */
    const unsigned char *data;
    size_t len;
} asset;

/** Ends with a row whose path is NULL. */
extern const asset asset_table[];

/** One that is there: the path is the build's. */
static inline const asset *asset_of(const char *path)
{
    const asset *found = asset_table;
    while (found->path != NULL && strcmp(found->path, path) != 0) {
        found++;
    }
    return found;
}

#endif
