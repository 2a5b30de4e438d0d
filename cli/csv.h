/* SPDX-License-Identifier: MIT */
/** Comma-separated values on standard output, as RFC 4180 has them. */
#ifndef TROUPE_CLI_CSV_H
#define TROUPE_CLI_CSV_H

#include <jansson.h>
#include <stdbool.h>

/** One value: nothing for NULL and null, "" for an empty string, strings as they are, what is
 * neither text nor number as JSON. */
void csv_value(const json_t *value, bool first);
void csv_end_line(void);

/** A list of objects: a heading with the names of all members, then a line for each. An empty list
 * prints nothing. */
void csv_rows(const json_t *rows);

#endif
