/* SPDX-License-Identifier: MIT */
/**
 * The HTTP server of the host: what its rooms share.
 *
 * Threads: civetweb's workers run one request each and are guests of the actor system; a WebSocket
 * is taken away from civetweb after its handshake and belongs to an actor of its own (client.h).
 */
#ifndef TROUPE_BRIDGE_BRIDGE_H
#define TROUPE_BRIDGE_BRIDGE_H

#include "actors/cast.h"
#include "auth.h"
#include "rate_gate.h"
#include "status_cache.h"
#include "tickets.h"

#include <civetweb.h>
#include <pthread.h>
#include <stdatomic.h>

/* Requests that may run at once. Each worker costs about 40 KiB while idle. */
#define BRIDGE_WORKERS 72
/* Workers that /rpc leaves to everything else (health above all). */
#define BRIDGE_WORKERS_SPARE 4
#define BRIDGE_CLIENTS_MAX   200

/** Counted since the start; any thread adds, rpc `metrics` reads. */
typedef struct bridge_counters {
    atomic_ullong requests; /* HTTP requests, all of them */
    atomic_ullong refused;  /* by auth */
    atomic_ullong calls;    /* RPC calls that ended, over HTTP and WebSocket */
    atomic_ullong failures; /* of those, with an error */
    atomic_ullong overload; /* requests and clients turned away for lack of room */
    atomic_ullong clients;  /* WebSocket clients accepted */
    atomic_ullong events;   /* events sent to clients */
    atomic_ullong shed;     /* events not sent because a client was slow */
} bridge_counters;

/** A WebSocket client as others see it. The slot belongs to its actor from client_start on. */
typedef struct client_slot {
    uint64_t number;        /* 0 = free; guarded by bridge.lock */
    troupe_address address; /* 0 = not yet known; guarded by bridge.lock */
    char name[32];          /* "client/17"; guarded by bridge.lock */
    char peer[64];          /* guarded by bridge.lock */
    char topics[64];        /* comma-separated; guarded by bridge.lock */
    uint64_t since_ns;      /* guarded by bridge.lock */
    atomic_ullong requests; /* written by its actor */
    atomic_ullong events;
    atomic_ullong shed;
    atomic_ullong queued_bytes;
} client_slot;

struct bridge {
    const troupe_host_options *options; /* fixed */
    troupe_system *system;              /* fixed */
    auth_rules auth;                    /* guarded by auth_lock; address and port are fixed */
    pthread_rwlock_t auth_lock;
    tickets tickets;          /* has a lock of its own */
    rate_gate gate;           /* the same */
    status_cache status;      /* the same */
    const char *config_json;  /* of the options; guarded by auth_lock */
    struct mg_context *http;  /* fixed after start */
    uint16_t port;            /* of the HTTP server; fixed after start */
    troupe_address tls;       /* in front of it (tls_front.h); 0 = nobody. Fixed too */
    uint64_t started_ns;      /* fixed */
    uint32_t clients_max;     /* fixed */
    uint32_t client_tick_ms;  /* how often a client looks after its peer; fixed */
    uint32_t client_stall_ms; /* a peer that takes nothing for so long is let go of; fixed */
    troupe_address metrics;   /* its actor (metrics.h); fixed after start */
    atomic_bool stopping;
    atomic_bool draining;                  /* nothing new begins (drain.h) */
    atomic_bool drain_stop;                /* and the host is to end when nothing is under way */
    _Atomic troupe_address drain_deadline; /* who ends it all the same; 0 = nobody */
    bridge_counters counters;
    atomic_uint connections; /* HTTP connections that are open */
    atomic_ullong warned_ns; /* last refusal that was logged */
    pthread_mutex_t lock;    /* leaf: nothing is called while it is held */
    pthread_cond_t idle;     /* active became 0 */
    unsigned active;         /* requests being answered; guarded by lock */
    unsigned calling;        /* of those, on /rpc; guarded by lock */
    uint64_t client_next;    /* number of the next client; guarded by lock */
    client_slot *slots;      /* clients_max of them */
};

/** Monotonic clock. */
uint64_t bridge_now_ns(void);

#endif
