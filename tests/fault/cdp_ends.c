/* SPDX-License-Identifier: MIT */
/* How a browser begins and ends wrongly, and messages cut in pieces. */
#include "cdp_scenarios.h"

#include "troupe/error.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Cuts and ends ----------------------------------------------------------------------------- */

/* Three answers and two events, cut at each byte. */
static void cut_at_each_byte(cdp_peer *p)
{
    size_t len = 1;
    cdp_connect(p, true);
    for (size_t cut = 0; cut < len && p->call_count + 3 < CDP_CALLS_MAX; cut++) {
        byte_queue out = {0};
        char text[3][64];
        size_t first = p->call_count;
        start_calls(p, 3);
        for (size_t i = 0; i < 3; i++) {
            snprintf(text[i], sizeof text[i], "{\"id\":%lld,\"result\":{\"n\":%zu}}",
                     (long long)p->calls[first + i].id, first + i);
        }
        cdp_wrap(p, &out, text[2], strlen(text[2]));
        cdp_wrap(p, &out, "{\"method\":\"A.b\"}", 16);
        cdp_wrap(p, &out, text[0], strlen(text[0]));
        cdp_wrap(p, &out, "{\"method\":\"\xc3\xa4.b\",\"params\":{}}", 29);
        cdp_wrap(p, &out, text[1], strlen(text[1]));
        len = byte_queue_len(&out);
        cdp_send_raw(p, byte_queue_head(&out), cut);
        cdp_await_read(p);
        cdp_send_raw(p, byte_queue_head(&out) + cut, len - cut);
        for (size_t i = 0; i < 3; i++) {
            expect_own_result(p, first + i);
        }
        byte_queue_fini(&out);
    }
    EXPECT(cdp_count(p, "malformed") == 0);
    cdp_disconnect(p);
}

/* With that many pending, the connection ends by `how`; they all say so. */
static void end_with_pending(cdp_peer *p, size_t pending, void (*how)(cdp_peer *p),
                             const char *words)
{
    cdp_connect(p, true);
    start_calls(p, pending);
    how(p);
    for (size_t n = 0; n < pending; n++) {
        EXPECT_ENDED(p, n, TROUPE_ECLOSED, words);
    }
    (void)cdp_await_end(p);
    cdp_disconnect(p);
}

static void end_of_file(cdp_peer *p)
{
    shutdown(p->fd, SHUT_WR);
}

static void reset(cdp_peer *p)
{
    struct linger now = {1, 0};
    (void)setsockopt(p->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    cdp_await_read(p);
    close(p->fd);
    p->fd = -1;
}

static void cut_message(cdp_peer *p)
{
    cdp_send_raw(p, p->websocket ? "\x81\x14{\"id\":1" : "{\"id\":1", p->websocket ? 9 : 7);
    end_of_file(p);
}

static void lost_with_1000_pending(cdp_peer *p)
{
    end_with_pending(p, 1000, end_of_file,
                     p->websocket ? "without a close frame" : "the peer closed");
}

static void reset_with_pending(cdp_peer *p)
{
    end_with_pending(p, MANY, reset, p->websocket ? "reset" : "the peer closed");
}

static void cut_by_the_end(cdp_peer *p)
{
    end_with_pending(p, MANY, cut_message,
                     p->websocket ? "without a close frame" : "inside a message");
}

static void too_long(cdp_peer *p)
{
    static const char header[] = "\x81\x7f\x00\x00\x00\x00\x10\x00\x00\x01";
    if (p->websocket) {
        cdp_send_raw(p, header, sizeof header - 1);
        return;
    }
    char *data = malloc(1 << 20);
    memset(data, ' ', 1 << 20);
    for (int i = 0; i <= 256; i++) {
        cdp_send_raw(p, data, 1 << 20);
    }
    free(data);
}

static void message_over_the_limit(cdp_peer *p)
{
    end_with_pending(p, 3, too_long, "longer");
}

static void close_frame(cdp_peer *p)
{
    cdp_send_raw(p,
                 "\x88\x06\x03\xe9"
                 "quit",
                 8);
}

static void closed_by_frame(cdp_peer *p)
{
    if (p->websocket) {
        end_with_pending(p, MANY, close_frame, "1001 quit");
    }
}

static void violation(cdp_peer *p)
{
    cdp_send_raw(p, "\xc1\x02{}", 4);
}

static void protocol_violation(cdp_peer *p)
{
    if (p->websocket) {
        end_with_pending(p, MANY, violation, "reserved");
    }
}

/* The start --------------------------------------------------------------------------------- */

static void silent_at_the_start(cdp_peer *p)
{
    uint32_t before = p->host.launch_timeout_ms;
    p->host.launch_timeout_ms = SHORT_MS;
    cdp_connect(p, false);
    EXPECT(strstr(cdp_next(p), "Browser.getVersion") != NULL);
    EXPECT(cdp_await_end(p) == TROUPE_OK);
    cdp_disconnect(p);
    p->host.launch_timeout_ms = before;
}

static void ends_at_the_start(cdp_peer *p)
{
    cdp_connect(p, false);
    (void)cdp_next(p);
    end_of_file(p);
    EXPECT(cdp_await_end(p) == TROUPE_OK);
    cdp_disconnect(p);
}

/* An error for an answer, then the rest: it is a browser all the same. */
static void refuses_at_the_start(cdp_peer *p)
{
    cdp_connect(p, false);
    (void)cdp_next(p);
    cdp_send(p, "garbage");
    cdp_send(p, "{\"id\":1,\"error\":{\"code\":-32601,\"message\":\"no such method\"}}");
    EXPECT(strstr(cdp_next(p), "Target.setDiscoverTargets") != NULL);
    cdp_send(p, "{\"id\":2,\"error\":[]}");
    cdp_send(p, "{\"id\":2,\"error\":{\"message\":7}}");
    start_calls(p, 1);
    cdp_answer(p, 0);
    expect_own_result(p, 0);
    cdp_disconnect(p);
}

const cdp_scenario cdp_end_scenarios[] = {
    {"cut at each byte", cut_at_each_byte},
    {"ends with 1,000 pending", lost_with_1000_pending},
    {"resets with calls pending", reset_with_pending},
    {"ends inside a message", cut_by_the_end},
    {"a message over the limit", message_over_the_limit},
    {"a close frame", closed_by_frame},
    {"a violation of the protocol", protocol_violation},
    {"silent at the start", silent_at_the_start},
    {"ends at the start", ends_at_the_start},
    {"refuses at the start", refuses_at_the_start},
};

const size_t cdp_end_scenario_count = sizeof cdp_end_scenarios / sizeof cdp_end_scenarios[0];
