/* SPDX-License-Identifier: MIT */
/*
 * Bare nng: a PAIR0 pair on inproc, buffers of 256 messages, one reused aio for each direction and
 * thread. Without envelopes, bundles, bounds of one's own or an event loop.
 *
 *   bench_pair [SCENARIO…]
 */
#include "peer.h"

#include <nng/nng.h>
#include <nng/protocol/pair0/pair.h>

#define BUFFER      256
#define PAIR_STREAM 300000U /* messages: a stream of one a message is slow here */
#define WHO         "nng PAIR0"

typedef struct side {
    nng_socket socket;
    nng_aio *send;
    nng_aio *recv;
    unsigned count;
} side;

static void ok(int error, const char *what)
{
    peer_expect(error == 0, what);
}

static void side_init(side *s)
{
    ok(nng_pair0_open(&s->socket), "open");
    ok(nng_socket_set_int(s->socket, NNG_OPT_SENDBUF, BUFFER), "SENDBUF");
    ok(nng_socket_set_int(s->socket, NNG_OPT_RECVBUF, BUFFER), "RECVBUF");
    ok(nng_aio_alloc(&s->send, NULL, NULL), "aio");
    ok(nng_aio_alloc(&s->recv, NULL, NULL), "aio");
}

static void open_pair(side *a, side *b)
{
    side_init(a);
    side_init(b);
    ok(nng_listen(a->socket, "inproc://bench-pair", NULL, 0), "listen");
    ok(nng_dial(b->socket, "inproc://bench-pair", NULL, 0), "dial");
}

static void close_pair(side *a, side *b)
{
    side *both[] = {b, a};
    for (int i = 0; i < 2; i++) {
        nng_aio_free(both[i]->send);
        nng_aio_free(both[i]->recv);
        nng_close(both[i]->socket);
    }
}

static void send_one(side *s, nng_msg *m)
{
    nng_aio_set_msg(s->send, m);
    nng_send_aio(s->socket, s->send);
    nng_aio_wait(s->send);
    ok(nng_aio_result(s->send), "send");
}

static nng_msg *recv_one(side *s)
{
    nng_recv_aio(s->socket, s->recv);
    nng_aio_wait(s->recv);
    ok(nng_aio_result(s->recv), "recv");
    return nng_aio_get_msg(s->recv);
}

static nng_msg *new_message(void)
{
    nng_msg *m;
    ok(nng_msg_alloc(&m, PEER_BYTES), "msg");
    return m;
}

static void *consume(void *arg)
{
    side *s = arg;
    for (unsigned i = 0; i < s->count; i++)
        nng_msg_free(recv_one(s));
    return NULL;
}

static void one_way(void)
{
    side a = {.count = PAIR_STREAM};
    side b = {0};
    open_pair(&a, &b);
    pthread_t thread = peer_thread(consume, &a);
    double start = peer_now_us();
    for (unsigned i = 0; i < PAIR_STREAM; i++)
        send_one(&b, new_message());
    pthread_join(thread, NULL);
    peer_print_rate(WHO, "one-way", PAIR_STREAM, peer_now_us() - start);
    close_pair(&a, &b);
}

static void *pass_on(void *arg)
{
    side *s = arg;
    for (unsigned i = 0; i < s->count; i++)
        send_one(s, recv_one(s));
    return NULL;
}

static void ping_pong(void)
{
    static double us[PEER_ROUND_TRIPS];
    side a = {.count = PEER_ROUND_TRIPS + PEER_WARM_UP};
    side b = {0};
    open_pair(&a, &b);
    pthread_t thread = peer_thread(pass_on, &a);
    nng_msg *m = new_message();
    for (unsigned i = 0; i < a.count; i++) {
        double before = peer_now_us();
        send_one(&b, m);
        m = recv_one(&b);
        if (i >= PEER_WARM_UP)
            us[i - PEER_WARM_UP] = peer_now_us() - before;
    }
    pthread_join(thread, NULL);
    nng_msg_free(m);
    peer_print_times(WHO, "ping-pong", us, PEER_ROUND_TRIPS);
    close_pair(&a, &b);
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc || argc == 1; i++) {
        if (argc == 1 || strcmp(argv[i], "one-way") == 0)
            one_way();
        if (argc == 1 || strcmp(argv[i], "ping-pong") == 0)
            ping_pong();
        if (argc == 1)
            break;
    }
    return 0;
}
