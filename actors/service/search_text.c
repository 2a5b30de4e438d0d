/* SPDX-License-Identifier: MIT */
/* Words to look for, as conditions on the full-text index. */
#include "search_text.h"

#include <ctype.h>
#include <string.h>

#define TERMS_MAX 16

/* One word or phrase of it; text is borrowed. */
typedef struct term {
    const char *text;
    size_t len;
    const char *column; /* of search_request; NULL = any */
    bool bodies;        /* also, or only, in bodies */
    bool requests;
    bool begins; /* it is how a word begins */
    bool without;
} term;

static const struct {
    const char *prefix;
    const char *column;
} places[] = {{"url:", "url"}, {"header:", "headers"}, {"body:", NULL}};

static const char *read_place(const char *at, term *out)
{
    out->bodies = out->requests = true;
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        size_t len = strlen(places[i].prefix);
        if (strncmp(at, places[i].prefix, len) == 0) {
            out->column = places[i].column;
            out->bodies = out->column == NULL;
            out->requests = !out->bodies;
            return at + len;
        }
    }
    return at;
}

static bool has_word(const term *one)
{
    for (size_t i = 0; i < one->len; i++) {
        unsigned char byte = (unsigned char)one->text[i];
        if (isalnum(byte) || byte == '_' || byte >= 0x80) {
            return true;
        }
    }
    return false;
}

/* The term at *at; false at the end. A quote that does not close: text is NULL. */
static bool next_term(const char **at, term *out)
{
    const char *from = *at + strspn(*at, " \t\r\n");
    *out = (term){.without = *from == '-' && from[1] != '\0'};
    if (*from == '\0') {
        return false;
    }
    from = read_place(from + out->without, out);
    if (*from == '"') {
        const char *end = strchr(from + 1, '"');
        out->text = end != NULL ? from + 1 : NULL;
        out->len = end != NULL ? (size_t)(end - from - 1) : 0;
        *at = end != NULL ? end + 1 : from + strlen(from);
    } else {
        out->text = from;
        out->len = strcspn(from, " \t\r\n\"");
        *at = from + out->len;
    }
    if (**at == '*') { /* behind a quote */
        out->begins = true;
        (*at)++;
    } else if (out->text != NULL && out->len > 0 && out->text[out->len - 1] == '*') {
        out->begins = true;
        out->len--;
    }
    return true;
}

troupe_error search_text_check(const char *text, troupe_reason *reason)
{
    size_t count = 0;
    const char *at = text;
    for (term one; next_term(&at, &one); count++) {
        if (one.text == NULL) {
            return troupe_fail(reason, TROUPE_EPARAMS, "text: a quote is not closed");
        }
        if (!has_word(&one)) {
            return troupe_fail(reason, TROUPE_EPARAMS, "text: no letter or digit in \"%.*s\"",
                               (int)(one.len < 60 ? one.len : 60), one.text);
        }
    }
    return count == 0 ? troupe_fail(reason, TROUPE_EPARAMS, "text: it has no words")
           : count > TERMS_MAX
               ? troupe_fail(reason, TROUPE_EPARAMS, "text: more than %d words", TERMS_MAX)
               : TROUPE_OK;
}

static void add_match(lookup_sql *sql, const term *one, const char *column)
{
    troupe_buffer match = {0};
    if (column != NULL) {
        (void)troupe_buffer_printf(&match, "%s : ", column);
    }
    (void)troupe_buffer_printf(&match, "\"%.*s\"%s", (int)one->len, one->text,
                               one->begins ? "*" : "");
    lookup_sql_text(sql, match.data != NULL ? (const char *)match.data : "", match.len);
    troupe_buffer_fini(&match);
}

void search_text_add(lookup_sql *sql, const char *text)
{
    const char *at = text;
    for (term one; next_term(&at, &one);) {
        lookup_sql_add(sql, one.without ? " AND id NOT IN (" : " AND id IN (");
        if (one.requests) {
            lookup_sql_add(sql, "SELECT rowid FROM search_request WHERE search_request MATCH ?");
            add_match(sql, &one, one.column);
        }
        if (one.bodies) {
            lookup_sql_add(sql, one.requests ? " UNION ALL " : "");
            lookup_sql_add(sql, "SELECT request FROM body WHERE content IN"
                                " (SELECT rowid FROM search_body WHERE search_body MATCH ?)"
                                " UNION ALL SELECT -rowid FROM search_body"
                                " WHERE search_body MATCH ? AND rowid<0");
            add_match(sql, &one, NULL);
            add_match(sql, &one, NULL);
        }
        lookup_sql_add(sql, ")");
    }
}
