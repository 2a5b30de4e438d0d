/* SPDX-License-Identifier: MIT */
/** TLS for the bridge: an actor that takes connections, speaks TLS, and passes what is in it to the
 * HTTP server's loopback port. */
#ifndef TROUPE_BRIDGE_TLS_FRONT_H
#define TROUPE_BRIDGE_TLS_FRONT_H

#include "troupe/actor.h"

typedef struct tls_front_options {
    const char *address;   /* IPv4, to listen at */
    uint16_t port;         /* 0: any */
    const char *cert_file; /* PEM of the certificate and its chain */
    const char *key_file;  /* PEM of its key; NULL = in cert_file */
    uint16_t inner_port;   /* of 127.0.0.1 */
    uint32_t connections_max;
} tls_front_options;

/** Whether certificate and key can be used: TROUPE_OK; TROUPE_EPARAMS with the reason. key_file
 * NULL: in cert_file. */
troupe_error tls_front_check(const char *cert_file, const char *key_file, troupe_reason *reason);

/**
 * Listen and start the actor. Strings are borrowed until it has ended.
 *
 * @param port  stored on TROUPE_OK: where it listens
 * @return TROUPE_OK; TROUPE_EUNAVAILABLE: cannot listen there; TROUPE_ENOMEM
 */
troupe_error tls_front_start(troupe_system *system, const tls_front_options *options,
                             troupe_address *out, uint16_t *port, troupe_reason *reason);

#endif
