/* SPDX-License-Identifier: MIT */
/** The life of one hop: found or begun, touched by its events, ended once. Shared by the ingest of
 * HTTP and of WebSockets. */
#ifndef TROUPE_STORE_HOP_H
#define TROUPE_STORE_HOP_H

#include "recorder.h"

/** The entry of the request an event is about; marks it as used by the event. NULL if it is not
 * known (never seen, or the id is no plain string). */
open_request *hop_find(recorder *rec, recorded_event *event, json_span request_id);

/** As hop_find, but makes an entry without a hop if there is none. NULL: no usable id, no memory.
 */
open_request *hop_entry(recorder *rec, recorded_event *event, json_span request_id);

/** What a new hop's row holds; absent spans become NULL. */
typedef struct hop_start {
    json_span request_id, url, fragment, method, type, document_url, frame_id, loader_id, initiator;
    json_span priority, has_post_data, post_data, headers;
    int64_t wall_us; /* 0 = unknown: the event's */
    int64_t mono_us; /* 0 = unknown */
} hop_start;

/** Begin the next hop of the entry: its row, and what came early for it. False if it was not
 * stored. */
bool hop_begin(recorder *rec, recorded_event *event, open_request *request, const hop_start *start);

/** How a hop ended. */
typedef struct hop_end {
    request_state state;
    int64_t mono_us;       /* 0 = unknown */
    int64_t encoded_bytes; /* -1 = as counted so far */
    json_span error, blocked_reason, cors_error, canceled;
} hop_end;

/** End the present hop, unless it has ended as well or worse already; subscribers are told. */
void hop_finish(recorder *rec, recorded_event *event, open_request *request, const hop_end *end);

/** Note activity at that time of the browser's clock (0 = unknown). */
void hop_touch(const recorded_event *event, open_request *request, int64_t mono_us);

/** Write the counters of a dirty entry into its rows. */
void hop_flush(recorder *rec, open_request *request);

/** The word of a state in the column `state`. */
const char *hop_state_word(const open_request *request);

/** Write a Response object (responseReceived, redirectResponse, handshake) as the hop's response.
 */
void hop_response(recorder *rec, open_request *request, json_span response, int64_t mono_us);

/* Extra information (raw headers), ingest_network.c: matched to hops in order of arrival. */
void extra_of_request(recorder *rec, open_request *request, json_span params);
void extra_of_response(recorder *rec, open_request *request, json_span params);
/** A hop has begun: what came early for it. */
void extra_begin(recorder *rec, open_request *request);
/** Write what waits for the row's next write. */
void extra_write(recorder *rec, open_request *request);
/** Bind the response's raw status, headers and header text to three parameters from `at` on: what
 * waits for it, else NULL. */
void extra_put_answer(recorder *rec, const open_request *request, sqlite3_stmt *row, int at);
/** It is written. */
void extra_drop(early_extra *kept);
/** The browser says whether the hop that ends or was answered has extra information. */
void extra_declared(open_request *request, json_span has_extra);

#endif
