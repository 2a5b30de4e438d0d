/* SPDX-License-Identifier: MIT */
/* The opening handshake of RFC 6455 (section 4), client side: the request. No Origin is sent unless
 * the caller names one: Chrome refuses foreign ones and accepts none. The answer is judged in
 * websocket_answer.c. */
#include "websocket_handshake.h"

#include "utf8_check.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>

#define GUID "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

troupe_error websocket_handshake_key(char key[WEBSOCKET_KEY_SIZE])
{
    unsigned char nonce[16];
    if (getrandom(nonce, sizeof(nonce), 0) != (ssize_t)sizeof(nonce)) {
        return TROUPE_EIO;
    }
    (void)EVP_EncodeBlock((unsigned char *)key, nonce, sizeof(nonce));
    return TROUPE_OK;
}

troupe_error websocket_handshake_accept(const char *key, char accept[WEBSOCKET_ACCEPT_SIZE])
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int digest_len = 0;
    char text[WEBSOCKET_KEY_SIZE + sizeof(GUID)];
    int len = snprintf(text, sizeof(text), "%s%s", key, GUID);
    if (EVP_Digest(text, (size_t)len, digest, &digest_len, EVP_sha1(), NULL) != 1) {
        return TROUPE_EIO;
    }
    (void)EVP_EncodeBlock((unsigned char *)accept, digest, (int)digest_len);
    return TROUPE_OK;
}

/* --- checks --------------------------------------------------------------------------------- */

static const char token_chars[] = "!#$%&'*+-.^_`|~0123456789"
                                  "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/** RFC 9110, section 5.6.2. */
static bool is_token(const char *text)
{
    return text != NULL && text[0] != '\0' && text[strspn(text, token_chars)] == '\0';
}

/** A field's value: no control characters but the tab, and UTF-8. */
static bool is_value(const char *text)
{
    for (const unsigned char *p = (const unsigned char *)text; *p != '\0'; p++) {
        if ((*p < ' ' && *p != '\t') || *p == 0x7F) {
            return false;
        }
    }
    return utf8_ok(text, strlen(text));
}

static bool is_printable_word(const char *text)
{
    for (const char *p = text; *p != '\0'; p++) {
        if (*p <= ' ' || *p > '~') {
            return false;
        }
    }
    return *text != '\0';
}

static bool is_name(const char *name, size_t len, const char *other)
{
    return len == strlen(other) && strncasecmp(name, other, len) == 0;
}

/** Headers that the handshake writes itself, or that would make it another request. */
static bool is_reserved(const char *name, size_t len, bool has_token)
{
    static const char *const names[] = {
        "Host", "Connection", "Upgrade", "Content-Length", "Transfer-Encoding",
        "TE",   "Trailer",    "Expect"};
    static const char prefix[] = "Sec-WebSocket-";
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (is_name(name, len, names[i])) {
            return true;
        }
    }
    return (len >= sizeof(prefix) - 1 && strncasecmp(name, prefix, sizeof(prefix) - 1) == 0) ||
           (has_token && is_name(name, len, "Authorization"));
}

static troupe_error check_header(const websocket_ask *ask, const char *line, troupe_reason *reason)
{
    size_t len = strspn(line, token_chars);
    int shown = len < 60 ? (int)len : 60;
    if (len == 0 || line[len] != ':') {
        return troupe_fail(reason, TROUPE_EPARAMS, "a header is not of the shape Name: value");
    }
    if (is_reserved(line, len, ask->bearer_token != NULL)) {
        return troupe_fail(reason, TROUPE_EPARAMS, "the header %.*s is set by the handshake", shown,
                           line);
    }
    if (!is_value(line + len)) {
        return troupe_fail(reason, TROUPE_EPARAMS,
                           "the header %.*s has control characters, or is not UTF-8", shown, line);
    }
    return TROUPE_OK;
}

static troupe_error check_protocol(const websocket_ask *ask, size_t at, troupe_reason *reason)
{
    const char *protocol = ask->protocols[at];
    if (!is_token(protocol) || strlen(protocol) >= WEBSOCKET_PROTOCOL_MAX) {
        return troupe_fail(reason, TROUPE_EPARAMS, "subprotocol %zu is no token of up to %d bytes",
                           at + 1, WEBSOCKET_PROTOCOL_MAX - 1);
    }
    for (size_t i = 0; i < at; i++) {
        if (strcmp(ask->protocols[i], protocol) == 0) {
            return troupe_fail(reason, TROUPE_EPARAMS, "the subprotocol %s is asked for twice",
                               protocol);
        }
    }
    return TROUPE_OK;
}

troupe_error websocket_ask_check(const websocket_ask *ask, troupe_reason *reason)
{
    troupe_error error = TROUPE_OK;
    if (ask->bearer_token != NULL && !is_printable_word(ask->bearer_token)) {
        return troupe_fail(reason, TROUPE_EPARAMS, "the token contains other than printable ASCII");
    }
    for (const char *const *at = ask->headers; error == TROUPE_OK && at != NULL && *at != NULL;
         at++) {
        error = check_header(ask, *at, reason);
    }
    for (size_t i = 0; error == TROUPE_OK && i < ask->protocol_count; i++) {
        error = check_protocol(ask, i, reason);
    }
    return error;
}

/* --- the request ---------------------------------------------------------------------------- */

static void write_request(FILE *out, const uri_parts *uri, const char *key,
                          const websocket_ask *ask)
{
    fprintf(out,
            "GET %s HTTP/1.1\r\n"
            "Host: %s\r\n"
            "Connection: Upgrade\r\n"
            "Upgrade: websocket\r\n"
            "Sec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: %s\r\n",
            uri->target, uri->authority, key);
    for (size_t i = 0; i < ask->protocol_count; i++) {
        fprintf(out, "%s%s", i == 0 ? "Sec-WebSocket-Protocol: " : ", ", ask->protocols[i]);
    }
    fputs(ask->protocol_count > 0 ? "\r\n" : "", out);
    if (ask->deflate != NULL) {
        char offer[DEFLATE_OFFER_SIZE];
        deflate_offer_text(ask->deflate, offer);
        fprintf(out, "Sec-WebSocket-Extensions: %s\r\n", offer);
    }
    for (const char *const *at = ask->headers; at != NULL && *at != NULL; at++) {
        fprintf(out, "%s\r\n", *at);
    }
    if (ask->bearer_token != NULL) {
        fprintf(out, "Authorization: Bearer %s\r\n", ask->bearer_token);
    }
    fputs("\r\n", out);
}

char *websocket_handshake_request(const uri_parts *uri, const char *key, const websocket_ask *ask)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    if (out == NULL) {
        return NULL;
    }
    write_request(out, uri, key, ask);
    bool failed = ferror(out) != 0;
    if (fclose(out) != 0 || failed) {
        free(text);
        return NULL;
    }
    return text;
}
