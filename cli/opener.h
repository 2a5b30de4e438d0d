/* SPDX-License-Identifier: MIT */
/** The actor behind `serve --open`: opens pages once a browser is there, tells what went wrong,
 * ends. */
#ifndef TROUPE_CLI_OPENER_H
#define TROUPE_CLI_OPENER_H

#include "troupe/system.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct opener_options {
    const char **urls; /* borrowed until opener_start returns */
    size_t url_count;
    bool await_browser;  /* one was asked to be launched: do not have a second one launched */
    uint32_t timeout_ms; /* for a browser to be there */
} opener_options;

troupe_error opener_start(troupe_system *system, const opener_options *options) TROUPE_MUST_USE;

#endif
