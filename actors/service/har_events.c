/* SPDX-License-Identifier: MIT */
/* HAR 1.2 as CDP events. What Troupe and Chrome add to a HAR (_troupe, _resourceType, …) is used
 * where it is there. */
#include "har_events.h"

#include "actors/headers.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define FRAME "frame"

/* Reading ----------------------------------------------------------------------------------- */

bool har_time_read(const char *text, int64_t *out)
{
    struct tm at = {0};
    const char *rest = text != NULL ? strptime(text, "%Y-%m-%dT%H:%M:%S", &at) : NULL;
    if (rest == NULL) {
        return false;
    }
    double fraction = 0;
    if (*rest == '.') {
        char *end;
        fraction = strtod(rest, &end);
        rest = end;
    }
    int hours = 0;
    int minutes = 0;
    char sign = *rest;
    if (sign == '+' || sign == '-') {
        if (sscanf(rest + 1, "%2d:%2d", &hours, &minutes) != 2 &&
            sscanf(rest + 1, "%2d%2d", &hours, &minutes) != 2) {
            return false;
        }
    } else if (sign != 'Z' && sign != '\0') {
        return false;
    }
    int64_t offset = (hours * 60 + minutes) * 60;
    *out = ((int64_t)timegm(&at) - (sign == '-' ? -offset : offset)) * 1000000 +
           llround(fraction * 1e6);
    return true;
}

static const char *text_of(const json_t *object, const char *name)
{
    return json_string_value(json_object_get(object, name));
}

static const char *text_or_empty(const json_t *object, const char *name)
{
    const char *text = text_of(object, name);
    return text != NULL ? text : "";
}

/* A number that is not negative; `otherwise` if there is none. HAR writes -1 for "not known". */
static double number_of(const json_t *object, const char *name, double otherwise)
{
    const json_t *value = json_object_get(object, name);
    double number = json_is_number(value) ? json_number_value(value) : -1;
    return number >= 0 && number < 1e15 ? number : otherwise;
}

static json_int_t integer_of(const json_t *object, const char *name, json_int_t otherwise)
{
    return (json_int_t)number_of(object, name, (double)otherwise);
}

/* [{name, value}] as {name: value}; one that comes again is joined by a line break, as Chrome does.
 */
static json_t *headers_of(const json_t *list)
{
    size_t i;
    json_t *header;
    json_t *headers = json_object();
    json_array_foreach(list, i, header)
    {
        const char *name = text_of(header, "name");
        const char *value = text_of(header, "value");
        const char *before = name != NULL ? text_of(headers, name) : NULL;
        if (name != NULL && value != NULL) {
            json_object_set_new(headers, name,
                                before != NULL ? json_sprintf("%s\n%s", before, value)
                                               : json_string(value));
        }
    }
    return headers;
}

/* Chrome's resource types; HAR files have them in lower case. */
static const char *type_of(const json_t *entry)
{
    static const char *const types[] = {"Document",    "Stylesheet", "Image",     "Media",
                                        "Font",        "Script",     "XHR",       "Fetch",
                                        "EventSource", "WebSocket",  "Ping",      "Manifest",
                                        "Prefetch",    "Preflight",  "TextTrack", "Other"};
    const char *type = text_of(entry, "_resourceType");
    for (size_t i = 0; type != NULL && i < sizeof types / sizeof *types; i++) {
        if (strcasecmp(types[i], type) == 0) {
            return types[i];
        }
    }
    return "Other";
}

/* Telling ----------------------------------------------------------------------------------- */

/* An entry while it is told. */
typedef struct told_entry {
    har_events *events;
    const json_t *entry;
    const json_t *request;
    const json_t *response;
    const char *url;
    char target[120];
    char id[120];
    int64_t started_us; /* wall clock */
    int64_t mono_us;    /* the browser's own: a hop begins when the one before has ended */
    int64_t took_us;
    bool wired; /* tell_wire told of its answer */
} told_entry;

static double seconds(int64_t us)
{
    return (double)us / 1e6;
}

static int64_t ended_us(const told_entry *one)
{
    return one->started_us + one->took_us;
}

/* Of the browser's clock. */
static double beginning(const told_entry *one)
{
    return seconds(one->mono_us);
}

static double end_of(const told_entry *one)
{
    return seconds(one->mono_us + one->took_us);
}

static void tell(const told_entry *one, const char *method, int64_t wall_us, json_t *params)
{
    if (one->id[0] != '\0') { /* else it is about the page */
        json_object_set_new(params, "requestId", json_string(one->id));
    }
    json_array_append_new(one->events->told,
                          json_pack("{s:s,s:s,s:I,s:o}", "method", method, "target", one->target,
                                    "wall_us", (json_int_t)wall_us, "params", params));
}

static void tell_body(const told_entry *one, const json_t *text, bool base64, bool sent)
{
    json_array_append_new(one->events->told,
                          json_pack("{s:O,s:b,s:s,s:I,s:s,s:b}", "body", text, "base64", base64,
                                    "target", one->target, "wall_us", (json_int_t)ended_us(one),
                                    "request_id", one->id, "post_data", sent));
}

static void tell_no_body(const told_entry *one, const json_t *why)
{
    json_array_append_new(one->events->told,
                          json_pack("{s:s,s:O,s:s,s:I,s:s}", "body", "", "error", why, "target",
                                    one->target, "wall_us", (json_int_t)ended_us(one), "request_id",
                                    one->id));
}

static bool has_base64(const json_t *object, const char *name)
{
    const char *encoding = text_of(object, name);
    return encoding != NULL && strcmp(encoding, "base64") == 0;
}

/* Milliseconds from the beginning to the answer's head; below 0 where it was there before Chrome
 * told of the request. */
static double answered_ms(const told_entry *one)
{
    double took = (double)one->took_us / 1000;
    double received = number_of(json_object_get(one->entry, "timings"), "receive", 0);
    return took - (received > 0 ? received : 0);
}

/* The phases as Chrome has them: milliseconds from requestTime on; -1: there was none. Time that is
 * in none of them lies before what is sent. NULL: they are not known. */
static json_t *timing_of(const told_entry *one)
{
    const json_t *timings = json_object_get(one->entry, "timings");
    if (number_of(timings, "blocked", -1) < 0 && number_of(timings, "dns", -1) < 0 &&
        number_of(timings, "connect", -1) < 0) {
        return NULL;
    }
    double at = number_of(timings, "blocked", 0);
    double dns = number_of(timings, "dns", -1);
    double connect = number_of(timings, "connect", -1);
    double ssl = number_of(timings, "ssl", -1);
    double dns_start = dns >= 0 ? at : -1;
    at += dns > 0 ? dns : 0;
    double connect_start = connect >= 0 ? at : -1;
    at += connect > 0 ? connect : 0;
    double send = number_of(timings, "send", 0);
    double wait = number_of(timings, "wait", 0);
    double idle = answered_ms(one) - at - send - wait;
    double early = idle < 0 ? -idle : 0; /* it began before Chrome told of it */
    double sent = at + (idle > 0 ? idle : 0);
    return json_pack("{s:f,s:f,s:f,s:f,s:f,s:f,s:f,s:f,s:f,s:f}", "requestTime",
                     beginning(one) - early / 1000, "dnsStart", dns_start, "dnsEnd",
                     dns >= 0 ? dns_start + dns : -1, "connectStart", connect_start, "connectEnd",
                     connect >= 0 ? at : -1, "sslStart", ssl >= 0 ? at - ssl : -1, "sslEnd",
                     ssl >= 0 ? at : -1, "sendStart", sent, "sendEnd", sent + send,
                     "receiveHeadersEnd", sent + send + wait);
}

/* "HTTP/1.1" and the like, as Chrome writes them. */
static const char *protocol_of(const json_t *response)
{
    static const char *const names[][2] = {{"HTTP/1.1", "http/1.1"}, {"HTTP/1.0", "http/1.0"},
                                           {"HTTP/2.0", "h2"},       {"HTTP/2", "h2"},
                                           {"HTTP/3.0", "h3"},       {"HTTP/3", "h3"}};
    const char *version = text_of(response, "httpVersion");
    for (size_t i = 0; version != NULL && i < sizeof names / sizeof *names; i++) {
        if (strcasecmp(version, names[i][0]) == 0) {
            return names[i][1];
        }
    }
    return version != NULL ? version : "";
}

static json_t *response_of(const told_entry *one)
{
    const json_t *content = json_object_get(one->response, "content");
    const char *address = text_of(one->entry, "serverIPAddress");
    const char *connection = text_of(one->entry, "connection");
    const char *cache = text_of(one->entry, "_fromCache");
    json_t *headers = headers_of(json_object_get(one->response, "headers"));
    const char *mime = text_of(content, "mimeType");
    mime = mime != NULL ? mime : json_string_value(headers_find(headers, "content-type"));
    json_t *response =
        json_pack("{s:s,s:I,s:s,s:o,s:s%,s:s,s:o*,s:I}", "url", one->url, "status",
                  integer_of(one->response, "status", 0), "statusText",
                  text_or_empty(one->response, "statusText"), "headers", headers, "mimeType",
                  mime != NULL ? mime : "", mime != NULL ? strcspn(mime, "; ") : (size_t)0,
                  "protocol", protocol_of(one->response), "timing", timing_of(one),
                  "encodedDataLength", integer_of(one->response, "headersSize", 0));
    if (address != NULL) {
        json_object_set_new(response, "remoteIPAddress", json_string(address));
        json_object_set_new(response, "remotePort",
                            json_integer(integer_of(one->entry, "_serverPort", 0)));
    }
    if (connection != NULL) {
        json_object_set_new(response, "connectionId", json_integer(strtoll(connection, NULL, 10)));
    }
    json_object_set_new(response, "fromDiskCache",
                        json_boolean(cache != NULL && strcmp(cache, "disk") == 0));
    json_object_set_new(
        response, "fromServiceWorker",
        json_boolean(json_is_true(json_object_get(one->entry, "_fetchedViaServiceWorker"))));
    json_object_set_new(
        response, "fromPrefetchCache",
        json_boolean(json_is_true(json_object_get(one->entry, "_fromPrefetchCache"))));
    return response;
}

/* What was sent, where it is text; what is not comes apart. */
static json_t *request_of(const told_entry *one)
{
    const json_t *post = json_object_get(one->request, "postData");
    const json_t *sent = json_object_get(post, "text");
    json_t *request =
        json_pack("{s:s,s:s,s:o,s:s*}", "url", one->url, "method", text_of(one->request, "method"),
                  "headers", headers_of(json_object_get(one->request, "headers")),
                  "initialPriority", text_of(one->entry, "_priority"));
    if (json_string_length(sent) > 0) {
        json_object_set_new(request, "hasPostData", json_true());
        if (!has_base64(post, "_encoding")) {
            json_object_set(request, "postData", (json_t *)sent);
        }
    }
    return request;
}

/* NULL: not known. */
static json_t *initiator_of(const told_entry *one)
{
    json_t *initiator = json_object_get(one->entry, "_initiator");
    return json_is_object(initiator) ? json_incref(initiator) : NULL;
}

/* The head of the answer as HTTP/1 writes it; NULL: as long as the HAR says it was, it is not. To
 * be freed.
 */
static char *head_of(const told_entry *one)
{
    size_t i;
    json_t *header;
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    if (out == NULL) {
        return NULL;
    }
    fprintf(out, "%s %lld %s\r\n", text_or_empty(one->response, "httpVersion"),
            (long long)integer_of(one->response, "status", 0),
            text_or_empty(one->response, "statusText"));
    json_array_foreach(json_object_get(one->response, "headers"), i, header)
    {
        fprintf(out, "%s: %s\r\n", text_or_empty(header, "name"), text_or_empty(header, "value"));
    }
    fputs("\r\n", out);
    if (fclose(out) != 0 || (json_int_t)len != integer_of(one->response, "headersSize", -1)) {
        free(text);
        text = NULL;
    }
    return text;
}

/* What went over the wire, where the HAR tells it: sizes are of that. Of both sides or of none, as
 * Chrome tells it. */
static bool tell_wire(const told_entry *one)
{
    char *head = head_of(one);
    bool told = head != NULL || integer_of(one->request, "headersSize", -1) > 0;
    if (told) {
        tell(one, "Network.requestWillBeSentExtraInfo", one->started_us,
             json_pack("{s:o}", "headers", headers_of(json_object_get(one->request, "headers"))));
        tell(one, "Network.responseReceivedExtraInfo", one->started_us,
             json_pack("{s:I,s:o,s:s*}", "statusCode", integer_of(one->response, "status", 0),
                       "headers", headers_of(json_object_get(one->response, "headers")),
                       "headersText", head));
    }
    free(head);
    return told;
}

static bool is_websocket(const told_entry *one)
{
    return strcmp(type_of(one->entry), "WebSocket") == 0 ||
           json_is_array(json_object_get(one->entry, "_webSocketMessages"));
}

static void tell_frames(const told_entry *one)
{
    size_t i;
    json_t *frame;
    json_array_foreach(json_object_get(one->entry, "_webSocketMessages"), i, frame)
    {
        const char *type = text_of(frame, "type");
        bool sent = type != NULL && strcmp(type, "send") == 0;
        double at = number_of(frame, "time", seconds(one->started_us));
        tell(one, sent ? "Network.webSocketFrameSent" : "Network.webSocketFrameReceived",
             (int64_t)(at * 1e6),
             json_pack("{s:f,s:{s:I,s:b,s:s}}", "timestamp", at, "response", "opcode",
                       integer_of(frame, "opcode", 1), "mask", sent, "payloadData",
                       text_or_empty(frame, "data")));
    }
}

static void tell_websocket(const told_entry *one)
{
    const char *error = text_of(one->response, "_error");
    tell(one, "Network.webSocketCreated", one->started_us,
         json_pack("{s:s,s:o*}", "url", one->url, "initiator", initiator_of(one)));
    tell(one, "Network.webSocketWillSendHandshakeRequest", one->started_us,
         json_pack("{s:f,s:f,s:{s:o}}", "timestamp", beginning(one), "wallTime",
                   seconds(one->started_us), "request", "headers",
                   headers_of(json_object_get(one->request, "headers"))));
    if (integer_of(one->response, "status", 0) == 101) {
        tell(one, "Network.webSocketHandshakeResponseReceived", one->started_us,
             json_pack("{s:f,s:o}", "timestamp", beginning(one), "response", response_of(one)));
    }
    tell_frames(one);
    if (error != NULL) {
        tell(one, "Network.webSocketFrameError", ended_us(one),
             json_pack("{s:f,s:s}", "timestamp", end_of(one), "errorMessage", error));
    }
    tell(one, "Network.webSocketClosed", ended_us(one),
         json_pack("{s:f}", "timestamp", end_of(one)));
}

static void tell_messages(const told_entry *one)
{
    size_t i;
    json_t *message;
    json_array_foreach(json_object_get(one->entry, "_eventSourceMessages"), i, message)
    {
        double at = number_of(message, "time", seconds(one->started_us));
        const char *name = text_of(message, "eventName");
        tell(one, "Network.eventSourceMessageReceived", (int64_t)(at * 1e6),
             json_pack("{s:f,s:s,s:s,s:s}", "timestamp", at, "eventName",
                       name != NULL ? name : "message", "eventId",
                       text_or_empty(message, "eventId"), "data", text_or_empty(message, "data")));
    }
}

/* It was still under way when the HAR was made. */
static bool is_open(const told_entry *one)
{
    static const char *const words[] = {"pending", "loading", "connecting", "open"};
    const char *state = text_of(json_object_get(one->entry, "_troupe"), "state");
    for (size_t i = 0; state != NULL && i < sizeof words / sizeof *words; i++) {
        if (strcmp(state, words[i]) == 0) {
            return true;
        }
    }
    return false;
}

/* The answer and what came of it. */
static void tell_answer(const told_entry *one)
{
    const json_t *content = json_object_get(one->response, "content");
    const json_t *text = json_object_get(content, "text");
    const char *error = text_of(one->response, "_error");
    json_int_t header = integer_of(one->response, "headersSize", 0);
    json_int_t wire = integer_of(one->response, "_transferSize",
                                 header + integer_of(one->response, "bodySize", 0));
    if (integer_of(one->response, "status", 0) != 0) {
        double after_s = fmax(answered_ms(one), 0) / 1000;
        tell(one, "Network.responseReceived", one->started_us + (int64_t)(after_s * 1e6),
             json_pack("{s:f,s:s,s:o,s:b}", "timestamp", beginning(one) + after_s, "type",
                       type_of(one->entry), "response", response_of(one), "hasExtraInfo",
                       one->wired));
    } else if (error == NULL) {
        error = "no response in the HAR";
    }
    tell_messages(one);
    json_int_t broken = error != NULL ? wire : 0; /* else the end tells it */
    if (integer_of(content, "size", 0) > 0 || broken > 0) {
        tell(one, "Network.dataReceived", ended_us(one),
             json_pack("{s:f,s:I,s:I}", "timestamp", end_of(one), "dataLength",
                       integer_of(content, "size", 0), "encodedDataLength", broken));
    }
    if (is_open(one)) {
        return;
    }
    if (error != NULL) {
        const char *blocked = text_of(one->response, "_blockedReason");
        const char *cors = text_of(one->response, "_corsError");
        json_t *params =
            json_pack("{s:f,s:s,s:s,s:b}", "timestamp", end_of(one), "type", type_of(one->entry),
                      "errorText", error, "canceled", strcmp(error, "net::ERR_ABORTED") == 0);
        if (blocked != NULL) {
            json_object_set_new(params, "blockedReason", json_string(blocked));
        }
        if (cors != NULL) {
            json_object_set_new(params, "corsErrorStatus",
                                json_pack("{s:s,s:s}", "corsError", cors, "failedParameter", ""));
        }
        tell(one, "Network.loadingFailed", ended_us(one), params);
    } else {
        tell(one, "Network.loadingFinished", ended_us(one),
             json_pack("{s:f,s:I}", "timestamp", end_of(one), "encodedDataLength", wire));
    }
    if (json_is_string(text)) {
        tell_body(one, text, has_base64(content, "encoding"), false);
    } else if (text_of(content, "comment") != NULL) { /* why there is none */
        tell_no_body(one, json_object_get(content, "comment"));
    }
}

static void tell_post_data(const told_entry *one)
{
    const json_t *post = json_object_get(one->request, "postData");
    const json_t *sent = json_object_get(post, "text");
    if (json_string_length(sent) > 0 && has_base64(post, "_encoding")) {
        tell_body(one, sent, true, true);
    }
}

/* The request; redirected: by that entry's answer, or NULL. */
static void tell_request(const told_entry *one, const told_entry *redirected)
{
    const char *cache = text_of(one->entry, "_fromCache");
    json_t *params = json_pack("{s:s,s:s,s:o,s:f,s:f,s:o*,s:s,s:s}", "loaderId",
                               text_or_empty(one->entry, "pageref"), "documentURL", one->url,
                               "request", request_of(one), "timestamp", beginning(one), "wallTime",
                               seconds(one->started_us), "initiator", initiator_of(one), "type",
                               type_of(one->entry), "frameId", FRAME);
    if (redirected != NULL) {
        json_object_set_new(params, "redirectResponse", response_of(redirected));
        json_object_set_new(params, "redirectHasExtraInfo", json_boolean(redirected->wired));
    }
    tell(one, "Network.requestWillBeSent", one->started_us, params);
    tell_post_data(one);
    if (cache != NULL && strcmp(cache, "memory") == 0) {
        tell(one, "Network.requestServedFromCache", one->started_us, json_object());
    }
}

/* Entries ----------------------------------------------------------------------------------- */

/* Of letters that ids of CDP have. */
static bool is_plain(const char *text, size_t max)
{
    size_t len = text != NULL ? strlen(text) : 0;
    return len > 0 && len <= max &&
           strspn(text, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ._-") == len;
}

/* The page of an entry: the one it was recorded in, if Troupe did. */
static void name_target(told_entry *one)
{
    const char *was = text_of(json_object_get(one->entry, "_troupe"), "target");
    const char *part = was != NULL ? strchr(was, ':') : NULL;
    snprintf(one->target, sizeof one->target, "%s:%s", one->events->browser,
             part != NULL && is_plain(part + 1, 64) ? part + 1 : "1");
}

static troupe_error read_entry(har_events *events, const json_t *entry, size_t i, told_entry *one,
                               troupe_reason *reason)
{
    *one = (told_entry){.events = events,
                        .entry = entry,
                        .request = json_object_get(entry, "request"),
                        .response = json_object_get(entry, "response")};
    one->url = text_of(one->request, "url");
    const char *lacks = one->url == NULL                          ? "request.url"
                        : text_of(one->request, "method") == NULL ? "request.method"
                        : !json_is_object(one->response)          ? "response"
                        : !har_time_read(text_of(entry, "startedDateTime"), &one->started_us)
                            ? "startedDateTime (as 2026-01-31T12:00:00.000Z)"
                            : NULL;
    if (lacks != NULL) {
        return troupe_fail(reason, TROUPE_EPARAMS, "not a HAR: log.entries[%zu] has no %s", i,
                           lacks);
    }
    one->mono_us = one->started_us;
    one->took_us = llround(number_of(entry, "time", 0) * 1000);
    name_target(one);
    return TROUPE_OK;
}

/* Hops of a chain share an id, where Troupe wrote the HAR. */
static void name_request(told_entry *one)
{
    const json_t *ours = json_object_get(one->entry, "_troupe");
    const char *id = text_of(ours, "request_id");
    one->events->number++;
    if (is_plain(id, 100)) {
        snprintf(one->id, sizeof one->id, "%s", id);
    } else {
        snprintf(one->id, sizeof one->id, "har.%08x.%llu", (unsigned)one->events->piece,
                 (unsigned long long)one->events->number);
    }
}

/* An answer that leads to a further hop is told with that. */
static bool waits_for_next(const told_entry *one)
{
    json_int_t status = integer_of(one->response, "status", 0);
    return status >= 300 && status < 400 && status != 304 &&
           text_of(json_object_get(one->entry, "_troupe"), "request_id") != NULL;
}

/* The entry of that id whose redirect is still to be told. */
static bool recall(har_events *events, const char *id, told_entry *out)
{
    troupe_reason ignored;
    const json_t *kept = json_object_get(events->open, id);
    if (kept == NULL ||
        read_entry(events, json_object_get(kept, "entry"), 0, out, &ignored) != TROUPE_OK) {
        return false;
    }
    out->mono_us = json_integer_value(json_object_get(kept, "mono_us"));
    out->wired = json_is_true(json_object_get(kept, "wired"));
    snprintf(out->id, sizeof out->id, "%s", id);
    return true;
}

static void tell_entry(har_events *events, told_entry *one)
{
    name_request(one);
    if (json_object_get(events->targets, one->target) == NULL) {
        json_object_set_new(events->targets, one->target, json_string(one->url));
    }
    if (is_websocket(one)) {
        tell_websocket(one);
        return;
    }
    told_entry before;
    json_int_t hop = integer_of(json_object_get(one->entry, "_troupe"), "hop", 0);
    bool redirected = hop > 0 && recall(events, one->id, &before);
    if (redirected) {
        one->mono_us = before.mono_us + before.took_us;
    }
    tell_request(one, redirected ? &before : NULL);
    one->wired = tell_wire(one);
    if (waits_for_next(one)) {
        json_object_set_new(events->open, one->id,
                            json_pack("{s:O,s:I,s:b}", "entry", one->entry, "mono_us",
                                      (json_int_t)one->mono_us, "wired", one->wired));
    } else {
        json_object_del(events->open, one->id);
        tell_answer(one);
    }
}

/* Redirects that led nowhere. */
static void tell_open(har_events *events)
{
    const char *id;
    json_t *kept;
    json_object_foreach(events->open, id, kept)
    {
        told_entry one;
        if (recall(events, id, &one)) {
            tell_answer(&one);
        }
    }
}

/* Pages ------------------------------------------------------------------------------------- */

static const json_t *entry_of_page(const json_t *entries, const char *page)
{
    size_t i;
    json_t *entry;
    json_array_foreach(entries, i, entry)
    {
        const char *its = text_of(entry, "pageref");
        if (its != NULL && strcmp(its, page) == 0) {
            return entry;
        }
    }
    return NULL;
}

static void tell_page(har_events *events, const json_t *page, const json_t *entries)
{
    static const char *const moments[][2] = {{"onContentLoad", "Page.domContentEventFired"},
                                             {"onLoad", "Page.loadEventFired"}};
    const char *id = text_of(page, "id");
    const json_t *first = id != NULL ? entry_of_page(entries, id) : NULL;
    const json_t *timings = json_object_get(page, "pageTimings");
    const char *title = text_of(page, "title");
    told_entry one = {.events = events, .entry = first};
    if (first == NULL || !har_time_read(text_of(page, "startedDateTime"), &one.started_us)) {
        return; /* nothing here belongs to it */
    }
    name_target(&one);
    const char *url = title != NULL && strstr(title, "://") != NULL
                          ? title
                          : text_of(json_object_get(first, "request"), "url");
    tell(&one, "Page.frameNavigated", one.started_us,
         json_pack("{s:{s:s,s:s,s:s,s:s}}", "frame", "id", FRAME, "loaderId", id, "url",
                   url != NULL ? url : "", "mimeType", "text/html"));
    for (size_t i = 0; i < 2; i++) {
        double at = number_of(timings, moments[i][0], -1);
        if (at >= 0) {
            int64_t wall_us = one.started_us + (int64_t)(at * 1000);
            tell(&one, moments[i][1], wall_us, json_pack("{s:f}", "timestamp", seconds(wall_us)));
        }
    }
}

/* What made it: "NAME/VERSION" of the browser, or of what wrote the HAR. */
static void name_product(const json_t *log, har_events *out)
{
    const json_t *maker = json_object_get(log, "browser");
    maker = maker != NULL ? maker : json_object_get(log, "creator");
    const char *name = text_of(maker, "name");
    snprintf(out->product, sizeof out->product, "%.100s/%.100s", name != NULL ? name : "unknown",
             text_or_empty(maker, "version"));
}

troupe_error har_events_read(const json_t *har, har_events *out, troupe_reason *reason)
{
    const json_t *log = json_object_get(har, "log") != NULL ? json_object_get(har, "log") : har;
    const json_t *entries = json_object_get(log, "entries");
    size_t i;
    json_t *item;
    out->told = json_array();
    out->targets = json_object();
    out->open = json_object();
    if (!json_is_array(entries)) {
        return troupe_fail(reason, TROUPE_EPARAMS, "not a HAR: no log.entries");
    }
    name_product(log, out);
    told_entry one;
    json_array_foreach(entries, i, item)
    {
        troupe_error error = read_entry(out, item, i, &one, reason);
        if (error != TROUPE_OK) {
            return error;
        }
    }
    json_array_foreach(json_object_get(log, "pages"), i, item)
    {
        tell_page(out, item, entries);
    }
    json_array_foreach(entries, i, item)
    {
        (void)!read_entry(out, item, i, &one, reason);
        tell_entry(out, &one);
        out->entries++;
    }
    tell_open(out);
    return TROUPE_OK;
}

void har_events_fini(har_events *events)
{
    json_decref(events->told);
    json_decref(events->targets);
    json_decref(events->open);
}
