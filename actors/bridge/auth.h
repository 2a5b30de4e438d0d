/* SPDX-License-Identifier: MIT */
/**
 * Who may: the rules that every HTTP request passes before anything else looks at it.
 *
 * A reachable host is remote code execution: without a token only processes of the same user on the
 * same machine may talk to it, and no web page; with a token whoever has it, and no web page
 * either.
 */
#ifndef TROUPE_BRIDGE_AUTH_H
#define TROUPE_BRIDGE_AUTH_H

#include "troupe/host.h"

#include <sys/types.h>

#define AUTH_LIST_MAX 32

/** The rules in force. Fixed after auth_init; read by any thread. */
typedef struct auth_rules {
    bool has_token;
    unsigned char token_digest[32]; /* SHA-256 */
    char address[64];               /* what we listen on: "127.0.0.1" */
    uint16_t port;                  /* set when the server knows it */
    bool tls;                       /* set with it: pages of ours have https */
    uid_t uid;                      /* peers without a token must have it */
    char *hosts;                    /* storage of the list below */
    const char *host_list[AUTH_LIST_MAX + 1];
    char *origins;
    const char *origin_list[AUTH_LIST_MAX + 1];
} auth_rules;

/** What a request says about itself; strings are borrowed, NULL when absent. */
typedef struct auth_request {
    const char *method;
    const char *host;
    unsigned host_count; /* Host headers; more than one is refused */
    const char *origin;
    const char *authorization;
    const char *token; /* from the query; only where a browser's client cannot set headers */
    const char *content_type;
    bool session; /* a cookie of ours stands for the token (tickets.h) */
    bool paired;  /* what is presented as the token is a ticket for that origin */
    bool peer_loopback;
} auth_request;

/** Uid that owns the other end of the connection. False if it cannot be told. */
typedef bool (*auth_owner_fn)(void *context, uid_t *uid);

typedef struct auth_refusal {
    int status;        /* HTTP */
    troupe_error code; /* TROUPE_EUNAUTHORIZED, TROUPE_EFORBIDDEN, TROUPE_EREQUEST */
    const char *rule;  /* short stable word: "host", "origin" … */
    const char *text;  /* one line */
} auth_refusal;

/**
 * Take the rules from the options.
 *
 * @param address  IPv4 address to listen on
 * @return TROUPE_OK; TROUPE_EFORBIDDEN: not loopback and no token; TROUPE_EPARAMS: a list is too
 *         long; TROUPE_ENOMEM
 */
troupe_error auth_init(auth_rules *auth, const troupe_host_options *options, const char *address,
                       troupe_reason *reason) TROUPE_MUST_USE;
void auth_fini(auth_rules *auth);

/** Whether the request may pass; else *refusal says why not. The owner is asked last. */
bool auth_admit(const auth_rules *auth, const auth_request *request, auth_owner_fn owner,
                void *context, auth_refusal *refusal);

/** Whether that is a loopback IPv4 address in digits ("127.0.0.1", "::ffff:127.0.0.1") or "::1". */
bool auth_is_loopback(const char *address);

#endif
