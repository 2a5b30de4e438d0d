/* SPDX-License-Identifier: MIT */
/** For tests of clients: a server on a loopback port of its own that takes one connection and plays
 * a script with it, in a thread. Plain or TLS (with a fresh certificate). */
#ifndef TROUPE_TESTS_SERVER_H
#define TROUPE_TESTS_SERVER_H

#include "transport/websocket_handshake.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

typedef struct server server;

typedef void (*server_script)(server *s);

struct server {
    int listener;
    int fd; /* the connection; -1 if none came */
    int port;
    server_script script;
    const char *answer; /* for scripts that need one */
    char request[20000];
    char seen[200]; /* what the script saw, for the test to look at after server_stop */
    pthread_t thread;
    SSL *tls;
    SSL_CTX *tls_context;
    char ca_file[64];
};

static inline ssize_t server_read(server *s, void *data, size_t len)
{
    return s->tls != NULL ? SSL_read(s->tls, data, (int)len) : read(s->fd, data, len);
}

static inline bool server_read_all(server *s, void *data, size_t len)
{
    for (size_t at = 0; at < len;) {
        size_t want = len - at < 65536 ? len - at : 65536;
        ssize_t n = server_read(s, (char *)data + at, want);
        if (n <= 0) {
            return false;
        }
        at += (size_t)n;
    }
    return true;
}

static inline bool server_write(server *s, const void *data, size_t len)
{
    for (size_t at = 0; at < len;) {
        const char *from = (const char *)data + at;
        size_t want = len - at < 65536 ? len - at : 65536;
        ssize_t n = s->tls != NULL ? SSL_write(s->tls, from, (int)want)
                                   : send(s->fd, from, want, MSG_NOSIGNAL);
        if (n <= 0) {
            return false;
        }
        at += (size_t)n;
    }
    return true;
}

static inline bool server_say(server *s, const char *text)
{
    return server_write(s, text, strlen(text));
}

/** Read until the client ends the connection. */
static inline void server_wait_for_end(server *s)
{
    char buffer[4096];
    while (server_read(s, buffer, sizeof(buffer)) > 0) {
    }
}

/** The request's header block, into s->request. */
static inline void server_read_request(server *s)
{
    size_t len = 0;
    while (len + 1 < sizeof(s->request) && strstr(s->request, "\r\n\r\n") == NULL) {
        if (!server_read_all(s, s->request + len, 1)) {
            return;
        }
        len++;
        s->request[len] = '\0';
    }
}

/** Take the upgrade; `more` (len bytes, may be 0) travels right behind the answer. */
static inline void server_upgrade(server *s, const char *more, size_t len)
{
    char key[WEBSOCKET_KEY_SIZE] = "";
    char accept[WEBSOCKET_ACCEPT_SIZE] = "";
    char answer[1000];
    server_read_request(s);
    const char *line = strstr(s->request, "Sec-WebSocket-Key: ");
    if (line != NULL) {
        snprintf(key, sizeof(key), "%s", line + strlen("Sec-WebSocket-Key: "));
    }
    (void)!websocket_handshake_accept(key, accept);
    int n = snprintf(answer, sizeof(answer),
                     "HTTP/1.1 101 Web Socket Protocol Handshake\r\nUpgrade: WebSocket\r\n"
                     "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
                     accept);
    memcpy(answer + n, more, len);
    (void)server_write(s, answer, (size_t)n + len);
}

/** The next frame of the client, unmasked; NULL when the connection ends. Freed with free. */
static inline char *server_read_frame(server *s, uint8_t *first, size_t *len)
{
    uint8_t head[14];
    if (!server_read_all(s, head, 2)) {
        return NULL;
    }
    size_t extra = (head[1] & 0x7F) == 126 ? 2 : (head[1] & 0x7F) == 127 ? 8 : 0;
    if (!server_read_all(s, head + 2, extra + 4)) {
        return NULL;
    }
    *len = extra == 0 ? head[1] & 0x7F : 0;
    for (size_t i = 0; i < extra; i++) {
        *len = *len << 8 | head[2 + i];
    }
    char *data = malloc(*len + 1);
    if (!server_read_all(s, data, *len)) {
        free(data);
        return NULL;
    }
    for (size_t i = 0; i < *len; i++) {
        data[i] = (char)(data[i] ^ head[2 + extra + i % 4]);
    }
    data[*len] = '\0';
    *first = head[0];
    return data;
}

static inline bool server_write_frame(server *s, uint8_t first, const char *data, size_t len)
{
    uint8_t head[10] = {first, (uint8_t)(len < 126 ? len : len < 65536 ? 126 : 127)};
    size_t extra = len < 126 ? 0 : len < 65536 ? 2 : 8;
    for (size_t i = 0; i < extra; i++) {
        head[2 + i] = (uint8_t)(len >> 8 * (extra - 1 - i));
    }
    return server_write(s, head, 2 + extra) && server_write(s, data, len);
}

static inline void *server_main(void *context)
{
    server *s = context;
    s->fd = accept(s->listener, NULL, NULL);
    if (s->fd < 0) {
        return NULL;
    }
    if (s->tls_context != NULL) {
        s->tls = SSL_new(s->tls_context);
        SSL_set_fd(s->tls, s->fd);
    }
    if (s->tls == NULL || SSL_accept(s->tls) == 1) {
        s->script(s);
    }
    if (s->tls != NULL) {
        SSL_free(s->tls);
        s->tls = NULL;
    }
    close(s->fd);
    return NULL;
}

/** A socket bound to a loopback port. */
static inline int server_bind(int *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t len = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    cr_assert_eq(bind(fd, (struct sockaddr *)&address, len), 0);
    cr_assert_eq(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    *port = ntohs(address.sin_port);
    return fd;
}

static inline void server_start(server *s, server_script script)
{
    signal(SIGPIPE, SIG_IGN);
    s->script = script;
    s->fd = -1;
    s->listener = server_bind(&s->port);
    cr_assert_eq(listen(s->listener, 1), 0);
    cr_assert_eq(pthread_create(&s->thread, NULL, server_main, s), 0);
}

static inline X509 *server_certificate(EVP_PKEY *key)
{
    X509 *cert = X509_new();
    X509_set_version(cert, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
    X509_gmtime_adj(X509_getm_notBefore(cert), -3600);
    X509_gmtime_adj(X509_getm_notAfter(cert), 86400);
    X509_set_pubkey(cert, key);
    X509_NAME *name = X509_get_subject_name(cert);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"test", -1, -1, 0);
    X509_set_issuer_name(cert, name);
    X509_EXTENSION *names = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, "IP:127.0.0.1");
    X509_add_ext(cert, names, -1);
    X509_EXTENSION_free(names);
    X509_sign(cert, key, EVP_sha256());
    return cert;
}

/** As server_start, over TLS; s->ca_file then names the certificate. */
static inline void server_start_tls(server *s, server_script script)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = server_certificate(key);
    snprintf(s->ca_file, sizeof(s->ca_file), "/tmp/troupe-test-XXXXXX");
    FILE *file = fdopen(mkstemp(s->ca_file), "w");
    PEM_write_X509(file, cert);
    fclose(file);
    s->tls_context = SSL_CTX_new(TLS_server_method());
    cr_assert_eq(SSL_CTX_use_certificate(s->tls_context, cert), 1);
    cr_assert_eq(SSL_CTX_use_PrivateKey(s->tls_context, key), 1);
    X509_free(cert);
    EVP_PKEY_free(key);
    server_start(s, script);
}

/** Wait for the script to end. */
static inline void server_stop(server *s)
{
    shutdown(s->listener, SHUT_RDWR);
    pthread_join(s->thread, NULL);
    close(s->listener);
    if (s->tls_context != NULL) {
        SSL_CTX_free(s->tls_context);
        unlink(s->ca_file);
    }
}

#endif
