/* SPDX-License-Identifier: MIT */
/* A blocking HTTP client for small documents. */
#include "http_client.h"

#include "curl_session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RESPONSE_MAX ((size_t)64 << 20)

/** What one request needs while it runs. */
typedef struct transfer {
    curl_session session;
    struct curl_slist *headers;
    byte_queue body;
    size_t body_max;
    troupe_error error; /* why the body was refused */
} transfer;

static size_t on_body(char *data, size_t size, size_t count, void *context)
{
    transfer *t = context;
    size_t len = size * count;
    if (len > t->body_max - byte_queue_len(&t->body)) {
        t->error = TROUPE_ELIMIT;
        return 0;
    }
    if (!byte_queue_append(&t->body, data, len)) {
        t->error = TROUPE_ENOMEM;
        return 0;
    }
    return len;
}

static bool add_header(transfer *t, const char *line)
{
    struct curl_slist *longer = line == NULL ? NULL : curl_slist_append(t->headers, line);
    if (longer != NULL) {
        t->headers = longer;
    }
    return longer != NULL;
}

static bool add_text_header(transfer *t, const char *name, const char *value)
{
    char *line = NULL;
    if (asprintf(&line, "%s%s", name, value) < 0) {
        return false;
    }
    bool ok = add_header(t, line);
    free(line);
    return ok;
}

static bool set_headers(transfer *t, const http_request *request)
{
    bool ok = add_header(t, "Expect:"); /* no "100 Continue" round trip */
    const char *type = request->content_type;
    if (request->body != NULL) {
        ok = ok && (type != NULL ? add_text_header(t, "Content-Type: ", type)
                                 : add_header(t, "Content-Type:"));
    }
    if (request->bearer_token != NULL) {
        ok = ok && add_text_header(t, "Authorization: Bearer ", request->bearer_token);
    }
    for (const char *const *at = request->headers; at != NULL && *at != NULL; at++) {
        ok = ok && add_header(t, *at);
    }
    curl_easy_setopt(t->session.easy, CURLOPT_HTTPHEADER, t->headers);
    return ok;
}

static void set_body(CURL *easy, const http_request *request)
{
    const char *method = request->method == NULL ? "GET" : request->method;
    if (strcmp(method, "HEAD") == 0) {
        curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
    } else if (request->body != NULL) {
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body_len);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request->body);
        curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, method);
    } else if (strcmp(method, "GET") != 0) {
        curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, method);
    }
}

static troupe_error take_response(transfer *t, http_response *out)
{
    long status = 0;
    if (!byte_queue_reserve(&t->body, 1)) {
        return TROUPE_ENOMEM;
    }
    curl_easy_getinfo(t->session.easy, CURLINFO_RESPONSE_CODE, &status);
    t->body.data[t->body.tail] = '\0';
    out->status = (int)status;
    out->body = t->body.data; /* nothing was consumed: the body begins there */
    out->body_len = byte_queue_len(&t->body);
    out->memory = t->body;
    memset(&t->body, 0, sizeof(t->body));
    return TROUPE_OK;
}

static troupe_error run(transfer *t, const http_request *request, const uri_parts *uri,
                        http_response *out, troupe_reason *reason)
{
    t->session.unix_path = request->unix_path;
    t->session.proxy = request->proxy;
    t->session.resolve = request->resolve;
    t->session.ca_file = request->ca_file;
    t->session.cert_file = request->cert_file;
    t->session.key_file = request->key_file;
    t->session.abort = request->abort;
    t->session.abort_context = request->abort_context;
    t->body_max = request->response_max == 0 ? RESPONSE_MAX : request->response_max;
    if (curl_session_init(&t->session, uri, request->timeout_ms) != TROUPE_OK ||
        !set_headers(t, request)) {
        return troupe_fail(reason, TROUPE_ENOMEM, "no memory for the request");
    }
    set_body(t->session.easy, request);
    curl_easy_setopt(t->session.easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(t->session.easy, CURLOPT_WRITEDATA, t);
    troupe_error error = curl_session_perform(&t->session, reason);
    if (t->error == TROUPE_ELIMIT) {
        return troupe_fail(reason, TROUPE_ELIMIT, "the answer is longer than %zu bytes",
                           t->body_max);
    }
    if (error == TROUPE_OK) {
        error = take_response(t, out);
    }
    if (t->error == TROUPE_ENOMEM || error == TROUPE_ENOMEM) {
        return troupe_fail(reason, TROUPE_ENOMEM, "no memory for the answer");
    }
    return error;
}

bool http_header_ok(const char *line)
{
    static const char token[] = "!#$%&'*+-.^_`|~0123456789"
                                "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    size_t name = strspn(line, token);
    if (name == 0 || line[name] != ':') {
        return false;
    }
    for (const char *at = line + name; *at != '\0'; at++) {
        if ((*at < ' ' && *at != '\t') || *at == 0x7F) {
            return false;
        }
    }
    return true;
}

troupe_error http_send(const http_request *request, http_response *out, troupe_reason *reason)
{
    uri_parts uri;
    transfer t = {0};
    if (request->bearer_token != NULL && !curl_session_token_ok(request->bearer_token)) {
        return troupe_fail(reason, TROUPE_EPARAMS, "the token contains other than printable ASCII");
    }
    for (const char *const *at = request->headers; at != NULL && *at != NULL; at++) {
        if (!http_header_ok(*at)) {
            return troupe_fail(reason, TROUPE_EPARAMS, "a header is not of the shape Name: value");
        }
    }
    troupe_error error = uri_parse(request->url, &uri, reason);
    if (error != TROUPE_OK) {
        return error;
    }
    error = run(&t, request, &uri, out, reason);
    curl_session_fini(&t.session);
    curl_slist_free_all(t.headers);
    byte_queue_fini(&t.body);
    uri_parts_fini(&uri);
    return error;
}

void http_response_fini(http_response *response)
{
    byte_queue_fini(&response->memory);
    memset(response, 0, sizeof(*response));
}
