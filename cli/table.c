/* SPDX-License-Identifier: MIT */
/* Tables that fit the terminal. */
#include "table.h"

#include <stdlib.h>
#include <string.h>

#define GAP         2  /* blanks between columns */
#define NARROWEST   8  /* columns are not cut below this width */
#define COMFORTABLE 28 /* what may be cut has at least this width before columns are left out */
#define COLUMNS_MAX 64

typedef struct cell {
    char *text; /* NULL = empty */
    term_colour colour;
} cell;

struct table {
    const table_column *columns;
    size_t column_count;
    cell *cells;
    size_t cell_count;
    size_t capacity;
};

table *table_create(const table_column *columns, size_t count)
{
    table *made = calloc(1, sizeof *made);
    if (made != NULL) {
        made->columns = columns;
        made->column_count = count < COLUMNS_MAX ? count : COLUMNS_MAX;
    }
    return made;
}

void table_destroy(table *self)
{
    if (self == NULL) {
        return;
    }
    for (size_t i = 0; i < self->cell_count; i++) {
        free(self->cells[i].text);
    }
    free(self->cells);
    free(self);
}

void table_add(table *self, const char *text, term_colour colour)
{
    if (self->cell_count == self->capacity) {
        size_t capacity = self->capacity == 0 ? 64 : self->capacity * 2;
        cell *grown = realloc(self->cells, capacity * sizeof *grown);
        if (grown == NULL) {
            return;
        }
        self->cells = grown;
        self->capacity = capacity;
    }
    cell added = {*text != '\0' ? term_clean(text) : NULL, colour};
    self->cells[self->cell_count++] = added;
}

/* Widest cell of each column; 0 for a column that is empty throughout. */
static void natural_widths(const table *self, bool headings, size_t *widths)
{
    memset(widths, 0, self->column_count * sizeof *widths);
    for (size_t i = 0; i < self->cell_count; i++) {
        size_t column = i % self->column_count;
        size_t width = self->cells[i].text != NULL ? term_text_width(self->cells[i].text) : 0;
        if (width > widths[column]) {
            widths[column] = width;
        }
    }
    for (size_t i = 0; i < self->column_count && headings; i++) {
        size_t width = term_text_width(self->columns[i].title);
        if ((widths[i] > 0 || self->cell_count == 0) && width > widths[i]) {
            widths[i] = width;
        }
    }
}

static size_t total_width(const size_t *widths, size_t count)
{
    size_t total = 0;
    for (size_t i = 0; i < count; i++) {
        if (widths[i] > 0) {
            total += widths[i] + (total > 0 ? GAP : 0);
        }
    }
    return total;
}

/* Take from the widest column that may be cut, one at a time, until the table fits or nothing is
 * left to take. */
static void shrink(const table *self, size_t limit, size_t *widths)
{
    while (total_width(widths, self->column_count) > limit) {
        size_t widest = self->column_count;
        for (size_t i = 0; i < self->column_count; i++) {
            if (self->columns[i].cut != TERM_KEEP && widths[i] > NARROWEST &&
                (widest == self->column_count || widths[i] > widths[widest])) {
                widest = i;
            }
        }
        if (widest == self->column_count) {
            return;
        }
        widths[widest]--;
    }
}

/* Width of the table with everything cut that may be cut, within reason. */
static size_t comfortable_width(const table *self, const size_t *widths)
{
    size_t cut[COLUMNS_MAX];
    for (size_t i = 0; i < self->column_count; i++) {
        bool keeps = self->columns[i].cut == TERM_KEEP || widths[i] < COMFORTABLE;
        cut[i] = keeps ? widths[i] : COMFORTABLE;
    }
    return total_width(cut, self->column_count);
}

/* Leave columns out, in the order of `titles`, until the rest fits. */
static void drop_columns(const table *self, const char *titles, size_t limit, size_t *widths)
{
    while (titles != NULL && *titles != '\0' && comfortable_width(self, widths) > limit) {
        size_t len = strcspn(titles, "|");
        for (size_t i = 0; i < self->column_count; i++) {
            const char *title = self->columns[i].title;
            if (strlen(title) == len && memcmp(title, titles, len) == 0) {
                widths[i] = 0;
            }
        }
        titles += titles[len] == '|' ? len + 1 : len;
    }
}

static void print_blanks(FILE *out, size_t count)
{
    fprintf(out, "%*s", (int)count, "");
}

static void print_cell(FILE *out, const table_column *column, size_t width, const char *text,
                       const char *code, bool last)
{
    char *fitted = term_fit(text, width, column->cut);
    const char *shown = fitted != NULL ? fitted : "";
    size_t used = term_text_width(shown);
    size_t blanks = used < width ? width - used : 0;
    if (column->right) {
        print_blanks(out, blanks);
    }
    fprintf(out, "%s%s%s", code, shown, *code != '\0' ? TERM_RESET : "");
    if (!column->right && !last) {
        print_blanks(out, blanks);
    }
    free(fitted);
}

static size_t last_shown(const table *self, const size_t *widths)
{
    size_t last = 0;
    for (size_t i = 0; i < self->column_count; i++) {
        last = widths[i] > 0 ? i : last;
    }
    return last;
}

/* One line: headings if cells is NULL. */
static void print_line(const table *self, FILE *out, const table_style *style, const size_t *widths,
                       const cell *cells)
{
    size_t last = last_shown(self, widths);
    bool first = true;
    for (size_t i = 0; i < self->column_count; i++) {
        if (widths[i] == 0) {
            continue;
        }
        if (!first) {
            print_blanks(out, GAP);
        }
        first = false;
        const char *text = cells == NULL           ? self->columns[i].title
                           : cells[i].text != NULL ? cells[i].text
                                                   : "";
        term_colour colour = cells == NULL ? TERM_BOLD : cells[i].colour;
        print_cell(out, &self->columns[i], widths[i], text, style->colours ? term_code(colour) : "",
                   i == last);
    }
    fputc('\n', out);
}

void table_print(const table *self, FILE *out, const table_style *style)
{
    size_t widths[COLUMNS_MAX];
    natural_widths(self, style->headings, widths);
    if (style->width > 0) {
        drop_columns(self, style->drop, style->width, widths);
        shrink(self, style->width, widths);
    }
    if (style->headings) {
        print_line(self, out, style, widths, NULL);
    }
    for (size_t i = 0; i + self->column_count <= self->cell_count; i += self->column_count) {
        print_line(self, out, style, widths, &self->cells[i]);
    }
}
