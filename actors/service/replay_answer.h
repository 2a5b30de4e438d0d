/* SPDX-License-Identifier: MIT */
/** A recorded answer as a fetch rule gives it to a page again. */
#ifndef TROUPE_SERVICE_REPLAY_ANSWER_H
#define TROUPE_SERVICE_REPLAY_ANSWER_H

#include <jansson.h>
#include <stdbool.h>

/** The row that replay_answer wants; one value to bind: the request's id. */
#define REPLAY_ANSWER_SQL                                                                \
    "SELECT r.state, r.error, p.status, p.raw_status, p.status_text, p.headers_json,"    \
    " p.raw_headers_json, c.base64, c.content FROM request r"                            \
    " LEFT JOIN response p ON p.request=r.id LEFT JOIN body_content c ON c.request=r.id" \
    " WHERE r.id=?"

/**
 * New reference: {status, status_text, headers, body, base64}, as the page saw it, or {fail: reason
 * of Fetch.failRequest} where it failed without an answer.
 */
json_t *replay_answer(const json_t *row);

#endif
