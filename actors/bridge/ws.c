/* SPDX-License-Identifier: MIT */
/* The WebSocket handshake, and taking the connection over. */
#include "ws.h"

#include "client.h"
#include "drain.h"
#include "external.h"
#include "http.h"
#include "peer.h"

#include <openssl/evp.h>
#include <openssl/sha.h>

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define WS_GUID       "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
#define WS_KEY_LEN    24
#define WS_ACCEPT_LEN 28

bool ws_wanted(const struct mg_connection *conn)
{
    return http_has_word(http_header(conn, "Upgrade", NULL), "websocket") &&
           http_has_word(http_header(conn, "Connection", NULL), "upgrade");
}

/* Sec-WebSocket-Accept for a key (RFC 6455, 4.2.2). */
static void accept_key(const char *key, char out[WS_ACCEPT_LEN + 1])
{
    char text[WS_KEY_LEN + sizeof WS_GUID];
    unsigned char digest[SHA_DIGEST_LENGTH];
    int len = snprintf(text, sizeof text, "%s%s", key, WS_GUID);
    SHA1((const unsigned char *)text, (size_t)len, digest);
    EVP_EncodeBlock((unsigned char *)out, digest, sizeof digest);
}

/* Base64 of 16 bytes. */
static bool key_valid(const char *key)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    return key != NULL && strlen(key) == WS_KEY_LEN && strspn(key, digits) == WS_KEY_LEN - 2 &&
           strcmp(key + WS_KEY_LEN - 2, "==") == 0;
}

static const char *const protocol_names[] = {
    [CLIENT_JSONRPC] = "jsonrpc",
    [CLIENT_ENVELOPE] = EXTERNAL_SUBPROTOCOL,
    [CLIENT_CDP] = "",
};

/* The first subprotocol of the peer's list that we speak; CLIENT_ANY if it offers none of ours. */
static client_protocol protocol_choose(const struct mg_connection *conn)
{
    const char *offer = http_header(conn, "Sec-WebSocket-Protocol", NULL);
    while (offer != NULL && *offer != '\0') {
        offer += strspn(offer, " \t,");
        size_t len = strcspn(offer, " \t,");
        for (client_protocol i = CLIENT_JSONRPC; i <= CLIENT_ENVELOPE; i++) {
            if (len == strlen(protocol_names[i]) && memcmp(offer, protocol_names[i], len) == 0) {
                return i;
            }
        }
        offer += len;
    }
    return CLIENT_ANY;
}

static void greeting_write(const char *key, client_protocol protocol, char *out, size_t size)
{
    char accepted[WS_ACCEPT_LEN + 1];
    bool chosen = protocol == CLIENT_JSONRPC || protocol == CLIENT_ENVELOPE;
    accept_key(key, accepted);
    snprintf(out, size,
             "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
             "Sec-WebSocket-Accept: %s\r\n%s%s%s\r\n",
             accepted, chosen ? "Sec-WebSocket-Protocol: " : "",
             chosen ? protocol_names[protocol] : "", chosen ? "\r\n" : "");
}

int ws_descriptor(struct mg_connection *conn, int *theirs)
{
    const struct mg_request_info *info = mg_get_request_info(conn);
    peer_ends ends = {info->remote_addr, (uint16_t)info->remote_port, NULL,
                      (uint16_t)info->server_port};
    *theirs = peer_descriptor(&ends);
    return *theirs >= 0 ? fcntl(*theirs, F_DUPFD_CLOEXEC, 3) : -1;
}

bool ws_put_dead_socket(int fd)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) {
        return false;
    }
    close(pair[1]);
    bool done = dup3(pair[0], fd, O_CLOEXEC) == fd;
    close(pair[0]);
    return done;
}

static int send_overload(bridge *server, struct mg_connection *conn)
{
    atomic_fetch_add(&server->counters.overload, 1);
    return http_send_error(conn, 503, TROUPE_EBUSY, "Retry-After: 5\r\n",
                           "clients_max WebSocket clients are connected");
}

/* The handshake is in order: hand the connection to an actor. */
static int take_over(bridge *server, struct mg_connection *conn, const char *key,
                     const cdp_spec *cdp)
{
    const struct mg_request_info *info = mg_get_request_info(conn);
    int theirs;
    int ours = ws_descriptor(conn, &theirs);
    if (ours < 0) {
        return http_send_error(conn, 500, TROUPE_EIO, NULL, "the connection cannot be taken over");
    }
    char greeting[256];
    char peer[64];
    client_protocol protocol = cdp != NULL ? CLIENT_CDP : protocol_choose(conn);
    greeting_write(key, protocol, greeting, sizeof greeting);
    snprintf(peer, sizeof peer, "%s:%d", info->remote_addr, info->remote_port);
    troupe_error error = client_start(server, ours, protocol, cdp, greeting, peer);
    if (error != TROUPE_OK) {
        close(ours);
        return error == TROUPE_ELIMIT
                   ? send_overload(server, conn)
                   : http_send_error(conn, 503, error, NULL, troupe_error_text(error));
    }
    if (!ws_put_dead_socket(theirs)) {
        mg_close_connection(conn); /* ends the client too */
    }
    return 101;
}

int ws_upgrade(bridge *server, struct mg_connection *conn, const cdp_spec *cdp)
{
    const char *version = http_header(conn, "Sec-WebSocket-Version", NULL);
    const char *key = http_header(conn, "Sec-WebSocket-Key", NULL);
    if (atomic_load(&server->draining)) {
        return drain_refuse(conn);
    }
    if (!ws_wanted(conn)) {
        return http_send_error(conn, 426, TROUPE_EREQUEST,
                               "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n",
                               "this path speaks WebSocket only");
    }
    if (version == NULL || strcmp(version, "13") != 0) {
        return http_send_error(conn, 426, TROUPE_EREQUEST, "Sec-WebSocket-Version: 13\r\n",
                               "Sec-WebSocket-Version must be 13");
    }
    if (!key_valid(key)) {
        return http_send_error(conn, 400, TROUPE_EREQUEST, NULL,
                               "Sec-WebSocket-Key must be 16 bytes in base64");
    }
    return take_over(server, conn, key, cdp);
}
