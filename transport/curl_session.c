/* SPDX-License-Identifier: MIT */
/* One libcurl handle with this project's settings. */
#include "curl_session.h"

#include <pthread.h>
#include <string.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;
static CURLcode started;

static void start_curl(void)
{
    started = curl_global_init(CURL_GLOBAL_DEFAULT);
}

static int on_progress(void *context, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    const curl_session *session = context;
    (void)a;
    (void)b;
    (void)c;
    (void)d;
    return session->abort(session->abort_context) ? 1 : 0;
}

static void set_route(curl_session *session, const uri_parts *uri)
{
    CURL *easy = session->easy;
    if (session->resolve != NULL) {
        session->resolved = curl_slist_append(NULL, session->resolve);
        curl_easy_setopt(easy, CURLOPT_RESOLVE, session->resolved);
    }
    if (session->ca_file != NULL) {
        curl_easy_setopt(easy, CURLOPT_CAINFO, session->ca_file);
        curl_easy_setopt(easy, CURLOPT_PROXY_CAINFO, session->ca_file);
    }
    if (session->cert_file != NULL) {
        curl_easy_setopt(easy, CURLOPT_SSLCERT, session->cert_file);
        curl_easy_setopt(easy, CURLOPT_SSLKEY,
                         session->key_file != NULL ? session->key_file : session->cert_file);
    }
    curl_easy_setopt(easy, CURLOPT_HTTPPROXYTUNNEL, 1L); /* a proxy sees the address alone */
    if (session->unix_path != NULL) {
        curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, session->unix_path);
        curl_easy_setopt(easy, CURLOPT_PROXY, "");
    } else if (session->proxy != NULL) {
        curl_easy_setopt(easy, CURLOPT_PROXY, session->proxy);
        curl_easy_setopt(easy, CURLOPT_NOPROXY, ""); /* asked for: no exceptions */
    } else if (uri->loopback) {
        curl_easy_setopt(easy, CURLOPT_PROXY, "");
    }
}

static void set_options(curl_session *session, const uri_parts *uri, uint32_t timeout_ms)
{
    CURL *easy = session->easy;
    long timeout = timeout_ms == 0 ? CURL_SESSION_TIMEOUT_MS : (long)timeout_ms;
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, session->error_text);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_TCP_NODELAY, 1L);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, timeout);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, timeout);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
    set_route(session, uri);
    if (session->abort != NULL) {
        curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0L);
        curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, on_progress);
        curl_easy_setopt(easy, CURLOPT_XFERINFODATA, session);
    }
}

CURL *curl_session_handle(void)
{
    pthread_once(&once, start_curl);
    CURL *easy = started == CURLE_OK ? curl_easy_init() : NULL;
    if (easy != NULL) {
        curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    }
    return easy;
}

troupe_error curl_session_init(curl_session *session, const uri_parts *uri, uint32_t timeout_ms)
{
    session->resolved = NULL;
    session->error_text[0] = '\0';
    session->easy = curl_session_handle();
    if (session->easy == NULL) {
        return TROUPE_ENOMEM;
    }
    set_options(session, uri, timeout_ms);
    CURLcode code = curl_easy_setopt(session->easy, CURLOPT_URL, uri->http_url);
    return code == CURLE_OK ? TROUPE_OK : TROUPE_ENOMEM;
}

void curl_session_fini(curl_session *session)
{
    curl_easy_cleanup(session->easy);
    curl_slist_free_all(session->resolved);
    session->resolved = NULL;
    session->easy = NULL;
}

static troupe_error error_of(CURLcode code)
{
    switch (code) {
    case CURLE_OK:
        return TROUPE_OK;
    case CURLE_URL_MALFORMAT:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CERTPROBLEM:
        return TROUPE_EPARAMS;
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
        return TROUPE_EUNAVAILABLE;
    case CURLE_OPERATION_TIMEDOUT:
        return TROUPE_ETIMEOUT;
    case CURLE_ABORTED_BY_CALLBACK:
        return TROUPE_ECANCELLED;
    case CURLE_OUT_OF_MEMORY:
        return TROUPE_ENOMEM;
    case CURLE_SSL_CLIENTCERT:
        return TROUPE_EUNAUTHORIZED;
    default:
        return TROUPE_EPROTOCOL;
    }
}

troupe_error curl_session_explain(CURL *easy, CURLcode code, const char *text,
                                  troupe_reason *reason)
{
    long status = 0;
    long number = 0;
    curl_easy_getinfo(easy, CURLINFO_HTTP_CONNECTCODE, &status);
    curl_easy_getinfo(easy, CURLINFO_OS_ERRNO, &number);
    if (status == 407) {
        return troupe_fail(reason, TROUPE_EUNAUTHORIZED,
                           "the proxy wants (other) credentials (status 407)");
    }
    if (status != 0 && status / 100 != 2) {
        return troupe_fail(reason, TROUPE_EUNAVAILABLE,
                           "the proxy answered CONNECT with status %ld", status);
    }
    if (code == CURLE_COULDNT_CONNECT && number != 0) {
        return troupe_fail(reason, TROUPE_EUNAVAILABLE, "%s", strerror((int)number));
    }
    if (code == CURLE_COULDNT_RESOLVE_HOST) {
        return troupe_fail(reason, TROUPE_EUNAVAILABLE, "no such name");
    }
    if (strstr(text, "alert certificate required") != NULL) { /* only at the first read */
        return troupe_fail(reason, TROUPE_EUNAUTHORIZED,
                           "TLS: the server demands a client certificate");
    }
    bool tls = code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CONNECT_ERROR;
    return troupe_fail(reason, error_of(code), "%s%s", tls ? "TLS: " : "",
                       text[0] != '\0' ? text : curl_easy_strerror(code));
}

troupe_error curl_session_perform(curl_session *session, troupe_reason *reason)
{
    CURLcode code = curl_easy_perform(session->easy);
    return code == CURLE_OK
               ? TROUPE_OK
               : curl_session_explain(session->easy, code, session->error_text, reason);
}

bool curl_session_token_ok(const char *token)
{
    for (const char *p = token; *p != '\0'; p++) {
        if (*p <= ' ' || *p > '~') {
            return false;
        }
    }
    return *token != '\0';
}
