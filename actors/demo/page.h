/* SPDX-License-Identifier: MIT */
/** The files of the demo site: found in the embedded assets, and filled in where they are
 * templates. */
#ifndef TROUPE_ACTORS_DEMO_PAGE_H
#define TROUPE_ACTORS_DEMO_PAGE_H

#include <stdbool.h>
#include <stddef.h>

/** One file to send. */
typedef struct page_file {
    const char *type; /* media type, static storage */
    const unsigned char *data;
    size_t len;
    bool is_template; /* HTML and CSS: "{{query}}" and "{{n}}" are to be filled in */
} page_file;

/** What a page is asked for with: which of several (n), and for whom it counts (run). */
typedef struct page_query {
    char n[12];   /* digits; "1" when not given */
    char run[65]; /* letters, digits, "_", "-", "."; "" when not given */
} page_query;

/** Find the file below web/demo/; "/" is index.html. False: there is none. */
bool page_find(const char *path, page_file *out);

/** Read n and run out of a query string (NULL allowed); whatever is not in their alphabet counts as
 * not given, so that both can stand in HTML, CSS and URLs unescaped. */
void page_query_read(const char *query, page_query *out);

/**
 * Fill in a template.
 *
 * @return the text, NUL-terminated, to be freed by the caller; NULL without memory
 */
char *page_fill(const page_file *file, const page_query *query, size_t *len);

#endif
