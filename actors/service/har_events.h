/* SPDX-License-Identifier: MIT */
/**
 * A HAR as what a browser would have told while it was made: CDP events and bodies, in order. So a
 * HAR is recorded as any visit is: by the same code, without its secrets, findable and exportable.
 */
#ifndef TROUPE_SERVICE_HAR_EVENTS_H
#define TROUPE_SERVICE_HAR_EVENTS_H

#include "troupe/error.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** What is told, in order: a list of
 *    {method, target, wall_us, params}                       an event
 *    {body, base64, target, wall_us, request_id, post_data}  a body (post_data: what was sent)
 *    {body: "", error, target, wall_us, request_id}          why there is none
 */
typedef struct har_events {
    const char *browser; /* targets are BROWSER:PAGE */
    uint32_t piece;      /* no other of this browser: request ids have it in them */
    char product[204];   /* what made the HAR: "NAME/VERSION" */
    json_t *told;
    json_t *targets; /* id -> the address of its first page, or null */
    json_t *open;    /* of har_events.c: request id -> entry whose redirect is still to be told */
    size_t entries;
    uint64_t number; /* the last request's */
} har_events;

/**
 * Read a HAR 1.2 document, or its `log`.
 *
 * @param out  browser and piece set, the rest zero; har_events_fini frees it, whatever is returned
 * @return TROUPE_OK; TROUPE_EPARAMS: *reason says which entry lacks what
 */
troupe_error har_events_read(const json_t *har, har_events *out,
                             troupe_reason *reason) TROUPE_MUST_USE;
void har_events_fini(har_events *events);

/** "2026-11-27T12:30:00.123+01:00" as microseconds since 1970. False: it is none. */
bool har_time_read(const char *text, int64_t *out);

#endif
