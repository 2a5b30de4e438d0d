/* SPDX-License-Identifier: MIT */
/** Calls to a running host over POST /rpc. */
#ifndef TROUPE_CLI_CLIENT_H
#define TROUPE_CLI_CLIENT_H

#include "state.h"

#include <jansson.h>

typedef struct rpc_client {
    const char *ca_file; /* PEM of the authorities to trust for https; NULL = the system's */
    char url[256];       /* of the host, without trailing slash */
    char *token;         /* NULL = none; owned */
    uint32_t timeout_ms; /* of a call */
    host_state state;    /* of a local host; pid 0 when it was given by URL */
} rpc_client;

/** What the host said instead of a result. Freed with rpc_failure_fini. */
typedef struct rpc_failure {
    troupe_error error; /* by the name on the wire */
    char *name;         /* on the wire; NULL when the call never reached the host */
    char *message;
    json_t *data; /* NULL = none */
} rpc_failure;

void rpc_failure_fini(rpc_failure *failure);

/** Use the host at that URL. token: copied; NULL = none. */
troupe_error rpc_client_at(rpc_client *out, const char *url, const char *token,
                           troupe_reason *reason) TROUPE_MUST_USE;

/**
 * Use the local host of that name: finds it by its state file, makes sure that the process that
 * answers there is the one that wrote it.
 *
 * @param token  used if the state file names no token file; NULL = none
 * @return TROUPE_OK; TROUPE_ENOTFOUND: no such host runs; TROUPE_EIO, TROUPE_EUNAVAILABLE
 */
troupe_error rpc_client_local(rpc_client *out, const char *dir, const char *name, const char *token,
                              troupe_reason *reason) TROUPE_MUST_USE;

void rpc_client_fini(rpc_client *client);

/**
 * Call and wait.
 *
 * @param params   taken in any case; NULL = none
 * @param result   stored on TROUPE_OK: new reference
 * @param failure  filled when it fails
 * @return TROUPE_OK; else the error: of the host if failure->name is set, of the way there if not
 *         (TROUPE_EUNAVAILABLE: nobody listens)
 */
troupe_error rpc_call(const rpc_client *client, const char *method, json_t *params, json_t **result,
                      rpc_failure *failure) TROUPE_MUST_USE;

#endif
