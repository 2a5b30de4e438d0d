/* SPDX-License-Identifier: MIT */
/* Who owns the other end of a connection, and which descriptor is ours. */
#include "actors/bridge/peer.h"

#include "bridge_fixture.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct pair {
    int listener;
    int client;
    int server;
    peer_ends ends;
} pair;

static uint16_t port_of(int fd)
{
    struct sockaddr_in name;
    socklen_t len = sizeof name;
    cr_assert_eq(getsockname(fd, (struct sockaddr *)&name, &len), 0);
    return ntohs(name.sin_port);
}

static int listener_open(void)
{
    struct sockaddr_in name = {.sin_family = AF_INET};
    name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    cr_assert_eq(bind(fd, (struct sockaddr *)&name, sizeof name), 0);
    cr_assert_eq(listen(fd, 4), 0);
    return fd;
}

static pair pair_open(const char *server_address)
{
    pair both = {.listener = listener_open()};
    uint16_t port = port_of(both.listener);
    both.client = client_connect(port);
    both.server = accept(both.listener, NULL, NULL);
    both.ends = (peer_ends){"127.0.0.1", port_of(both.client), server_address, port};
    return both;
}

static void pair_close(pair *both)
{
    close(both->client);
    close(both->server);
    close(both->listener);
}

/* An address that is not the connection's makes the kernel's lookup fail: then the tables are read.
 */
static const char *const ways[] = {"127.0.0.1", "127.0.0.9"};

Test(bridge_peer, own_socket_is_ours_both_ways)
{
    for (size_t i = 0; i < 2; i++) {
        pair both = pair_open(ways[i]);
        uid_t uid = 12345;
        cr_assert(peer_owner(&both.ends, &uid));
        cr_assert_eq(uid, geteuid());
        pair_close(&both);
    }
}

Test(bridge_peer, closed_socket_belongs_to_nobody)
{
    for (size_t i = 0; i < 2; i++) {
        pair both = pair_open(ways[i]);
        uid_t uid;
        close(both.client); /* FIN-WAIT: the kernel would say uid 0 */
        cr_assert_not(peer_owner(&both.ends, &uid));
        close(both.server);
        cr_assert_not(peer_owner(&both.ends, &uid)); /* TIME-WAIT */
        close(both.listener);
    }
}

Test(bridge_peer, half_closed_socket_is_still_somebodys)
{
    pair both = pair_open("127.0.0.1");
    uid_t uid;
    shutdown(both.client, SHUT_WR);
    cr_assert(peer_owner(&both.ends, &uid));
    pair_close(&both);
}

Test(bridge_peer, unknown_connection_is_not_found)
{
    pair both = pair_open("127.0.0.1");
    uid_t uid;
    both.ends.server_port = (uint16_t)(both.ends.server_port ^ 1);
    cr_assert_not(peer_owner(&both.ends, &uid));
    both.ends.address = "nonsense";
    cr_assert_not(peer_owner(&both.ends, &uid));
    pair_close(&both);
}

Test(bridge_peer, sockets_of_another_user_are_told)
{
    if (geteuid() != 0) {
        cr_skip("only root can become somebody else");
    }
    for (size_t i = 0; i < 2; i++) {
        int listener = listener_open();
        uint16_t port = port_of(listener);
        int done[2];
        cr_assert_eq(pipe(done), 0);
        pid_t child = fork();
        if (child == 0) {
            char byte;
            close(done[1]);
            bool other = setgid(65534) == 0 && setuid(65534) == 0 && client_connect(port) >= 0;
            _exit(other && read(done[0], &byte, 1) == 0 ? 0 : 1);
        }
        struct sockaddr_in name;
        socklen_t len = sizeof name;
        int server = accept(listener, (struct sockaddr *)&name, &len);
        peer_ends ends = {"127.0.0.1", ntohs(name.sin_port), ways[i], port};
        uid_t uid = 0;
        cr_assert(peer_owner(&ends, &uid));
        cr_assert_eq(uid, 65534);
        close(done[1]);
        close(done[0]);
        int status;
        cr_assert_eq(waitpid(child, &status, 0), child);
        cr_assert_eq(status, 0);
        close(server);
        close(listener);
    }
}

Test(bridge_peer, six_sockets_that_reach_us_over_four_are_found)
{
    int listener = listener_open();
    struct sockaddr_in6 name = {.sin6_family = AF_INET6, .sin6_port = htons(port_of(listener))};
    inet_pton(AF_INET6, "::ffff:127.0.0.1", &name.sin6_addr);
    int client = socket(AF_INET6, SOCK_STREAM, 0);
    if (client < 0 || connect(client, (struct sockaddr *)&name, sizeof name) != 0) {
        cr_skip("no IPv6 here");
    }
    struct sockaddr_in6 local;
    socklen_t len = sizeof local;
    cr_assert_eq(getsockname(client, (struct sockaddr *)&local, &len), 0);
    for (size_t i = 0; i < 2; i++) {
        peer_ends ends = {"127.0.0.1", ntohs(local.sin6_port), ways[i], port_of(listener)};
        uid_t uid = 12345;
        cr_assert(peer_owner(&ends, &uid));
        cr_assert_eq(uid, geteuid());
    }
    close(client);
    close(listener);
}

Test(bridge_peer, our_descriptor_is_the_accepted_one)
{
    pair both = pair_open("127.0.0.1");
    cr_assert_eq(peer_descriptor(&both.ends), both.server);
    close(both.server);
    cr_assert_eq(peer_descriptor(&both.ends), -1);
    close(both.client);
    close(both.listener);
}
