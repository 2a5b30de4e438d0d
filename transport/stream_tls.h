/* SPDX-License-Identifier: MIT */
/** TLS (1.2 or newer) as a stream over another stream; the peer is always verified. */
#ifndef TROUPE_TRANSPORT_STREAM_TLS_H
#define TROUPE_TRANSPORT_STREAM_TLS_H

#include "stream.h"

typedef struct stream_tls_options {
    const char *host;      /* name or IP (IPv6 with or without brackets) the certificate is for */
    const char *ca_file;   /* PEM of the authorities to trust; NULL = the system's */
    const char *cert_file; /* PEM of our certificate and its chain; NULL = none */
    const char *key_file;  /* PEM of its key, not encrypted; NULL = in cert_file */
    bool tls12;            /* at most that version (for tests) */
} stream_tls_options;

/**
 * Make the client's side. Nothing is sent before stream_tls_handshake.
 *
 * @param lower  taken on TROUPE_OK
 * @return TROUPE_OK; TROUPE_EPARAMS: a file cannot be read or is no such PEM (reason names it);
 *         TROUPE_ENOMEM
 */
troupe_error stream_tls_create(stream *lower, const stream_tls_options *options, stream **out,
                               troupe_reason *reason) TROUPE_MUST_USE;

/**
 * Make the server's side, as above (for tests of clients).
 *
 * @param options  host is not used; cert_file is demanded; with ca_file the client must show a
 *                 certificate of these authorities
 */
troupe_error stream_tls_accept(stream *lower, const stream_tls_options *options, stream **out,
                               troupe_reason *reason) TROUPE_MUST_USE;

/**
 * Go on with the handshake as far as it goes without waiting.
 *
 * @param done  true: reading and writing may begin; false with TROUPE_OK: wait for POLLIN, or for
 *              POLLOUT if stream_wants_write, and call again
 * @return TROUPE_OK; TROUPE_EPROTOCOL: the certificate was refused by us or the peer speaks no TLS
 *         (reason says what); TROUPE_EUNAUTHORIZED: the peer refused our certificate or demands
 *         one; TROUPE_ECLOSED; TROUPE_EIO. With TLS 1.3 a peer may tell TROUPE_EUNAUTHORIZED only
 *         at the first read.
 */
troupe_error stream_tls_handshake(stream *s, bool *done, troupe_reason *reason) TROUPE_MUST_USE;

#endif
