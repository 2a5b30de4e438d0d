/* SPDX-License-Identifier: MIT */
/* A WebSocket client as a message stream. libcurl makes the connection (names, TCP, TLS, proxies);
 * the upgrade and the frames are ours. Without TLS the socket is used directly.
 *
 * States: OPEN -> DEAF (nothing can be written any more; what the peer sent is still delivered) ->
 * CLOSED, or straight to CLOSED. The first reason is kept and repeated. */
#include "websocket.h"

#include "burst.h"
#include "curl_session.h"
#include "http_client.h"
#include "websocket_codec.h"
#include "websocket_handshake.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define TURN_BYTES       ((size_t)1 << 20)
#define QUEUE_MAX_BYTES  ((size_t)16 << 20)
#define KEEP_OUT_BYTES   ((size_t)8 << 10)
#define TLS_RECORD_BYTES ((size_t)16 << 10)
#define ANSWER_MAX_BYTES ((size_t)16 << 10)
#define ABORT_SLICE_MS   100

typedef enum websocket_state {
    WEBSOCKET_OPEN,
    WEBSOCKET_DEAF,
    WEBSOCKET_CLOSED,
} websocket_state;

typedef struct websocket_stream {
    message_stream base;
    curl_session session; /* owns the connection */
    int fd;
    bool tls;
    websocket_state state;
    troupe_error error; /* why it is not open; TROUPE_OK while it is */
    troupe_reason reason;
    size_t message_max;
    uint64_t received; /* bytes */
    websocket_codec codec;
    burst burst;
    /* What curl was last asked to write over TLS: after "again" OpenSSL wants the very same bytes
     * at the very same place. NULL without TLS. */
    char *record;
    size_t record_len;
    size_t record_at;
} websocket_stream;

static websocket_stream *websocket_of(message_stream *stream)
{
    return (websocket_stream *)stream;
}

static troupe_error refuse(const websocket_stream *w, troupe_reason *reason)
{
    return troupe_fail(reason, w->error, "%s", w->reason.text);
}

/** Enter the state; w->reason holds why. The queue to the peer is lost. */
static troupe_error fail(websocket_stream *w, websocket_state state, troupe_error error)
{
    w->state = state;
    w->error = error;
    w->record_len = 0;
    w->record_at = 0;
    byte_queue_fini(&w->codec.out);
    return error;
}

/* --- bytes ---------------------------------------------------------------------------------- */

/* Both return bytes moved, -1 for "not now", -2 for a failure with its words in w->reason;
 * read_bytes returns 0 at the end. */

static ssize_t read_plain(websocket_stream *w, char *data, size_t len)
{
    for (;;) {
        ssize_t n = recv(w->fd, data, len, 0);
        if (n >= 0) {
            return n;
        }
        if (errno == EAGAIN || errno == EWOULDBLOCK) {
            return -1;
        }
        if (errno != EINTR) {
            (void)troupe_fail(&w->reason, TROUPE_ECLOSED, "read: %s", strerror(errno));
            return -2;
        }
    }
}

static ssize_t read_tls(websocket_stream *w, char *data, size_t len)
{
    size_t n = 0;
    CURLcode code = curl_easy_recv(w->session.easy, data, len, &n);
    if (code == CURLE_OK) {
        return (ssize_t)n;
    }
    if (code == CURLE_AGAIN) {
        return -1;
    }
    (void)troupe_fail(&w->reason, TROUPE_ECLOSED, "read: %s", curl_easy_strerror(code));
    return -2;
}

static ssize_t read_bytes(websocket_stream *w, char *data, size_t len)
{
    return w->tls ? read_tls(w, data, len) : read_plain(w, data, len);
}

static ssize_t write_plain(websocket_stream *w, const char *data, size_t len)
{
    for (;;) {
        ssize_t n = send(w->fd, data, len, MSG_NOSIGNAL);
        if (n >= 0) {
            return n;
        }
        if (errno == EAGAIN || errno == EWOULDBLOCK) {
            return -1;
        }
        if (errno != EINTR) {
            (void)troupe_fail(&w->reason, TROUPE_ECLOSED, "write: %s", strerror(errno));
            return -2;
        }
    }
}

static ssize_t write_tls(websocket_stream *w, const char *data, size_t len)
{
    size_t n = 0;
    if (w->record_at == w->record_len) {
        w->record_len = len < TLS_RECORD_BYTES ? len : TLS_RECORD_BYTES;
        w->record_at = 0;
        memcpy(w->record, data, w->record_len);
    }
    CURLcode code =
        curl_easy_send(w->session.easy, w->record + w->record_at, w->record_len - w->record_at, &n);
    w->record_at += n;
    if (code == CURLE_OK) {
        return (ssize_t)n;
    }
    if (code == CURLE_AGAIN) {
        return -1;
    }
    (void)troupe_fail(&w->reason, TROUPE_ECLOSED, "write: %s", curl_easy_strerror(code));
    return -2;
}

static ssize_t write_bytes(websocket_stream *w, const char *data, size_t len)
{
    return w->tls ? write_tls(w, data, len) : write_plain(w, data, len);
}

/* --- the stream: writing -------------------------------------------------------------------- */

/** Write what goes now. TROUPE_ECLOSED: nothing can be written any more. */
static troupe_error write_queue(websocket_stream *w)
{
    byte_queue *out = &w->codec.out;
    while (byte_queue_len(out) > 0) {
        ssize_t n = write_bytes(w, byte_queue_head(out), byte_queue_len(out));
        if (n == -1) {
            return TROUPE_OK;
        }
        if (n < 0) {
            return TROUPE_ECLOSED;
        }
        byte_queue_consume(out, (size_t)n);
    }
    byte_queue_rest(out, KEEP_OUT_BYTES);
    return TROUPE_OK;
}

static troupe_error stream_flush(message_stream *stream, troupe_reason *reason)
{
    websocket_stream *w = websocket_of(stream);
    if (w->state == WEBSOCKET_OPEN && write_queue(w) != TROUPE_OK) {
        (void)fail(w, WEBSOCKET_DEAF, TROUPE_ECLOSED);
    }
    return w->state == WEBSOCKET_OPEN ? TROUPE_OK : refuse(w, reason);
}

static troupe_error queue_frame(websocket_stream *w, websocket_opcode opcode, const void *data,
                                size_t len)
{
    size_t queued = byte_queue_len(&w->codec.out);
    if (w->state != WEBSOCKET_OPEN) {
        return TROUPE_ECLOSED;
    }
    if (len > w->message_max) {
        return TROUPE_ELIMIT;
    }
    if (queued > 0 && queued + len > QUEUE_MAX_BYTES) {
        return TROUPE_EBUSY;
    }
    return websocket_codec_write(&w->codec, opcode, data, len);
}

static troupe_error stream_send(message_stream *stream, const void *data, size_t len)
{
    return queue_frame(websocket_of(stream), WEBSOCKET_TEXT, data, len);
}

troupe_error websocket_send_binary(message_stream *stream, const void *data, size_t len)
{
    return queue_frame(websocket_of(stream), WEBSOCKET_BINARY, data, len);
}

troupe_error websocket_ping(message_stream *stream)
{
    return queue_frame(websocket_of(stream), WEBSOCKET_PING, NULL, 0);
}

static size_t stream_queued(const message_stream *stream)
{
    return byte_queue_len(&((const websocket_stream *)stream)->codec.out);
}

/* --- the stream: reading -------------------------------------------------------------------- */

/** The codec has ended it: let its close frame go if it goes at once. */
static troupe_error part(websocket_stream *w, troupe_error error)
{
    troupe_reason why = w->reason;
    if (w->state == WEBSOCKET_OPEN) {
        (void)write_queue(w);
    }
    w->reason = why;
    return fail(w, WEBSOCKET_CLOSED, error);
}

/** One read, fed to the codec. *more: there may be more to read at once. */
static troupe_error receive_some(websocket_stream *w, message_stream_fn fn, void *context,
                                 size_t *total, bool *more)
{
    size_t room = 0;
    char *place = websocket_codec_room(&w->codec, &room);
    *more = false;
    if (place == NULL) {
        (void)troupe_fail(&w->reason, TROUPE_ENOMEM, "no memory for a message");
        return part(w, TROUPE_ENOMEM);
    }
    ssize_t n = read_bytes(w, place, room);
    if (n == -1) {
        return TROUPE_OK;
    }
    if (n <= 0) {
        if (n == 0) {
            (void)troupe_fail(&w->reason, TROUPE_ECLOSED,
                              "the connection ended without a close frame");
        }
        return fail(w, WEBSOCKET_CLOSED, TROUPE_ECLOSED);
    }
    w->received += (uint64_t)n;
    *total += (size_t)n;
    troupe_error error = websocket_codec_received(&w->codec, (size_t)n, fn, context, &w->reason);
    if (error != TROUPE_OK) {
        return part(w, error);
    }
    /* What TLS has decrypted does not wake a poll on the socket: read until it has no more. */
    *more = w->tls || ((size_t)n == room && *total < TURN_BYTES);
    return TROUPE_OK;
}

static troupe_error stream_receive(message_stream *stream, message_stream_fn fn, void *context,
                                   troupe_reason *reason)
{
    websocket_stream *w = websocket_of(stream);
    if (w->state == WEBSOCKET_CLOSED) {
        return refuse(w, reason);
    }
    size_t queued = byte_queue_len(&w->codec.out);
    uint64_t before = w->codec.messages;
    size_t total = 0;
    bool more = true;
    burst_before_read(&w->burst);
    while (more) {
        if (receive_some(w, fn, context, &total, &more) != TROUPE_OK) {
            return refuse(w, reason);
        }
    }
    burst_after_read(&w->burst, (size_t)(w->codec.messages - before));
    if (w->state != WEBSOCKET_OPEN) {
        byte_queue_fini(&w->codec.out);
    } else if (queued == 0 && byte_queue_len(&w->codec.out) > 0 && write_queue(w) != TROUPE_OK) {
        (void)fail(w, WEBSOCKET_DEAF, TROUPE_ECLOSED);
    }
    return TROUPE_OK;
}

uint64_t websocket_received_bytes(const message_stream *stream)
{
    return ((const websocket_stream *)stream)->received;
}

int websocket_close_code(const message_stream *stream)
{
    return ((const websocket_stream *)stream)->codec.close_code;
}

bool websocket_message_is_binary(const message_stream *stream)
{
    return ((const websocket_stream *)stream)->codec.binary;
}

/* --- the stream: life ----------------------------------------------------------------------- */

static int stream_fd(const message_stream *stream)
{
    return ((const websocket_stream *)stream)->fd;
}

static void stream_destroy(message_stream *stream)
{
    websocket_stream *w = websocket_of(stream);
    if (w->state == WEBSOCKET_OPEN) {
        websocket_codec_close(&w->codec, WEBSOCKET_CODE_NORMAL);
        (void)write_queue(w);
    }
    websocket_codec_fini(&w->codec);
    curl_session_fini(&w->session);
    free(w->record);
    free(w);
}

static const message_stream_ops websocket_ops = {
    .read_fd = stream_fd,
    .write_fd = stream_fd,
    .send = stream_send,
    .flush = stream_flush,
    .queued = stream_queued,
    .receive = stream_receive,
    .destroy = stream_destroy,
};

/* --- connecting ----------------------------------------------------------------------------- */

/** One attempt to connect, and its time limit. */
typedef struct attempt {
    const websocket_options *options;
    uri_parts uri;
    int64_t deadline_ms; /* monotonic */
    char key[WEBSOCKET_KEY_SIZE];
    troupe_reason *reason;
} attempt;

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/** Wait for the socket, in slices when somebody may want to give up. */
static troupe_error wait_for(const attempt *a, int fd, short events)
{
    struct pollfd entry = {fd, events, 0};
    const websocket_options *options = a->options;
    for (;;) {
        int64_t left = a->deadline_ms - now_ms();
        if (options->abort != NULL && options->abort(options->abort_context)) {
            return troupe_fail(a->reason, TROUPE_ECANCELLED, "given up while connecting");
        }
        if (left <= 0) {
            return troupe_fail(a->reason, TROUPE_ETIMEOUT, "the server did not answer in time");
        }
        bool slices = options->abort != NULL && left > ABORT_SLICE_MS;
        int ready = poll(&entry, 1, slices ? ABORT_SLICE_MS : (int)left);
        if (ready > 0) {
            return TROUPE_OK;
        }
        if (ready < 0 && errno != EINTR) {
            return troupe_fail(a->reason, TROUPE_EIO, "poll: %s", strerror(errno));
        }
    }
}

static troupe_error open_connection(websocket_stream *w, attempt *a)
{
    uint32_t timeout_ms = a->options->connect_timeout_ms;
    if (timeout_ms == 0) {
        timeout_ms = CURL_SESSION_TIMEOUT_MS;
    }
    a->deadline_ms = now_ms() + (int64_t)timeout_ms;
    w->session.unix_path = a->options->unix_path;
    w->session.proxy = a->options->proxy;
    w->session.ca_file = a->options->ca_file;
    w->session.cert_file = a->options->cert_file;
    w->session.key_file = a->options->key_file;
    w->session.abort = a->options->abort;
    w->session.abort_context = a->options->abort_context;
    if (curl_session_init(&w->session, &a->uri, timeout_ms) != TROUPE_OK) {
        return troupe_fail(a->reason, TROUPE_ENOMEM, "no memory for the connection");
    }
    curl_easy_setopt(w->session.easy, CURLOPT_CONNECT_ONLY, 1L);
    curl_easy_setopt(w->session.easy, CURLOPT_TCP_KEEPALIVE, 1L);
    troupe_error error = curl_session_perform(&w->session, a->reason);
    if (error != TROUPE_OK) {
        return error;
    }
    curl_socket_t fd = CURL_SOCKET_BAD;
    curl_easy_getinfo(w->session.easy, CURLINFO_ACTIVESOCKET, &fd);
    w->fd = fd;
    return fd == CURL_SOCKET_BAD
               ? troupe_fail(a->reason, TROUPE_EUNAVAILABLE, "the connection ended at once")
               : TROUPE_OK;
}

/** The request, with the further headers before its empty line. */
static bool queue_request(websocket_stream *w, const attempt *a)
{
    byte_queue *out = &w->codec.out;
    char *request = websocket_handshake_request(&a->uri, a->key, a->options->bearer_token);
    bool ok = request != NULL && byte_queue_append(out, request, strlen(request) - 2);
    for (const char *const *at = a->options->headers; ok && at != NULL && *at != NULL; at++) {
        ok = byte_queue_append(out, *at, strlen(*at)) && byte_queue_append(out, "\r\n", 2);
    }
    free(request);
    return ok && byte_queue_append(out, "\r\n", 2);
}

static troupe_error send_request(websocket_stream *w, attempt *a)
{
    bool queued = queue_request(w, a);
    if (!queued) {
        return troupe_fail(a->reason, TROUPE_ENOMEM, "no memory for the request");
    }
    for (;;) {
        if (write_queue(w) != TROUPE_OK) {
            return troupe_fail(a->reason, TROUPE_EUNAVAILABLE, "%s", w->reason.text);
        }
        if (byte_queue_len(&w->codec.out) == 0) {
            return TROUPE_OK;
        }
        troupe_error error = wait_for(a, w->fd, POLLOUT);
        if (error != TROUPE_OK) {
            return error;
        }
    }
}

/** How many bytes can be read without reading past the empty line that ends the block. */
static size_t bytes_to_end(const char *block, size_t len)
{
    static const char end[] = "\r\n\r\n";
    for (size_t matched = 4; matched > 0; matched--) {
        if (len >= matched && memcmp(block + len - matched, end, matched) == 0) {
            return 4 - matched;
        }
    }
    return 4;
}

/** Read the header block and not a byte more: what follows belongs to the frames. */
static troupe_error read_answer(websocket_stream *w, const attempt *a, char *block, size_t size)
{
    size_t len = 0;
    for (size_t want = 4; want > 0; want = bytes_to_end(block, len)) {
        if (len + want >= size) {
            return troupe_fail(a->reason, TROUPE_EPROTOCOL, "the server's header is too long");
        }
        ssize_t n = read_bytes(w, block + len, want);
        if (n > 0) {
            len += (size_t)n;
        } else if (n != -1) {
            return troupe_fail(a->reason, TROUPE_EPROTOCOL,
                               "the server ended the connection during the handshake");
        } else {
            troupe_error error = wait_for(a, w->fd, POLLIN);
            if (error != TROUPE_OK) {
                return error;
            }
        }
    }
    block[len] = '\0';
    return TROUPE_OK;
}

static troupe_error handshake(websocket_stream *w, attempt *a)
{
    char block[ANSWER_MAX_BYTES];
    troupe_error error = websocket_handshake_key(a->key);
    if (error != TROUPE_OK) {
        return troupe_fail(a->reason, error, "no randomness");
    }
    error = send_request(w, a);
    if (error == TROUPE_OK) {
        error = read_answer(w, a, block, ANSWER_MAX_BYTES);
    }
    return error != TROUPE_OK ? error : websocket_handshake_check(block, a->key, a->reason);
}

static troupe_error connect_stream(attempt *a, message_stream **out)
{
    websocket_stream *w = calloc(1, sizeof(*w));
    if (w == NULL) {
        return troupe_fail(a->reason, TROUPE_ENOMEM, "no memory for the stream");
    }
    size_t max = a->options->message_max == 0 ? WEBSOCKET_MESSAGE_MAX : a->options->message_max;
    w->base.ops = &websocket_ops;
    w->tls = a->uri.tls;
    w->message_max = max;
    w->state = WEBSOCKET_DEAF; /* no close frame before the handshake is done */
    w->record = w->tls ? malloc(TLS_RECORD_BYTES) : NULL;
    troupe_error error = websocket_codec_init(&w->codec, max);
    if (error != TROUPE_OK || (w->tls && w->record == NULL)) {
        error = troupe_fail(a->reason, TROUPE_ENOMEM, "no memory for the stream");
    }
    if (error == TROUPE_OK) {
        error = open_connection(w, a);
    }
    if (error == TROUPE_OK) {
        error = handshake(w, a);
    }
    if (error != TROUPE_OK) {
        stream_destroy(&w->base);
        return error;
    }
    w->state = WEBSOCKET_OPEN;
    *out = &w->base;
    return TROUPE_OK;
}

troupe_error websocket_connect(const websocket_options *options, message_stream **out,
                               troupe_reason *reason)
{
    attempt a = {.options = options, .reason = reason};
    if (options->bearer_token != NULL && !curl_session_token_ok(options->bearer_token)) {
        return troupe_fail(reason, TROUPE_EPARAMS, "the token contains other than printable ASCII");
    }
    for (const char *const *at = options->headers; at != NULL && *at != NULL; at++) {
        if (!http_header_ok(*at)) {
            return troupe_fail(reason, TROUPE_EPARAMS, "a header is not of the shape Name: value");
        }
    }
    troupe_error error = uri_parse(options->url, &a.uri, reason);
    if (error == TROUPE_OK) {
        error = connect_stream(&a, out);
        uri_parts_fini(&a.uri);
    }
    return error;
}
