/* SPDX-License-Identifier: MIT */
/*
 * What the peer answers: {} to any command, and of these more:
 *
 *   Browser.getVersion, Target.createTarget, attachToTarget, closeTarget, Page.getFrameTree,
 *   Runtime.evaluate    as a browser would, shortened
 *   Peer.answer {size, kind}    a result of `size` bytes: {"data":…}, kind "string" (one long
 *                               string), "escapes" (the same full of them), "objects" (a list of
 *                               small ones)
 *   Peer.targets {count}        so many pages appear, and are attached if the client asked for
 *                               that; answered after their events
 *   Peer.network {count}        so many requests of the first session's page, six events each, as
 *                               Chromium tells of them; answered after them
 *   Peer.burst {method, count, sessions, size, rate}
 *                               so many events to the first so many sessions, in turn, `size`
 *                               bytes of params each, `rate` a second (0: at once); answered after
 *                               them
 */
#include "peer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEAD_MAX  512
#define BODY_KEPT 8

static bool is(const cdp_message *m, const char *method)
{
    return m->method != NULL && strlen(method) == m->method_len &&
           memcmp(method, m->method, m->method_len) == 0;
}

static int64_t number(const cdp_message *m, const char *key, int64_t otherwise)
{
    json_span span;
    int64_t value;
    bool there = m->params.data != NULL && json_member(m->params.data, m->params.len, key, &span) &&
                 json_span_integer(span, &value);
    return there ? value : otherwise;
}

static void string(const cdp_message *m, const char *key, char *out, size_t size)
{
    json_span span;
    const char *text;
    size_t len;
    out[0] = '\0';
    if (m->params.data != NULL && json_member(m->params.data, m->params.len, key, &span) &&
        json_plain_string(span, &text, &len))
        snprintf(out, size, "%.*s", (int)len, text);
}

/* --- answers -------------------------------------------------------------------------------- */

/* {"id":N,"sessionId":"…","result":<result>}. Texts of results end with the bracket that closes the
 * message, so that nothing has to be put together. */
static void answer_to(connection *c, int64_t id, const char *session, size_t session_len,
                      const char *result, size_t len)
{
    char head[HEAD_MAX];
    int n = session_len > 0
                ? snprintf(head, sizeof head,
                           "{\"id\":%lld,\"sessionId\":\"%.*s\",\"result\":", (long long)id,
                           (int)session_len, session)
                : snprintf(head, sizeof head, "{\"id\":%lld,\"result\":", (long long)id);
    connection_send(c, head, (size_t)n, result, len);
}

static void answer(connection *c, const cdp_message *m, const char *result)
{
    answer_to(c, m->id, m->session, m->session_len, result, strlen(result));
}

typedef struct kept_body {
    char kind[16];
    size_t size;
    char *text;
    size_t len;
} kept_body;

static size_t fill(char *at, const char *pattern, size_t size)
{
    size_t len = strlen(pattern);
    size_t count = size / len;
    for (size_t i = 0; i < count; i++)
        memcpy(at + i * len, pattern, len);
    return count * len;
}

static void make_body(kept_body *body)
{
    static const char object[] =
        "{\"nodeId\":17,\"nodeName\":\"DIV\",\"attributes\":[\"class\",\"row wide\"]},";
    bool objects = strcmp(body->kind, "objects") == 0;
    const char *pattern = objects ? object : "abcdefghijklmnopqrstuvwxyz0123456789+/AB";
    if (strcmp(body->kind, "escapes") == 0)
        pattern = "\\\"quoted\\\"\\n\\tback\\\\slash\\u00e9 ";
    body->text = malloc(body->size + 64);
    if (body->text == NULL)
        abort();
    size_t n = (size_t)sprintf(body->text, "{\"data\":%c", objects ? '[' : '"');
    n += fill(body->text + n, pattern, body->size);
    n -= objects && body->text[n - 1] == ',' ? 1 : 0;
    body->text[n++] = objects ? ']' : '"';
    body->text[n++] = '}';
    body->text[n++] = '}';
    body->len = n;
}

static void answer_sized(connection *c, const cdp_message *m)
{
    static kept_body kept[BODY_KEPT];
    static size_t next;
    kept_body wanted = {.size = (size_t)number(m, "size", 0)};
    string(m, "kind", wanted.kind, sizeof wanted.kind);
    for (size_t i = 0; i < BODY_KEPT; i++) {
        if (kept[i].text != NULL && kept[i].size == wanted.size &&
            strcmp(kept[i].kind, wanted.kind) == 0) {
            answer_to(c, m->id, m->session, m->session_len, kept[i].text, kept[i].len);
            return;
        }
    }
    make_body(&wanted);
    free(kept[next].text);
    kept[next] = wanted;
    next = (next + 1) % BODY_KEPT;
    answer_to(c, m->id, m->session, m->session_len, wanted.text, wanted.len);
}

/* --- targets -------------------------------------------------------------------------------- */

static void send_info(connection *c, const char *method, const peer_session *s, const char *type)
{
    char text[HEAD_MAX];
    bool attached = strcmp(method, "Target.attachedToTarget") == 0;
    int n = snprintf(text, sizeof text, "{\"method\":\"%s\",\"params\":{", method);
    if (attached) {
        n += snprintf(text + n, sizeof text - (size_t)n,
                      "\"sessionId\":\"%s\",\"waitingForDebugger\":false,", s->id);
    }
    n += snprintf(text + n, sizeof text - (size_t)n,
                  "\"targetInfo\":{\"targetId\":\"%s\",\"type\":\"%s\",\"title\":\"\",\"url\":"
                  "\"about:blank\",\"attached\":%s,\"canAccessOpener\":false,"
                  "\"browserContextId\":\"C0\"}}}",
                  s->target, type, attached || s->attached ? "true" : "false");
    connection_send(c, text, (size_t)n, NULL, 0);
}

static void attach(connection *c, peer_session *s)
{
    s->attached = true;
    send_info(c, "Target.attachedToTarget", s,
              strcmp(s->target, "BROWSER") == 0 ? "browser" : "page");
}

static peer_session *add_session(connection *c, const char *target)
{
    static unsigned made;
    if ((c->session_count & (c->session_count - 1)) == 0) {
        size_t capacity = c->session_count == 0 ? 1 : 2 * c->session_count;
        c->sessions = realloc(c->sessions, capacity * sizeof *c->sessions);
        if (c->sessions == NULL)
            abort();
    }
    peer_session *s = &c->sessions[c->session_count++];
    *s = (peer_session){.attached = false};
    unsigned scattered = ++made * 2654435761U; /* ids look as random as a browser's */
    snprintf(s->id, sizeof s->id, "%08X5E551000000000000%08X", scattered, made);
    if (target != NULL)
        snprintf(s->target, sizeof s->target, "%s", target);
    else
        snprintf(s->target, sizeof s->target, "%08X7A46E7000000000%08X", scattered, made);
    return s;
}

static peer_session *open_target(connection *c)
{
    peer_session *s = add_session(c, NULL);
    send_info(c, "Target.targetCreated", s, "page");
    if (c->auto_attach)
        attach(c, s);
    return s;
}

static void create_target(connection *c, const cdp_message *m)
{
    char text[80];
    snprintf(text, sizeof text, "{\"targetId\":\"%s\"}}", open_target(c)->target);
    answer(c, m, text);
}

static void attach_to(connection *c, const cdp_message *m)
{
    char target[40];
    char text[80];
    string(m, "targetId", target, sizeof target);
    peer_session *s = add_session(c, target);
    attach(c, s);
    snprintf(text, sizeof text, "{\"sessionId\":\"%s\"}}", s->id);
    answer(c, m, text);
}

static void send_end(connection *c, const peer_session *s, bool destroyed)
{
    char text[HEAD_MAX];
    int n;
    if (s->attached) {
        n = snprintf(text, sizeof text,
                     "{\"method\":\"Target.detachedFromTarget\",\"params\":{\"sessionId\":\"%s\","
                     "\"targetId\":\"%s\"}}",
                     s->id, s->target);
        connection_send(c, text, (size_t)n, NULL, 0);
    }
    if (destroyed) {
        n = snprintf(text, sizeof text,
                     "{\"method\":\"Target.targetDestroyed\",\"params\":{\"targetId\":\"%s\"}}",
                     s->target);
        connection_send(c, text, (size_t)n, NULL, 0);
    }
}

static void remove_session(connection *c, size_t i, bool destroyed)
{
    peer_session gone = c->sessions[i];
    memmove(&c->sessions[i], &c->sessions[i + 1], (c->session_count - i - 1) * sizeof *c->sessions);
    c->session_count--;
    send_end(c, &gone, destroyed);
}

static void close_target(connection *c, const cdp_message *m)
{
    char target[40];
    string(m, "targetId", target, sizeof target);
    answer(c, m, "{\"success\":true}}");
    bool destroyed = true;
    for (size_t i = c->session_count; i > 0; i--) {
        if (strcmp(c->sessions[i - 1].target, target) == 0) {
            remove_session(c, i - 1, destroyed);
            destroyed = false;
        }
    }
}

static void detach_from(connection *c, const cdp_message *m)
{
    char session[40];
    string(m, "sessionId", session, sizeof session);
    for (size_t i = 0; i < c->session_count; i++) {
        if (strcmp(c->sessions[i].id, session) == 0) {
            c->sessions[i].attached = true;
            send_end(c, &c->sessions[i], false);
            c->sessions[i].attached = false;
            break;
        }
    }
    answer(c, m, "{}}");
}

static void discover(connection *c, const cdp_message *m)
{
    const peer_session browser = {.target = "BROWSER", .attached = true};
    send_info(c, "Target.targetCreated", &browser, "browser");
    answer(c, m, "{}}");
}

static void make_targets(connection *c, const cdp_message *m)
{
    int64_t count = number(m, "count", 1);
    for (int64_t i = 0; i < count; i++)
        (void)open_target(c);
    answer(c, m, "{}}");
}

static void frame_tree(connection *c, const cdp_message *m)
{
    const char *target = "F0";
    for (size_t i = 0; i < c->session_count; i++) {
        if (strlen(c->sessions[i].id) == m->session_len && m->session_len > 0 &&
            memcmp(c->sessions[i].id, m->session, m->session_len) == 0)
            target = c->sessions[i].target;
    }
    char text[HEAD_MAX];
    snprintf(text, sizeof text,
             "{\"frameTree\":{\"frame\":{\"id\":\"%s\",\"loaderId\":\"L0\",\"url\":\"about:blank\","
             "\"domainAndRegistry\":\"\",\"securityOrigin\":\"://\",\"mimeType\":\"text/html\"}}}}",
             target);
    answer(c, m, text);
}

/* --- bursts --------------------------------------------------------------------------------- */

static void send_event(connection *c, burst_job *job)
{
    char head[HEAD_MAX];
    const peer_session *s = &c->sessions[job->next % job->sessions];
    job->next++;
    int n = snprintf(head, sizeof head,
                     "{\"method\":\"%s\",\"sessionId\":\"%s\",\"params\":", job->method, s->id);
    connection_send(c, head, (size_t)n, job->params, job->params_len);
}

static void end_burst(connection *c)
{
    burst_job *job = &c->burst;
    answer_to(c, job->id, job->session, strlen(job->session), "{}}", 3);
    job->id = 0;
    free(job->params);
    job->params = NULL;
}

static void run_burst(connection *c, uint64_t count)
{
    burst_job *job = &c->burst;
    for (uint64_t i = 0; i < count && job->left > 0; i++, job->left--)
        send_event(c, job);
    if (job->left == 0)
        end_burst(c);
}

/* Params of an event, `size` bytes and the bracket that closes the message. */
static void make_params(burst_job *job, int64_t size)
{
    static const char head[] = "{\"requestId\":\"17.42\",\"loaderId\":\"L0\",\"timestamp\":1234.5,"
                               "\"dataLength\":1,\"encodedDataLength\":1,\"pad\":\"";
    size_t pad = size > (int64_t)sizeof head + 2 ? (size_t)size - sizeof head - 2 : 0;
    job->params = malloc(sizeof head + pad + 8);
    if (job->params == NULL)
        abort();
    memcpy(job->params, head, sizeof head - 1);
    memset(job->params + sizeof head - 1, 'p', pad);
    memcpy(job->params + sizeof head - 1 + pad, "\"}}", 3);
    job->params_len = sizeof head - 1 + pad + 3;
}

static void start_burst(connection *c, const cdp_message *m)
{
    burst_job *job = &c->burst;
    if (c->session_count == 0 || job->id != 0) {
        answer(c, m, "{}}");
        return;
    }
    memset(job, 0, sizeof *job);
    job->id = m->id;
    snprintf(job->session, sizeof job->session, "%.*s", (int)m->session_len,
             m->session != NULL ? m->session : "");
    string(m, "method", job->method, sizeof job->method);
    if (job->method[0] == '\0')
        snprintf(job->method, sizeof job->method, "Network.dataReceived");
    make_params(job, number(m, "size", 0));
    job->left = (uint64_t)number(m, "count", 1000);
    job->sessions = (uint64_t)number(m, "sessions", (int64_t)c->session_count);
    if (job->sessions == 0 || job->sessions > c->session_count)
        job->sessions = c->session_count;
    int64_t rate = number(m, "rate", 0);
    job->per_tick = (uint64_t)rate * TICK_MS; /* in thousandths */
    if (rate == 0)
        run_burst(c, UINT64_MAX);
}

void script_tick(connection *c)
{
    burst_job *job = &c->burst;
    if (job->id != 0 && job->per_tick > 0) {
        job->tick_rest += job->per_tick;
        uint64_t now = job->tick_rest / 1000;
        job->tick_rest -= now * 1000;
        run_burst(c, now);
        connection_flush(c);
    }
}

void script_fini(connection *c)
{
    free(c->sessions);
    free(c->burst.params);
}

/* --- requests ------------------------------------------------------------------------------- */

/* Their size and members are those of Chromium 140; %1$s is the session, %2$lld the request. */
static const char *const request_events[] = {
    "{\"method\":\"Network.requestWillBeSent\",\"sessionId\":\"%1$s\",\"params\":{\"requestId\":"
    "\"4242.%2$lld\",\"loaderId\":\"8D5C1B2A0F6E4D3C9B8A7F6E5D4C3B2A\",\"documentURL\":"
    "\"https://shop.example/catalogue/winter?page=3\",\"request\":{\"url\":"
    "\"https://shop.example/api/items/"
    "%2$lld?fields=name,price,stock&currency=eur\",\"method\":\"GET\","
    "\"headers\":{\"sec-ch-ua-platform\":\"\\\"Linux\\\"\",\"Referer\":"
    "\"https://shop.example/catalogue/winter?page=3\",\"User-Agent\":\"Mozilla/5.0 (X11; Linux "
    "x86_64) "
    "AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/140.0.0.0 Safari/537.36\",\"sec-ch-ua\":"
    "\"\\\"Not:A-Brand\\\";v=\\\"8\\\", "
    "\\\"Chromium\\\";v=\\\"140\\\"\",\"sec-ch-ua-mobile\":\"?0\"},"
    "\"mixedContentType\":\"none\",\"initialPriority\":\"High\",\"referrerPolicy\":"
    "\"strict-origin-when-cross-origin\",\"isSameSite\":true},\"timestamp\":%2$lld.125,"
    "\"wallTime\":"
    "1790000000.5,\"initiator\":{\"type\":\"script\",\"stack\":{\"callFrames\":[{\"functionName\":"
    "\"load\",\"scriptId\":\"12\",\"url\":\"https://shop.example/assets/app.js\",\"lineNumber\":1,"
    "\"columnNumber\":48213}]}},\"redirectHasExtraInfo\":false,\"type\":\"Fetch\",\"frameId\":"
    "\"0F6E4D3C9B8A7F6E5D4C3B2A8D5C1B2A\",\"hasUserGesture\":false}}",
    "{\"method\":\"Network.requestWillBeSentExtraInfo\",\"sessionId\":\"%1$s\",\"params\":{"
    "\"requestId\":\"4242.%2$lld\",\"associatedCookies\":[],\"headers\":{\"Accept\":\"*/*\","
    "\"Accept-Encoding\":\"gzip, deflate, br, zstd\",\"Connection\":\"keep-alive\",\"Host\":"
    "\"shop.example\",\"Referer\":\"https://shop.example/catalogue/"
    "winter?page=3\",\"Sec-Fetch-Dest\":"
    "\"empty\",\"Sec-Fetch-Mode\":\"cors\",\"Sec-Fetch-Site\":\"same-origin\",\"User-Agent\":"
    "\"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "HeadlessChrome/140.0.0.0 "
    "Safari/"
    "537.36\"},\"connectTiming\":{\"requestTime\":%2$lld.126},\"siteHasCookieInOtherPartition\":"
    "false}}",
    "{\"method\":\"Network.responseReceivedExtraInfo\",\"sessionId\":\"%1$s\",\"params\":{"
    "\"requestId\":\"4242.%2$lld\",\"blockedCookies\":[],\"headers\":{\"Cache-Control\":\"no-"
    "store\","
    "\"Content-Length\":\"1824\",\"Content-Type\":\"application/json\",\"Date\":"
    "\"Thu, 26 Nov 2026 22:00:00 GMT\",\"Server\":\"shop\"},\"resourceIPAddressSpace\":\"Public\","
    "\"statusCode\":200,\"headersText\":\"HTTP/1.1 200 OK\\r\\nCache-Control: no-store\\r\\n"
    "Content-Length: 1824\\r\\nContent-Type: application/json\\r\\nDate: Thu, 26 Nov 2026 22:00:00 "
    "GMT"
    "\\r\\nServer: shop\\r\\n\\r\\n\"}}",
    "{\"method\":\"Network.responseReceived\",\"sessionId\":\"%1$s\",\"params\":{\"requestId\":"
    "\"4242.%2$lld\",\"loaderId\":\"8D5C1B2A0F6E4D3C9B8A7F6E5D4C3B2A\",\"timestamp\":%2$lld.250,"
    "\"type\":\"Fetch\",\"response\":{\"url\":"
    "\"https://shop.example/api/items/%2$lld?fields=name,price,stock&currency=eur\",\"status\":200,"
    "\"statusText\":\"OK\",\"headers\":{\"Cache-Control\":\"no-store\",\"Content-Length\":\"1824\","
    "\"Content-Type\":\"application/json\",\"Date\":\"Thu, 26 Nov 2026 22:00:00 GMT\",\"Server\":"
    "\"shop\"},\"mimeType\":\"application/json\",\"charset\":\"\",\"connectionReused\":true,"
    "\"connectionId\":187,\"remoteIPAddress\":\"192.0.2.7\",\"remotePort\":443,\"fromDiskCache\":"
    "false,\"fromServiceWorker\":false,\"fromPrefetchCache\":false,\"encodedDataLength\":187,"
    "\"timing\":{\"requestTime\":%2$lld.126,\"proxyStart\":-1,\"proxyEnd\":-1,\"dnsStart\":-1,"
    "\"dnsEnd\":-1,\"connectStart\":-1,\"connectEnd\":-1,\"sslStart\":-1,\"sslEnd\":-1,"
    "\"workerStart\":-1,\"workerReady\":-1,\"sendStart\":0.321,\"sendEnd\":0.402,\"pushStart\":0,"
    "\"pushEnd\":0,\"receiveHeadersStart\":98.1,\"receiveHeadersEnd\":98.4},\"responseTime\":"
    "1790000000622.5,\"protocol\":\"http/1.1\",\"alternateProtocolUsage\":\"unspecifiedReason\","
    "\"securityState\":\"secure\"},\"hasExtraInfo\":true,\"frameId\":"
    "\"0F6E4D3C9B8A7F6E5D4C3B2A8D5C1B2A\"}}",
    "{\"method\":\"Network.dataReceived\",\"sessionId\":\"%1$s\",\"params\":{\"requestId\":"
    "\"4242.%2$lld\",\"timestamp\":%2$lld.260,\"dataLength\":1824,\"encodedDataLength\":1824}}",
    "{\"method\":\"Network.loadingFinished\",\"sessionId\":\"%1$s\",\"params\":{\"requestId\":"
    "\"4242.%2$lld\",\"timestamp\":%2$lld.270,\"encodedDataLength\":2011}}",
};

/* Written once, then sent with the number put in: the peer is not what is measured. */
static void play_requests(connection *c, const cdp_message *m)
{
    static int64_t played;
    int64_t count = number(m, "count", 1000);
    for (int64_t i = 0; i < count && c->session_count > 0; i++) {
        played++;
        for (size_t e = 0; e < sizeof request_events / sizeof *request_events; e++) {
            char text[4096];
            int n = snprintf(text, sizeof text, request_events[e], c->sessions[0].id,
                             (long long)played);
            connection_send(c, text, (size_t)n, NULL, 0);
        }
    }
    answer(c, m, "{}}");
}

static void answer_body(connection *c, const cdp_message *m)
{
    static char text[2048];
    if (text[0] == '\0') {
        size_t n = (size_t)sprintf(text, "{\"body\":\"");
        for (int i = 0; i < 60; i++)
            n += (size_t)sprintf(text + n, "{item: %d, name: 'a thing'} ", i);
        sprintf(text + n, "\",\"base64Encoded\":false}}");
    }
    answer(c, m, text);
}

/* --- dispatch ------------------------------------------------------------------------------- */

static void set_auto_attach(connection *c, const cdp_message *m)
{
    if (m->session == NULL)
        c->auto_attach = true;
    answer(c, m, "{}}");
}

static void close_browser(connection *c, const cdp_message *m)
{
    answer(c, m, "{}}");
    connection_flush(c);
    exit(0);
}

static const struct {
    const char *method;
    void (*run)(connection *c, const cdp_message *m);
    const char *result; /* if there is nothing to run */
} methods[] = {
    {"Browser.getVersion", NULL,
     "{\"protocolVersion\":\"1.3\",\"product\":\"BenchPeer/1.0\",\"revision\":\"@0\","
     "\"userAgent\":\"BenchPeer\",\"jsVersion\":\"0\"}}"},
    {"Runtime.evaluate", NULL,
     "{\"result\":{\"type\":\"number\",\"value\":2,\"description\":\"2\"}}}"},
    {"Target.getBrowserContexts", NULL, "{\"browserContextIds\":[]}}"},
    {"Page.getFrameTree", frame_tree, NULL},
    {"Peer.answer", answer_sized, NULL},
    {"Network.getResponseBody", answer_body, NULL},
    {"Peer.network", play_requests, NULL},
    {"Peer.burst", start_burst, NULL},
    {"Peer.targets", make_targets, NULL},
    {"Target.setDiscoverTargets", discover, NULL},
    {"Target.setAutoAttach", set_auto_attach, NULL},
    {"Target.createTarget", create_target, NULL},
    {"Target.attachToTarget", attach_to, NULL},
    {"Target.detachFromTarget", detach_from, NULL},
    {"Target.closeTarget", close_target, NULL},
    {"Browser.close", close_browser, NULL},
};

void script_answer(connection *c, const char *text, size_t len)
{
    cdp_message m;
    troupe_reason reason;
    if (cdp_scan(text, len, &m, &reason) != TROUPE_OK) {
        fprintf(stderr, "bench_peer: %s\n", reason.text);
        return;
    }
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        if (is(&m, methods[i].method)) {
            if (methods[i].run != NULL)
                methods[i].run(c, &m);
            else
                answer(c, &m, methods[i].result);
            return;
        }
    }
    answer(c, &m, "{}}");
}
