/* SPDX-License-Identifier: MIT */
/**
 * Streams to addresses: names, IPv4 and IPv6 side by side, proxies (HTTP CONNECT with credentials,
 * SOCKS), Unix sockets, TLS. libcurl makes the connection, TLS is ours (stream_tls.h).
 *
 * An attempt is a state machine that never blocks: NAME (name, TCP, proxy) or LOCAL (Unix socket)
 * -> TLS -> DONE; each may end in FAILED. Owner: one thread at a time.
 */
#ifndef TROUPE_TRANSPORT_STREAM_CONNECT_H
#define TROUPE_TRANSPORT_STREAM_CONNECT_H

#include "stream.h"
#include "uri.h"

#define STREAM_CONNECT_TIMEOUT_MS 30000

/** All strings are borrowed until the attempt ends. */
typedef struct stream_connect_options {
    const uri_parts *uri;  /* host, port, and whether over TLS */
    const char *unix_path; /* the Unix socket to connect to, instead of the host; NULL = none */
    const char *proxy;   /* "http://user:password@host:port", "socks5h://…", or "" = none; NULL =
                            as the environment says (http_proxy, https_proxy, all_proxy,
                            no_proxy), never for loopback; never logged */
    const char *ca_file; /* PEM of the authorities to trust; NULL = the system's */
    const char *cert_file; /* PEM of our certificate and its chain; NULL = none */
    const char *key_file;  /* PEM of its key; NULL = in cert_file */
    const char *resolve;   /* "HOST:PORT:ADDRESS": taken for the name's address; NULL = ask */
    uint32_t timeout_ms;   /* for all of it; 0 = STREAM_CONNECT_TIMEOUT_MS */
    bool (*abort)(void *context); /* stream_connect only: asked at least ten times a second, true
                                     gives up; NULL = never */
    void *abort_context;
} stream_connect_options;

typedef struct stream_attempt stream_attempt;

/** The proxy that the environment names for that address; "" = none, also for loopback and what is
 * in no_proxy. Borrowed from the environment; never logged. */
const char *stream_environment_proxy(const uri_parts *uri);

/**
 * Begin to connect. Nothing is waited for.
 *
 * @param out  the attempt; ended with stream_connect_end
 * @return TROUPE_OK; TROUPE_EPARAMS: a bad proxy, path or file (reason says which); TROUPE_ENOMEM;
 *         TROUPE_EIO: no descriptors
 */
troupe_error stream_connect_begin(const stream_connect_options *options, stream_attempt **out,
                                  troupe_reason *reason) TROUPE_MUST_USE;

/** Descriptor to poll for POLLIN: readable when stream_connect_step has something to do, the time
 * limit included. The same one until the end. */
int stream_connect_fd(const stream_attempt *attempt);

/**
 * Go on as far as it goes without waiting.
 *
 * @param out  set when it is connected (then the attempt only remains to be ended); NULL with
 *             TROUPE_OK: wait for stream_connect_fd
 * @return TROUPE_OK; TROUPE_EUNAVAILABLE: nobody there, no such name, the proxy refused;
 *         TROUPE_ETIMEOUT; TROUPE_EUNAUTHORIZED: the proxy wants (other) credentials, or the server
 *         a client certificate; TROUPE_EPROTOCOL: TLS, the reason names what failed;
 * TROUPE_EPARAMS; TROUPE_EIO; TROUPE_ENOMEM. An error is for good and repeated.
 */
troupe_error stream_connect_step(stream_attempt *attempt, stream **out,
                                 troupe_reason *reason) TROUPE_MUST_USE;

/** Give up or clean up; what was connected and handed out stays. NULL is fine. Never blocks: a name
 * that is still being asked for is left to a thread that ends by itself. */
void stream_connect_end(stream_attempt *attempt);

/** All of it at once. Errors as above, and TROUPE_ECANCELLED: abort said so. Blocks: up to
 * timeout_ms. */
troupe_error stream_connect(const stream_connect_options *options, stream **out,
                            troupe_reason *reason) TROUPE_MUST_USE;

#endif
