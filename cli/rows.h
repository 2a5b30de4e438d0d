/* SPDX-License-Identifier: MIT */
/** Lists in results: rows chosen by an SQL expression, members chosen by name. */
#ifndef TROUPE_CLI_ROWS_H
#define TROUPE_CLI_ROWS_H

#include "troupe/error.h"

#include <jansson.h>

/** The list of objects in a result: the first member that is one, else the first empty list. NULL:
 * there is none. Borrowed. */
json_t *rows_of(json_t *result, const char **name);

/** Every member that some row has, in the order in which they come: name -> number. New reference.
 */
json_t *rows_columns(const json_t *rows);

/**
 * Keep those rows for which the expression is true. Columns are the members of the rows; what is no
 * text, number or boolean is JSON text (json_extract(box, '$.width') > 10).
 *
 * @return TROUPE_OK; TROUPE_EPARAMS: the expression is wrong, the reason says where, or wants more
 *         than to look at the rows; TROUPE_ENOMEM
 */
troupe_error rows_where(json_t *rows, const char *expression, troupe_reason *reason);

/** Keep those members of each row: "url,status,timing.wait"; a path gives a member of that name. A
 * member that no row has is null. */
void rows_fields(json_t *rows, const char *fields);

#endif
