/* SPDX-License-Identifier: MIT */
/**
 * The full-text index: two FTS5 tables that hold words, not texts. It is brought up to date when
 * somebody searches, a step at a time, and costs recording nothing until then.
 *
 * `search_request` (row: a request that has ended) has its URL and its headers, `search_body` (row:
 * of `content`, or minus the request whose post data it is) bodies that are text. Rows that
 * retention deleted stay in the index until they are the larger part of it; then it is made anew.
 */
#ifndef TROUPE_STORE_SEARCH_INDEX_H
#define TROUPE_STORE_SEARCH_INDEX_H

#include "recorder.h"

/**
 * Commit, and index some more in a transaction of its own.
 * @param more  whether there is more to index
 * @return TROUPE_OK; TROUPE_ESTORAGE
 */
troupe_error search_index_step(recorder *rec, bool *more) TROUPE_MUST_USE;

/** Empty it if most of what it holds was deleted, or all is to go. SQLite's code. */
int search_index_trim(sqlite3 *db, bool all);

#endif
