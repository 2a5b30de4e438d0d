/* SPDX-License-Identifier: MIT */
/** Version of the headers (macros) and of the library in use (functions). */
#ifndef TROUPE_VERSION_H
#define TROUPE_VERSION_H

#include "troupe/error.h"

#ifdef __cplusplus
extern "C" {
#endif

#define TROUPE_VERSION_MAJOR 0
#define TROUPE_VERSION_MINOR 1
#define TROUPE_VERSION_PATCH 0
#define TROUPE_VERSION       "0.1.0"

/** "0.1.0" */
TROUPE_API const char *troupe_version(void);

/** <0, 0, >0 as a is older than, the same as, newer than b; numeric parts, compared as versions. */
TROUPE_API int troupe_version_compare(const char *a, const char *b);

#ifdef __cplusplus
}
#endif

#endif
