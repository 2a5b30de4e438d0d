/* SPDX-License-Identifier: MIT */
/*
 * The nng lane: a PAIR0 listener and dialer on one inproc address for each mailbox.
 *
 * The receive callback puts each message into the mailbox and re-arms always, so nng's queues drain
 * whatever the actor does, and a send waits only for nng's own threads. Sockets are closed by lane
 * close alone, after every sender is gone: nng 1.5 loses messages, hangs or crashes when a socket
 * is closed under traffic. No RECVFD: it leaks two descriptors a socket.
 *
 * A message's body is a `struct bundle`, then the envelopes: linking it into a list needs no
 * memory.
 */
#include "lane.h"
#include "large.h"
#include "mailbox.h"

#include <nng/nng.h>
#include <nng/protocol/pair0/pair.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define QUEUE_MESSAGES 256 /* smaller queues cost up to five times the throughput */

struct lane {
    mailbox *box;
    nng_socket listener;
    nng_socket dialer;
    nng_aio *receive;
    atomic_uint_fast64_t sent; /* bundles */
    atomic_uint_fast64_t arrived;
};

struct lane_sender {
    nng_aio *aio;
    lane *to; /* of the send under way; NULL = none */
};

static bundle *nng_bundle_create(size_t len)
{
    nng_msg *message;
    if (nng_msg_alloc(&message, sizeof(bundle) + len) != 0)
        return NULL;
    bundle *b = nng_msg_body(message);
    large_hint(b, sizeof *b + len);
    b->next = NULL;
    b->owner = message;
    b->len = len;
    b->capacity = len;
    return b;
}

static void nng_bundle_destroy(bundle *b)
{
    nng_msg_free(b->owner);
}

static void arrived(lane *l, nng_msg *message)
{
    mailbox_arrived(l->box, nng_msg_body(message), &l->arrived);
}

/* On one of nng's threads. */
static void received(void *arg)
{
    lane *l = arg;
    if (nng_aio_result(l->receive) != 0)
        return; /* closing */
    arrived(l, nng_aio_get_msg(l->receive));
    nng_recv_aio(l->listener, l->receive);
}

static int open_sockets(lane *l, const char *url)
{
    int error = nng_pair0_open(&l->listener);
    if (error != 0)
        return error;
    error = nng_pair0_open(&l->dialer);
    if (error != 0) {
        nng_close(l->listener);
        return error;
    }
    if ((error = nng_socket_set_int(l->listener, NNG_OPT_RECVBUF, QUEUE_MESSAGES)) == 0 &&
        (error = nng_socket_set_int(l->dialer, NNG_OPT_SENDBUF, QUEUE_MESSAGES)) == 0 &&
        (error = nng_listen(l->listener, url, NULL, 0)) == 0 &&
        (error = nng_dial(l->dialer, url, NULL, 0)) == 0)
        return 0;
    nng_close(l->dialer);
    nng_close(l->listener);
    return error;
}

static troupe_error nng_lane_open(mailbox *box, const char *url, lane **out)
{
    lane *l = calloc(1, sizeof *l);
    if (l == NULL)
        return TROUPE_ENOMEM;
    l->box = box;
    if (nng_aio_alloc(&l->receive, received, l) != 0) {
        free(l);
        return TROUPE_ENOMEM;
    }
    int error = open_sockets(l, url);
    if (error != 0) {
        nng_aio_free(l->receive);
        free(l);
        return error == NNG_EADDRINUSE ? TROUPE_ESTATE : TROUPE_ENOMEM;
    }
    nng_recv_aio(l->listener, l->receive);
    *out = l;
    return TROUPE_OK;
}

static void nng_lane_close(lane *l)
{
    nng_aio_stop(l->receive); /* before the socket: a receive must not meet its close */
    nng_close(l->dialer);
    nng_close(l->listener);
    nng_aio_free(l->receive);
    free(l);
}

static troupe_error nng_sender_create(lane_sender **out)
{
    lane_sender *sender = calloc(1, sizeof *sender);
    if (sender == NULL || nng_aio_alloc(&sender->aio, NULL, NULL) != 0) {
        free(sender);
        return TROUPE_ENOMEM;
    }
    *out = sender;
    return TROUPE_OK;
}

/* Wait for the send under way. If nng refused it, the bundle takes the direct way: none is lost. */
static void settle(lane_sender *sender)
{
    if (sender->to == NULL)
        return;
    nng_aio_wait(sender->aio);
    if (nng_aio_result(sender->aio) != 0)
        arrived(sender->to, nng_aio_get_msg(sender->aio));
    sender->to = NULL;
}

static void nng_sender_destroy(lane_sender *sender)
{
    if (sender == NULL)
        return;
    settle(sender);
    nng_aio_free(sender->aio);
    free(sender);
}

static void nng_lane_send(lane *l, lane_sender *sender, bundle *b)
{
    settle(sender);
    sender->to = l;
    atomic_fetch_add(&l->sent, 1);
    nng_aio_set_msg(sender->aio, b->owner);
    nng_send_aio(l->dialer, sender->aio);
}

static bool nng_lane_idle(const lane *l)
{
    return atomic_load(&l->sent) == atomic_load(&l->arrived);
}

const lane_kind lane_nng = {
    .name = "nng",
    .bundle_create = nng_bundle_create,
    .bundle_destroy = nng_bundle_destroy,
    .open = nng_lane_open,
    .close = nng_lane_close,
    .sender_create = nng_sender_create,
    .sender_destroy = nng_sender_destroy,
    .send = nng_lane_send,
    .idle = nng_lane_idle,
};
