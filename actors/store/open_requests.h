/* SPDX-License-Identifier: MIT */
/**
 * The requests the recorder is following, in memory, so that their events need no SELECT: a bounded
 * hash by (browser uid, target, request id). What has ended stays a while (its extra information
 * may still come) and leaves first.
 */
#ifndef TROUPE_STORE_OPEN_REQUESTS_H
#define TROUPE_STORE_OPEN_REQUESTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The order is the rank: a request never goes back to a lower one. WebSockets use their own words.
 */
typedef enum request_state {
    REQUEST_PENDING,  /* WebSocket: connecting */
    REQUEST_LOADING,  /* WebSocket: open */
    REQUEST_COMPLETE, /* WebSocket: closed */
    REQUEST_FAILED,
} request_state;

/* Extra information can lag behind by whole hops; this many of them are told apart. */
#define HOPS_IN_REACH 8

/* Extra information that came before the hop it belongs to. */
typedef struct early_extra {
    char *params; /* owned */
    size_t len;
} early_extra;

typedef struct open_request {
    struct open_request *chain_next;
    struct open_request *newer, *older; /* by last use */
    uint64_t hash;

    int64_t id;          /* row of the present hop; 0 = only extra information so far */
    int64_t chain;       /* row of the first hop */
    int64_t previous_id; /* row of the hop before; 0 = none */
    int64_t
        hop_ids[HOPS_IN_REACH]; /* rows of the latest hops, by hop % HOPS_IN_REACH; 0 = unknown */
    int32_t hop;
    request_state state;
    bool websocket;
    bool dirty;           /* the counters below differ from the row */
    bool media;           /* the response is an image, a font, sound or a film */
    bool bodiless;        /* the response has no body, or none that ends */
    bool lacks_post_data; /* the browser has it, but did not send it along */

    uint64_t url_hash;
    int64_t started_us; /* 0 = unknown */
    int64_t started_mono_us;
    int64_t last_us;
    int64_t last_event;
    int64_t encoded_bytes, decoded_bytes;
    int64_t frames_sent, frames_received, bytes_sent, bytes_received;

    int32_t request_extra_hop;  /* the hop that the next requestWillBeSentExtraInfo belongs to */
    int32_t response_extra_hop; /* and the next responseReceivedExtraInfo */
    bool extra_misplaced;       /* the present hop has none, but got what belongs to the next */
    early_extra request_early, response_early; /* of a hop that has not begun */
    early_extra headers_unwritten;             /* of the present hop: JSON of its raw headers */
    early_extra answer_unwritten;              /* and the params that tell of its response's */
    uint64_t type_hash;                        /* of the resource type in its row */
    bool answered;                             /* its response has a row */

    size_t uid_len, target_len, request_id_len;
    char key[]; /* uid, target, request id, back to back */
} open_request;

typedef struct request_key {
    const char *uid, *target, *request_id;
    size_t uid_len, target_len, request_id_len;
} request_key;

/** Called for an entry that leaves the table for lack of room, before it is freed. */
typedef void (*open_requests_leave_fn)(void *context, open_request *request);

typedef struct open_requests {
    open_request **buckets; /* bucket_count, a power of two */
    size_t bucket_count;
    size_t count;
    size_t limit;
    open_request *newest, *oldest;
    open_requests_leave_fn leave;
    void *context;
} open_requests;

/** limit: entries at most, at least 1. False if out of memory. */
bool open_requests_init(open_requests *requests, size_t limit, open_requests_leave_fn leave,
                        void *context);
void open_requests_fini(open_requests *requests);

/** The entry, which counts as used now; NULL if there is none. */
open_request *open_requests_find(open_requests *requests, const request_key *key);

/** A new zeroed entry under that key, which must not be there. The oldest ended one, or the oldest
 * of all, leaves if the table is full. NULL if out of memory. */
open_request *open_requests_add(open_requests *requests, const request_key *key);

void open_requests_remove(open_requests *requests, open_request *request);

static inline bool open_request_ended(const open_request *request)
{
    return request->state >= REQUEST_COMPLETE;
}

/** FNV-1a. */
uint64_t hash_bytes(uint64_t hash, const void *data, size_t len);
#define HASH_START UINT64_C(0xcbf29ce484222325)

#endif
