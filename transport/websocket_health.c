/* SPDX-License-Identifier: MIT */
/* Whether the peer lives: a ping each interval; any byte after it counts as an answer, also what
 * waits unread because the owner has paused reading. While our queue still moves the limit moves
 * with it: a ping behind megabytes is not late. */
#include "websocket_state.h"

#include <string.h>

#define PING_BYTES sizeof(uint64_t)

static int64_t ns_of(uint32_t ms)
{
    return (int64_t)ms * WEBSOCKET_NS_PER_MS;
}

static bool pings(const websocket *w)
{
    return w->settings.options.ping_interval_ms != WEBSOCKET_NEVER_MS;
}

void websocket_health_start(websocket *w)
{
    websocket_health *h = &w->health;
    h->silent_at_ns = 0;
    h->unanswered = false;
    h->next_ping_ns = websocket_now_ns(w) + ns_of(w->settings.options.ping_interval_ms);
}

void websocket_set_pings(websocket *w, uint32_t interval_ms, uint32_t timeout_ms)
{
    websocket_options *o = &w->settings.options;
    o->ping_interval_ms = interval_ms != 0 ? interval_ms : WEBSOCKET_PING_INTERVAL_MS;
    o->pong_timeout_ms = timeout_ms != 0 ? timeout_ms : WEBSOCKET_PONG_TIMEOUT_MS;
    websocket_health_start(w);
}

static void send_ping(websocket *w, int64_t now_ns)
{
    websocket_health *h = &w->health;
    uint8_t payload[PING_BYTES];
    h->next_ping_ns = now_ns + ns_of(w->settings.options.ping_interval_ms);
    h->pings++;
    memcpy(payload, &h->pings, sizeof(payload));
    if (websocket_codec_write(&w->codec, WEBSOCKET_PING, payload, sizeof(payload)) != TROUPE_OK) {
        return; /* no memory: the next one will do */
    }
    h->ping_ns = now_ns;
    h->unanswered = true;
    if (h->silent_at_ns == 0) {
        h->received = w->received;
        h->written = w->written;
        h->silent_at_ns = now_ns + ns_of(w->settings.options.pong_timeout_ms);
    }
    websocket_write_queue(w);
}

static bool something_waits(const websocket *w)
{
    struct pollfd entry = {stream_read_fd(w->stream), POLLIN, 0};
    return stream_pending(w->stream) || poll(&entry, 1, 0) > 0;
}

static void judge_silence(websocket *w, int64_t now_ns)
{
    websocket_health *h = &w->health;
    if (w->received != h->received) {
        h->silent_at_ns = 0;
        return;
    }
    if (now_ns < h->silent_at_ns) {
        return;
    }
    if (w->written != h->written && byte_queue_len(&w->codec.out) > 0) {
        h->written = w->written;
        h->silent_at_ns = now_ns + ns_of(w->settings.options.pong_timeout_ms);
        return;
    }
    if (something_waits(w)) {
        h->silent_at_ns = 0;
        return;
    }
    (void)websocket_fail(w, TROUPE_ETIMEOUT, "the peer was silent for %u ms after a ping",
                         w->settings.options.pong_timeout_ms);
}

void websocket_health_tick(websocket *w, int64_t now_ns)
{
    if (!pings(w)) {
        return;
    }
    if (w->health.silent_at_ns != 0) {
        judge_silence(w, now_ns);
    }
    if (w->state == WEBSOCKET_CONNECTED && now_ns >= w->health.next_ping_ns) {
        websocket_codec_rest(&w->codec);
        send_ping(w, now_ns);
    }
}

void websocket_health_heard(websocket *w)
{
    websocket_health *h = &w->health;
    if (h->unanswered && w->codec.pong_len == PING_BYTES &&
        memcmp(w->codec.pong_data, &h->pings, PING_BYTES) == 0) {
        h->unanswered = false;
        h->latency_ns = websocket_now_ns(w) - h->ping_ns;
    }
}

int64_t websocket_health_due_ns(const websocket *w)
{
    const websocket_health *h = &w->health;
    if (!pings(w)) {
        return INT64_MAX;
    }
    return h->silent_at_ns != 0 && h->silent_at_ns < h->next_ping_ns ? h->silent_at_ns
                                                                     : h->next_ping_ns;
}
