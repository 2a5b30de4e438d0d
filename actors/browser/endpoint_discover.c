/* SPDX-License-Identifier: MIT */
/* Discovery by /json/version. Nothing of the answer is trusted: not its size, its time, its JSON,
 * nor the address that it names. */
#include "endpoint_discover.h"

#include "actors/json_call.h"
#include "runtime/text.h"
#include "transport/http_client.h"
#include "transport/stream_connect.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define ANSWER_MAX_BYTES ((size_t)64 << 10)
#define ANSWER_MAX_MS    10000u
#define HOST_REFUSED     "Host header is specified and is not an IP address or localhost"

troupe_error endpoint_unreachable(troupe_error error, const char *why, troupe_reason *reason)
{
    if (strstr(why, " status ") != NULL) { /* somebody was there, and said so */
        return troupe_fail(reason, error, "%s", why);
    }
    switch (error) {
    case TROUPE_EUNAVAILABLE:
        return troupe_fail(reason, error, "nobody can be reached there: %s", why);
    case TROUPE_ETIMEOUT:
        return troupe_fail(reason, error, "no answer in time: %s", why);
    default:
        return troupe_fail(reason, error, "%s", why);
    }
}

/* Names ------------------------------------------------------------------------------------- */

static bool is_address(const char *host)
{
    unsigned char bytes[sizeof(struct in6_addr)];
    return host[0] == '[' || inet_pton(AF_INET, host, bytes) == 1;
}

static troupe_error address_of(const endpoint_options *options, const uri_parts *parts, char **out,
                               troupe_reason *reason)
{
    stream_connect_options connect = {.uri = parts,
                                      .proxy = "",
                                      .resolve = options->resolve,
                                      .timeout_ms = options->timeout_ms,
                                      .abort = options->abort,
                                      .abort_context = options->abort_context};
    stream *s = NULL;
    troupe_reason why = {{0}};
    troupe_error error = stream_connect(&connect, &s, &why);
    if (error != TROUPE_OK) {
        return endpoint_unreachable(error, why.text, reason);
    }
    *out = strdup(stream_peer(s));
    stream_destroy(s);
    return *out != NULL ? TROUPE_OK : TROUPE_ENOMEM;
}

troupe_error endpoint_by_address(const endpoint_options *options, const char *url, char **out,
                                 troupe_reason *reason)
{
    uri_parts parts;
    char *address = NULL;
    const char *path = strstr(url, "://") + 3;
    troupe_error error = uri_parse(url, &parts, reason);
    if (error != TROUPE_OK) {
        return error;
    }
    const char *proxy = options->at->proxy;
    bool proxied = (proxy != NULL ? proxy : stream_environment_proxy(&parts))[0] != '\0';
    if (parts.tls || proxied || is_address(parts.host) || options->at->unix_path != NULL) {
        error = TROUPE_EUNAVAILABLE;
    } else {
        error = address_of(options, &parts, &address, reason);
    }
    uri_parts_fini(&parts);
    if (error == TROUPE_OK) {
        path += strcspn(path, "/?");
        int scheme = (int)(strstr(url, "://") - url);
        error = asprintf(out, "%.*s://%s%s", scheme, url, address, path) > 0 ? TROUPE_OK
                                                                             : TROUPE_ENOMEM;
    }
    free(address);
    return error;
}

/* The answer -------------------------------------------------------------------------------- */

static troupe_error judge_status(int status, bool with_token, troupe_reason *reason)
{
    if (status == 401 || status == 403) {
        return troupe_fail(reason, TROUPE_EUNAUTHORIZED, "it answered with status %d: %s", status,
                           with_token ? "the token is refused" : "a token is missing");
    }
    if (status / 100 == 3) {
        return troupe_fail(reason, TROUPE_EPROTOCOL,
                           "it answered with a redirect (status %d), which is not followed",
                           status);
    }
    return troupe_fail(reason, TROUPE_EPROTOCOL,
                       "a web server is there, but no browser: /json/version is answered with "
                       "status %d",
                       status);
}

/* It answered, but names no WebSocket. */
static troupe_error judge_body(const http_response *response, const json_t *answer,
                               troupe_reason *reason)
{
    const char *product = json_string_value(json_object_get(answer, "Browser"));
    const char *text = response->body + strspn(response->body, " \t\r\n\xEF\xBB\xBF");
    if (product != NULL) {
        char shown[61];
        snprintf(shown, sizeof shown, "%s", product);
        text_repair(shown);
        return troupe_fail(reason, TROUPE_EPROTOCOL,
                           "%s is there, which is no browser: it names no webSocketDebuggerUrl",
                           shown);
    }
    if (answer == NULL && *text == '<') {
        return troupe_fail(
            reason, TROUPE_EPROTOCOL,
            "a web server is there, but no browser: /json/version is answered with a "
            "page");
    }
    return troupe_fail(reason, TROUPE_EPROTOCOL,
                       "no browser is there: /json/version names no webSocketDebuggerUrl");
}

/* The WebSocket's URL: that path, where was asked. */
static troupe_error place(const char *base, const char *announced, char **url,
                          troupe_reason *reason)
{
    uri_parts asked;
    uri_parts named;
    troupe_reason why = {{0}};
    troupe_error error = uri_parse(announced, &named, &why);
    if (error != TROUPE_OK) {
        return troupe_fail(reason, TROUPE_EPROTOCOL,
                           "no browser is there: webSocketDebuggerUrl is none: %s", why.text);
    }
    if (strstr(named.target, "/devtools/page/") != NULL) {
        uri_parts_fini(&named);
        return troupe_fail(reason, TROUPE_EPROTOCOL,
                           "webSocketDebuggerUrl is a page's, not a browser's");
    }
    error = uri_parse(base, &asked, reason);
    if (error == TROUPE_OK) {
        size_t prefix = strcspn(asked.target, "?");
        prefix = prefix == 1 ? 0 : prefix;
        if (strncmp(named.target, asked.target, prefix) == 0 && named.target[prefix] == '/') {
            prefix = 0; /* it knows of the prefix */
        }
        error = asprintf(url, "%s://%s%.*s%s", asked.tls ? "wss" : "ws", asked.authority,
                         (int)prefix, asked.target, named.target) > 0
                    ? TROUPE_OK
                    : TROUPE_ENOMEM;
        uri_parts_fini(&asked);
    }
    uri_parts_fini(&named);
    return error;
}

static troupe_error judge(const char *base, const http_response *response, bool with_token,
                          char **url, troupe_reason *reason)
{
    if (response->status != 200) {
        return judge_status(response->status, with_token, reason);
    }
    json_t *answer = json_text(response->body, response->body_len);
    const char *announced = json_string_value(json_object_get(answer, "webSocketDebuggerUrl"));
    troupe_error error = announced != NULL ? place(base, announced, url, reason)
                                           : judge_body(response, answer, reason);
    json_decref(answer);
    return error;
}

/* The request ------------------------------------------------------------------------------- */

static troupe_error ask(const endpoint_options *options, const char *token, const char *base,
                        http_response *response, troupe_reason *reason)
{
    const browser_endpoint *at = options->at;
    char *url = NULL;
    size_t path = strcspn(base, "?");
    if (asprintf(&url, "%.*s/json/version%s", (int)path, base, base + path) < 0) {
        return TROUPE_ENOMEM;
    }
    http_request request = {.url = url,
                            .bearer_token = token,
                            .headers = (const char *const *)at->headers,
                            .unix_path = at->unix_path,
                            .proxy = at->proxy,
                            .ca_file = at->ca_file,
                            .cert_file = at->cert_file,
                            .key_file = at->key_file,
                            .resolve = options->resolve,
                            .timeout_ms = options->timeout_ms < ANSWER_MAX_MS ? options->timeout_ms
                                                                              : ANSWER_MAX_MS,
                            .response_max = ANSWER_MAX_BYTES,
                            .abort = options->abort,
                            .abort_context = options->abort_context};
    troupe_reason why = {{0}};
    troupe_error error = http_send(&request, response, &why);
    free(url);
    return error == TROUPE_OK ? TROUPE_OK : endpoint_unreachable(error, why.text, reason);
}

/* Chrome wants no names: ask again, by address. */
static troupe_error ask_by_address(const endpoint_options *options, const char *token, char **base,
                                   http_response *response, troupe_reason *reason)
{
    char *numeric = NULL;
    troupe_error error = endpoint_by_address(options, *base, &numeric, reason);
    if (error == TROUPE_EUNAVAILABLE && reason->text[0] == '\0') {
        return troupe_fail(reason, TROUPE_EPROTOCOL,
                           "a browser is there, but it refuses to be asked by a name (its Host "
                           "must be an address or localhost): what stands before it must say so");
    }
    if (error != TROUPE_OK) {
        return error;
    }
    free(*base);
    *base = numeric;
    http_response_fini(response);
    return ask(options, token, *base, response, reason);
}

troupe_error endpoint_discover(const endpoint_options *options, const char *token, char **url,
                               troupe_reason *reason)
{
    http_response response = {0};
    troupe_reason why = {{0}};
    char *base = strdup(options->at->url);
    if (base == NULL) {
        return TROUPE_ENOMEM;
    }
    troupe_error error = ask(options, token, base, &response, &why);
    if (error == TROUPE_OK && response.status == 500 &&
        strstr(response.body, HOST_REFUSED) != NULL) {
        error = ask_by_address(options, token, &base, &response, &why);
    }
    if (error == TROUPE_OK) {
        error = judge(base, &response, token != NULL, url, &why);
    }
    http_response_fini(&response);
    free(base);
    return error == TROUPE_OK ? TROUPE_OK : troupe_fail(reason, error, "%s", why.text);
}
