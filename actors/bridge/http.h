/* SPDX-License-Identifier: MIT */
/** Answers of the HTTP server: always whole, with a length and the same security headers. */
#ifndef TROUPE_BRIDGE_HTTP_H
#define TROUPE_BRIDGE_HTTP_H

#include "troupe/error.h"

#include <civetweb.h>
#include <stdbool.h>
#include <stddef.h>

typedef struct http_reply {
    int status;
    const char *type;    /* Content-Type; NULL with an empty body */
    const char *headers; /* further header lines, each ending in CRLF; NULL = none */
    const void *body;
    size_t len;
    bool close; /* end the connection after it */
} http_reply;

/** Send the reply; a HEAD request gets it without the body. Returns the status. */
int http_send_reply(struct mg_connection *conn, const http_reply *reply);

/** Send {"error": {code, name, message}}; closes the connection if a request body is unread. */
int http_send_error(struct mg_connection *conn, int status, troupe_error code, const char *headers,
                    const char *message);

/** Header of the request, NULL if absent; `count` (NULL allowed) says how often it was sent. */
const char *http_header(const struct mg_connection *conn, const char *name, unsigned *count);

/** Whether the client speaks HTTP/1.0 (or less): it knows no chunks, and keeps no connection. */
bool http_is_1_0(const struct mg_connection *conn);

/** Whether a comma-separated header value holds that word, case ignored. */
bool http_has_word(const char *value, const char *word);

/**
 * Read the whole body.
 *
 * @param out  stored on TROUPE_OK: NUL-terminated, *len bytes before it; freed with free(3)
 * @return TROUPE_OK; TROUPE_ELIMIT (more than max); TROUPE_ECLOSED (cut off); TROUPE_ENOMEM
 */
troupe_error http_read_body(struct mg_connection *conn, size_t max, char **out,
                            size_t *len) TROUPE_MUST_USE;

#endif
