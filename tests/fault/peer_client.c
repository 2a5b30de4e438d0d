/* SPDX-License-Identifier: MIT */
#include "peer_client.h"

#include <dirent.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FNV_START 14695981039346656037u
#define FNV_PRIME 1099511628211u

typedef struct client {
    message_stream *stream;
    outcome *o;
} client;

static void add(outcome *o, const void *data, size_t len)
{
    const uint8_t *at = data;
    for (size_t i = 0; i < len; i++) {
        o->digest = (o->digest ^ at[i]) * FNV_PRIME;
    }
}

static void on_message(void *context, char *data, size_t len)
{
    client *c = context;
    uint8_t binary = websocket_message_is_binary(c->stream);
    add(c->o, &binary, sizeof binary);
    add(c->o, &len, sizeof len);
    if (len <= (1u << 20)) { /* of a huge one only the length: its time is for others */
        add(c->o, data, len);
    }
    c->o->messages++;
    c->o->bytes += len;
}

websocket_options client_options(const peer *p, char *url)
{
    snprintf(url, 64, "ws://127.0.0.1:%d/", p->port);
    websocket_options options = {.url = url};
    return options;
}

void client_converse(message_stream *stream, unsigned long wanted, outcome *o)
{
    client c = {stream, o};
    o->digest = o->digest == 0 ? FNV_START : o->digest;
    for (;;) {
        troupe_reason ignored;
        o->error = message_stream_receive(stream, on_message, &c, &o->reason);
        (void)message_stream_flush(stream, &ignored);
        if (o->error != TROUPE_OK || o->messages >= wanted) {
            return;
        }
        bool queued = message_stream_queued(stream) > 0;
        struct pollfd entry = {message_stream_read_fd(stream),
                               (short)(POLLIN | (queued ? POLLOUT : 0)), 0};
        if (poll(&entry, 1, CLIENT_WAIT_MS) == 0) {
            o->error = troupe_fail(&o->reason, TROUPE_EINTERNAL, "the test hangs here");
            return;
        }
    }
}

void client_run(const websocket_options *options, unsigned long wanted, outcome *o)
{
    message_stream *stream = NULL;
    memset(o, 0, sizeof *o);
    o->error = websocket_connect(options, &stream, &o->reason);
    if (o->error == TROUPE_OK) {
        client_converse(stream, wanted, o);
    }
    message_stream_destroy(stream);
}

unsigned client_descriptors(void)
{
    unsigned count = 0;
    DIR *all = opendir("/proc/self/fd");
    while (all != NULL && readdir(all) != NULL) {
        count++;
    }
    if (all != NULL) {
        closedir(all);
    }
    return count;
}
