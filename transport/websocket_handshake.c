/* SPDX-License-Identifier: MIT */
/* The opening handshake of RFC 6455 (section 4), client side. No Origin is sent: Chrome refuses
 * foreign ones and accepts none. Chrome answers "Upgrade: WebSocket": compared without case. */
#include "websocket_handshake.h"

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

char *websocket_handshake_request(const uri_parts *uri, const char *key, const char *bearer_token)
{
    char *out = NULL;
    bool token = bearer_token != NULL;
    int len = asprintf(&out,
                       "GET %s HTTP/1.1\r\n"
                       "Host: %s\r\n"
                       "Connection: Upgrade\r\n"
                       "Upgrade: websocket\r\n"
                       "Sec-WebSocket-Version: 13\r\n"
                       "Sec-WebSocket-Key: %s\r\n"
                       "%s%s%s\r\n",
                       uri->target, uri->authority, key, token ? "Authorization: Bearer " : "",
                       token ? bearer_token : "", token ? "\r\n" : "");
    return len < 0 ? NULL : out;
}

/** A header's value: its first bytes after the colon and blanks, and its length without blanks
 * behind. False if the header is not there. */
static bool find_header(const char *block, const char *name, const char **value, size_t *len)
{
    size_t name_len = strlen(name);
    for (const char *line = strstr(block, "\r\n"); line != NULL; line = strstr(line, "\r\n")) {
        line += 2;
        if (strncasecmp(line, name, name_len) == 0 && line[name_len] == ':') {
            const char *start = line + name_len + 1;
            start += strspn(start, " \t");
            size_t n = strcspn(start, "\r\n");
            while (n > 0 && (start[n - 1] == ' ' || start[n - 1] == '\t')) {
                n--;
            }
            *value = start;
            *len = n;
            return true;
        }
    }
    return false;
}

/** Whether a comma-separated header names `token`, in whatever case. */
static bool header_lists(const char *block, const char *name, const char *token)
{
    const char *value = NULL;
    size_t len = 0;
    if (!find_header(block, name, &value, &len)) {
        return false;
    }
    const char *end = value + len;
    while (value < end) {
        value += strspn(value, " \t,");
        size_t n = strcspn(value, " \t,\r\n");
        if (n == strlen(token) && strncasecmp(value, token, n) == 0) {
            return true;
        }
        value += n;
        value += strspn(value, " \t");
        if (n == 0) {
            break;
        }
    }
    return false;
}

static bool has_value(const char *block, const char *name)
{
    const char *value = NULL;
    size_t len = 0;
    return find_header(block, name, &value, &len) && len > 0;
}

static bool accepts_key(const char *block, const char *key)
{
    char wanted[WEBSOCKET_ACCEPT_SIZE];
    const char *value = NULL;
    size_t len = 0;
    return websocket_handshake_accept(key, wanted) == TROUPE_OK &&
           find_header(block, "Sec-WebSocket-Accept", &value, &len) && len == strlen(wanted) &&
           memcmp(value, wanted, len) == 0;
}

/** "HTTP/1.1 101 …" as 101; 0 if it is no status line. */
static int status_of(const char *answer)
{
    static const char shape[] = "HTTP/1.# ###";
    int status = 0;
    for (size_t i = 0; i < sizeof(shape) - 1; i++) {
        bool digit = answer[i] >= '0' && answer[i] <= '9';
        if (shape[i] == '#' ? !digit : answer[i] != shape[i]) {
            return 0;
        }
        status = i > 8 ? status * 10 + (answer[i] - '0') : 0;
    }
    char behind = answer[sizeof(shape) - 1];
    return behind == ' ' || behind == '\r' ? status : 0;
}

troupe_error websocket_handshake_check(const char *answer, const char *key, troupe_reason *reason)
{
    int status = status_of(answer);
    const char *what = NULL;
    if (status == 401 || status == 403) {
        return troupe_fail(reason, TROUPE_EUNAUTHORIZED, "the server answered with status %d",
                           status);
    }
    if (status == 0) {
        what = "the server does not speak HTTP/1.1";
    } else if (status != 101) {
        return troupe_fail(reason, TROUPE_EPROTOCOL,
                           "the server answered the upgrade with status %d", status);
    } else if (!header_lists(answer, "Upgrade", "websocket")) {
        what = "the server's answer lacks Upgrade: websocket";
    } else if (!header_lists(answer, "Connection", "upgrade")) {
        what = "the server's answer lacks Connection: Upgrade";
    } else if (!accepts_key(answer, key)) {
        what = "the server's Sec-WebSocket-Accept is wrong";
    } else if (has_value(answer, "Sec-WebSocket-Extensions") ||
               has_value(answer, "Sec-WebSocket-Protocol")) {
        what = "the server chose an extension or protocol that was not offered";
    }
    return what == NULL ? TROUPE_OK : troupe_fail(reason, TROUPE_EPROTOCOL, "%s", what);
}
