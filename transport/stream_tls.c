/* SPDX-License-Identifier: MIT */
/* TLS over another stream, by OpenSSL. OpenSSL reads and writes through a BIO of ours, so whatever
 * lies below (a socket, a proxy's tunnel) stays non-blocking and raises no SIGPIPE. */
#include "stream_tls.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HOST_MAX 256

typedef struct tls_stream {
    stream base;
    stream *lower;
    SSL *ssl;
    bool write_ended;
    bool cert_missing; /* the server asked for a certificate, and we have none */
    bool drained;      /* the last read found nothing: what is inside is no whole record */
    char host[HOST_MAX];
} tls_stream;

static tls_stream *tls_of(stream *s)
{
    return (tls_stream *)s;
}

/* --- the BIO -------------------------------------------------------------------------------- */

static BIO_METHOD *bio_method;
static pthread_once_t bio_once = PTHREAD_ONCE_INIT;

static int bio_read(BIO *bio, char *data, int size)
{
    stream *lower = BIO_get_data(bio);
    size_t n = 0;
    BIO_clear_retry_flags(bio);
    if (stream_read(lower, data, (size_t)size, &n, NULL) != TROUPE_OK) {
        return stream_ended(lower) == STREAM_END_CLEAN ? 0 : -1;
    }
    if (n == 0) {
        BIO_set_retry_read(bio);
        return -1;
    }
    return (int)n;
}

static int bio_write(BIO *bio, const char *data, int len)
{
    stream *lower = BIO_get_data(bio);
    size_t n = 0;
    BIO_clear_retry_flags(bio);
    if (stream_write(lower, data, (size_t)len, &n, NULL) != TROUPE_OK) {
        return -1;
    }
    if (n == 0) {
        BIO_set_retry_write(bio);
        return -1;
    }
    return (int)n;
}

static long bio_ctrl(BIO *bio, int command, long number, void *pointer)
{
    const stream *lower = BIO_get_data(bio);
    (void)number;
    (void)pointer;
    return command == BIO_CTRL_FLUSH ||
           (command == BIO_CTRL_EOF && stream_ended(lower) != STREAM_END_NONE);
}

static void make_bio_method(void)
{
    BIO_METHOD *made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "stream");
    if (made != NULL && BIO_meth_set_read(made, bio_read) == 1 &&
        BIO_meth_set_write(made, bio_write) == 1 && BIO_meth_set_ctrl(made, bio_ctrl) == 1) {
        bio_method = made;
    } else {
        BIO_meth_free(made);
    }
}

/** Let the SSL work on that stream. */
static bool set_bio(SSL *ssl, stream *lower)
{
    pthread_once(&bio_once, make_bio_method);
    BIO *bio = bio_method == NULL ? NULL : BIO_new(bio_method);
    if (bio == NULL) {
        return false;
    }
    BIO_set_data(bio, lower);
    BIO_set_init(bio, 1);
    SSL_set_bio(ssl, bio, bio);
    return true;
}

/* --- what failed ---------------------------------------------------------------------------- */

/** The last error of OpenSSL in words, the queue emptied. *reason_code: its own number. */
static const char *openssl_text(int *reason_code)
{
    unsigned long code = ERR_peek_last_error();
    const char *text = ERR_reason_error_string(code);
    *reason_code = ERR_GET_REASON(code);
    ERR_clear_error();
    return text != NULL ? text : "no reason given";
}

static troupe_error fail_verify(tls_stream *t, long verdict, troupe_reason *reason)
{
    const char *text = X509_verify_cert_error_string(verdict);
    if (verdict == X509_V_ERR_HOSTNAME_MISMATCH || verdict == X509_V_ERR_IP_ADDRESS_MISMATCH) {
        return stream_fail(&t->base, STREAM_END_FAULT, TROUPE_EPROTOCOL, reason,
                           "TLS: the server's certificate is not for %s", t->host);
    }
    if (verdict == X509_V_ERR_CERT_HAS_EXPIRED) {
        return stream_fail(&t->base, STREAM_END_FAULT, TROUPE_EPROTOCOL, reason,
                           "TLS: the certificate of %s has expired", t->host);
    }
    if (verdict == X509_V_ERR_CERT_NOT_YET_VALID) {
        return stream_fail(&t->base, STREAM_END_FAULT, TROUPE_EPROTOCOL, reason,
                           "TLS: the certificate of %s is not valid yet", t->host);
    }
    return stream_fail(&t->base, STREAM_END_FAULT, TROUPE_EPROTOCOL, reason,
                       "TLS: the certificate of %s is not trusted: %s", t->host, text);
}

/** Whether that alert of the peer is about our certificate. */
static bool is_refusal(int code)
{
    return code == SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED ||
           code == SSL_R_SSLV3_ALERT_BAD_CERTIFICATE ||
           code == SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED ||
           code == SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED ||
           code == SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN ||
           code == SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE ||
           code == SSL_R_TLSV1_ALERT_ACCESS_DENIED || code == SSL_R_TLSV1_ALERT_UNKNOWN_CA;
}

/** OpenSSL gave up: find the cause. */
static troupe_error fail_ssl(tls_stream *t, troupe_reason *reason)
{
    int code = 0;
    long verdict = SSL_get_verify_result(t->ssl);
    const char *text = openssl_text(&code);
    const stream *lower = t->lower;
    if (verdict != X509_V_OK && !SSL_is_init_finished(t->ssl)) {
        return fail_verify(t, verdict, reason);
    }
    /* TLS 1.2 has no word of its own for it. */
    bool missing = t->cert_missing && code == SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE;
    if (missing || code == SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED) {
        return stream_fail(&t->base, STREAM_END_FAULT, TROUPE_EUNAUTHORIZED, reason,
                           "TLS: %s demands a client certificate", t->host);
    }
    if (is_refusal(code)) {
        return stream_fail(&t->base, STREAM_END_FAULT, TROUPE_EUNAUTHORIZED, reason,
                           "TLS: %s refused our certificate: %s", t->host, text);
    }
    if (stream_ended(lower) == STREAM_END_CLEAN) {
        return stream_fail(&t->base, STREAM_END_CUT, TROUPE_ECLOSED, reason,
                           "the peer ended the connection without TLS's goodbye");
    }
    if (stream_ended(lower) != STREAM_END_NONE) {
        return stream_fail(&t->base, stream_ended(lower), lower->error, reason, "%s",
                           lower->why.text);
    }
    return stream_fail(&t->base, STREAM_END_FAULT, TROUPE_EPROTOCOL, reason, "TLS: %s", text);
}

/* --- the stream ----------------------------------------------------------------------------- */

static troupe_error tls_read(stream *s, void *data, size_t size, size_t *n, troupe_reason *reason)
{
    tls_stream *t = tls_of(s);
    ERR_clear_error();
    s->wants_write = false;
    if (SSL_read_ex(t->ssl, data, size, n) == 1) {
        t->drained = false;
        return TROUPE_OK;
    }
    *n = 0;
    t->drained = true;
    switch (SSL_get_error(t->ssl, 0)) {
    case SSL_ERROR_WANT_READ:
        return TROUPE_OK;
    case SSL_ERROR_WANT_WRITE:
        s->wants_write = true;
        return TROUPE_OK;
    case SSL_ERROR_ZERO_RETURN:
        return stream_fail(s, STREAM_END_CLEAN, TROUPE_ECLOSED, reason,
                           "the peer ended the connection");
    default:
        return fail_ssl(t, reason);
    }
}

static troupe_error tls_write(stream *s, const void *data, size_t len, size_t *n,
                              troupe_reason *reason)
{
    tls_stream *t = tls_of(s);
    if (t->write_ended) {
        return troupe_fail(reason, TROUPE_ECLOSED, "write: our side was ended");
    }
    ERR_clear_error();
    if (SSL_write_ex(t->ssl, data, len, n) == 1) {
        return TROUPE_OK;
    }
    int what = SSL_get_error(t->ssl, 0);
    int code = 0;
    *n = 0;
    if (what == SSL_ERROR_WANT_WRITE || what == SSL_ERROR_WANT_READ) {
        return TROUPE_OK;
    }
    const char *text = openssl_text(&code);
    if (what == SSL_ERROR_SYSCALL) {
        return troupe_fail(reason, TROUPE_ECLOSED, "write: the connection is broken");
    }
    return troupe_fail(reason, TROUPE_EPROTOCOL, "TLS: %s", text);
}

static troupe_error tls_shutdown(stream *s, troupe_reason *reason)
{
    tls_stream *t = tls_of(s);
    t->write_ended = true;
    if (s->end == STREAM_END_FAULT || (SSL_get_shutdown(t->ssl) & SSL_SENT_SHUTDOWN) != 0) {
        return TROUPE_OK;
    }
    ERR_clear_error();
    int done = SSL_shutdown(t->ssl);
    if (done >= 0) {
        return TROUPE_OK;
    }
    int what = SSL_get_error(t->ssl, done);
    ERR_clear_error();
    return what == SSL_ERROR_WANT_WRITE || what == SSL_ERROR_WANT_READ
               ? TROUPE_EBUSY
               : troupe_fail(reason, TROUPE_ECLOSED, "TLS's goodbye could not be written");
}

static bool tls_pending(const stream *s)
{
    const tls_stream *t = (const tls_stream *)s;
    return !t->drained && SSL_has_pending(t->ssl) == 1;
}

static void tls_destroy(stream *s)
{
    tls_stream *t = tls_of(s);
    if (SSL_is_init_finished(t->ssl)) {
        (void)tls_shutdown(s, NULL);
    }
    SSL_free(t->ssl);
    stream_destroy(t->lower);
    ERR_clear_error();
    free(t);
}

static const stream_ops tls_ops = {
    .read = tls_read,
    .write = tls_write,
    .shutdown = tls_shutdown,
    .pending = tls_pending,
    .destroy = tls_destroy,
};

troupe_error stream_tls_handshake(stream *s, bool *done, troupe_reason *reason)
{
    tls_stream *t = tls_of(s);
    *done = false;
    if (s->end != STREAM_END_NONE) {
        return troupe_fail(reason, s->error, "%s", s->why.text);
    }
    ERR_clear_error();
    s->wants_write = false;
    int result = SSL_do_handshake(t->ssl);
    if (result == 1) {
        *done = true;
        return TROUPE_OK;
    }
    switch (SSL_get_error(t->ssl, result)) {
    case SSL_ERROR_WANT_WRITE:
        s->wants_write = true;
        return TROUPE_OK;
    case SSL_ERROR_WANT_READ:
        return TROUPE_OK;
    default:
        return fail_ssl(t, reason);
    }
}

/* --- making one ----------------------------------------------------------------------------- */

/** An encrypted key: refused, never asked for on the terminal. */
static int no_passphrase(char *out, int size, int writing, void *context)
{
    (void)out;
    (void)size;
    (void)writing;
    (void)context;
    return 0;
}

static troupe_error bad_file(const char *what, const char *file, troupe_reason *reason)
{
    int code = 0;
    const char *text = openssl_text(&code);
    return troupe_fail(reason, TROUPE_EPARAMS, "TLS: %s %s: %s", what, file, text);
}

static troupe_error load_files(SSL_CTX *context, const stream_tls_options *options,
                               troupe_reason *reason)
{
    const char *key = options->key_file != NULL ? options->key_file : options->cert_file;
    ERR_clear_error();
    if (options->ca_file == NULL) {
        (void)SSL_CTX_set_default_verify_paths(context);
    } else if (SSL_CTX_load_verify_locations(context, options->ca_file, NULL) != 1) {
        return bad_file("the file of authorities", options->ca_file, reason);
    }
    if (options->cert_file == NULL) {
        return options->key_file == NULL
                   ? TROUPE_OK
                   : troupe_fail(reason, TROUPE_EPARAMS, "TLS: a key without a certificate");
    }
    if (SSL_CTX_use_certificate_chain_file(context, options->cert_file) != 1) {
        return bad_file("the client certificate", options->cert_file, reason);
    }
    if (SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1) {
        return bad_file("the key of the client certificate", key, reason);
    }
    return TROUPE_OK;
}

/** Called when the server asks for a certificate and none was given. */
static int note_missing(SSL *ssl, X509 **cert, EVP_PKEY **key)
{
    tls_stream *t = SSL_get_app_data(ssl);
    (void)cert;
    (void)key;
    t->cert_missing = true;
    return 0;
}

static SSL_CTX *make_context(bool server)
{
    SSL_CTX *context = SSL_CTX_new(server ? TLS_server_method() : TLS_client_method());
    if (context == NULL) {
        return NULL;
    }
    (void)SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                  SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_read_ahead(context, 1); /* a record in one read, not in two */
    SSL_CTX_set_default_passwd_cb(context, no_passphrase);
    SSL_CTX_set_client_cert_cb(context, note_missing);
    /* A pinned certificate is trusted as it stands, whoever issued it. */
    (void)X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(context), X509_V_FLAG_PARTIAL_CHAIN);
    return context;
}

/** Without brackets, and without the dot at a name's end. */
static void bare_host(const char *host, char out[HOST_MAX])
{
    size_t len = strlen(host);
    bool brackets = len >= 2 && host[0] == '[' && host[len - 1] == ']';
    bool dot = len >= 2 && host[len - 1] == '.';
    snprintf(out, HOST_MAX, "%.*s",
             (int)(len - (brackets ? 2
                          : dot    ? 1
                                   : 0)),
             host + (brackets ? 1 : 0));
}

/** Whom the certificate must name, and what the server is told about it. */
static bool set_host(SSL *ssl, const char *host)
{
    static const unsigned char protocols[] = "\x08http/1.1";
    unsigned char address[sizeof(struct in6_addr)];
    X509_VERIFY_PARAM *param = SSL_get0_param(ssl);
    (void)SSL_set_alpn_protos(ssl, protocols, sizeof(protocols) - 1);
    if (inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1) {
        return X509_VERIFY_PARAM_set1_ip_asc(param, host) == 1;
    }
    X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return SSL_set_tlsext_host_name(ssl, host) == 1 &&
           X509_VERIFY_PARAM_set1_host(param, host, 0) == 1;
}

/** The stream around a fresh SSL of that context; NULL without memory. */
static tls_stream *wrap(stream *lower, SSL_CTX *context)
{
    tls_stream *t = calloc(1, sizeof(*t));
    if (t == NULL) {
        return NULL;
    }
    t->ssl = SSL_new(context);
    if (t->ssl == NULL || !set_bio(t->ssl, lower)) {
        SSL_free(t->ssl);
        free(t);
        return NULL;
    }
    SSL_set_app_data(t->ssl, t);
    t->base.ops = &tls_ops;
    t->base.read_fd = stream_read_fd(lower);
    t->base.write_fd = stream_write_fd(lower);
    snprintf(t->base.peer, sizeof(t->base.peer), "%s", stream_peer(lower));
    t->lower = lower;
    return t;
}

static troupe_error create(stream *lower, const stream_tls_options *options, bool server,
                           stream **out, troupe_reason *reason)
{
    SSL_CTX *context = make_context(server);
    tls_stream *t = NULL;
    troupe_error error = TROUPE_OK;
    if (context != NULL) {
        int demand = SSL_VERIFY_PEER | (server ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0);
        bool verify = !server || options->ca_file != NULL;
        if (options->tls12) {
            (void)SSL_CTX_set_max_proto_version(context, TLS1_2_VERSION);
        }
        SSL_CTX_set_verify(context, verify ? demand : SSL_VERIFY_NONE, NULL);
        error = load_files(context, options, reason);
        t = error == TROUPE_OK ? wrap(lower, context) : NULL;
    }
    SSL_CTX_free(context); /* the SSL holds it */
    if (error == TROUPE_OK && t != NULL) {
        *out = &t->base;
        return TROUPE_OK;
    }
    ERR_clear_error();
    return error != TROUPE_OK ? error : troupe_fail(reason, TROUPE_ENOMEM, "no memory for TLS");
}

troupe_error stream_tls_create(stream *lower, const stream_tls_options *options, stream **out,
                               troupe_reason *reason)
{
    stream *made = NULL;
    troupe_error error = create(lower, options, false, &made, reason);
    if (error != TROUPE_OK) {
        return error;
    }
    tls_stream *t = tls_of(made);
    bare_host(options->host, t->host);
    SSL_set_connect_state(t->ssl);
    if (!set_host(t->ssl, t->host)) {
        t->lower = NULL; /* stays the caller's */
        tls_destroy(made);
        return troupe_fail(reason, TROUPE_EPARAMS, "TLS: %s is no host's name", options->host);
    }
    *out = made;
    return TROUPE_OK;
}

troupe_error stream_tls_accept(stream *lower, const stream_tls_options *options, stream **out,
                               troupe_reason *reason)
{
    troupe_error error = create(lower, options, true, out, reason);
    if (error == TROUPE_OK) {
        snprintf(tls_of(*out)->host, HOST_MAX, "the client");
        SSL_set_accept_state(tls_of(*out)->ssl);
    }
    return error;
}
