/* SPDX-License-Identifier: MIT */
/**
 * What the files of fetch rules in a target share: target_fetch.c has the rules,
 * target_fetch_paused.c what Chrome paused for them, target_fetch_decide.c what somebody decides.
 */
#ifndef TROUPE_ACTORS_BROWSER_TARGET_FETCH_H
#define TROUPE_ACTORS_BROWSER_TARGET_FETCH_H

#include "target_state.h"

/** A request that waits for somebody. */
typedef struct paused {
    struct paused *prev;
    struct paused *next;
    target *owner;
    uint64_t number;
    char *id; /* Chrome's */
    char *session;
    char network_id[CHROME_ID_MAX];
    bool response;
    uint64_t timer;
} paused;

/** A request that is paused until Chrome has answered a command about it. */
typedef struct held {
    struct held *prev;
    struct held *next;
    target *owner;
    char id[CHROME_ID_MAX];
    char session[CHROME_ID_MAX];
    char network_id[CHROME_ID_MAX];
} held;

typedef struct target_fetch {
    held *held;
    json_t *rules; /* as VERB_FETCH_APPLY; NULL = none */
    paused *waiting;
    size_t waiting_count;
    uint64_t number; /* given last */
} target_fetch;

/** Its lists and values; NULL = there is none. */
json_t *fetch_list(const target_fetch *fetch, const char *name);

/** Tell the actor `fetch`. value: taken. */
void fetch_tell_service(target *state, const char *verb, json_t *value);

/** The id users know a paused request by. New reference. */
json_t *fetch_id(const target *state, uint64_t number);

/** It is not paused any more, or Chrome lets it go. */
void fetch_forget(paused *item);
/** Free all, without a word to anybody. */
void fetch_paused_fini(target_fetch *fetch);

/** {name: value} as Chrome's list; type: a content type if none is named, NULL = none. */
json_t *fetch_headers(json_t *headers, const char *type);
/** Params of Fetch.fulfillRequest, from {status, headers, body, base64}. */
json_t *fetch_fulfil_params(const char *id, json_t *answer);

/** Those who resumed a request and wait what comes of it: this event is that. */
void fetch_meet(target *state, json_t *event, bool response);

#endif
