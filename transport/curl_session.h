/* SPDX-License-Identifier: MIT */
/** One libcurl handle with this project's settings: no signals, TLS verified, no proxy for
 * loopback, a deadline and a way to give up. */
#ifndef TROUPE_TRANSPORT_CURL_SESSION_H
#define TROUPE_TRANSPORT_CURL_SESSION_H

#include "uri.h"

#include <curl/curl.h>
#include <stdint.h>

#define CURL_SESSION_TIMEOUT_MS 30000

typedef struct curl_session {
    CURL *easy;
    const char *unix_path;        /* the Unix socket to connect to; NULL = the host */
    const char *proxy;            /* "" = none; NULL = the environment's, never for loopback */
    const char *ca_file;          /* NULL = the system's authorities */
    const char *cert_file;        /* our certificate, PEM; NULL = none */
    const char *key_file;         /* its key; NULL = in cert_file */
    const char *resolve;          /* "HOST:PORT:ADDRESS": the name's address; NULL = ask */
    bool (*abort)(void *context); /* NULL = never */
    void *abort_context;
    struct curl_slist *resolved; /* ours */
    char error_text[CURL_ERROR_SIZE];
} curl_session;

/**
 * Make the handle. The session must not move while it lives.
 *
 * @param session     filled; ca_file, abort and abort_context are set by the caller before
 * @param timeout_ms  for all that curl_session_perform does; 0 = CURL_SESSION_TIMEOUT_MS
 * @return TROUPE_OK; TROUPE_ENOMEM. Freed with curl_session_fini in both cases.
 */
troupe_error curl_session_init(curl_session *session, const uri_parts *uri,
                               uint32_t timeout_ms) TROUPE_MUST_USE;

void curl_session_fini(curl_session *session);

/** Do what the handle is set up for. Blocks: up to timeout_ms. Errors as http_client.h lists them;
 * the reason is libcurl's own sentence, which never contains headers. */
troupe_error curl_session_perform(curl_session *session, troupe_reason *reason) TROUPE_MUST_USE;

/** A handle without settings but for "no signals"; libcurl is set up first. NULL without memory;
 * freed with curl_easy_cleanup. */
CURL *curl_session_handle(void);

/** Say why a transfer failed: the code of ours, and libcurl's sentence (`text`, or one of its own)
 * or a better one. TROUPE_EPROTOCOL for all that is not told apart. */
troupe_error curl_session_explain(CURL *easy, CURLcode code, const char *text,
                                  troupe_reason *reason);

/** A token that can stand in a header: printable ASCII, not empty. */
bool curl_session_token_ok(const char *token);

#endif
