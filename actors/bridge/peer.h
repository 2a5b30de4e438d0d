/* SPDX-License-Identifier: MIT */
/**
 * The TCP connection under an HTTP request: who owns its other end, and which descriptor of ours it
 * is (civetweb does not tell).
 */
#ifndef TROUPE_BRIDGE_PEER_H
#define TROUPE_BRIDGE_PEER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/** The two ends: the other one as civetweb names it, ours as we listen. Addresses: IPv4 in digits.
 */
typedef struct peer_ends {
    const char *address;
    uint16_t port;
    const char *server_address; /* only peer_owner needs it */
    uint16_t server_port;
} peer_ends;

/**
 * Uid of the process socket at the other end of a loopback connection.
 *
 * Asks the kernel for that one socket (sock_diag(7)); where that is not to be had, reads
 * /proc/net/tcp and tcp6, which takes milliseconds. A socket that no process holds any more (inode
 * 0) has no owner: the kernel shows uid 0 for it.
 *
 * @return false if it is not found, was closed, or several rows disagree
 */
bool peer_owner(const peer_ends *peer, uid_t *uid);

/** Our descriptor of that connection, not duplicated; -1 if it is not found. */
int peer_descriptor(const peer_ends *peer);

/** Shut down reading on every connection of that server port, and the listening sockets on it, so
 * that threads waiting for them wake up. */
void peer_shutdown_port(uint16_t server_port);

#endif
