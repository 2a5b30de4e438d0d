/* SPDX-License-Identifier: MIT */
/** Where a browser that was attached is found, and how one gets there: what `ports.add` was given.
 * Never changed after it was made, shared by reference. */
#ifndef TROUPE_ACTORS_BROWSER_ENDPOINT_H
#define TROUPE_ACTORS_BROWSER_ENDPOINT_H

#include "troupe/error.h"

#include <stdatomic.h>
#include <stdbool.h>

#include <jansson.h>

typedef struct browser_endpoint {
    atomic_uint references;
    char *url; /* http(s)://HOST:PORT[/PREFIX][?QUERY]: asked for the WebSocket; or that, ws(s)://…
                  May hold secrets: never logged. */
    char *text;      /* the same for people: without the query; "unix:/path" */
    char *unix_path; /* the socket to connect to; NULL = the URL's host */
    bool direct;     /* url is the WebSocket's */
    int port;        /* if it listens on loopback, TCP; else 0 */
    /* NULL = not given: */
    char *token_file; /* read anew for each connection */
    char *ca_file;
    char *cert_file;
    char *key_file;
    char *proxy;    /* "" = none */
    char **headers; /* "Name: value", NULL behind the last; never shown */
} browser_endpoint;

/**
 * Make one of the params of `ports.add`: {port, token_file?, ca_file?, cert_file?, key_file?,
 * proxy?, headers?}.
 *
 * port: 9222, "9222", ":9222" (loopback); "HOST:PORT", "[::1]:9222";
 * "http(s)://HOST[:PORT][/PREFIX]"; "ws(s)://…/devtools/browser/…" (without a path: asked for it);
 * "unix:/path". headers: an object of texts. Files are absolute paths and must be readable; a token
 * file is nobody else's to read.
 *
 * @return TROUPE_OK; TROUPE_EPARAMS (reason says which member and why); TROUPE_ENOMEM
 */
troupe_error endpoint_create(const json_t *params, browser_endpoint **out,
                             troupe_reason *reason) TROUPE_MUST_USE;

browser_endpoint *endpoint_ref(browser_endpoint *at);
/** NULL is fine. */
void endpoint_unref(browser_endpoint *at);

/** For people and logs; "" for NULL. */
const char *endpoint_text(const browser_endpoint *at);

/** Whether both are the same address. */
bool endpoint_same(const browser_endpoint *a, const browser_endpoint *b);

/**
 * Read the token of a token file: its text without white space around.
 *
 * @param out  freed with free
 * @return TROUPE_OK; TROUPE_EPARAMS: it cannot be read, others can read it, it is empty, too long
 *         (8 KiB), no printable ASCII; the reason names the file and never shows the token
 */
troupe_error endpoint_read_token(const char *path, char **out,
                                 troupe_reason *reason) TROUPE_MUST_USE;

#endif
