/* SPDX-License-Identifier: MIT */
/* The TCP connection under an HTTP request. */
#include "peer.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

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

/* From the two tables of /proc. */
static bool owner_by_table(const peer_ends *peer, uid_t *uid)
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

typedef struct diag_request {
    struct nlmsghdr head;
    struct inet_diag_req_v2 body;
} diag_request;

typedef union diag_answer {
    struct nlmsghdr head;
    char bytes[512];
} diag_answer;

static bool diag_prepare(const peer_ends *peer, diag_request *request)
{
    memset(request, 0, sizeof *request);
    request->head.nlmsg_len = sizeof *request;
    request->head.nlmsg_type = SOCK_DIAG_BY_FAMILY;
    request->head.nlmsg_flags = NLM_F_REQUEST;
    request->body.sdiag_family = AF_INET;
    request->body.sdiag_protocol = IPPROTO_TCP;
    request->body.idiag_states = ~0u;
    request->body.id.idiag_sport = htons(peer->port);
    request->body.id.idiag_dport = htons(peer->server_port);
    request->body.id.idiag_cookie[0] = INET_DIAG_NOCOOKIE;
    request->body.id.idiag_cookie[1] = INET_DIAG_NOCOOKIE;
    return inet_pton(AF_INET, peer->address, request->body.id.idiag_src) == 1 &&
           inet_pton(AF_INET, peer->server_address, request->body.id.idiag_dst) == 1;
}

/* Ask the kernel for that one socket. False: no answer to rely on; *orphan: it has no owner. */
static bool owner_by_kernel(const peer_ends *peer, uid_t *uid, bool *orphan)
{
    diag_request request;
    diag_answer answer;
    struct timeval limit = {.tv_sec = 1};
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
    if (fd < 0) {
        return false;
    }
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    ssize_t got = -1;
    if (diag_prepare(peer, &request) && send(fd, &request, sizeof request, 0) > 0) {
        got = recv(fd, &answer, sizeof answer, 0);
    }
    close(fd);
    const struct inet_diag_msg *socket_info = NLMSG_DATA(&answer.head);
    if (got < (ssize_t)NLMSG_LENGTH(sizeof *socket_info) ||
        answer.head.nlmsg_type != SOCK_DIAG_BY_FAMILY ||
        socket_info->id.idiag_sport != htons(peer->port) ||
        socket_info->id.idiag_dport != htons(peer->server_port)) {
        return false;
    }
    *orphan = socket_info->idiag_inode == 0;
    *uid = socket_info->idiag_uid;
    return true;
}

bool peer_owner(const peer_ends *peer, uid_t *uid)
{
    bool orphan;
    if (owner_by_kernel(peer, uid, &orphan)) {
        return !orphan;
    }
    return owner_by_table(peer, uid);
}

/* Whether fd is the server's side of a TCP connection on that port; its other end into *remote. */
static bool server_side(int fd, uint16_t server_port, struct sockaddr_in *remote)
{
    struct sockaddr_in local = {0};
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
    struct sockaddr_in local = {0};
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
