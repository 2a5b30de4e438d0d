/* SPDX-License-Identifier: MIT */
/** Which program is the browser. */
#ifndef TROUPE_ACTORS_BROWSER_FINDER_H
#define TROUPE_ACTORS_BROWSER_FINDER_H

#include "troupe/error.h"

#include <stdbool.h>
#include <stddef.h>

#define FINDER_PATH_MAX 1024

/** What is looked for. */
typedef struct finder_wish {
    const char *executable; /* asked for by the caller: a path, or a name on PATH; NULL = any */
    const char *configured; /* [launcher] executable, likewise; NULL = none */
    bool full;              /* windows or extensions: a headless shell will not do */
} finder_wish;

/**
 * Find a browser to run: the one asked for, the configured one, that of $CHROMIUM, the first on
 * PATH, the first in the usual places (packages, snap, flatpak, the caches of Puppeteer and
 * Playwright: the newest). chromium-headless-shell comes before full browsers unless `full`. A
 * configured headless shell is passed over when `full`; one that was asked for is an error then.
 *
 * @param path  stored on TROUPE_OK
 * @return TROUPE_OK; TROUPE_EUNAVAILABLE: the reason says what is wrong or what to install;
 *         TROUPE_EPARAMS: a headless shell was asked for by name, and cannot do it
 *
 * Thread: any (reads the environment).
 */
troupe_error finder_find(const finder_wish *wish, char *path, size_t path_size,
                         troupe_reason *reason) TROUPE_MUST_USE;

/** Whether a program of that path is a headless shell, going by its name. */
bool finder_is_shell(const char *path);

#endif
