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

/** The two ends as civetweb names them. address: IPv4 in digits. */
typedef struct peer_ends {
    const char *address;
    uint16_t port;
    uint16_t server_port;
} peer_ends;

/**
 * Uid of the process socket at the other end of a loopback connection, from /proc/net/tcp and tcp6.
 *
 * A socket that no process holds any more (inode 0) has no owner: the kernel shows uid 0 for it.
 *
 * @return false if it is not found, was closed, or several rows disagree
 * Blocks: reads two files of /proc.
 */
bool peer_owner(const peer_ends *peer, uid_t *uid);

/** Our descriptor of that connection, not duplicated; -1 if it is not found. */
int peer_descriptor(const peer_ends *peer);

/** Shut down reading on every connection of that server port, and the listening sockets on it, so
 * that threads waiting for them wake up. */
void peer_shutdown_port(uint16_t server_port);

#endif
