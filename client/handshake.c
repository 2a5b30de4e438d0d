/* SPDX-License-Identifier: MIT */
/* RFC 6455, section 4, client side; SHA-1 as FIPS 180-4 has it, for Sec-WebSocket-Accept only. */
#include "handshake.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>

#define GUID        "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
#define KEY_BYTES   16
#define SHA1_BLOCK  64
#define SHA1_ROUNDS 80

/* SHA-1 and base64 -------------------------------------------------------------------------- */

static uint32_t rotate(uint32_t word, unsigned bits)
{
    return word << bits | word >> (32 - bits);
}

static void sha1_block(uint32_t hash[5], const uint8_t *block)
{
    uint32_t w[SHA1_ROUNDS];
    uint32_t a = hash[0], b = hash[1], c = hash[2], d = hash[3], e = hash[4];
    for (unsigned i = 0; i < 16; i++) {
        w[i] = (uint32_t)block[4 * i] << 24 | (uint32_t)block[4 * i + 1] << 16 |
               (uint32_t)block[4 * i + 2] << 8 | block[4 * i + 3];
    }
    for (unsigned i = 16; i < SHA1_ROUNDS; i++) {
        w[i] = rotate(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
    }
    for (unsigned i = 0; i < SHA1_ROUNDS; i++) {
        uint32_t mixed = i < 20   ? ((b & c) | (~b & d)) + 0x5a827999
                         : i < 40 ? (b ^ c ^ d) + 0x6ed9eba1
                         : i < 60 ? ((b & c) | (b & d) | (c & d)) + 0x8f1bbcdc
                                  : (b ^ c ^ d) + 0xca62c1d6;
        uint32_t next = rotate(a, 5) + mixed + e + w[i];
        e = d;
        d = c;
        c = rotate(b, 30);
        b = a;
        a = next;
    }
    hash[0] += a;
    hash[1] += b;
    hash[2] += c;
    hash[3] += d;
    hash[4] += e;
}

void handshake_sha1(const void *data, size_t len, uint8_t out[HANDSHAKE_SHA1_SIZE])
{
    uint32_t hash[5] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
    uint8_t last[2 * SHA1_BLOCK] = {0};
    const uint8_t *at = data;
    size_t left = len;
    for (; left >= SHA1_BLOCK; left -= SHA1_BLOCK, at += SHA1_BLOCK) {
        sha1_block(hash, at);
    }
    if (left > 0) {
        memcpy(last, at, left);
    }
    last[left] = 0x80;
    size_t blocks = left + 9 <= SHA1_BLOCK ? 1 : 2;
    for (unsigned i = 0; i < 8; i++) {
        last[blocks * SHA1_BLOCK - 1 - i] = (uint8_t)((uint64_t)len * 8 >> (8 * i));
    }
    for (size_t i = 0; i < blocks; i++) {
        sha1_block(hash, last + i * SHA1_BLOCK);
    }
    for (unsigned i = 0; i < HANDSHAKE_SHA1_SIZE; i++) {
        out[i] = (uint8_t)(hash[i / 4] >> (24 - 8 * (i % 4)));
    }
}

void handshake_base64(const uint8_t *data, size_t len, char *out)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < len; i += 3) {
        size_t have = len - i < 3 ? len - i : 3;
        uint32_t bits = (uint32_t)data[i] << 16 | (have > 1 ? (uint32_t)data[i + 1] << 8 : 0) |
                        (have > 2 ? data[i + 2] : 0);
        *out++ = digits[bits >> 18];
        *out++ = digits[bits >> 12 & 63];
        *out++ = have > 1 ? digits[bits >> 6 & 63] : '=';
        *out++ = have > 2 ? digits[bits & 63] : '=';
    }
    *out = '\0';
}

/* Request ----------------------------------------------------------------------------------- */

static bool plain(const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text <= ' ' || *text == 0x7f) { /* bytes beyond ASCII are negative */
            return false;
        }
    }
    return true;
}

static bool copy(char *out, size_t size, const char *text, size_t len)
{
    if (len == 0 || len >= size) {
        return false;
    }
    memcpy(out, text, len);
    out[len] = '\0';
    return true;
}

/* "HOST[:PORT]" or "[IPv6][:PORT]", len bytes. */
static bool authority_parse(const char *text, size_t len, handshake_url *out)
{
    const char *end = text + len;
    const char *host = text;
    const char *host_end = memchr(text, ':', len);
    if (len > 0 && text[0] == '[') {
        host++;
        host_end = memchr(text, ']', len);
        if (host_end == NULL) {
            return false;
        }
    }
    host_end = host_end != NULL ? host_end : end;
    const char *port = host_end + (text[0] == '[');
    if (port < end && *port != ':') {
        return false;
    }
    size_t port_len = port < end ? (size_t)(end - port) - 1 : 0;
    bool digits = port == end || (port_len > 0 && strspn(port + 1, "0123456789") >= port_len);
    return digits && copy(out->host, sizeof out->host, host, (size_t)(host_end - host)) &&
           copy(out->port, sizeof out->port, port == end ? "80" : port + 1,
                port == end ? 2 : port_len);
}

troupe_error handshake_url_parse(const char *text, handshake_url *out, troupe_reason *reason)
{
    if (strncasecmp(text, "wss://", 6) == 0 || strncasecmp(text, "https://", 8) == 0) {
        return troupe_fail(reason, TROUPE_EUNAVAILABLE,
                           "%.80s: libtroupe has no TLS; join through a proxy or tunnel that has",
                           text);
    }
    size_t scheme = strncasecmp(text, "ws://", 5) == 0     ? 5
                    : strncasecmp(text, "http://", 7) == 0 ? 7
                                                           : 0;
    size_t authority = strcspn(text + scheme, "/?#");
    const char *path = text + scheme + authority;
    path = *path == '\0' || strcmp(path, "/") == 0 ? "/ws" : path;
    if (scheme == 0 || !plain(text) || *path != '/' || strchr(path, '#') != NULL ||
        !authority_parse(text + scheme, authority, out) ||
        !copy(out->path, sizeof out->path, path, strlen(path))) {
        return troupe_fail(reason, TROUPE_EINVAL, "\"%.80s\" is not ws://HOST[:PORT][/PATH]", text);
    }
    return TROUPE_OK;
}

troupe_error handshake_key(char key[HANDSHAKE_KEY_SIZE])
{
    uint8_t nonce[KEY_BYTES];
    if (getrandom(nonce, sizeof nonce, 0) != (ssize_t)sizeof nonce) {
        return TROUPE_EIO;
    }
    handshake_base64(nonce, sizeof nonce, key);
    return TROUPE_OK;
}

void handshake_accept(const char *key, char accept[HANDSHAKE_ACCEPT_SIZE])
{
    char text[HANDSHAKE_KEY_SIZE + sizeof GUID];
    uint8_t digest[HANDSHAKE_SHA1_SIZE];
    int len = snprintf(text, sizeof text, "%s%s", key, GUID);
    handshake_sha1(text, (size_t)len, digest);
    handshake_base64(digest, sizeof digest, accept);
}

troupe_error handshake_request(troupe_buffer *out, const handshake_url *url, const char *key,
                               const char *token, troupe_reason *reason)
{
    if (token != NULL && !plain(token)) {
        return troupe_fail(reason, TROUPE_EINVAL, "the token holds blanks or control characters");
    }
    bool brackets = strchr(url->host, ':') != NULL;
    return troupe_buffer_printf(out,
                                "GET %s HTTP/1.1\r\n"
                                "Host: %s%s%s:%s\r\n"
                                "Connection: Upgrade\r\n"
                                "Upgrade: websocket\r\n"
                                "Sec-WebSocket-Version: 13\r\n"
                                "Sec-WebSocket-Protocol: " HANDSHAKE_PROTOCOL "\r\n"
                                "Sec-WebSocket-Key: %s\r\n"
                                "%s%s%s\r\n",
                                url->path, brackets ? "[" : "", url->host, brackets ? "]" : "",
                                url->port, key, token != NULL ? "Authorization: Bearer " : "",
                                token != NULL ? token : "", token != NULL ? "\r\n" : "");
}

/* Answer ------------------------------------------------------------------------------------ */

/* Without the blanks around it. */
static const char *trim(const char *text, size_t *len)
{
    while (*len > 0 && (*text == ' ' || *text == '\t')) {
        text++;
        --*len;
    }
    while (*len > 0 && (text[*len - 1] == ' ' || text[*len - 1] == '\t')) {
        --*len;
    }
    return text;
}

/* The value of the next header with that name, behind `at`; NULL: there is none. */
static const char *header_next(const char *at, const char *name, size_t *len)
{
    size_t name_len = strlen(name);
    for (const char *line = strstr(at, "\r\n"); line != NULL; line = strstr(line, "\r\n")) {
        line += 2;
        if (strncasecmp(line, name, name_len) == 0 && line[name_len] == ':') {
            const char *value = line + name_len + 1;
            *len = strcspn(value, "\r\n");
            return trim(value, len);
        }
    }
    return NULL;
}

/* Whether there is that header with exactly that value. fold: in whatever case. */
static bool header_is(const char *block, const char *name, const char *value, bool fold)
{
    size_t len;
    const char *found = header_next(block, name, &len);
    return found != NULL && len == strlen(value) &&
           (fold ? strncasecmp(found, value, len) == 0 : memcmp(found, value, len) == 0);
}

static bool list_has(const char *list, size_t len, const char *token)
{
    const char *end = list + len;
    while (list < end) {
        const char *comma = memchr(list, ',', (size_t)(end - list));
        const char *item_end = comma != NULL ? comma : end;
        size_t item_len = (size_t)(item_end - list);
        const char *item = trim(list, &item_len);
        if (item_len == strlen(token) && strncasecmp(item, token, item_len) == 0) {
            return true;
        }
        list = comma != NULL ? comma + 1 : end;
    }
    return false;
}

/* Whether the header's list of tokens has that one, in whatever case (RFC 9110, section 5.6.1). The
 * list may be spread over several headers of one name. */
static bool header_lists(const char *block, const char *name, const char *token)
{
    size_t len;
    const char *list = header_next(block, name, &len);
    while (list != NULL && !list_has(list, len, token)) {
        list = header_next(list, name, &len);
    }
    return list != NULL;
}

static troupe_error refused(int status, troupe_reason *reason)
{
    troupe_error error = status == 401 || status == 403 ? TROUPE_EUNAUTHORIZED
                         : status == 503                ? TROUPE_EBUSY
                                                        : TROUPE_EPROTOCOL;
    return troupe_fail(reason, error, "the host refused the connection with status %d", status);
}

troupe_error handshake_check(const char *answer, const char *key, troupe_reason *reason)
{
    char accept[HANDSHAKE_ACCEPT_SIZE];
    int status = 0;
    int used = 0;
    if (sscanf(answer, "HTTP/1.1 %3d%n", &status, &used) != 1 || used != 12) {
        return troupe_fail(reason, TROUPE_EPROTOCOL, "the host does not speak HTTP/1.1");
    }
    if (status != 101) {
        return refused(status, reason);
    }
    handshake_accept(key, accept);
    if (!header_is(answer, "Upgrade", "websocket", true) ||
        !header_lists(answer, "Connection", "upgrade") ||
        !header_is(answer, "Sec-WebSocket-Accept", accept, false)) {
        return troupe_fail(reason, TROUPE_EPROTOCOL, "the host's handshake is wrong");
    }
    if (!header_is(answer, "Sec-WebSocket-Protocol", HANDSHAKE_PROTOCOL, false)) {
        return troupe_fail(reason, TROUPE_EPROTOCOL, "the host does not speak " HANDSHAKE_PROTOCOL);
    }
    return TROUPE_OK;
}
