/* SPDX-License-Identifier: MIT */
/* The options of a WebSocket, checked, copied, and with their defaults. */
#include "websocket_settings.h"

#include <stdlib.h>
#include <string.h>

#define SINGLE_STRINGS 8 /* of the options */

static void set_defaults(websocket_options *o)
{
    if (o->connect_timeout_ms == 0) {
        o->connect_timeout_ms = WEBSOCKET_CONNECT_TIMEOUT_MS;
    }
    if (o->message_max == 0) {
        o->message_max = WEBSOCKET_MESSAGE_MAX;
    }
    if (o->deflate_min == 0) {
        o->deflate_min = WEBSOCKET_DEFLATE_MIN;
    }
    if (o->queue_max_bytes == 0) {
        o->queue_max_bytes = WEBSOCKET_QUEUE_MAX_BYTES;
    }
    if (o->ping_interval_ms == 0) {
        o->ping_interval_ms = WEBSOCKET_PING_INTERVAL_MS;
    }
    if (o->pong_timeout_ms == 0) {
        o->pong_timeout_ms = WEBSOCKET_PONG_TIMEOUT_MS;
    }
    if (o->close_timeout_ms == 0) {
        o->close_timeout_ms = WEBSOCKET_CLOSE_TIMEOUT_MS;
    }
}

/** Replace *text by a copy of it. */
static bool own(websocket_settings *s, const char **text)
{
    if (*text == NULL) {
        return true;
    }
    char *copy = strdup(*text);
    if (copy == NULL) {
        return false;
    }
    s->strings[s->string_count++] = copy;
    *text = copy;
    return true;
}

static bool own_singles(websocket_settings *s)
{
    websocket_options *o = &s->options;
    return own(s, &o->url) && own(s, &o->bearer_token) && own(s, &o->ca_file) &&
           own(s, &o->cert_file) && own(s, &o->key_file) && own(s, &o->proxy) &&
           own(s, &o->resolve) && own(s, &o->unix_path);
}

static size_t count_headers(const websocket_options *o)
{
    size_t count = 0;
    while (o->headers != NULL && o->headers[count] != NULL) {
        count++;
    }
    return count;
}

/** Copies of `count` strings, and a NULL behind them. */
static bool own_list(websocket_settings *s, const char *const *from, size_t count,
                     const char *const **out)
{
    *out = NULL;
    if (count == 0) {
        return true;
    }
    const char **copy = calloc(count + 1, sizeof(*copy));
    if (copy == NULL) {
        return false;
    }
    *out = copy;
    for (size_t i = 0; i < count; i++) {
        copy[i] = from[i];
        if (!own(s, &copy[i])) {
            return false;
        }
    }
    return true;
}

static bool copy_options(websocket_settings *s, const websocket_options *options)
{
    size_t headers = count_headers(options);
    size_t protocols = options->protocol_count;
    s->strings = calloc(SINGLE_STRINGS + headers + protocols, sizeof(*s->strings));
    if (s->strings == NULL) {
        return false;
    }
    s->options = *options;
    s->options.headers = NULL; /* ours to free once they are copies */
    s->options.protocols = NULL;
    return own_singles(s) && own_list(s, options->headers, headers, &s->options.headers) &&
           own_list(s, options->protocols, protocols, &s->options.protocols);
}

static char *without_query(const char *url)
{
    return strndup(url, strcspn(url, "?"));
}

troupe_error websocket_settings_init(websocket_settings *settings, const websocket_options *options,
                                     troupe_reason *reason)
{
    memset(settings, 0, sizeof(*settings));
    if (options->url == NULL) {
        return troupe_fail(reason, TROUPE_EPARAMS, "no URL");
    }
    troupe_error error = uri_parse(options->url, &settings->uri, reason);
    if (error == TROUPE_OK && strncasecmp(options->url, "ws", 2) != 0) {
        error = troupe_fail(reason, TROUPE_EPARAMS, "the URL is not ws:// or wss://");
    }
    if (error != TROUPE_OK) {
        return error;
    }
    if (!copy_options(settings, options)) {
        return troupe_fail(reason, TROUPE_ENOMEM, "no memory for the options");
    }
    set_defaults(&settings->options);
    settings->shown_url = without_query(options->url);
    settings->offer_deflate = options->deflate == WEBSOCKET_DEFLATE_ON ||
                              (options->deflate == WEBSOCKET_DEFLATE_AUTO &&
                               !settings->uri.loopback && options->unix_path == NULL);
    websocket_ask ask = websocket_settings_ask(settings);
    return settings->shown_url == NULL
               ? troupe_fail(reason, TROUPE_ENOMEM, "no memory for the options")
               : websocket_ask_check(&ask, reason);
}

void websocket_settings_fini(websocket_settings *settings)
{
    if (settings->strings != NULL) {
        for (size_t i = 0; i < settings->string_count; i++) {
            free(settings->strings[i]);
        }
        free((void *)(uintptr_t)settings->options.headers);
        free((void *)(uintptr_t)settings->options.protocols);
    }
    free(settings->strings);
    free(settings->shown_url);
    uri_parts_fini(&settings->uri);
    memset(settings, 0, sizeof(*settings));
}

websocket_ask websocket_settings_ask(const websocket_settings *settings)
{
    const websocket_options *o = &settings->options;
    return (websocket_ask){
        .bearer_token = o->bearer_token,
        .headers = o->headers,
        .protocols = o->protocols,
        .protocol_count = o->protocol_count,
        .deflate = settings->offer_deflate ? &o->deflate_offer : NULL,
    };
}

stream_connect_options websocket_settings_connect(const websocket_settings *settings)
{
    const websocket_options *o = &settings->options;
    return (stream_connect_options){
        .uri = &settings->uri,
        .unix_path = o->unix_path,
        .proxy = o->proxy,
        .ca_file = o->ca_file,
        .cert_file = o->cert_file,
        .key_file = o->key_file,
        .resolve = o->resolve,
        .timeout_ms = o->connect_timeout_ms,
    };
}
