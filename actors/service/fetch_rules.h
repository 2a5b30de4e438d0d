/* SPDX-License-Identifier: MIT */
/**
 * Fetch rules as data: read from params, merged for a target. A scope is a target's id, or "*":
 * all.
 *
 * Rules are JSON: {scope: {block: [glob], mock: {glob: answer}, request: [glob], response: [glob],
 * replay: {from, miss}}}.
 */
#ifndef TROUPE_SERVICE_FETCH_RULES_H
#define TROUPE_SERVICE_FETCH_RULES_H

#include "troupe/error.h"

#include <jansson.h>
#include <stdbool.h>

/** What is wrong with `block`, `mock`, `urls` in these params; TROUPE_OK if nothing is. */
troupe_error fetch_rules_check(const json_t *params, troupe_reason *reason) TROUPE_MUST_USE;

/** Put what the params say in a scope: only the kinds that they name are changed; if they name
 * none, the scope's rules end. */
void fetch_rules_set(json_t *rules, const char *scope, const json_t *params);

/** The rules for that target, its own first: as VERB_FETCH_APPLY has them. New reference. */
json_t *fetch_rules_of(const json_t *rules, const char *target, bool capture,
                       json_int_t pause_timeout_ms);

#endif
