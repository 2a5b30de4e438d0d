/* SPDX-License-Identifier: MIT */
/* The server's answer to the upgrade (RFC 6455, section 4.1; RFC 9112): taken in pieces, every line
 * checked, then judged. Chrome answers "Upgrade: WebSocket": compared without case. */
#include "websocket_handshake.h"

#include <curl/curl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define LINE_MAX_SHOWN  120
#define PLACE_MAX_SHOWN 160

/* --- taking --------------------------------------------------------------------------------- */

/** A piece of the answer: not NUL-terminated. */
typedef struct span {
    const char *data;
    size_t len;
} span;

static bool span_is(span s, const char *text)
{
    return s.len == strlen(text) && strncasecmp(s.data, text, s.len) == 0;
}

static span trimmed(const char *data, size_t len)
{
    while (len > 0 && (*data == ' ' || *data == '\t')) {
        data++;
        len--;
    }
    while (len > 0 && (data[len - 1] == ' ' || data[len - 1] == '\t')) {
        len--;
    }
    return (span){data, len};
}

/** The header line that begins at *at, and *at behind it. False at the empty line. */
static bool next_line(const char **at, span *line)
{
    const char *end = strstr(*at, "\r\n");
    if (end == NULL || end == *at) {
        return false;
    }
    *line = (span){*at, (size_t)(end - *at)};
    *at = end + 2;
    return true;
}

/** The next header of that name, from *at (NULL: from the first one). */
static bool next_header(const websocket_answer *answer, const char *name, const char **at,
                        span *value)
{
    span line;
    size_t name_len = strlen(name);
    if (*at == NULL) {
        *at = answer->text;
        (void)next_line(at, &line); /* the status line */
    }
    while (next_line(at, &line)) {
        if (line.len > name_len && line.data[name_len] == ':' &&
            strncasecmp(line.data, name, name_len) == 0) {
            *value = trimmed(line.data + name_len + 1, line.len - name_len - 1);
            return true;
        }
    }
    return false;
}

static bool find_header(const websocket_answer *answer, const char *name, span *value)
{
    const char *at = NULL;
    return next_header(answer, name, &at, value);
}

/** "HTTP/1.1 101 …" as 101; 0 if it is no status line. */
static int status_of(const char *text)
{
    static const char shape[] = "HTTP/1.# ###";
    int status = 0;
    for (size_t i = 0; i < sizeof(shape) - 1; i++) {
        bool digit = text[i] >= '0' && text[i] <= '9';
        if (shape[i] == '#' ? !digit : text[i] != shape[i]) {
            return 0;
        }
        status = i > 8 ? status * 10 + (text[i] - '0') : 0;
    }
    char behind = text[sizeof(shape) - 1];
    return behind == ' ' || behind == '\r' ? status : 0;
}

/** NAME ":" VALUE; no blank before the colon, no line that continues the one before. */
static bool is_header(span line)
{
    size_t i = 0;
    while (i < line.len && line.data[i] > ' ' && line.data[i] < 0x7F && line.data[i] != ':') {
        i++;
    }
    bool ok = i > 0 && i < line.len && line.data[i] == ':';
    for (; ok && i < line.len; i++) {
        unsigned char c = (unsigned char)line.data[i];
        ok = (c >= ' ' || c == '\t') && c != 0x7F;
    }
    return ok;
}

static troupe_error check_head(const websocket_answer *answer, troupe_reason *reason)
{
    const char *at = answer->text;
    span line;
    size_t count = 0;
    if (memchr(answer->text, '\0', answer->head_len) != NULL || status_of(answer->text) == 0 ||
        !next_line(&at, &line)) {
        return troupe_fail(reason, TROUPE_EPROTOCOL, "the server does not speak HTTP/1.1");
    }
    for (; next_line(&at, &line); count++) {
        if (count == WEBSOCKET_ANSWER_LINES_MAX) {
            return troupe_fail(reason, TROUPE_EPROTOCOL,
                               "the server's header is too long: more than %d lines",
                               WEBSOCKET_ANSWER_LINES_MAX);
        }
        if (!is_header(line)) {
            return troupe_fail(reason, TROUPE_EPROTOCOL,
                               "line %zu of the server's HTTP header is malformed", count + 1);
        }
    }
    return TROUPE_OK;
}

/** How much of a body is to be waited for: what is announced, up to the limit. */
static size_t body_wanted(const websocket_answer *answer)
{
    span value;
    size_t len = 0;
    if (status_of(answer->text) == 101) {
        return 0;
    }
    if (find_header(answer, "Transfer-Encoding", &value)) {
        return WEBSOCKET_BODY_MAX;
    }
    if (!find_header(answer, "Content-Length", &value)) {
        return 0;
    }
    for (size_t i = 0; i < value.len && value.data[i] >= '0' && value.data[i] <= '9'; i++) {
        len = len * 10 + (size_t)(value.data[i] - '0');
        if (len >= WEBSOCKET_BODY_MAX) {
            return WEBSOCKET_BODY_MAX;
        }
    }
    return len;
}

/** The body's first line is there, or all that is worth waiting for. */
static bool body_is_enough(const websocket_answer *answer)
{
    span value;
    const char *body = answer->text + answer->head_len;
    size_t len = answer->len - answer->head_len;
    if (len >= answer->body_max) {
        return true;
    }
    const char *end = memchr(body, '\n', len);
    if (end == NULL || !find_header(answer, "Transfer-Encoding", &value)) {
        return end != NULL && end > body + 1;
    }
    end++; /* behind the size of the first chunk */
    return memchr(end, '\n', len - (size_t)(end - body)) != NULL;
}

/** How many of the bytes that are there end the header block; 0 = it is not whole. */
static size_t head_end(const websocket_answer *answer, size_t searched)
{
    const char *from = answer->text + (searched > 3 ? searched - 3 : 0);
    const char *end = memmem(from, answer->len - (size_t)(from - answer->text), "\r\n\r\n", 4);
    return end == NULL ? 0 : (size_t)(end - answer->text) + 4;
}

static troupe_error take_head(websocket_answer *answer, const char *data, size_t len, size_t *used,
                              troupe_reason *reason)
{
    size_t before = answer->len;
    size_t room = WEBSOCKET_ANSWER_MAX - before;
    size_t n = len < room ? len : room;
    memcpy(answer->text + before, data, n);
    answer->len += n;
    answer->text[answer->len] = '\0';
    answer->head_len = head_end(answer, before);
    if (answer->head_len > 0) {
        *used = answer->head_len - before;
        answer->len = answer->head_len;
        answer->text[answer->len] = '\0';
        answer->body_max = body_wanted(answer);
        return check_head(answer, reason);
    }
    *used = n;
    size_t known = answer->len < 5 ? answer->len : 5;
    if (memcmp(answer->text, "HTTP/", known) != 0) {
        return troupe_fail(reason, TROUPE_EPROTOCOL, "the server does not speak HTTP/1.1");
    }
    return answer->len < WEBSOCKET_ANSWER_MAX
               ? TROUPE_OK
               : troupe_fail(reason, TROUPE_EPROTOCOL,
                             "the server's header is too long: more than %zu bytes",
                             WEBSOCKET_ANSWER_MAX);
}

troupe_error websocket_answer_take(websocket_answer *answer, const char *data, size_t len,
                                   size_t *used, bool *done, troupe_reason *reason)
{
    *used = 0;
    *done = false;
    if (answer->head_len == 0) {
        troupe_error error = take_head(answer, data, len, used, reason);
        if (error != TROUPE_OK || answer->head_len == 0) {
            return error;
        }
    }
    if (status_of(answer->text) == 101) {
        *done = true;
        return TROUPE_OK;
    }
    size_t room = answer->head_len + WEBSOCKET_BODY_MAX - answer->len;
    size_t n = len - *used < room ? len - *used : room;
    memcpy(answer->text + answer->len, data + *used, n);
    answer->len += n;
    answer->text[answer->len] = '\0';
    *used += n;
    *done = body_is_enough(answer);
    return TROUPE_OK;
}

/* --- judging -------------------------------------------------------------------------------- */

/** Whether a comma-separated header names `token`, in whatever case, in any of its lines. */
static bool header_lists(const websocket_answer *answer, const char *name, const char *token)
{
    const char *at = NULL;
    span value;
    while (next_header(answer, name, &at, &value)) {
        while (value.len > 0) {
            const char *comma = memchr(value.data, ',', value.len);
            size_t len = comma != NULL ? (size_t)(comma - value.data) : value.len;
            if (span_is(trimmed(value.data, len), token)) {
                return true;
            }
            len += comma != NULL ? 1 : 0;
            value.data += len;
            value.len -= len;
        }
    }
    return false;
}

/** The one value of a header that may stand once; an empty one counts as none. 1: it is there; 0:
 * not; -1: twice. */
static int single_header(const websocket_answer *answer, const char *name, span *value)
{
    const char *at = NULL;
    span other;
    if (!next_header(answer, name, &at, value)) {
        return 0;
    }
    if (next_header(answer, name, &at, &other)) {
        return -1;
    }
    return value->len > 0 ? 1 : 0;
}

static bool accepts_key(const websocket_answer *answer, const char *key)
{
    char wanted[WEBSOCKET_ACCEPT_SIZE];
    span value;
    return websocket_handshake_accept(key, wanted) == TROUPE_OK &&
           single_header(answer, "Sec-WebSocket-Accept", &value) == 1 &&
           value.len == strlen(wanted) && memcmp(value.data, wanted, value.len) == 0;
}

static troupe_error judge_protocol(const websocket_answer *answer, const websocket_ask *ask,
                                   websocket_verdict *out, troupe_reason *reason)
{
    span value;
    int there = single_header(answer, "Sec-WebSocket-Protocol", &value);
    for (size_t i = 0; there == 1 && i < ask->protocol_count; i++) {
        const char *protocol = ask->protocols[i];
        if (value.len == strlen(protocol) && memcmp(value.data, protocol, value.len) == 0) {
            snprintf(out->protocol, sizeof(out->protocol), "%s", protocol);
            return TROUPE_OK;
        }
    }
    if (there == 0 && ask->protocol_count == 0) {
        return TROUPE_OK;
    }
    return troupe_fail(reason, TROUPE_EPROTOCOL, "the server chose %s",
                       there == 0 ? "none of the subprotocols that were asked for"
                                  : "a subprotocol that was not offered");
}

static troupe_error judge_extensions(const websocket_answer *answer, const websocket_ask *ask,
                                     websocket_verdict *out, troupe_reason *reason)
{
    span value;
    int there = single_header(answer, "Sec-WebSocket-Extensions", &value);
    if (there == 0) {
        return TROUPE_OK;
    }
    if (there < 0 || ask->deflate == NULL) {
        return troupe_fail(reason, TROUPE_EPROTOCOL,
                           "the server chose an extension that was not offered");
    }
    troupe_error error = deflate_accept(ask->deflate, value.data, value.len, &out->params, reason);
    out->deflate = error == TROUPE_OK;
    return error;
}

static troupe_error judge_upgrade(const websocket_answer *answer, const char *key,
                                  const websocket_ask *ask, websocket_verdict *out,
                                  troupe_reason *reason)
{
    const char *what = NULL;
    if (strncmp(answer->text, "HTTP/1.0", strlen("HTTP/1.0")) == 0) {
        what = "the server does not speak HTTP/1.1"; /* 1.0 knows no 101 */
    } else if (!header_lists(answer, "Upgrade", "websocket")) {
        what = "the server's answer lacks Upgrade: websocket";
    } else if (!header_lists(answer, "Connection", "upgrade")) {
        what = "the server's answer lacks Connection: Upgrade";
    } else if (!accepts_key(answer, key)) {
        what = "the server's Sec-WebSocket-Accept is wrong";
    }
    if (what != NULL) {
        return troupe_fail(reason, TROUPE_EPROTOCOL, "%s", what);
    }
    troupe_error error = judge_protocol(answer, ask, out, reason);
    return error != TROUPE_OK ? error : judge_extensions(answer, ask, out, reason);
}

/* --- refusals ------------------------------------------------------------------------------- */

/** At most `max` bytes, printable; what else is in there becomes '?'. */
static void show(char *out, size_t max, const char *data, size_t len)
{
    size_t n = len < max ? len : max;
    for (size_t i = 0; i < n; i++) {
        out[i] = data[i] >= ' ' && data[i] < 0x7F ? data[i] : '?';
    }
    out[n] = '\0';
}

/** The body's first line that says something; "" if there is none. */
static void first_line(const websocket_answer *answer, char out[LINE_MAX_SHOWN + 1])
{
    span value;
    const char *body = answer->text + answer->head_len;
    const char *end = answer->text + answer->len;
    out[0] = '\0';
    if (find_header(answer, "Transfer-Encoding", &value)) {
        const char *size_end = memchr(body, '\n', (size_t)(end - body));
        body = size_end != NULL ? size_end + 1 : end;
    }
    while (body < end && strchr(" \t\r\n", *body) != NULL) {
        body++;
    }
    const char *line_end = body;
    while (line_end < end && *line_end != '\r' && *line_end != '\n') {
        line_end++;
    }
    show(out, LINE_MAX_SHOWN, body, (size_t)(line_end - body));
}

static uint32_t retry_after(const websocket_answer *answer, time_t now)
{
    span value;
    char text[64];
    if (!find_header(answer, "Retry-After", &value) || value.len == 0 ||
        value.len >= sizeof(text)) {
        return 0;
    }
    memcpy(text, value.data, value.len);
    text[value.len] = '\0';
    int64_t seconds = 0;
    size_t digits = strspn(text, "0123456789");
    if (digits == value.len) {
        for (size_t i = 0; i < digits && seconds < WEBSOCKET_RETRY_MAX_S; i++) {
            seconds = seconds * 10 + (text[i] - '0');
        }
    } else {
        time_t then = curl_getdate(text, NULL);
        seconds = then > now ? (int64_t)then - (int64_t)now : 0;
    }
    return seconds < WEBSOCKET_RETRY_MAX_S ? (uint32_t)seconds : WEBSOCKET_RETRY_MAX_S;
}

static troupe_error error_of(int status)
{
    switch (status) {
    case 401:
    case 403:
    case 407:
        return TROUPE_EUNAUTHORIZED;
    case 429:
        return TROUPE_EBUSY;
    case 503:
        return TROUPE_EUNAVAILABLE;
    default:
        return TROUPE_EPROTOCOL;
    }
}

/** A redirect is not followed: the token would go to whom it was not meant for. Where it leads is
 * told without the query, which may be secret. */
static troupe_error judge_redirect(const websocket_answer *answer, int status,
                                   troupe_reason *reason)
{
    char place[PLACE_MAX_SHOWN + 1] = "";
    span value;
    if (find_header(answer, "Location", &value)) {
        size_t len = 0;
        while (len < value.len && value.data[len] != '?' && value.data[len] != '#') {
            len++;
        }
        show(place, PLACE_MAX_SHOWN, value.data, len);
    }
    return troupe_fail(reason, TROUPE_EPROTOCOL,
                       "the server redirects (status %d) to %s, which is not followed", status,
                       place[0] != '\0' ? place : "nowhere");
}

static troupe_error judge_refusal(const websocket_answer *answer, time_t now,
                                  websocket_verdict *out, troupe_reason *reason)
{
    char line[LINE_MAX_SHOWN + 1];
    char retry[40] = "";
    int status = out->status;
    if (status >= 300 && status < 400) {
        return judge_redirect(answer, status, reason);
    }
    if (status == 429 || status == 503) {
        out->retry_after_s = retry_after(answer, now);
    }
    if (out->retry_after_s > 0) {
        snprintf(retry, sizeof(retry), ", again after %u s", out->retry_after_s);
    }
    first_line(answer, line);
    return troupe_fail(reason, error_of(status),
                       "the server answered the upgrade with status %d%s%s%s%s", status, retry,
                       line[0] != '\0' ? ": \"" : "", line, line[0] != '\0' ? "\"" : "");
}

troupe_error websocket_answer_judge(const websocket_answer *answer, const char *key,
                                    const websocket_ask *ask, time_t now, websocket_verdict *out,
                                    troupe_reason *reason)
{
    memset(out, 0, sizeof(*out));
    out->status = status_of(answer->text);
    troupe_error error = out->status == 101 ? judge_upgrade(answer, key, ask, out, reason)
                                            : judge_refusal(answer, now, out, reason);
    const char *token = ask->bearer_token;
    if (error != TROUPE_OK && token != NULL &&
        memmem(answer->text, answer->len, token, strlen(token)) != NULL) {
        return troupe_fail(reason, error,
                           "the server answered the upgrade with status %d and our token in it",
                           out->status);
    }
    return error;
}
