/* SPDX-License-Identifier: MIT */
/** Addresses of WebSocket and HTTP servers, taken apart. */
#ifndef TROUPE_TRANSPORT_URI_H
#define TROUPE_TRANSPORT_URI_H

#include "troupe/error.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct uri_parts {
    bool tls;        /* wss or https */
    bool loopback;   /* localhost, *.localhost, 127.0.0.0/8, ::1 */
    uint16_t port;   /* given, or the scheme's own */
    char *host;      /* name, in ASCII (IDNA), or IP; IPv6 in brackets */
    char *authority; /* for the Host header: host, and port unless it is the scheme's own */
    char *target;    /* path and query, begins with a slash */
    char *http_url;  /* the same address with http or https as its scheme */
} uri_parts;

/**
 * Take a ws, wss, http or https URL apart. A host's name in UTF-8 becomes its IDNA form everywhere.
 *
 * @param out  filled on TROUPE_OK; freed with uri_parts_fini
 * @return TROUPE_OK; TROUPE_EPARAMS: another scheme, malformed, a fragment, a user or a zone in it,
 *         a name that has no IDNA form (reason says which, never the URL); TROUPE_ENOMEM
 */
troupe_error uri_parse(const char *url, uri_parts *out, troupe_reason *reason) TROUPE_MUST_USE;

void uri_parts_fini(uri_parts *parts);

/** Whether that host (name or IP, IPv6 with or without brackets) is this machine. */
bool uri_host_is_loopback(const char *host);

/**
 * Whether that URL is one of a WebSocket server: ws or wss, a host, nothing but path and query.
 *
 * @return TROUPE_OK; TROUPE_EPARAMS, a sentence for each way to be none (never the URL, which may
 *         hold a token); TROUPE_ENOMEM
 */
troupe_error websocket_uri_check(const char *url, troupe_reason *reason) TROUPE_MUST_USE;

/**
 * The URL of a session's stream: https becomes wss, http ws, no scheme wss; sessionId and token are
 * put into the query in place of members of these names, encoded; its other members stay as they
 * are.
 *
 * @param session_id, token  UTF-8; NULL = no such member
 * @param out  freed with free; holds the token: not to be logged
 * @return as websocket_uri_check of the result
 */
troupe_error websocket_uri_build(const char *base, const char *session_id, const char *token,
                                 char **out, troupe_reason *reason) TROUPE_MUST_USE;

#endif
