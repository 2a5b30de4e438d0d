/* SPDX-License-Identifier: MIT */
/** JSON results as tables and lists of fields: by column what to show and how. */
#ifndef TROUPE_CLI_VIEW_H
#define TROUPE_CLI_VIEW_H

#include "table.h"

#include <jansson.h>

typedef enum view_kind {
    VIEW_TEXT,
    VIEW_LONG, /* text that may be cut at its end */
    VIEW_URL,  /* text that may be cut in the middle */
    VIEW_NUMBER,
    VIEW_BYTES,
    VIEW_MS,
    VIEW_TIME,   /* ISO 8601, or seconds, ms or µs since 1970; shown as local time of day */
    VIEW_STATUS, /* of HTTP */
    VIEW_STATE,  /* of a target, request or browser */
    VIEW_LEVEL,  /* of a console message */
} view_kind;

typedef struct view_column {
    const char *title;
    const char *key; /* member; alternatives behind `|`: "peak|depth_peak" */
    view_kind kind;
} view_column;

/** One value as text. */
void view_text(const json_t *value, view_kind kind, char *out, size_t size);
term_colour view_colour(const json_t *value, view_kind kind);

/** The first of the key's alternatives that is there and not null; else NULL. */
const json_t *view_member(const json_t *row, const char *key);

/** How lists are printed. */
typedef struct view_options {
    bool reversed;    /* last row first */
    bool ids_only;    /* only the first column, without heading */
    const char *drop; /* as table_style */
} view_options;

/** Print rows (objects; NULL or no list prints as empty) as a table to stdout. */
void view_rows(const json_t *rows, const view_column *columns, size_t count, view_options options);

/** Print an object's members, one a line; nested objects as "store.bytes"; empty ones are
 * left out. */
void view_fields(const json_t *object);

/** Any value in one line: strings as they are, everything else as JSON. Freed by the caller. */
char *view_dump(const json_t *value);

#endif
