/* SPDX-License-Identifier: MIT */
/* The TCP connection under an HTTP request. */
#include "peer.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* One row of /proc/net/tcp or tcp6: addresses are the kernel's words in hexadecimal. */
typedef struct tcp_row {
    char local[40];
    char remote[40];
    unsigned local_port;
    unsigned remote_port;
    unsigned uid;
    unsigned long inode;
} tcp_row;

static bool row_read(const char *line, tcp_row *row)
{
    return sscanf(line,
                  " %*u: %32[0-9A-Fa-f]:%x %32[0-9A-Fa-f]:%x %*x %*x:%*x %*x:%*x %*x %u %*u %lu",
                  row->local, &row->local_port, row->remote, &row->remote_port, &row->uid,
                  &row->inode) == 6;
}

/* Look for the socket whose local end is the peer's, in one table. False: a row forbids it. */
static bool scan_table(const char *path, const char *address, const peer_ends *peer, bool *found,
                       uid_t *uid)
{
    FILE *table = fopen(path, "re");
    if (table == NULL) {
        return true;
    }
    char line[512];
    bool agreed = true;
    while (agreed && fgets(line, sizeof line, table) != NULL) {
        tcp_row row;
        if (!row_read(line, &row) || row.local_port != peer->port ||
            row.remote_port != peer->server_port || strcmp(row.local, address) != 0) {
            continue;
        }
        agreed = row.inode != 0 && (!*found || *uid == row.uid);
        *found = true;
        *uid = row.uid;
    }
    fclose(table);
    return agreed;
}

bool peer_owner(const peer_ends *peer, uid_t *uid)
{
    struct in_addr parsed;
    if (inet_pton(AF_INET, peer->address, &parsed) != 1) {
        return false;
    }
    char v4[9];
    char mapped[33];
    snprintf(v4, sizeof v4, "%08X", parsed.s_addr);
    snprintf(mapped, sizeof mapped, "0000000000000000FFFF0000%08X", parsed.s_addr);
    bool found = false;
    return scan_table("/proc/net/tcp", v4, peer, &found, uid) &&
           scan_table("/proc/net/tcp6", mapped, peer, &found, uid) && found;
}

/* Whether fd is the server's side of a TCP connection on that port; its other end into *remote. */
static bool server_side(int fd, uint16_t server_port, struct sockaddr_in *remote)
{
    struct sockaddr_in local;
    socklen_t len = sizeof local;
    if (getsockname(fd, (struct sockaddr *)&local, &len) != 0 || local.sin_family != AF_INET ||
        ntohs(local.sin_port) != server_port) {
        return false;
    }
    len = sizeof *remote;
    memset(remote, 0, sizeof *remote);
    return getpeername(fd, (struct sockaddr *)remote, &len) == 0;
}

typedef bool (*descriptor_fn)(int fd, void *context);

/* Call fn for each descriptor of this process until it returns true; that one, or -1. */
static int each_descriptor(descriptor_fn fn, void *context)
{
    DIR *dir = opendir("/proc/self/fd");
    if (dir == NULL) {
        return -1;
    }
    int found = -1;
    const struct dirent *entry;
    while (found < 0 && (entry = readdir(dir)) != NULL) {
        if (entry->d_name[0] == '.') {
            continue;
        }
        int fd = (int)strtol(entry->d_name, NULL, 10);
        if (fd != dirfd(dir) && fn(fd, context)) {
            found = fd;
        }
    }
    closedir(dir);
    return found;
}

static bool is_peer(int fd, void *context)
{
    const peer_ends *peer = context;
    struct sockaddr_in remote;
    struct in_addr wanted;
    return server_side(fd, peer->server_port, &remote) && ntohs(remote.sin_port) == peer->port &&
           inet_pton(AF_INET, peer->address, &wanted) == 1 &&
           wanted.s_addr == remote.sin_addr.s_addr;
}

int peer_descriptor(const peer_ends *peer)
{
    peer_ends copy = *peer;
    return each_descriptor(is_peer, &copy);
}

static bool shut_down(int fd, void *context)
{
    const uint16_t *port = context;
    struct sockaddr_in local;
    socklen_t len = sizeof local;
    if (getsockname(fd, (struct sockaddr *)&local, &len) == 0 && local.sin_family == AF_INET &&
        ntohs(local.sin_port) == *port) {
        (void)shutdown(fd, SHUT_RD);
    }
    return false;
}

void peer_shutdown_port(uint16_t server_port)
{
    (void)each_descriptor(shut_down, &server_port);
}
