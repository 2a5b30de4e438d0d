/* SPDX-License-Identifier: MIT */
/* The client against servers that others wrote: `ws` of Node, civetweb, Chromium. */
#include "chromium.h"
#include "collect.h"
#include "transport/websocket.h"

#include <civetweb.h>
#include <criterion/criterion.h>
#include <stdint.h>

/* --- what each of them is asked -------------------------------------------------------------- */

static troupe_error connect_to(int port, websocket_deflate deflate, const deflate_offer *offer,
                               websocket **out, troupe_reason *reason)
{
    static const char *const protocols[] = {"troupe.test", NULL};
    char url[64];
    message_stream *stream = NULL;
    snprintf(url, sizeof(url), "ws://127.0.0.1:%d/", port);
    websocket_options options = {.url = url, .deflate = deflate, .deflate_min = 1};
    if (offer != NULL) {
        options.deflate_offer = *offer;
        options.protocols = protocols;
        options.protocol_count = 1;
    }
    troupe_error error = websocket_connect(&options, &stream, reason);
    *out = websocket_of(stream);
    return error;
}

static char *text_of(size_t len)
{
    char *text = malloc(len + 1);
    for (size_t i = 0; i < len; i++) {
        text[i] = (char)('a' + i * i / 700 % 26);
    }
    text[len] = '\0';
    return text;
}

/** Messages of all length classes, there and back, each with the same content. */
static void exchange(websocket *w)
{
    static const size_t sizes[] = {0, 1, 125, 126, 65535, 65536, 300000, 5000000};
    message_stream *stream = websocket_stream(w);
    troupe_reason reason = {{0}};
    for (size_t i = 0; i < 2 * sizeof(sizes) / sizeof(sizes[0]); i++) {
        collect c = {0};
        size_t len = sizes[i / 2];
        char *text = text_of(len);
        cr_assert_eq(i % 2 == 0 ? websocket_send_text(w, text, len)
                                : websocket_send_bytes(w, text, len),
                     TROUPE_OK);
        cr_assert_eq(collect_until(stream, &c, 1, &reason), TROUPE_OK, "%zu: %s", len, reason.text);
        cr_assert_eq(c.len[0], len);
        cr_assert_eq(memcmp(c.data[0], text, len), 0);
        cr_expect_eq(websocket_message_is_binary(stream), i % 2 == 1);
        collect_fini(&c);
        free(text);
    }
}

/** Close, and wait for the peer's answer. */
static void part(websocket *w)
{
    websocket_close(w, 1000, "bye");
    while (websocket_state_of(w) == WEBSOCKET_CLOSING) {
        websocket_wait wait;
        websocket_wait_for(w, &wait);
        (void)poll(wait.fds, wait.count, 20000);
        collect c = {0};
        (void)websocket_step(w, collect_message, &c, NULL);
        collect_fini(&c);
    }
    websocket_info info;
    websocket_info_of(w, &info);
    cr_expect_eq(info.state, WEBSOCKET_CLOSED);
    cr_expect_eq(info.close_code, 1000, "%d %s", info.close_code, info.closed);
    websocket_destroy(w);
}

/* --- Node's ws ------------------------------------------------------------------------------- */

static const char node_server[] =
    "const { WebSocketServer } = require('ws');"
    "const s = new WebSocketServer({ host: '127.0.0.1', port: 0, maxPayload: 1 << 26,"
    "  perMessageDeflate: JSON.parse(process.argv[1]) },"
    "  () => console.log(s.address().port));"
    "s.on('connection', c => {"
    "  c.on('message', (data, binary) => c.send(data, { binary })); c.ping('x'); });"
    "process.stdin.on('end', () => process.exit(0)).resume();";

typedef struct node {
    pid_t pid;
    int port;
    int input;
} node;

static void node_start(node *n, const char *deflate)
{
    extern char **environ;
    char *arguments[] = {"node", "-e", (char *)(uintptr_t)node_server, (char *)(uintptr_t)deflate,
                         NULL};
    int child_in;
    int child_out;
    int output;
    posix_spawn_file_actions_t actions;
    setenv("NODE_PATH", "/usr/share/nodejs", 0);
    chromium_pipe(&child_in, &n->input);
    chromium_pipe(&output, &child_out);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, child_in, 0);
    posix_spawn_file_actions_adddup2(&actions, child_out, 1);
    int code = posix_spawnp(&n->pid, "node", &actions, NULL, arguments, environ);
    posix_spawn_file_actions_destroy(&actions);
    close(child_in);
    close(child_out);
    if (code == ENOENT) {
        cr_skip_test("no node");
    }
    cr_assert_eq(code, 0);
    FILE *lines = fdopen(output, "r");
    if (fscanf(lines, "%d", &n->port) != 1) {
        cr_skip_test("Node has no ws");
    }
    fclose(lines);
}

static void node_stop(node *n)
{
    close(n->input);
    waitpid(n->pid, NULL, 0);
}

static void against_node(const char *server, const deflate_offer *offer, bool agreed)
{
    node n;
    websocket *w = NULL;
    troupe_reason reason = {{0}};
    websocket_info info;
    node_start(&n, server);
    cr_assert_eq(connect_to(n.port, WEBSOCKET_DEFLATE_ON, offer, &w, &reason), TROUPE_OK, "%s",
                 reason.text);
    websocket_info_of(w, &info);
    cr_expect_eq(info.deflate, agreed);
    cr_expect_str_eq(info.protocol, "troupe.test");
    exchange(w);
    websocket_info_of(w, &info);
    cr_expect_eq(info.bytes_in < 8000000, agreed, "%lu", (unsigned long)info.bytes_in);
    cr_expect_eq(info.bytes_out < 8000000, agreed, "%lu", (unsigned long)info.bytes_out);
    part(w);
    node_stop(&n);
}

Test(websocket_peers, node_with_compression_both_contexts_kept)
{
    deflate_offer offer = {0};
    against_node("{\"threshold\":0}", &offer, true);
}

Test(websocket_peers, node_with_compression_no_contexts_and_small_windows)
{
    deflate_offer offer = {.server_no_context = true, .client_no_context = true, .server_bits = 10};
    against_node("{\"threshold\":0,\"clientMaxWindowBits\":9}", &offer, true);
}

Test(websocket_peers, node_that_compresses_only_what_is_long)
{
    deflate_offer offer = {0};
    against_node("{\"threshold\":1024,\"clientNoContextTakeover\":true}", &offer, true);
}

Test(websocket_peers, node_that_declines_compression)
{
    deflate_offer offer = {0};
    against_node("false", &offer, false);
}

/* --- civetweb -------------------------------------------------------------------------------- */

static int on_civetweb_data(struct mg_connection *connection, int bits, char *data, size_t len,
                            void *context)
{
    (void)context;
    (void)mg_websocket_write(connection, bits & 0x0F, data, len);
    return (bits & 0x0F) != MG_WEBSOCKET_OPCODE_CONNECTION_CLOSE;
}

Test(websocket_peers, civetweb_that_knows_no_compression)
{
    static const char *const options[] = {"listening_ports", "127.0.0.1:0", "num_threads", "2",
                                          "tcp_nodelay",     "1",           NULL};
    struct mg_server_port port;
    websocket *w = NULL;
    troupe_reason reason = {{0}};
    websocket_info info;
    struct mg_context *server = mg_start(NULL, NULL, (const char **)(uintptr_t)options);
    cr_assert_not_null(server);
    mg_set_websocket_handler(server, "/", NULL, NULL, on_civetweb_data, NULL, NULL);
    cr_assert_eq(mg_get_server_ports(server, 1, &port), 1);
    cr_assert_eq(connect_to(port.port, WEBSOCKET_DEFLATE_ON, NULL, &w, &reason), TROUPE_OK, "%s",
                 reason.text);
    websocket_info_of(w, &info);
    cr_expect_not(info.deflate);
    exchange(w);
    part(w);
    mg_stop(server);
}

/* --- Chromium -------------------------------------------------------------------------------- */

static void against_chromium(websocket_deflate deflate, bool agreed)
{
    chromium browser;
    websocket *w = NULL;
    message_stream *stream = NULL;
    troupe_reason reason = {{0}};
    websocket_info info;
    collect c = {0};
    size_t len = (size_t)1 << 20;
    char *command = malloc(len + 100);
    chromium_start(&browser, false);
    websocket_options options = {.url = browser.url, .deflate = deflate};
    cr_assert_eq(websocket_connect(&options, &stream, &reason), TROUPE_OK, "%s", reason.text);
    w = websocket_of(stream);
    websocket_info_of(w, &info);
    cr_expect_eq(info.deflate, agreed);
    for (int i = 0; i < 20; i++) {
        int n = snprintf(command, 200, "{\"id\":%d,\"method\":\"Browser.getVersion\"}", i);
        cr_assert_eq(websocket_send_text(w, command, (size_t)n), TROUPE_OK);
    }
    int head =
        snprintf(command, 200, "{\"id\":20,\"method\":\"Browser.getVersion\",\"params\":{\"x\":\"");
    memset(command + head, 'x', len);
    memcpy(command + head + len, "\"}}", 3);
    cr_assert_eq(websocket_send_text(w, command, (size_t)head + len + 3), TROUPE_OK);
    cr_assert_eq(collect_until(stream, &c, 21, &reason), TROUPE_OK, "%s", reason.text);
    cr_expect_not_null(strstr(c.data[20], "\"result\""));
    websocket_info_of(w, &info);
    cr_expect_eq(info.bytes_out < 100000, agreed);
    collect_fini(&c);
    part(w);
    chromium_stop(&browser);
    close(browser.to);
    close(browser.from);
    free(command);
}

Test(websocket_peers, chromium_with_compression)
{
    against_chromium(WEBSOCKET_DEFLATE_ON, true);
}

Test(websocket_peers, chromium_on_loopback_is_not_offered_any)
{
    against_chromium(WEBSOCKET_DEFLATE_AUTO, false);
}
