/* SPDX-License-Identifier: MIT */
/* Addresses, taken apart by libcurl's parser under http's rules (ws and http share their syntax).
 */
#include "uri.h"

#include "byte_queue.h"
#include "utf8_check.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

typedef struct scheme {
    const char *prefix;
    const char *http;
    const char *port;
    bool tls;
} scheme;

static const scheme schemes[] = {
    {"ws://", "http://", "80", false},
    {"wss://", "https://", "443", true},
    {"http://", "http://", "80", false},
    {"https://", "https://", "443", true},
};

static const scheme *find_scheme(const char *url)
{
    for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
        if (strncasecmp(url, schemes[i].prefix, strlen(schemes[i].prefix)) == 0) {
            return &schemes[i];
        }
    }
    return NULL;
}

static bool ends_with(const char *text, const char *tail)
{
    size_t len = strlen(text);
    size_t tail_len = strlen(tail);
    return len >= tail_len && strcasecmp(text + len - tail_len, tail) == 0;
}

bool uri_host_is_loopback(const char *host)
{
    struct in_addr v4;
    struct in6_addr v6;
    char bare[INET6_ADDRSTRLEN + 1];
    size_t len = strlen(host);
    if (strcasecmp(host, "localhost") == 0 || ends_with(host, ".localhost")) {
        return true;
    }
    if (inet_pton(AF_INET, host, &v4) == 1) {
        return ntohl(v4.s_addr) >> 24 == 127;
    }
    bool brackets = len >= 2 && host[0] == '[' && host[len - 1] == ']';
    size_t bare_len = brackets ? len - 2 : len;
    if (bare_len >= sizeof(bare)) {
        return false;
    }
    memcpy(bare, host + (brackets ? 1 : 0), bare_len);
    bare[bare_len] = '\0';
    return inet_pton(AF_INET6, bare, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

/** a and b in one new string; NULL without memory. */
static char *join(const char *a, const char *between, const char *b)
{
    char *out = NULL;
    return asprintf(&out, "%s%s%s", a, between, b) < 0 ? NULL : out;
}

/** A part's text, freed with curl_free; NULL if there is none. */
static char *part(CURLU *handle, CURLUPart which)
{
    char *text = NULL;
    return curl_url_get(handle, which, &text, 0) == CURLUE_OK ? text : NULL;
}

static bool is_ascii(const char *text)
{
    while (*text != '\0' && (unsigned char)*text < 0x80) {
        text++;
    }
    return *text == '\0';
}

/** The host's name as DNS, certificates and headers have it: in ASCII. Freed with curl_free; NULL:
 * that cannot be. */
static char *ascii_host(CURLU *handle)
{
    char *text = NULL;
#ifdef CURLU_PUNYCODE
    /* libcurl takes names to be in the locale's encoding; ours are UTF-8 everywhere. */
    locale_t utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
    locale_t before = utf8 != (locale_t)0 ? uselocale(utf8) : (locale_t)0;
    CURLUcode code = curl_url_get(handle, CURLUPART_HOST, &text, CURLU_PUNYCODE);
    if (utf8 != (locale_t)0) {
        (void)uselocale(before);
        freelocale(utf8);
    }
    text = code == CURLUE_OK ? text : NULL;
#else
    text = part(handle, CURLUPART_HOST);
#endif
    if (text != NULL && !is_ascii(text)) {
        curl_free(text);
        text = NULL;
    }
    return text;
}

static bool has_part(CURLU *handle, CURLUPart which)
{
    char *text = part(handle, which);
    curl_free(text);
    return text != NULL;
}

static troupe_error fill(CURLU *handle, const char *host, const scheme *kind, uri_parts *out)
{
    char *port = part(handle, CURLUPART_PORT);
    char *path = part(handle, CURLUPART_PATH);
    char *query = part(handle, CURLUPART_QUERY);
    bool named = port != NULL && strcmp(port, kind->port) != 0;
    if (path != NULL) {
        out->host = strdup(host);
        out->authority = join(host, named ? ":" : "", named ? port : "");
        out->target = join(path, query != NULL ? "?" : "", query != NULL ? query : "");
        out->loopback = uri_host_is_loopback(host);
        out->port = (uint16_t)strtoul(port != NULL ? port : kind->port, NULL, 10);
    }
    curl_free(port);
    curl_free(path);
    curl_free(query);
    bool whole = out->host != NULL && out->authority != NULL && out->target != NULL;
    return whole ? TROUPE_OK : TROUPE_ENOMEM;
}

/** The parts; http_url anew, when the host is to be written in another way. */
static troupe_error take_parts(CURLU *handle, const scheme *kind, uri_parts *out,
                               troupe_reason *reason)
{
    char *given = part(handle, CURLUPART_HOST);
    /* Of what is not UTF-8 libcurl 7.88 would lose the memory. */
    char *host = given != NULL && utf8_ok(given, strlen(given)) ? ascii_host(handle) : NULL;
    troupe_error error = TROUPE_ENOMEM;
    if (host == NULL || given == NULL) {
        error = troupe_fail(reason, TROUPE_EPARAMS,
                            "the URL's host is no name that can be written in ASCII (punycode)");
    } else {
        error = fill(handle, host, kind, out);
    }
    if (error == TROUPE_OK && given != NULL && host != NULL && strcmp(given, host) != 0) {
        char *whole = NULL;
        if (asprintf(&whole, "%s%s%s", kind->http, out->authority, out->target) < 0) {
            error = TROUPE_ENOMEM;
        } else {
            free(out->http_url);
            out->http_url = whole;
        }
    }
    curl_free(given);
    curl_free(host);
    return error;
}

static troupe_error take_apart(const scheme *kind, uri_parts *out, troupe_reason *reason)
{
    CURLU *handle = curl_url();
    troupe_error error = TROUPE_ENOMEM;
    if (handle == NULL) {
        return error;
    }
    CURLUcode code = curl_url_set(handle, CURLUPART_URL, out->http_url, 0);
    if (code != CURLUE_OK) {
        error = troupe_fail(reason, TROUPE_EPARAMS, "the URL is malformed: %s",
                            curl_url_strerror(code));
    } else if (has_part(handle, CURLUPART_USER) || has_part(handle, CURLUPART_PASSWORD)) {
        error = troupe_fail(reason, TROUPE_EPARAMS, "the URL contains a user or password");
    } else if (has_part(handle, CURLUPART_FRAGMENT)) {
        error = troupe_fail(reason, TROUPE_EPARAMS, "the URL contains a fragment");
    } else if (has_part(handle, CURLUPART_ZONEID)) {
        error = troupe_fail(reason, TROUPE_EPARAMS,
                            "the URL's address has a zone (%%…), which is not supported");
    } else {
        error = take_parts(handle, kind, out, reason);
    }
    curl_url_cleanup(handle);
    return error;
}

troupe_error uri_parse(const char *url, uri_parts *out, troupe_reason *reason)
{
    const scheme *kind = url == NULL ? NULL : find_scheme(url);
    memset(out, 0, sizeof(*out));
    if (kind == NULL) {
        return troupe_fail(reason, TROUPE_EPARAMS,
                           "the URL's scheme is none of ws, wss, http, https");
    }
    out->tls = kind->tls;
    out->http_url = join(kind->http, "", url + strlen(kind->prefix));
    troupe_error error = TROUPE_ENOMEM;
    if (out->http_url != NULL) {
        error = take_apart(kind, out, reason);
    }
    if (error == TROUPE_ENOMEM) {
        error = troupe_fail(reason, error, "no memory for the URL");
    }
    if (error != TROUPE_OK) {
        uri_parts_fini(out);
    }
    return error;
}

void uri_parts_fini(uri_parts *parts)
{
    free(parts->host);
    free(parts->authority);
    free(parts->target);
    free(parts->http_url);
    memset(parts, 0, sizeof(*parts));
}

/* --- WebSocket URLs ------------------------------------------------------------------------- */

/** Bytes of the scheme's name before "://"; 0 if the text does not begin with one. */
static size_t scheme_len(const char *url)
{
    size_t len = strspn(url, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-.");
    return strncmp(url + len, "://", 3) == 0 ? len : 0;
}

static troupe_error refuse_scheme(const char *url, size_t len, troupe_reason *reason)
{
    if (url[0] == '\0') {
        return troupe_fail(reason, TROUPE_EPARAMS, "the URL is empty");
    }
    if (len == 4 && strncasecmp(url, "http", 4) == 0) {
        return troupe_fail(reason, TROUPE_EPARAMS,
                           "the URL's scheme is http: a WebSocket's is ws (or wss, over TLS)");
    }
    if (len == 5 && strncasecmp(url, "https", 5) == 0) {
        return troupe_fail(reason, TROUPE_EPARAMS,
                           "the URL's scheme is https: a WebSocket's is wss");
    }
    if (len > 0) {
        return troupe_fail(reason, TROUPE_EPARAMS, "the URL's scheme, %.*s, is neither ws nor wss",
                           (int)(len < 20 ? len : 20), url);
    }
    if (strpbrk(url, "./:") == NULL) {
        return troupe_fail(reason, TROUPE_EPARAMS,
                           "this is no URL: there is no ws:// or wss://, "
                           "and nothing that looks like a host");
    }
    return troupe_fail(reason, TROUPE_EPARAMS, "the URL has no scheme: ws:// or wss:// is missing");
}

troupe_error websocket_uri_check(const char *url, troupe_reason *reason)
{
    uri_parts parts;
    const char *text = url == NULL ? "" : url;
    size_t len = scheme_len(text);
    bool ws = (len == 2 && strncasecmp(text, "ws", 2) == 0) ||
              (len == 3 && strncasecmp(text, "wss", 3) == 0);
    if (!ws) {
        return refuse_scheme(text, len, reason);
    }
    if (strcspn(text + len + 3, "/?#:") == 0) {
        return troupe_fail(reason, TROUPE_EPARAMS, "the URL names no host");
    }
    troupe_error error = uri_parse(text, &parts, reason);
    if (error == TROUPE_OK) {
        uri_parts_fini(&parts);
    }
    return error;
}

/** Append "&name=value" ("?" before the first member), the value encoded. */
static bool add_member(byte_queue *out, bool *first, const char *name, const char *value)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                "0123456789-._~";
    bool ok = byte_queue_append(out, *first ? "?" : "&", 1) &&
              byte_queue_append(out, name, strlen(name)) && byte_queue_append(out, "=", 1);
    *first = false;
    for (const char *at = value; ok && *at != '\0'; at++) {
        char code[4];
        bool keep = strchr(plain, *at) != NULL;
        int len = keep ? snprintf(code, sizeof(code), "%c", *at)
                       : snprintf(code, sizeof(code), "%%%02X", (unsigned)(unsigned char)*at);
        ok = byte_queue_append(out, code, (size_t)len);
    }
    return ok;
}

static bool is_member(const char *member, size_t len, const char *name)
{
    size_t name_len = strlen(name);
    return len >= name_len && memcmp(member, name, name_len) == 0 &&
           (len == name_len || member[name_len] == '=');
}

/** Copy the members of a query, but for those two. */
static bool keep_members(byte_queue *out, bool *first, const char *query)
{
    bool ok = true;
    while (ok && *query != '\0') {
        size_t len = strcspn(query, "&");
        if (len > 0 && !is_member(query, len, "sessionId") && !is_member(query, len, "token")) {
            ok =
                byte_queue_append(out, *first ? "?" : "&", 1) && byte_queue_append(out, query, len);
            *first = false;
        }
        query += len + (query[len] == '&' ? 1 : 0);
    }
    return ok;
}

static bool build(byte_queue *out, const char *base, const char *session_id, const char *token)
{
    const scheme *kind = find_scheme(base);
    bool first = true;
    bool tls = kind == NULL || kind->tls;
    const char *rest = kind == NULL ? base : base + strlen(kind->prefix);
    size_t path_len = strcspn(rest, "?");
    const char *query = rest[path_len] == '?' ? rest + path_len + 1 : "";
    const char *prefix = tls ? "wss://" : "ws://";
    return byte_queue_append(out, prefix, strlen(prefix)) &&
           byte_queue_append(out, rest, path_len) && keep_members(out, &first, query) &&
           (session_id == NULL || add_member(out, &first, "sessionId", session_id)) &&
           (token == NULL || add_member(out, &first, "token", token)) &&
           byte_queue_append(out, "", 1);
}

troupe_error websocket_uri_build(const char *base, const char *session_id, const char *token,
                                 char **out, troupe_reason *reason)
{
    byte_queue url = {0};
    const char *text = base == NULL ? "" : base;
    if (text[0] == '\0' || (find_scheme(text) == NULL && scheme_len(text) > 0)) {
        return refuse_scheme(text, scheme_len(text), reason);
    }
    if (strchr(text, '#') != NULL) {
        return troupe_fail(reason, TROUPE_EPARAMS, "the URL contains a fragment");
    }
    troupe_error error = build(&url, text, session_id, token)
                             ? websocket_uri_check(url.data, reason)
                             : troupe_fail(reason, TROUPE_ENOMEM, "no memory for the URL");
    if (error == TROUPE_OK) {
        *out = strdup(url.data); /* nothing was consumed: it begins there */
        error =
            *out != NULL ? TROUPE_OK : troupe_fail(reason, TROUPE_ENOMEM, "no memory for the URL");
    }
    byte_queue_fini(&url); /* long ones are no memory of malloc's */
    return error;
}
