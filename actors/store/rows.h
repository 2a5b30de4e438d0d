/* SPDX-License-Identifier: MIT */
/**
 * Rows of SQLite as JSON text: numbers, text, NULL as they are, BLOBs as base64 text. Everything
 * written is valid UTF-8 that strict parsers accept, whatever is stored.
 */
#ifndef TROUPE_STORE_ROWS_H
#define TROUPE_STORE_ROWS_H

#include "troupe/pack.h"

#include <sqlite3.h>

/** Append the present row as an object. A column whose name ends in "_json" appears without that
 * ending, its text as a JSON value (as a string if it is not JSON). */
void rows_append_object(troupe_buffer *out, sqlite3_stmt *statement);

/** Append the present row as a list of plain values. */
void rows_append_list(troupe_buffer *out, sqlite3_stmt *statement);

/** Append the names of the columns as a list; shorten: without the ending "_json". */
void rows_append_columns(troupe_buffer *out, sqlite3_stmt *statement, bool shorten);

#endif
