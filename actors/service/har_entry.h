/* SPDX-License-Identifier: MIT */
/** One request in the shape of HAR: from a row of the view har_entry to the entry users see. */
#ifndef TROUPE_SERVICE_HAR_ENTRY_H
#define TROUPE_SERVICE_HAR_ENTRY_H

#include <jansson.h>
#include <stdbool.h>

/** The entry of a row (an object with the view's columns). New reference; NULL if out of memory. */
json_t *har_entry(const json_t *row);

/** HAR's phases of a row in milliseconds; -1 = does not apply, or is not known. New reference. */
json_t *har_entry_timings(const json_t *row);

/** Put the body into entry.response.content: as text if it is (or decodes to) UTF-8, else base64.
 * body: NULL = there is none, `error` says why. */
void har_entry_body(json_t *entry, const char *body, size_t len, bool base64, const char *error);

/**
 * What `fields` selects: "a.b" a member, "a" or "a.*" a part with all its members, "*" everything;
 * case does not matter, what is not there is left out, `id` always stays.
 *
 * @param fields  a list; NULL = everything
 * @return new reference
 */
json_t *har_entry_select(json_t *entry, const json_t *fields);

/** A column for har_entry_resolution: the state of the target that a row of `from` is of. */
#define TARGET_STATE_SQL(from)                                                \
    "(SELECT state FROM target t WHERE t.uid=" from ".uid AND t.target=" from \
    ".target) AS target_state"

/** Where a row was found, if its target is not connected now: {via: "stashed", target, state}; NULL
 * if it is. New reference. */
json_t *har_entry_resolution(const json_t *row);

/** Whether a field asks for that part ("response.content", "websocket.frames") by name. */
bool har_entry_wants(const json_t *fields, const char *part);

#endif
