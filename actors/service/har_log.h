/* SPDX-License-Identifier: MIT */
/**
 * HAR 1.2 from recorded rows. What HAR has no place for is under names that begin with "_": those
 * of Chrome's DevTools where it has the thing, else Troupe's own.
 */
#ifndef TROUPE_SERVICE_HAR_LOG_H
#define TROUPE_SERVICE_HAR_LOG_H

#include <jansson.h>

/** The entry of a row of the view har_entry, with body_content and body_content_base64 (NULL: no
 * body). New reference; NULL if out of memory. */
json_t *har_log_entry(const json_t *row);

/** Add a frame (row of websocket_frame) to an entry's _webSocketMessages. */
void har_log_frame(json_t *entry, const json_t *row);

/** Add a message (row of eventsource_message) to an entry's _eventSourceMessages. */
void har_log_message(json_t *entry, const json_t *row);

/** A page of the log, of a row of `page` with started_datetime. New reference. */
json_t *har_log_page(const json_t *row);

/** Name the page that an entry belongs to. pages: rows of `page` in their order. Returns the row;
 * NULL: none of them. */
const json_t *har_log_page_of(json_t *entry, const json_t *row, const json_t *pages);

#endif
