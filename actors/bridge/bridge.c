/* SPDX-License-Identifier: MIT */
/*
 * The HTTP server of the host: listening, routing, starting and stopping.
 *
 * Every request passes on_request on one of civetweb's workers. Order of stopping: refuse new work,
 * end the WebSocket clients, let the requests in hand be answered (their calls are cancelled), wake
 * the workers that wait for a next request, join them; each worker destroys its guest as it ends.
 */
#include "bridge.h"

#include "actors/json_call.h"
#include "actors/verbs.h"
#include "client.h"
#include "discovery.h"
#include "download.h"
#include "drain.h"
#include "http.h"
#include "metrics.h"
#include "metrics_text.h"
#include "peer.h"
#include "rpc.h"
#include "slots.h"
#include "sse.h"
#include "tls_front.h"
#include "troupe/log.h"
#include "troupe/version.h"
#include "ws.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PORT_FIRST 37650
#define PORT_LAST  37659

#define TEXT(number)  TEXT_(number)
#define TEXT_(number) #number

/* How long requests in hand may take to be answered while stopping. */
#define STOP_GRACE_MS 3000

#define WARN_EVERY_NS 1000000000u

#define METRICS_PATH       "/metrics"
#define TLS_STOP_MS        2000
#define PAIR_BODY_MAX      1000
#define METRICS_TIMEOUT_MS 5000

#define CLIENT_TICK_MS  5000
#define CLIENT_STALL_MS 10000

/* What a worker thread owns. */
typedef struct worker {
    troupe_guest *guest; /* made with the first call */
} worker;

/* What is remembered of one TCP connection; used by the worker that serves it. */
typedef struct connection {
    bool owner_known;
    bool owner_found;
    uid_t uid;
} connection;

uint64_t bridge_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static bridge *server_of(const struct mg_connection *conn)
{
    return mg_get_user_data(mg_get_context(conn));
}

/* Who may ----------------------------------------------------------------------------------- */

static bool connection_owner(void *context, uid_t *uid)
{
    const struct mg_connection *conn = context;
    const struct mg_request_info *info = mg_get_request_info(conn);
    connection *known = mg_get_user_connection_data(conn);
    peer_ends ends = {info->remote_addr, (uint16_t)info->remote_port, server_of(conn)->auth.address,
                      (uint16_t)info->server_port};
    if (known == NULL) {
        return peer_owner(&ends, uid);
    }
    if (!known->owner_known) {
        known->owner_known = true;
        known->owner_found = peer_owner(&ends, &known->uid);
    }
    *uid = known->uid;
    return known->owner_found;
}

/* Token of the query, where a browser's WebSocket client can put it. */
static const char *query_token(const struct mg_connection *conn, char *buffer, size_t size)
{
    const char *query = mg_get_request_info(conn)->query_string;
    if (query == NULL || !ws_wanted(conn) ||
        mg_get_var(query, strlen(query), "token", buffer, size) < 0) {
        return NULL;
    }
    return buffer;
}

/* Whether a cookie stands for the token: a session that a link began. */
static bool has_session(bridge *server, const struct mg_connection *conn)
{
    char value[TICKET_TEXT_MAX];
    const char *cookies = http_header(conn, "Cookie", NULL);
    return cookies != NULL && mg_get_cookie(cookies, TICKET_COOKIE, value, sizeof value) > 0 &&
           tickets_has(&server->tickets, TICKET_SESSION, value, NULL);
}

/* Whether what is presented as the token is a ticket for the page's origin. */
static bool is_paired(bridge *server, const auth_request *request)
{
    const char *bearer = request->authorization;
    const char *text = request->token;
    if (bearer != NULL && strncasecmp(bearer, "Bearer ", 7) == 0) {
        text = bearer + 7 + strspn(bearer + 7, " ");
    }
    return text != NULL && request->origin != NULL &&
           tickets_has(&server->tickets, TICKET_PAIRED, text, request->origin);
}

static bool admitted(bridge *server, struct mg_connection *conn, auth_refusal *refusal)
{
    const struct mg_request_info *info = mg_get_request_info(conn);
    char token[512];
    auth_request request = {
        .method = info->request_method,
        .origin = http_header(conn, "Origin", NULL),
        .authorization = http_header(conn, "Authorization", NULL),
        .token = query_token(conn, token, sizeof token),
        .content_type = http_header(conn, "Content-Type", NULL),
        .peer_loopback = auth_is_loopback(info->remote_addr),
    };
    request.host = http_header(conn, "Host", &request.host_count);
    request.session = has_session(server, conn);
    request.paired = is_paired(server, &request);
    pthread_rwlock_rdlock(&server->auth_lock);
    bool good = auth_admit(&server->auth, &request, connection_owner, conn, refusal);
    pthread_rwlock_unlock(&server->auth_lock);
    return good;
}

/* All refusals are counted, one in a second is logged. */
static void log_refusal(bridge *server, const struct mg_connection *conn,
                        const auth_refusal *refusal)
{
    unsigned long long now_ns = bridge_now_ns();
    unsigned long long last_ns = atomic_load(&server->warned_ns);
    atomic_fetch_add(&server->counters.refused, 1);
    if (now_ns > last_ns + WARN_EVERY_NS &&
        atomic_compare_exchange_strong(&server->warned_ns, &last_ns, now_ns)) {
        troupe_log(TROUPE_LOG_WARN, "bridge", "refused", mg_get_request_info(conn)->remote_addr,
                   "%d by rule %s: %s", refusal->status, refusal->rule, refusal->text);
    }
}

static int send_refusal(bridge *server, struct mg_connection *conn, const auth_refusal *refusal)
{
    log_refusal(server, conn, refusal);
    const char *headers =
        refusal->status == 401 ? "WWW-Authenticate: Bearer realm=\"troupe\"\r\n" : NULL;
    return http_send_error(conn, refusal->status, refusal->code, headers, refusal->text);
}

/* Endpoints
 * ---------------------------------------------------------------------------------------- */

static int send_text(struct mg_connection *conn, int status, const char *type, const char *text)
{
    http_reply reply = {.status = status, .type = type, .body = text, .len = strlen(text)};
    return http_send_reply(conn, &reply);
}

static int get_healthz(bridge *server, struct mg_connection *conn)
{
    (void)server;
    return send_text(conn, 200, "text/plain; charset=utf-8", "ok\n");
}

static int get_readyz(bridge *server, struct mg_connection *conn)
{
    static const char *const cast[] = {NAME_LAUNCHER, NAME_CONNECTIONS, NAME_STORE};
    for (size_t i = 0; i < sizeof cast / sizeof cast[0]; i++) {
        if (troupe_whereis(server->system, cast[i]) == 0) {
            return send_text(conn, 503, "text/plain; charset=utf-8", "not ready\n");
        }
    }
    if (atomic_load(&server->draining)) {
        return send_text(conn, 503, "text/plain; charset=utf-8", "draining\n");
    }
    return send_text(conn, 200, "text/plain; charset=utf-8", "ok\n");
}

static int get_root(bridge *server, struct mg_connection *conn)
{
    (void)server;
    return send_text(conn, 200, "text/html; charset=utf-8",
                     "<!doctype html><meta charset=\"utf-8\"><title>Troupe</title>"
                     "<h1>Troupe</h1><p>A host for many browsers. Talk to it with JSON-RPC 2.0: "
                     "<code>POST /rpc</code> or a WebSocket at <code>/ws</code>; the method "
                     "<code>rpc.describe</code> lists all methods. Or use the <code>troupe</code> "
                     "command.</p>\n");
}

static int get_ws(bridge *server, struct mg_connection *conn)
{
    return ws_upgrade(server, conn, NULL);
}

static int get_events(bridge *server, struct mg_connection *conn)
{
    return atomic_load(&server->draining) ? drain_refuse(conn) : sse_serve(server, conn);
}

static troupe_guest *worker_guest(bridge *server, const struct mg_connection *conn)
{
    worker *self = mg_get_thread_pointer(conn);
    if (self == NULL) {
        return NULL;
    }
    if (self->guest == NULL && troupe_guest_create(server->system, &self->guest) != TROUPE_OK) {
        self->guest = NULL;
    }
    return self->guest;
}

/* What an actor answers to a call without params; NULL after answering why there is nothing. */
static json_t *ask_actor(bridge *server, struct mg_connection *conn, const char *name,
                         const char *verb)
{
    troupe_guest *guest = worker_guest(server, conn);
    troupe_address to = troupe_whereis(server->system, name);
    const troupe_bytes nil = {NULL, 0};
    troupe_answer answer = {0};
    troupe_error error =
        guest == NULL ? TROUPE_ENOMEM
        : to == 0     ? TROUPE_EUNAVAILABLE
                      : troupe_guest_call(guest, to, verb, NULL, nil, METRICS_TIMEOUT_MS, &answer);
    json_t *all = error == TROUPE_OK ? json_payload(answer.payload) : NULL;
    if (all == NULL) {
        (void)http_send_error(conn, 503, error != TROUPE_OK ? error : TROUPE_EINTERNAL, NULL,
                              "whoever knows does not answer");
    }
    troupe_answer_fini(&answer);
    return all;
}

static int send_json(struct mg_connection *conn, int status, json_t *value)
{
    char *text = json_dumps(value, JSON_COMPACT);
    json_decref(value);
    int sent = text != NULL ? send_text(conn, status, "application/json", text)
                            : http_send_error(conn, 500, TROUPE_ENOMEM, NULL, "out of memory");
    free(text);
    return sent;
}

static int get_health(bridge *server, struct mg_connection *conn)
{
    json_t *said = ask_actor(server, conn, NAME_CONNECTIONS, VERB_HOST_EPOCH);
    if (said == NULL) {
        return 503;
    }
    const char *how = atomic_load(&server->stopping)   ? "stopping"
                      : atomic_load(&server->draining) ? "draining"
                                                       : "ok";
    json_t *health =
        json_pack("{s:s, s:i, s:s, s:O?}", "status", how, "pid", (int)getpid(), "version",
                  troupe_version(), "epoch", json_object_get(said, "epoch"));
    json_decref(said);
    return send_json(conn, 200, health);
}

static int get_pressure(bridge *server, struct mg_connection *conn)
{
    json_t *said = ask_actor(server, conn, NAME_METRICS, "pressure");
    if (said == NULL) {
        return 503;
    }
    bool room = json_is_true(json_object_get(said, "isAvailable"));
    return send_json(conn, room ? 200 : 503, said);
}

/* GET /link/CODE: once; a browser that only looks (HEAD) does not use it up. */
static int get_link(bridge *server, struct mg_connection *conn)
{
    const struct mg_request_info *info = mg_get_request_info(conn);
    const char *code = info->local_uri + strlen("/link/");
    char session[TICKET_TEXT_MAX];
    char headers[TICKET_TEXT_MAX + 160];
    if (strcmp(info->request_method, "HEAD") == 0) {
        return send_text(conn, 200, "text/plain; charset=utf-8", "");
    }
    if (!tickets_take(&server->tickets, TICKET_LINK, code)) {
        return http_send_error(conn, 404, TROUPE_ENOTFOUND, NULL,
                               "this link was used, or is too old: `troupe dashboard` makes "
                               "another");
    }
    uint32_t ms = tickets_make(&server->tickets, TICKET_SESSION, NULL, session);
    if (ms == 0) {
        return http_send_error(conn, 503, TROUPE_EIO, NULL, "no random bytes");
    }
    snprintf(headers, sizeof headers,
             "Location: /\r\nReferrer-Policy: no-referrer\r\n"
             "Set-Cookie: " TICKET_COOKIE "=%s; Path=/; Max-Age=%u; HttpOnly; SameSite=Strict\r\n",
             session, ms / 1000);
    http_reply reply = {.status = 303, .headers = headers};
    return http_send_reply(conn, &reply);
}

/* POST /pair {code}: a page of another origin trades a code that was typed for a ticket. */
static int post_pair(bridge *server, struct mg_connection *conn)
{
    const char *origin = http_header(conn, "Origin", NULL);
    char text[TICKET_TEXT_MAX];
    char *body;
    size_t len;
    if (origin == NULL || strlen(origin) >= TICKET_ORIGIN_MAX || strcmp(origin, "null") == 0) {
        return http_send_error(conn, 400, TROUPE_EREQUEST, NULL,
                               "pairing is for pages: a request with an Origin");
    }
    if (http_read_body(conn, PAIR_BODY_MAX, &body, &len) != TROUPE_OK) {
        return http_send_error(conn, 400, TROUPE_EREQUEST, NULL, "a body {\"code\": …} is needed");
    }
    json_t *asked = json_loadb(body, len, 0, NULL);
    free(body);
    const char *code = json_string_value(json_object_get(asked, "code"));
    bool good = code != NULL && tickets_take(&server->tickets, TICKET_CODE, code);
    json_decref(asked);
    if (!good) {
        return http_send_error(conn, 403, TROUPE_EFORBIDDEN, NULL,
                               "no such code, or it is too old: `troupe pair` makes another");
    }
    if (tickets_make(&server->tickets, TICKET_PAIRED, origin, text) == 0) {
        return http_send_error(conn, 503, TROUPE_EIO, NULL, "no random bytes");
    }
    troupe_log(TROUPE_LOG_INFO, "bridge", "paired", origin, "it may call until the host ends");
    return send_json(conn, 200, json_pack("{s:s, s:s}", "ticket", text, "origin", origin));
}

/* A place among the workers that may be at work for a caller at once. */
static bool rpc_enter(bridge *server)
{
    pthread_mutex_lock(&server->lock);
    bool room = server->calling < BRIDGE_WORKERS - BRIDGE_WORKERS_SPARE;
    server->calling += room;
    pthread_mutex_unlock(&server->lock);
    return room;
}

static void rpc_leave(bridge *server)
{
    pthread_mutex_lock(&server->lock);
    server->calling--;
    pthread_mutex_unlock(&server->lock);
    drain_look(server);
}

static int send_busy(bridge *server, struct mg_connection *conn)
{
    atomic_fetch_add(&server->counters.overload, 1);
    return http_send_error(conn, 503, TROUPE_EBUSY, "Retry-After: 1\r\n",
                           "too many requests at once");
}

/* Answer with the worker's guest, in a place among those at work. */
static int at_work(bridge *server, struct mg_connection *conn,
                   int (*answer)(bridge *server, troupe_guest *guest, struct mg_connection *conn))
{
    troupe_guest *guest = worker_guest(server, conn);
    if (guest == NULL) {
        return http_send_error(conn, 503, TROUPE_ENOMEM, NULL, "out of memory");
    }
    if (!rpc_enter(server)) {
        return send_busy(server, conn);
    }
    int status = answer(server, guest, conn);
    rpc_leave(server);
    return status;
}

static int answer_download(bridge *server, troupe_guest *guest, struct mg_connection *conn)
{
    static const struct {
        const char *prefix;
        const char *method;
    } kinds[] = {
        {"/har/", "har"}, {"/screenshot/", "screenshot"}, {"/pdf/", "pdf"}, {"/body/", "body"}};
    const char *path = mg_get_request_info(conn)->local_uri;
    size_t i = 0;
    while (i + 1 < sizeof kinds / sizeof *kinds &&
           strncmp(path, kinds[i].prefix, strlen(kinds[i].prefix)) != 0) {
        i++;
    }
    const char *what = path + strlen(kinds[i].prefix);
    return i == 0 ? download_har(server, guest, conn, what)
                  : download_serve(server, guest, conn, kinds[i].method, what);
}

static int get_download(bridge *server, struct mg_connection *conn)
{
    return at_work(server, conn, answer_download);
}

/* Chrome's endpoints, /json and /devtools. */
static int get_discovery(bridge *server, struct mg_connection *conn)
{
    return at_work(server, conn, discovery_serve);
}

/* Everybody's numbers, as the metrics actor gathered them; NULL after answering why not. */
static json_t *ask_metrics(bridge *server, struct mg_connection *conn)
{
    troupe_guest *guest = worker_guest(server, conn);
    const troupe_bytes nil = {NULL, 0};
    troupe_answer answer = {0};
    troupe_error error = guest == NULL ? TROUPE_ENOMEM
                                       : troupe_guest_call(guest, server->metrics, "metrics", NULL,
                                                           nil, METRICS_TIMEOUT_MS, &answer);
    json_t *all = error == TROUPE_OK ? json_payload(answer.payload) : NULL;
    if (all == NULL) {
        (void)http_send_error(conn, 503, error != TROUPE_OK ? error : TROUPE_EINTERNAL, NULL,
                              "the numbers could not be gathered");
    }
    troupe_answer_fini(&answer);
    return all;
}

static int get_metrics(bridge *server, struct mg_connection *conn)
{
    json_t *all = ask_metrics(server, conn);
    if (all == NULL) {
        return 503;
    }
    troupe_buffer text = {0};
    metrics_text(all, &text);
    json_decref(all);
    http_reply reply = {
        .status = 200, .type = METRICS_TEXT_TYPE, .body = text.data, .len = text.len};
    int status = text.failed ? http_send_error(conn, 500, TROUPE_ENOMEM, NULL, "out of memory")
                             : http_send_reply(conn, &reply);
    troupe_buffer_fini(&text);
    return status;
}

/* Keep-alive holds a worker: offer it only while there are some left. */
static bool crowded(bridge *server)
{
    return atomic_load(&server->connections) > BRIDGE_WORKERS - 2 * BRIDGE_WORKERS_SPARE;
}

static int send_answer(bridge *server, struct mg_connection *conn, const troupe_buffer *answer)
{
    if (answer->failed) {
        return http_send_error(conn, 500, TROUPE_ENOMEM, NULL, "out of memory");
    }
    http_reply reply = {
        .status = answer->len > 0 ? 200 : 204,
        .type = answer->len > 0 ? "application/json" : NULL,
        .body = answer->data,
        .len = answer->len,
        .close = atomic_load(&server->stopping) || crowded(server),
    };
    return http_send_reply(conn, &reply);
}

static int answer_rpc(bridge *server, troupe_guest *guest, struct mg_connection *conn)
{
    char *body;
    size_t len;
    troupe_error error = http_read_body(conn, RPC_BODY_MAX, &body, &len);
    if (error == TROUPE_ELIMIT) {
        return http_send_error(conn, 413, TROUPE_ELIMIT, NULL, "a body may have at most 16 MiB");
    }
    if (error != TROUPE_OK) {
        return http_send_error(conn, 400, TROUPE_EREQUEST, NULL, "the body was cut off");
    }
    troupe_buffer answer = {0};
    bool stop = false;
    rpc_serve(server, guest, mg_get_request_info(conn)->remote_addr, body, len, &answer, &stop);
    free(body);
    int status = send_answer(server, conn, &answer);
    troupe_buffer_fini(&answer);
    if (stop) {
        server->options->stop_requested(server->options->stop_context);
    }
    return status;
}

static int post_rpc(bridge *server, struct mg_connection *conn)
{
    return at_work(server, conn, answer_rpc);
}

static const struct route {
    const char *path;
    const char *method; /* GET includes HEAD; NULL: whatever */
    bool open;          /* needs no permission */
    int (*answer)(bridge *server, struct mg_connection *conn);
} routes[] = {
    {"/rpc", "POST", false, post_rpc},      {"/ws", "GET", false, get_ws},
    {"/healthz", "GET", true, get_healthz}, {"/readyz", "GET", true, get_readyz},
    {"/health", "GET", false, get_health},  {"/pressure", "GET", false, get_pressure},
    {"/link/", "GET", true, get_link},      {"/pair", "POST", true, post_pair},
    {"/har/", "GET", false, get_download},  {"/screenshot/", "GET", false, get_download},
    {"/pdf/", "GET", false, get_download},  {"/body/", "GET", false, get_download},
    {"/", "GET", false, get_root},          {METRICS_PATH, "GET", false, get_metrics},
    {"/events", "GET", false, get_events},  {"/events/stream", "GET", false, get_events},
    {"/json", NULL, false, get_discovery},  {"/json/", NULL, false, get_discovery},
    {"/b/", NULL, false, get_discovery},    {"/devtools/", NULL, false, get_discovery},
};

static const struct route *route_find(const char *path)
{
    for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++) {
        size_t len = strlen(routes[i].path);
        bool below = len > 1 && routes[i].path[len - 1] == '/'; /* whatever comes after it */
        if (path != NULL &&
            (below ? strncmp(routes[i].path, path, len) == 0 : strcmp(routes[i].path, path) == 0)) {
            return &routes[i];
        }
    }
    return NULL;
}

static bool method_fits(const struct route *route, const char *method)
{
    return route->method == NULL || strcmp(route->method, method) == 0 ||
           (strcmp(route->method, "GET") == 0 && strcmp(method, "HEAD") == 0);
}

/* Whether everybody who reaches the port may have it. */
static bool is_open(const bridge *server, const struct route *route)
{
    return route != NULL && (route->open || (server->options->metrics_public &&
                                             strcmp(route->path, METRICS_PATH) == 0));
}

static int dispatch(bridge *server, struct mg_connection *conn)
{
    const struct mg_request_info *info = mg_get_request_info(conn);
    const struct route *route = route_find(info->local_uri);
    if (http_header(conn, "Transfer-Encoding", NULL) != NULL &&
        http_header(conn, "Content-Length", NULL) != NULL) {
        return http_send_error(conn, 400, TROUPE_EREQUEST, NULL,
                               "both Transfer-Encoding and Content-Length");
    }
    auth_refusal refusal;
    if (!is_open(server, route) && !admitted(server, conn, &refusal)) {
        return send_refusal(server, conn, &refusal);
    }
    if (route == NULL) {
        return http_send_error(conn, 404, TROUPE_ENOTFOUND, NULL, "no such path");
    }
    if (!method_fits(route, info->request_method)) {
        return http_send_error(conn, 405, TROUPE_EREQUEST,
                               strcmp(route->method, "GET") == 0 ? "Allow: GET, HEAD\r\n"
                                                                 : "Allow: POST\r\n",
                               "wrong method for this path");
    }
    if (atomic_load(&server->stopping)) {
        return http_send_error(conn, 503, TROUPE_ECLOSED, NULL, "the host is stopping");
    }
    return route->answer(server, conn);
}

/* civetweb's callbacks
 * ----------------------------------------------------------------------------- */

static int on_request(struct mg_connection *conn)
{
    bridge *server = server_of(conn);
    atomic_fetch_add(&server->counters.requests, 1);
    pthread_mutex_lock(&server->lock);
    server->active++;
    pthread_mutex_unlock(&server->lock);
    int status = dispatch(server, conn);
    pthread_mutex_lock(&server->lock);
    if (--server->active == 0) {
        pthread_cond_signal(&server->idle);
    }
    pthread_mutex_unlock(&server->lock);
    return status;
}

/* civetweb could not read the request. */
static int on_http_error(struct mg_connection *conn, int status, const char *message)
{
    (void)message;
    http_reply reply = {
        .status = status,
        .type = "application/json",
        .body = "{\"error\":{\"code\":-32600,\"name\":\"INVALID_REQUEST\",\"message\":"
                "\"not a valid HTTP request\"}}",
        .close = true,
    };
    reply.len = strlen(reply.body);
    (void)http_send_reply(conn, &reply);
    return 0;
}

static int on_log(const struct mg_connection *conn, const char *message)
{
    (void)conn;
    troupe_log(TROUPE_LOG_DEBUG, "bridge", "civetweb", NULL, "%.200s", message);
    return 1;
}

static void *on_thread_start(const struct mg_context *context, int type)
{
    (void)context;
    return type == 1 ? calloc(1, sizeof(worker)) : NULL;
}

static void on_thread_end(const struct mg_context *context, int type, void *pointer)
{
    (void)context;
    worker *self = pointer;
    if (type == 1 && self != NULL) {
        troupe_guest_destroy(self->guest);
        free(self);
    }
}

static int on_connection_start(const struct mg_connection *conn, void **data)
{
    *data = calloc(1, sizeof(connection));
    atomic_fetch_add(&server_of(conn)->connections, *data != NULL);
    return 0;
}

/* Called once more for connections that we closed ourselves; their data is NULL then. */
static void on_connection_end(const struct mg_connection *conn)
{
    connection *known = mg_get_user_connection_data(conn);
    if (known != NULL) {
        free(known);
        atomic_fetch_sub(&server_of(conn)->connections, 1);
    }
}

/* Start ------------------------------------------------------------------------------------- */

/* Cut "ADDR:PORT". Only IPv4: the HTTP server's library is built without IPv6. */
static troupe_error listen_split(const char *text, char *address, size_t size, uint16_t *port,
                                 troupe_reason *reason)
{
    const char *colon = strrchr(text, ':');
    struct in_addr parsed;
    if (colon == NULL || colon == text || (size_t)(colon - text) >= size) {
        return troupe_fail(reason, TROUPE_EPARAMS, "listen: \"%.80s\" is not ADDRESS:PORT", text);
    }
    snprintf(address, size, "%.*s", (int)(colon - text), text);
    char *end;
    unsigned long number = strtoul(colon + 1, &end, 10);
    if (end == colon + 1 || *end != '\0' || number > 65535) {
        return troupe_fail(reason, TROUPE_EPARAMS, "listen: \"%.80s\" has no valid port", text);
    }
    if (address[0] == '[') {
        return troupe_fail(reason, TROUPE_EUNAVAILABLE,
                           "listen: IPv6 is not available in this build (%.80s)", text);
    }
    if (strcasecmp(address, "localhost") == 0) {
        snprintf(address, size, "127.0.0.1");
    }
    if (inet_pton(AF_INET, address, &parsed) != 1) {
        return troupe_fail(reason, TROUPE_EPARAMS, "listen: \"%.60s\" is not an IPv4 address",
                           address);
    }
    *port = (uint16_t)number;
    return TROUPE_OK;
}

/* Whether one could listen there; the server's own message would not say why not. errno tells. */
static bool port_free(const char *address, uint16_t port)
{
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons(port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int on = 1;
    inet_pton(AF_INET, address, &name.sin_addr);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    bool free_now = fd >= 0 && bind(fd, (struct sockaddr *)&name, sizeof name) == 0;
    int saved = errno;
    if (fd >= 0) {
        close(fd);
    }
    errno = saved;
    return free_now;
}

static struct mg_context *http_start(bridge *server, const char *address, uint16_t port)
{
    char listening[96];
    snprintf(listening, sizeof listening, "%s:%u", address, (unsigned)port);
    const char *options[] = {
        "listening_ports",
        listening,
        "num_threads",
        TEXT(BRIDGE_WORKERS),
        "tcp_nodelay",
        "1",
        "enable_keep_alive",
        "yes",
        "keep_alive_timeout_ms",
        "5000",
        "request_timeout_ms",
        "5000",
        "enable_directory_listing",
        "no",
        "access_control_allow_origin",
        "",
        "access_control_allow_methods",
        "",
        "access_control_allow_headers",
        "",
        NULL,
    };
    struct mg_callbacks callbacks = {
        .begin_request = on_request,
        .http_error = on_http_error,
        .log_message = on_log,
        .init_thread = on_thread_start,
        .exit_thread = on_thread_end,
        .init_connection = on_connection_start,
        .connection_close = on_connection_end,
    };
    return mg_start(&callbacks, server, options);
}

static troupe_error listen_at(bridge *server, const char *address, uint16_t port,
                              troupe_reason *reason)
{
    if (!port_free(address, port)) {
        return troupe_fail(reason, TROUPE_EUNAVAILABLE, "cannot listen on %s:%u: %s", address,
                           (unsigned)port, strerror(errno));
    }
    server->http = http_start(server, address, port);
    if (server->http == NULL) {
        return troupe_fail(reason, TROUPE_EUNAVAILABLE, "cannot listen on %s:%u", address,
                           (unsigned)port);
    }
    return TROUPE_OK;
}

static troupe_error listen_somewhere(bridge *server, troupe_reason *reason)
{
    for (uint16_t port = PORT_FIRST; port <= PORT_LAST; port++) {
        if (listen_at(server, "127.0.0.1", port, NULL) == TROUPE_OK) {
            return TROUPE_OK;
        }
    }
    return troupe_fail(reason, TROUPE_EUNAVAILABLE,
                       "cannot listen: ports %d to %d of 127.0.0.1 are all taken", PORT_FIRST,
                       PORT_LAST);
}

/* The HTTP server on a loopback port of its own, for processes of this machine; TLS in front of it
 * where it was asked for. */
static troupe_error listen_with_tls(bridge *server, bool named, uint16_t port,
                                    troupe_reason *reason)
{
    const troupe_host_options *options = server->options;
    if (!server->auth.has_token) {
        return troupe_fail(reason, TROUPE_EFORBIDDEN,
                           "tls_cert needs a token: who comes by TLS cannot be told from others");
    }
    troupe_error error = tls_front_check(options->tls_cert, options->tls_key, reason);
    if (error == TROUPE_OK) {
        error = listen_at(server, "127.0.0.1", 0, reason);
    }
    struct mg_server_port inner = {0};
    if (error != TROUPE_OK || mg_get_server_ports(server->http, 1, &inner) < 1) {
        return error != TROUPE_OK ? error : TROUPE_EIO;
    }
    tls_front_options front = {.address = server->auth.address,
                               .cert_file = options->tls_cert,
                               .key_file = options->tls_key,
                               .inner_port = (uint16_t)inner.port,
                               .connections_max = BRIDGE_WORKERS + server->clients_max};
    front.port = named ? port : PORT_FIRST;
    do {
        error = tls_front_start(server->system, &front, &server->tls, &server->auth.port, reason);
    } while (error == TROUPE_EUNAVAILABLE && !named && front.port++ < PORT_LAST);
    server->auth.tls = true;
    if (error != TROUPE_OK) {
        mg_stop(server->http);
        server->http = NULL;
    }
    return error;
}

static troupe_error listen_as_asked(bridge *server, troupe_reason *reason)
{
    char address[64] = "127.0.0.1";
    uint16_t port = 0;
    const char *wanted = server->options->listen;
    if (wanted != NULL) {
        troupe_error error = listen_split(wanted, address, sizeof address, &port, reason);
        if (error != TROUPE_OK) {
            return error;
        }
    }
    troupe_error error = auth_init(&server->auth, server->options, address, reason);
    if (error != TROUPE_OK) {
        return error;
    }
    if (server->options->tls_cert != NULL) {
        return listen_with_tls(server, wanted != NULL, port, reason);
    }
    return wanted != NULL ? listen_at(server, address, port, reason)
                          : listen_somewhere(server, reason);
}

/* Where the HTTP server listens, and where others reach it. */
static void note_ports(bridge *server)
{
    struct mg_server_port port = {0};
    (void)mg_get_server_ports(server->http, 1, &port);
    server->port = (uint16_t)port.port;
    if (!server->auth.tls) {
        server->auth.port = server->port;
    }
}

static bridge *server_create(const troupe_host_options *options, troupe_system *system)
{
    bridge *server = calloc(1, sizeof *server);
    if (server == NULL) {
        return NULL;
    }
    server->options = options;
    server->system = system;
    server->started_ns = bridge_now_ns();
    server->clients_max = options->clients_max > 0 ? options->clients_max : BRIDGE_CLIENTS_MAX;
    server->client_tick_ms = CLIENT_TICK_MS;
    server->client_stall_ms = CLIENT_STALL_MS;
    server->client_next = 1;
    server->slots = calloc(server->clients_max, sizeof *server->slots);
    if (server->slots == NULL ||
        !rate_gate_init(&server->gate, options->calls_per_second, options->calls_burst)) {
        free(server->slots);
        free(server);
        return NULL;
    }
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&server->lock, NULL);
    pthread_rwlock_init(&server->auth_lock, NULL);
    tickets_init(&server->tickets);
    status_cache_init(&server->status);
    server->config_json = options->config_json;
    pthread_cond_init(&server->idle, &monotonic);
    pthread_condattr_destroy(&monotonic);
    return server;
}

static void server_destroy(bridge *server)
{
    auth_fini(&server->auth);
    pthread_rwlock_destroy(&server->auth_lock);
    tickets_fini(&server->tickets);
    rate_gate_fini(&server->gate);
    status_cache_fini(&server->status);
    pthread_cond_destroy(&server->idle);
    pthread_mutex_destroy(&server->lock);
    free(server->slots);
    free(server);
}

static void tell_addresses(const bridge *server, troupe_host_info *addresses)
{
    const char *address = server->auth.address;
    bool tls = server->auth.tls;
    snprintf(addresses->url, sizeof addresses->url, "%s://%s:%u", tls ? "https" : "http",
             strcmp(address, "0.0.0.0") == 0 ? "127.0.0.1" : address, (unsigned)server->auth.port);
    addresses->port = server->auth.port;
    memcpy(addresses->local_url, addresses->url, sizeof addresses->local_url);
    if (tls) {
        snprintf(addresses->local_url, sizeof addresses->local_url, "http://127.0.0.1:%u",
                 (unsigned)server->port);
    }
}

troupe_error bridge_start(const troupe_host_options *options, troupe_system *system, bridge **out,
                          troupe_host_info *addresses, troupe_reason *reason)
{
    bridge *server = server_create(options, system);
    if (server == NULL) {
        return troupe_fail(reason, TROUPE_ENOMEM, "out of memory");
    }
    troupe_error error = metrics_start(server);
    if (error != TROUPE_OK) {
        server_destroy(server);
        return troupe_fail(reason, error, "metrics: %s", troupe_error_text(error));
    }
    pthread_mutex_lock(&server->lock); /* requests wait until the port is known */
    error = listen_as_asked(server, reason);
    if (error == TROUPE_OK) {
        note_ports(server);
    }
    pthread_mutex_unlock(&server->lock);
    if (error != TROUPE_OK) {
        metrics_stop(server);
        server_destroy(server);
        return error;
    }
    tell_addresses(server, addresses);
    troupe_log(TROUPE_LOG_INFO, "bridge", "listening", addresses->url, "%s",
               server->auth.has_token ? "with a token" : "for processes of the same user");
    *out = server;
    return TROUPE_OK;
}

troupe_error bridge_reload(bridge *server, const troupe_host_options *options,
                           troupe_reason *reason)
{
    auth_rules fresh;
    troupe_error error = auth_init(&fresh, options, server->auth.address, reason);
    if (error != TROUPE_OK) {
        return error;
    }
    if (server->auth.tls && !fresh.has_token) {
        auth_fini(&fresh);
        return troupe_fail(reason, TROUPE_EFORBIDDEN, "tls_cert needs a token");
    }
    fresh.port = server->auth.port;
    fresh.tls = server->auth.tls;
    pthread_rwlock_wrlock(&server->auth_lock);
    auth_rules old = server->auth;
    server->auth = fresh;
    server->config_json = options->config_json;
    pthread_rwlock_unlock(&server->auth_lock);
    auth_fini(&old);
    return TROUPE_OK;
}

/* Stop -------------------------------------------------------------------------------------- */

static void wait_idle(bridge *server)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += STOP_GRACE_MS / 1000;
    pthread_mutex_lock(&server->lock);
    while (server->active > 0 &&
           pthread_cond_timedwait(&server->idle, &server->lock, &until) == 0) {
    }
    pthread_mutex_unlock(&server->lock);
}

void bridge_stop(bridge *server)
{
    if (server == NULL) {
        return;
    }
    atomic_store(&server->stopping, true);
    clients_stop(server);
    wait_idle(server);
    clients_stop(server); /* one that came in between */
    peer_shutdown_port(server->port);
    mg_stop(server->http);
    if (server->tls != 0 &&
        troupe_stop(server->system, server->tls, TROUPE_STOP_NOW) == TROUPE_OK) {
        (void)!troupe_join(server->system, server->tls, TLS_STOP_MS);
    }
    metrics_stop(server);
    drain_fini(server);
    troupe_log(TROUPE_LOG_INFO, "bridge", "stopped", NULL, "after %llu requests",
               (unsigned long long)atomic_load(&server->counters.requests));
    server_destroy(server);
}
