/* SPDX-License-Identifier: MIT */
/** The actor behind `serve --follow`: prints what the store records, as it happens. */
#ifndef TROUPE_CLI_PRINTER_H
#define TROUPE_CLI_PRINTER_H

#include "troupe/system.h"

#include <jansson.h>
#include <stdio.h>

/** Start it; it subscribes at the store and prints until it is stopped or the system closes. */
troupe_error printer_start(troupe_system *system, troupe_address *out) TROUPE_MUST_USE;

/** One event as a line (without line break), as the actor prints it.
 *
 * @param topic    "network", "console", "target", "browser", "cdp" or "gap"
 * @param clock    time of day, as text
 * @param width    columns to fit into; 0 = no limit
 * @return the line, freed by the caller; NULL: nothing to print, or no memory
 */
char *printer_line(const char *topic, const json_t *event, const char *clock, size_t width,
                   bool colours);

/** The time of day, as these lines have it. */
void printer_clock(char *out, size_t size);

#endif
