/* SPDX-License-Identifier: MIT */
/**
 * What users look for in texts, as conditions on the full-text index:
 * words that must all occur, in the URL, a header or a body; "a phrase"; begin* of a word;
 * -without; url:, header: and body: say where.
 */
#ifndef TROUPE_SERVICE_SEARCH_TEXT_H
#define TROUPE_SERVICE_SEARCH_TEXT_H

#include "lookup.h"

/** TROUPE_EPARAMS: no words, a term without letters or digits, too many terms, no closing quote. */
troupe_error search_text_check(const char *text, troupe_reason *reason) TROUPE_MUST_USE;

/** " AND id IN (…)" for each term of a text that was checked. */
void search_text_add(lookup_sql *sql, const char *text);

#endif
