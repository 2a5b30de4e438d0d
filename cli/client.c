/* SPDX-License-Identifier: MIT */
/* Calls to a running host. */
#include "client.h"

#include "config.h"
#include "transport/http_client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEALTH_TIMEOUT_MS 2000

void rpc_failure_fini(rpc_failure *failure)
{
    free(failure->name);
    free(failure->message);
    json_decref(failure->data);
    memset(failure, 0, sizeof *failure);
}

troupe_error rpc_client_at(rpc_client *out, const char *url, const char *token,
                           troupe_reason *reason)
{
    memset(out, 0, sizeof *out);
    if (strncmp(url, "http://", 7) != 0 && strncmp(url, "https://", 8) != 0) {
        return troupe_fail(reason, TROUPE_EPARAMS, "%s: not a http:// or https:// URL", url);
    }
    size_t len = strlen(url);
    while (len > 0 && url[len - 1] == '/') {
        len--;
    }
    if (len >= sizeof out->url) {
        return troupe_fail(reason, TROUPE_EPARAMS, "the URL is too long");
    }
    memcpy(out->url, url, len);
    if (token != NULL) {
        out->token = strdup(token);
    }
    return token != NULL && out->token == NULL ? TROUPE_ENOMEM : TROUPE_OK;
}

void rpc_client_fini(rpc_client *client)
{
    free(client->token);
    memset(client, 0, sizeof *client);
}

/* Whether the process that wrote the state file answers there. A host that refuses to say (401,
 * 403) holds the lock, so it is believed. */
static troupe_error check_health(const rpc_client *client, troupe_reason *reason)
{
    char url[300];
    snprintf(url, sizeof url, "%s/health", client->url);
    http_request request = {
        .url = url, .bearer_token = client->token, .timeout_ms = HEALTH_TIMEOUT_MS};
    http_response response = {0};
    troupe_error error = http_send(&request, &response, reason);
    if (error != TROUPE_OK) {
        return error;
    }
    json_t *health = json_loadb(response.body, response.body_len, 0, NULL);
    json_t *pid = json_object_get(health, "pid");
    bool wrong = json_is_integer(pid) && json_integer_value(pid) != client->state.pid;
    json_decref(health);
    http_response_fini(&response);
    return wrong
               ? troupe_fail(reason, TROUPE_ENOTFOUND, "another process answers at %s", client->url)
               : TROUPE_OK;
}

troupe_error rpc_client_local(rpc_client *out, const char *dir, const char *name, const char *token,
                              troupe_reason *reason)
{
    memset(out, 0, sizeof *out);
    host_state state;
    troupe_error error = state_find(dir, name, &state, reason);
    if (error != TROUPE_OK) {
        return error;
    }
    char *file_token = NULL;
    bool exposed;
    if (state.token_file[0] != '\0') {
        error = config_read_token(state.token_file, &file_token, &exposed, reason);
    }
    if (error == TROUPE_OK) {
        error = rpc_client_at(out, state.url, file_token != NULL ? file_token : token, reason);
    }
    free(file_token);
    if (error == TROUPE_OK) {
        out->state = state;
        error = check_health(out, reason);
    }
    if (error != TROUPE_OK) {
        rpc_client_fini(out);
    }
    return error;
}

/* Calls ------------------------------------------------------------------------------------------
 */

static troupe_error fail_with(rpc_failure *failure, troupe_error error, const char *message)
{
    failure->error = error;
    failure->message = strdup(message);
    return error;
}

static char *request_text(const char *method, json_t *params)
{
    json_t *request = json_pack("{s:s, s:i, s:s}", "jsonrpc", "2.0", "id", 1, "method", method);
    if (request != NULL && params != NULL) {
        json_object_set(request, "params", params);
    }
    char *text = request != NULL ? json_dumps(request, JSON_COMPACT) : NULL;
    json_decref(request);
    json_decref(params);
    return text;
}

static troupe_error take_error(const json_t *error_object, rpc_failure *failure)
{
    const json_t *data = json_object_get(error_object, "data");
    const char *name = json_string_value(json_object_get(data, "name"));
    if (name == NULL) {
        name = json_string_value(json_object_get(error_object, "name")); /* refused before RPC */
    }
    const char *message = json_string_value(json_object_get(error_object, "message"));
    failure->error = troupe_error_by_name(name);
    failure->name = strdup(name != NULL ? name : "UNKNOWN");
    failure->message = strdup(message != NULL ? message : "no message");
    failure->data = json_incref((json_t *)data);
    return failure->error;
}

static troupe_error take_response(const http_response *response, json_t **result,
                                  rpc_failure *failure)
{
    json_error_t where;
    json_t *answer = json_loadb(response->body, response->body_len, JSON_ALLOW_NUL, &where);
    json_t *value = json_object_get(answer, "result");
    json_t *error_object = json_object_get(answer, "error");
    troupe_error error = TROUPE_OK;
    if (json_is_object(error_object)) {
        error = take_error(error_object, failure);
    } else if (value != NULL) {
        *result = json_incref(value);
    } else {
        char text[96];
        snprintf(text, sizeof text, "the answer (HTTP status %d) is not JSON-RPC",
                 response->status);
        if (response->status == 401 || response->status == 403) {
            error = fail_with(failure, TROUPE_EUNAUTHORIZED, "the host refuses this caller");
        } else {
            error = fail_with(failure, TROUPE_EPROTOCOL, text);
        }
    }
    json_decref(answer);
    return error;
}

troupe_error rpc_call(const rpc_client *client, const char *method, json_t *params, json_t **result,
                      rpc_failure *failure)
{
    memset(failure, 0, sizeof *failure);
    char *text = request_text(method, params);
    if (text == NULL) {
        return fail_with(failure, TROUPE_EPARAMS, "the parameters are not valid UTF-8");
    }
    char url[300];
    snprintf(url, sizeof url, "%s/rpc", client->url);
    http_request request = {
        .method = "POST",
        .url = url,
        .bearer_token = client->token,
        .content_type = "application/json",
        .body = text,
        .body_len = strlen(text),
        .timeout_ms = client->timeout_ms,
        .response_max = (size_t)256 << 20,
        .ca_file = client->ca_file,
    };
    http_response response = {0};
    troupe_reason reason = {""};
    troupe_error error = http_send(&request, &response, &reason);
    free(text);
    if (error != TROUPE_OK) {
        return fail_with(failure, error,
                         reason.text[0] != '\0' ? reason.text : troupe_error_text(error));
    }
    error = take_response(&response, result, failure);
    http_response_fini(&response);
    return error;
}
