/* SPDX-License-Identifier: MIT */
/** Tables that fit the terminal. */
#ifndef TROUPE_CLI_TABLE_H
#define TROUPE_CLI_TABLE_H

#include "term.h"

typedef struct table_column {
    const char *title;
    bool right;   /* numbers */
    term_cut cut; /* how cells are cut when the table is too wide */
} table_column;

typedef struct table table;

/** columns: borrowed until table_destroy. NULL: no memory. */
table *table_create(const table_column *columns, size_t count);
void table_destroy(table *self);

/** Append the next cell, row by row. text: copied and cleaned (term_clean). Without memory the cell
 * stays empty. */
void table_add(table *self, const char *text, term_colour colour);

typedef struct table_style {
    size_t width; /* columns to fit into; 0 = no limit */
    bool colours;
    bool headings;
    const char *drop; /* titles of columns to leave out, in this order, before others are cut short:
                         "STATE|TIME"; NULL = none */
} table_style;

/** Print; columns in which every cell is empty are left out. */
void table_print(const table *self, FILE *out, const table_style *style);

#endif
