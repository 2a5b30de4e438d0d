/* SPDX-License-Identifier: MIT */
/* The requests the recorder is following. */
#include "open_requests.h"

#include <stdlib.h>
#include <string.h>

#define SMALLEST   64
#define EVICT_LOOK 32 /* how many of the oldest are looked at for one that has ended */

uint64_t hash_bytes(uint64_t hash, const void *data, size_t len)
{
    const unsigned char *bytes = data;
    for (size_t i = 0; i < len; i++) {
        hash = (hash ^ bytes[i]) * UINT64_C(0x100000001b3);
    }
    return hash;
}

static uint64_t key_hash(const request_key *key)
{
    uint64_t hash = hash_bytes(HASH_START, key->request_id, key->request_id_len);
    hash = hash_bytes(hash ^ 0x1f, key->target, key->target_len);
    hash = hash_bytes(hash ^ 0x1f, key->uid, key->uid_len);
    return hash ^ (hash >> 29);
}

static bool key_matches(const open_request *request, const request_key *key)
{
    return request->uid_len == key->uid_len && request->target_len == key->target_len &&
           request->request_id_len == key->request_id_len &&
           memcmp(request->key, key->uid, key->uid_len) == 0 &&
           memcmp(request->key + key->uid_len, key->target, key->target_len) == 0 &&
           memcmp(request->key + key->uid_len + key->target_len, key->request_id,
                  key->request_id_len) == 0;
}

static void list_remove(open_requests *requests, open_request *request)
{
    *(request->newer != NULL ? &request->newer->older : &requests->newest) = request->older;
    *(request->older != NULL ? &request->older->newer : &requests->oldest) = request->newer;
    request->newer = request->older = NULL;
}

static void list_push(open_requests *requests, open_request *request)
{
    request->older = requests->newest;
    request->newer = NULL;
    *(requests->newest != NULL ? &requests->newest->newer : &requests->oldest) = request;
    requests->newest = request;
}

bool open_requests_init(open_requests *requests, size_t limit, open_requests_leave_fn leave,
                        void *context)
{
    memset(requests, 0, sizeof *requests);
    requests->buckets = calloc(SMALLEST, sizeof(open_request *));
    requests->bucket_count = requests->buckets != NULL ? SMALLEST : 0;
    requests->limit = limit;
    requests->leave = leave;
    requests->context = context;
    return requests->buckets != NULL;
}

static void free_request(open_request *request)
{
    free(request->request_early.params);
    free(request->response_early.params);
    free(request->headers_unwritten.params);
    free(request->answer_unwritten.params);
    free(request);
}

void open_requests_fini(open_requests *requests)
{
    for (open_request *at = requests->newest; at != NULL;) {
        open_request *older = at->older;
        free_request(at);
        at = older;
    }
    free(requests->buckets);
    memset(requests, 0, sizeof *requests);
}

open_request *open_requests_find(open_requests *requests, const request_key *key)
{
    uint64_t hash = key_hash(key);
    open_request *at = requests->buckets[hash & (requests->bucket_count - 1)];
    while (at != NULL && (at->hash != hash || !key_matches(at, key))) {
        at = at->chain_next;
    }
    if (at != NULL && at != requests->newest) {
        list_remove(requests, at);
        list_push(requests, at);
    }
    return at;
}

/* Twice the buckets; if there is no memory for them, chains grow longer and nothing else. */
static void grow(open_requests *requests)
{
    size_t count = requests->bucket_count * 2;
    open_request **buckets = calloc(count, sizeof *buckets);
    if (buckets == NULL) {
        return;
    }
    for (open_request *at = requests->newest; at != NULL; at = at->older) {
        open_request **bucket = &buckets[at->hash & (count - 1)];
        at->chain_next = *bucket;
        *bucket = at;
    }
    free(requests->buckets);
    requests->buckets = buckets;
    requests->bucket_count = count;
}

static void evict(open_requests *requests)
{
    open_request *victim = requests->oldest;
    open_request *at = requests->oldest;
    for (int i = 0; i < EVICT_LOOK && at != NULL; i++, at = at->newer) {
        if (open_request_ended(at)) {
            victim = at;
            break;
        }
    }
    if (victim != NULL) {
        requests->leave(requests->context, victim);
        open_requests_remove(requests, victim);
    }
}

open_request *open_requests_add(open_requests *requests, const request_key *key)
{
    size_t size = sizeof(open_request) + key->uid_len + key->target_len + key->request_id_len;
    open_request *request = calloc(1, size);
    if (request == NULL) {
        return NULL;
    }
    if (requests->count >= requests->limit) {
        evict(requests);
    }
    if (requests->count >= requests->bucket_count) {
        grow(requests);
    }
    request->hash = key_hash(key);
    request->uid_len = key->uid_len;
    request->target_len = key->target_len;
    request->request_id_len = key->request_id_len;
    memcpy(request->key, key->uid, key->uid_len);
    memcpy(request->key + key->uid_len, key->target, key->target_len);
    memcpy(request->key + key->uid_len + key->target_len, key->request_id, key->request_id_len);
    open_request **bucket = &requests->buckets[request->hash & (requests->bucket_count - 1)];
    request->chain_next = *bucket;
    *bucket = request;
    list_push(requests, request);
    requests->count++;
    return request;
}

void open_requests_remove(open_requests *requests, open_request *request)
{
    open_request **at = &requests->buckets[request->hash & (requests->bucket_count - 1)];
    while (*at != request) {
        at = &(*at)->chain_next;
    }
    *at = request->chain_next;
    list_remove(requests, request);
    requests->count--;
    free_request(request);
}
