/* SPDX-License-Identifier: MIT */
/** A blocking HTTP client for small documents (discovery, the CLI's calls); over libcurl. */
#ifndef TROUPE_TRANSPORT_HTTP_CLIENT_H
#define TROUPE_TRANSPORT_HTTP_CLIENT_H

#include "troupe/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct http_request {
    const char *method; /* NULL = GET */
    const char *url;
    const char *bearer_token; /* NULL = none; never logged */
    const char *content_type; /* of the body; NULL = none */
    const char *body;         /* borrowed */
    size_t body_len;
    uint32_t timeout_ms;          /* whole request; 0 = 30000 */
    size_t response_max;          /* 0 = 64 MiB; a longer one is TROUPE_ELIMIT */
    const char *ca_file;          /* PEM of the authorities to trust; NULL = the system's */
    bool (*abort)(void *context); /* asked now and then: true gives up */
    void *abort_context;
} http_request;

typedef struct http_response {
    int status;
    char *body; /* body_len bytes and a NUL behind them; freed with http_response_fini */
    size_t body_len;
} http_response;

/** An answer of any status is TROUPE_OK. Otherwise TROUPE_EPARAMS (URL), TROUPE_EUNAVAILABLE
 * (nobody there), TROUPE_ETIMEOUT, TROUPE_ELIMIT, TROUPE_EPROTOCOL, TROUPE_ECANCELLED. Proxies are
 * not used for loopback addresses. */
troupe_error http_send(const http_request *request, http_response *out,
                       troupe_reason *reason) TROUPE_MUST_USE;

void http_response_fini(http_response *response);

#endif
