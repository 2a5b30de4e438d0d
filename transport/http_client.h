/* SPDX-License-Identifier: MIT */
/** A blocking HTTP client for small documents (discovery, the CLI's calls); over libcurl. */
#ifndef TROUPE_TRANSPORT_HTTP_CLIENT_H
#define TROUPE_TRANSPORT_HTTP_CLIENT_H

#include "byte_queue.h"
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
    const char *resolve;        /* "HOST:PORT:ADDRESS": the name's address; NULL = ask */
    uint32_t timeout_ms;        /* whole request; 0 = 30000 */
    size_t response_max;        /* 0 = 64 MiB; a longer one is TROUPE_ELIMIT */
    const char *const *headers; /* further ones, "Name: value", NULL behind the last; NULL = none */
    const char *unix_path;      /* the Unix socket to connect to; NULL = the URL's host */
    const char *proxy;          /* "http://user:password@host:port", "socks5h://…", "" = none;
                                   NULL = the environment's, never for loopback; never logged */
    const char *ca_file;        /* PEM of the authorities to trust; NULL = the system's */
    const char *cert_file;      /* PEM of our certificate and its chain; NULL = none */
    const char *key_file;       /* PEM of its key; NULL = in cert_file */
    bool (*abort)(void *context); /* asked now and then: true gives up */
    void *abort_context;
} http_request;

typedef struct http_response {
    int status;
    char *body; /* body_len bytes and a NUL behind them; lives in `memory` */
    size_t body_len;
    byte_queue memory; /* freed with http_response_fini */
} http_response;

/** An answer of any status is TROUPE_OK. Otherwise TROUPE_EPARAMS (URL, token, header, file),
 * TROUPE_EUNAVAILABLE (nobody there, the proxy refused), TROUPE_EUNAUTHORIZED (the proxy's
 * credentials, a client certificate), TROUPE_ETIMEOUT, TROUPE_ELIMIT, TROUPE_EPROTOCOL,
 * TROUPE_ECANCELLED. Redirects are not followed. */
troupe_error http_send(const http_request *request, http_response *out,
                       troupe_reason *reason) TROUPE_MUST_USE;

/** Whether that is one header line, "Name: value": a token, a colon, no control characters. */
bool http_header_ok(const char *line);

void http_response_fini(http_response *response);

#endif
