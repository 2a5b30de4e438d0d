/* SPDX-License-Identifier: MIT */
/* Finding a browser's WebSocket: what is wrong is told, what is not there yet is waited for. */
#include "actors/browser/endpoint_claims.h"
#include "actors/browser/endpoint_connect.h"
#include "actors/browser/endpoint_discover.h"
#include "tests/unit/transport/chromium.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* What a user writes ------------------------------------------------------------------------ */

static troupe_error create(const char *json, browser_endpoint **out, troupe_reason *reason)
{
    json_error_t where;
    json_t *params = json_loads(json, 0, &where);
    cr_assert_not_null(params, "%s: %s", json, where.text);
    *out = NULL;
    troupe_error error = endpoint_create(params, out, reason);
    json_decref(params);
    return error;
}

static void expect_address(const char *port, const char *url, const char *text, int number,
                           bool direct)
{
    char json[600];
    browser_endpoint *at;
    troupe_reason reason = {{0}};
    snprintf(json, sizeof json, "{\"port\": %s}", port);
    cr_assert_eq(create(json, &at, &reason), TROUPE_OK, "%s: %s", port, reason.text);
    cr_expect_str_eq(at->url, url);
    cr_expect_str_eq(endpoint_text(at), text);
    cr_expect_eq(at->port, number, "%s: %d", port, at->port);
    cr_expect_eq(at->direct, direct, "%s", port);
    endpoint_unref(at);
}

Test(endpoint, addresses_are_understood)
{
    expect_address("9222", "http://127.0.0.1:9222", "http://127.0.0.1:9222", 9222, false);
    expect_address("\"9222\"", "http://127.0.0.1:9222", "http://127.0.0.1:9222", 9222, false);
    expect_address("\":9222\"", "http://127.0.0.1:9222", "http://127.0.0.1:9222", 9222, false);
    expect_address("\"localhost:9222\"", "http://localhost:9222", "http://localhost:9222", 9222,
                   false);
    expect_address("\"10.1.2.3:9222\"", "http://10.1.2.3:9222", "http://10.1.2.3:9222", 0, false);
    expect_address("\"build-7.example:80\"", "http://build-7.example", "http://build-7.example", 0,
                   false);
    expect_address("\"[::1]:9222\"", "http://[::1]:9222", "http://[::1]:9222", 9222, false);
    expect_address("\"http://127.0.0.1:9222\"", "http://127.0.0.1:9222", "http://127.0.0.1:9222",
                   9222, false);
    expect_address("\"http://127.0.0.1:9222/json/version\"", "http://127.0.0.1:9222",
                   "http://127.0.0.1:9222", 9222, false);
    expect_address("\"https://h.example/b/7/?key=s3cret\"", "https://h.example/b/7?key=s3cret",
                   "https://h.example/b/7", 0, false);
    expect_address("\"ws://127.0.0.1:9222/devtools/browser/abc\"",
                   "ws://127.0.0.1:9222/devtools/browser/abc",
                   "ws://127.0.0.1:9222/devtools/browser/abc", 9222, true);
    expect_address("\"wss://h.example/?token=s3cret\"", "wss://h.example/?token=s3cret",
                   "wss://h.example/", 0, true);
    expect_address("\"ws://h.example:9222\"", "http://h.example:9222", "http://h.example:9222", 0,
                   false);
    expect_address("\"wss://h.example/\"", "https://h.example", "https://h.example", 0, false);
    expect_address("\"unix:/run/x.sock\"", "http://localhost", "unix:/run/x.sock", 0, false);
    expect_address("\"unix:///run/x.sock\"", "http://localhost", "unix:/run/x.sock", 0, false);
}

static void expect_refused(const char *json, const char *words)
{
    browser_endpoint *at;
    troupe_reason reason = {{0}};
    cr_expect_eq(create(json, &at, &reason), TROUPE_EPARAMS, "%s", json);
    cr_expect_null(at);
    cr_expect_not_null(strstr(reason.text, words), "%s: no \"%s\" in \"%s\"", json, words,
                       reason.text);
    cr_expect_null(strstr(reason.text, "s3cret"), "%s", reason.text);
}

Test(endpoint, addresses_that_are_none_are_refused)
{
    expect_refused("{}", "`port` must be");
    expect_refused("{\"port\": null}", "`port` must be");
    expect_refused("{\"port\": \"\"}", "`port` must be");
    expect_refused("{\"port\": 0}", "1 to 65535");
    expect_refused("{\"port\": -1}", "1 to 65535");
    expect_refused("{\"port\": 65536}", "1 to 65535");
    expect_refused("{\"port\": \"99999999999999999999\"}", "1 to 65535");
    expect_refused("{\"port\": \"host\"}", "a port (1 to 65535) is missing");
    expect_refused("{\"port\": \"host:\"}", "a port (1 to 65535) is missing");
    expect_refused("{\"port\": \"host:0\"}", "a port (1 to 65535) is missing");
    expect_refused("{\"port\": \"host:9222x\"}", "a port (1 to 65535) is missing");
    expect_refused("{\"port\": \"[::1]\"}", "a port (1 to 65535) is missing");
    expect_refused("{\"port\": \"::1:9222\"}", "in brackets");
    expect_refused("{\"port\": \"host:9222/path\"}", "`port` must be");
    expect_refused("{\"port\": \"a b:9222\"}", "`port` must be");
    expect_refused("{\"port\": \"ftp://h:21\"}", "scheme");
    expect_refused("{\"port\": \"http://u:s3cret@h:9222\"}", "user or password");
    expect_refused("{\"port\": \"http://h:9222/#s3cret\"}", "fragment");
    expect_refused("{\"port\": \"ws://127.0.0.1:9222/devtools/page/AB\"}", "of a page");
    expect_refused("{\"port\": \"unix:\"}", "absolute path");
    expect_refused("{\"port\": \"unix:x.sock\"}", "absolute path");
}

Test(endpoint, other_params_that_are_bad_are_named)
{
    expect_refused("{\"port\": 1, \"token_file\": \"x\"}", "`token_file` must be an absolute path");
    expect_refused("{\"port\": 1, \"token_file\": 7}", "`token_file` must be an absolute path");
    expect_refused("{\"port\": 1, \"ca_file\": \"/no/such.pem\"}",
                   "`ca_file` /no/such.pem: No such");
    expect_refused("{\"port\": 1, \"key_file\": \"/dev/null\"}", "`key_file` without `cert_file`");
    expect_refused("{\"port\": 1, \"proxy\": \"u:s3cret@h\"}", "`proxy` must be a URL");
    expect_refused("{\"port\": 1, \"proxy\": \"http://\"}", "`proxy` must be a URL");
    expect_refused("{\"port\": 1, \"headers\": []}", "`headers` must be an object");
    expect_refused("{\"port\": 1, \"headers\": {\"A\": 1}}", "`headers`: a header is not");
    expect_refused("{\"port\": 1, \"headers\": {\"A\": \"s3cret\\r\\nB: c\"}}",
                   "`headers`: a header");
    expect_refused("{\"port\": 1, \"headers\": {\"A B\": \"s3cret\"}}", "`headers`: a header");
}

static void put_file(const char *path, const char *text, mode_t mode)
{
    FILE *file = fopen(path, "w");
    cr_assert_not_null(file);
    fputs(text, file);
    fclose(file);
    cr_assert_eq(chmod(path, mode), 0);
}

static void expect_token(const char *text, mode_t mode, const char *token, const char *words)
{
    char path[] = "/tmp/troupe-token-XXXXXX";
    char *got = NULL;
    troupe_reason reason = {{0}};
    close(mkstemp(path));
    put_file(path, text, mode);
    troupe_error error = endpoint_read_token(path, &got, &reason);
    cr_expect_eq(error, token != NULL ? TROUPE_OK : TROUPE_EPARAMS, "%s", reason.text);
    cr_expect(token == NULL || strcmp(got, token) == 0, "%s", got);
    cr_expect(words == NULL || strstr(reason.text, words) != NULL, "%s", reason.text);
    cr_expect_null(strstr(reason.text, "s3cret"), "%s", reason.text);
    free(got);
    unlink(path);
}

Test(endpoint, token_files_are_ours_alone)
{
    static char longer[9000];
    memset(longer, 'x', sizeof longer - 1);
    expect_token("s3cret", 0600, "s3cret", NULL);
    expect_token("\n s3cret\r\n\n", 0400, "s3cret", NULL);
    expect_token("s3cret", 0640, NULL, "can be read or changed by others (mode 0640): chmod 600");
    expect_token("s3cret", 0604, NULL, "by others (mode 0604)");
    expect_token("", 0600, NULL, "is empty");
    expect_token(" \n", 0600, NULL, "is empty");
    expect_token("s3cret two", 0600, NULL, "other than printable ASCII");
    expect_token("s3cret\x01", 0600, NULL, "other than printable ASCII");
    expect_token(longer, 0600, NULL, "longer than 8192 bytes");
    char *got = NULL;
    troupe_reason reason = {{0}};
    cr_expect_eq(endpoint_read_token("/no/such", &got, &reason), TROUPE_EPARAMS);
    cr_expect_eq(endpoint_read_token("/tmp", &got, &reason), TROUPE_EPARAMS);
    cr_expect_not_null(strstr(reason.text, "is no file"), "%s", reason.text);
}

/* Discovery --------------------------------------------------------------------------------- */

/* Answers one connection with a fixed text. */
typedef struct answerer {
    int fd;
    uint16_t port;
    const char *answer;
    char asked[2048];
    pthread_t thread;
} answerer;

static void *serve(void *context)
{
    answerer *a = context;
    int fd = accept(a->fd, NULL, NULL);
    close(a->fd); /* nobody is there any more */
    size_t len = 0;
    ssize_t got;
    while (len < sizeof a->asked - 1 && strstr(a->asked, "\r\n\r\n") == NULL &&
           (got = read(fd, a->asked + len, sizeof a->asked - 1 - len)) > 0) {
        len += (size_t)got;
    }
    cr_assert(send(fd, a->answer, strlen(a->answer), MSG_NOSIGNAL) >= 0);
    close(fd);
    return NULL;
}

static void answerer_start(answerer *a, const char *answer)
{
    *a = (answerer){.answer = answer, .fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    cr_assert_eq(bind(a->fd, (struct sockaddr *)&address, len), 0);
    cr_assert_eq(listen(a->fd, 1), 0);
    cr_assert_eq(getsockname(a->fd, (struct sockaddr *)&address, &len), 0);
    a->port = ntohs(address.sin_port);
    cr_assert_eq(pthread_create(&a->thread, NULL, serve, a), 0);
}

static void answerer_stop(answerer *a)
{
    pthread_join(a->thread, NULL);
}

/* What comes of that answer; url: where its WebSocket was looked for in vain, the listener being
 * gone. `more`: further params. */
static troupe_error version_answer(const char *answer, const char *prefix, const char *more,
                                   char asked[2048], char url[256], troupe_reason *reason)
{
    answerer a;
    char json[600];
    browser_endpoint *at;
    message_stream *stream = NULL;
    answerer_start(&a, answer);
    snprintf(json, sizeof json, "{\"port\": \"http://127.0.0.1:%u%s\"%s}", a.port, prefix, more);
    cr_assert_eq(create(json, &at, reason), TROUPE_OK, "%s", reason->text);
    endpoint_options options = {.at = at, .pid_fd = -1, .timeout_ms = 20000};
    url[0] = '\0';
    troupe_error error = endpoint_connect(&options, url, 256, &stream, reason);
    cr_assert_null(stream);
    answerer_stop(&a);
    if (asked != NULL) {
        memcpy(asked, a.asked, sizeof a.asked);
    }
    char port[16];
    snprintf(port, sizeof port, ":%u", a.port);
    char *at_port = strstr(url, port);
    if (at_port != NULL) { /* ephemeral */
        memmove(at_port, at_port + strlen(port), strlen(at_port + strlen(port)) + 1);
    }
    endpoint_unref(at);
    return error;
}

Test(endpoint, version_answers_of_no_browser_are_refused)
{
    static char longer[70000] = "HTTP/1.1 200 OK\r\n\r\n";
    memset(longer + strlen(longer), ' ', sizeof longer - 1 - strlen(longer));
    const struct {
        const char *answer;
        troupe_error error;
        const char *why;
    } cases[] = {
        {"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", TROUPE_EPROTOCOL,
         "a web server is there, but no browser: /json/version is answered with status 404"},
        {"HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n", TROUPE_EUNAUTHORIZED,
         "a token is missing"},
        {"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n", TROUPE_EUNAUTHORIZED, "status 403"},
        {"HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n", TROUPE_EPROTOCOL,
         "a redirect (status 302)"},
        {"HTTP/1.1 200 OK\r\n\r\n{}", TROUPE_EPROTOCOL, "no browser is there"},
        {"HTTP/1.1 200 OK\r\n\r\nhello", TROUPE_EPROTOCOL, "no browser"},
        {"HTTP/1.1 200 OK\r\n\r\n\n<!doctype html><html>", TROUPE_EPROTOCOL,
         "answered with a page"},
        {"HTTP/1.1 200 OK\r\n\r\n{\"Browser\": \"node.js/v20.1\"}", TROUPE_EPROTOCOL,
         "node.js/v20.1 is there, which is no browser"},
        {"HTTP/1.1 200 OK\r\n\r\n{\"webSocketDebuggerUrl\":42} ", TROUPE_EPROTOCOL, "no browser"},
        {"HTTP/1.1 200 OK\r\n\r\n{\"webSocketDebuggerUrl\":\"x://\"}", TROUPE_EPROTOCOL,
         "webSocketDebuggerUrl is none"},
        {"HTTP/1.1 200 OK\r\n\r\n"
         "{\"webSocketDebuggerUrl\":\"ws://h/devtools/page/AB\"}",
         TROUPE_EPROTOCOL, "is a page's, not a browser's"},
        {longer, TROUPE_ELIMIT, "65536 bytes"},
        {"SSH-2.0-OpenSSH\r\n", TROUPE_EPROTOCOL, ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char url[256];
        char asked[2048];
        troupe_reason reason = {{0}};
        troupe_error error = version_answer(cases[i].answer, "", "", asked, url, &reason);
        cr_expect_eq(error, cases[i].error, "%zu: %s", i, reason.text);
        cr_expect_neq(reason.text[0], '\0');
        cr_expect_not_null(strstr(reason.text, cases[i].why), "%s", reason.text);
        cr_expect_not_null(strstr(asked, "GET /json/version HTTP/1.1"), "%s", asked);
    }
}

static void expect_place(const char *prefix, const char *announced, const char *wanted)
{
    char answer[500];
    char body[300];
    char url[256];
    char asked[2048];
    troupe_reason reason = {{0}};
    snprintf(body, sizeof body, "{\"webSocketDebuggerUrl\": \"%s\"}", announced);
    snprintf(answer, sizeof answer, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%s",
             strlen(body), body);
    cr_expect_neq(version_answer(answer, prefix, "", asked, url, &reason), TROUPE_OK);
    cr_expect_str_eq(url, wanted);
}

Test(endpoint, version_answers_are_taken_for_their_path_alone)
{
    expect_place("", "ws://0.0.0.0:9222/devtools/browser/a-b",
                 "ws://127.0.0.1/devtools/browser/a-b");
    expect_place("", "ws:\\/\\/localhost\\/devtools\\/browser\\/a",
                 "ws://127.0.0.1/devtools/browser/a");
    expect_place("", "wss://evil.example:1/devtools/browser/a?token=s3cret",
                 "ws://127.0.0.1/devtools/browser/a");
    expect_place("/b/7", "ws://localhost:9222/devtools/browser/a",
                 "ws://127.0.0.1/b/7/devtools/browser/a");
    expect_place("/b/7/", "ws://relay/b/7/devtools/browser/a",
                 "ws://127.0.0.1/b/7/devtools/browser/a");
    expect_place("", "ws://0.0.0.0:3000", "ws://127.0.0.1/");
}

Test(endpoint, requests_carry_token_and_headers)
{
    char path[] = "/tmp/troupe-token-XXXXXX";
    char more[200];
    char url[256];
    char asked[2048];
    troupe_reason reason = {{0}};
    close(mkstemp(path));
    put_file(path, "s3cret\n", 0600);
    snprintf(more, sizeof more, ", \"token_file\": \"%s\", \"headers\": {\"X-Team\": \"blue\"}",
             path);
    cr_expect_eq(version_answer("HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n", "/p?key=k", more,
                                asked, url, &reason),
                 TROUPE_EUNAUTHORIZED);
    unlink(path);
    cr_expect_not_null(strstr(asked, "GET /p/json/version?key=k HTTP/1.1\r\n"), "%s", asked);
    cr_expect_not_null(strstr(asked, "\r\nAuthorization: Bearer s3cret\r\n"), "%s", asked);
    cr_expect_not_null(strstr(asked, "\r\nX-Team: blue\r\n"), "%s", asked);
    cr_expect_not_null(strstr(reason.text, "the token is refused"), "%s", reason.text);
    cr_expect_null(strstr(reason.text, "s3cret"));
}

Test(endpoint, silence_is_told)
{
    char json[64];
    char url[256];
    browser_endpoint *at;
    message_stream *stream = NULL;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    troupe_reason reason = {{0}};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(bind(fd, (struct sockaddr *)&address, len), 0);
    cr_assert_eq(listen(fd, 1), 0);
    cr_assert_eq(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    for (int direct = 0; direct < 2; direct++) {
        snprintf(json, sizeof json, "{\"port\": \"%s://127.0.0.1:%u/x\"}", direct ? "ws" : "http",
                 ntohs(address.sin_port));
        cr_assert_eq(create(json, &at, &reason), TROUPE_OK, "%s", reason.text);
        endpoint_options options = {.at = at, .pid_fd = -1, .timeout_ms = 60};
        cr_expect_eq(endpoint_connect(&options, url, sizeof url, &stream, &reason),
                     TROUPE_ETIMEOUT);
        cr_expect_not_null(strstr(reason.text, "no answer in time"), "%s", reason.text);
        endpoint_unref(at);
    }
    close(fd);
}

/* Chrome answers status 500 to any name in Host but localhost's. */
static void expect_by_name(const chromium *browser, const char *address)
{
    char json[300];
    char resolve[100];
    char url[256];
    browser_endpoint *at;
    message_stream *stream = NULL;
    troupe_reason reason = {{0}};
    snprintf(json, sizeof json, address, browser->port);
    snprintf(resolve, sizeof resolve, "browser.example:%d:127.0.0.1", browser->port);
    cr_assert_eq(create(json, &at, &reason), TROUPE_OK, "%s", reason.text);
    endpoint_options options = {
        .at = at, .pid_fd = -1, .timeout_ms = 20000, .resolve = resolve, .id = "b"};
    cr_expect_eq(endpoint_connect(&options, url, sizeof url, &stream, &reason), TROUPE_OK, "%s: %s",
                 json, reason.text);
    message_stream_destroy(stream);
    endpoint_unref(at);
}

Test(endpoint, chromium_is_reached_by_a_name)
{
    chromium browser;
    char direct[300];
    unsetenv("http_proxy");
    chromium_start(&browser, false);
    expect_by_name(&browser, "{\"port\": \"browser.example:%d\"}");
    expect_by_name(&browser, "{\"port\": \"ws://browser.example:%d\"}");
    static const char *const hosts[] = {"localhost", "browser.example"};
    for (size_t i = 0; i < 2; i++) {
        snprintf(direct, sizeof direct, "{\"port\": \"ws://%s:%%d%s\"}", hosts[i],
                 strstr(browser.url, "/devtools/browser/"));
        expect_by_name(&browser, direct);
    }
    chromium_stop(&browser);
    close(browser.to);
    close(browser.from);
}

/* What an environment with that proxy and those exceptions lets be asked by address. */
static troupe_error by_address(const char *host, uint16_t port, const char *proxy,
                               const char *excepted)
{
    char json[100];
    char url[100];
    char resolve[100];
    char wanted[100];
    char *numeric = NULL;
    browser_endpoint *at;
    troupe_reason reason = {{0}};
    setenv("http_proxy", proxy, 1);
    setenv("no_proxy", excepted, 1);
    snprintf(json, sizeof json, "{\"port\": \"%s:%u\"}", host, port);
    snprintf(url, sizeof url, "http://%s:%u/x", host, port);
    snprintf(resolve, sizeof resolve, "%s:%u:127.0.0.1", host, port);
    snprintf(wanted, sizeof wanted, "http://127.0.0.1:%u/x", port);
    cr_assert_eq(create(json, &at, &reason), TROUPE_OK, "%s", reason.text);
    endpoint_options options = {.at = at, .pid_fd = -1, .timeout_ms = 20000, .resolve = resolve};
    troupe_error error = endpoint_by_address(&options, url, &numeric, &reason);
    if (error == TROUPE_OK) {
        cr_expect_str_eq(numeric, wanted);
    }
    free(numeric);
    endpoint_unref(at);
    return error;
}

Test(endpoint, proxy_of_the_environment_is_not_gone_around)
{
    static const struct {
        const char *host;
        const char *proxy;
        const char *excepted;
        troupe_error error;
    } rows[] = {
        {"browser.example", "http://127.0.0.1:1", "", TROUPE_EUNAVAILABLE},
        {"browser.example", "http://127.0.0.1:1", "ser.example, other", TROUPE_EUNAVAILABLE},
        {"browser.example", "http://127.0.0.1:1", "other, .EXAMPLE", TROUPE_OK},
        {"browser.example", "http://127.0.0.1:1", "browser.example", TROUPE_OK},
        {"browser.example", "http://127.0.0.1:1", "*", TROUPE_OK},
        {"browser.example", "", "", TROUPE_OK},
        {"app.localhost", "http://127.0.0.1:1", "", TROUPE_OK},
    };
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(bind(fd, (struct sockaddr *)&address, len), 0);
    cr_assert_eq(listen(fd, 16), 0);
    cr_assert_eq(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        cr_expect_eq(
            by_address(rows[i].host, ntohs(address.sin_port), rows[i].proxy, rows[i].excepted),
            rows[i].error, "%zu", i);
    }
    close(fd);
}

Test(endpoint, claims_tell_a_browser_under_two_addresses)
{
    static const char guid[] = "ws://h/devtools/browser/01234567-89ab-cdef-0123-456789abcdef";
    static const char same[] =
        "wss://x:1/p/devtools/browser/01234567-89AB-cdef-0123-456789abcdef?t";
    int one = 1;
    int two = 2;
    troupe_reason reason = {{0}};
    cr_expect_eq(endpoint_claim(&one, "a", guid, &reason), TROUPE_OK);
    cr_expect_eq(endpoint_claim(&one, "a", same, &reason), TROUPE_OK, "its own again");
    cr_expect_eq(endpoint_claim(&one, "b", same, &reason), TROUPE_ESTATE);
    cr_expect_not_null(strstr(reason.text, "there already as a"), "%s", reason.text);
    cr_expect_eq(endpoint_claim(&two, "b", same, &reason), TROUPE_OK, "another owner's");
    cr_expect_eq(endpoint_claim(NULL, "c", same, &reason), TROUPE_OK, "nobody's");
    cr_expect_eq(endpoint_claim(&one, "c", "ws://h/devtools/browser/x", &reason), TROUPE_OK);
    cr_expect_eq(endpoint_claim(&one, "d", "ws://h/devtools/browser/x", &reason), TROUPE_OK);
    endpoint_release(&one, "a");
    endpoint_release(&one, "nobody");
    cr_expect_eq(endpoint_claim(&one, "b", same, &reason), TROUPE_OK);
    endpoint_release(&one, "b");
    endpoint_release(&two, "b");
}

/* The port file ----------------------------------------------------------------------------- */

/* The port file, written in two parts; the second when the wait has begun. */
typedef struct port_file {
    char dir[64];
    char path[128];
    const char *rest;
    int asked;
} port_file;

static void put(port_file *file, const char *text, const char *mode)
{
    FILE *out = fopen(file->path, mode);
    cr_assert_not_null(out);
    fputs(text, out);
    fclose(out);
}

static bool write_rest(void *context)
{
    port_file *file = context;
    if (file->asked++ == 0 && file->rest != NULL) {
        put(file, file->rest, "a");
    }
    return file->rest == NULL; /* nothing to wait for: abort */
}

static troupe_error wait_for(port_file *file, const char *begin, const char *rest, char *url,
                             size_t size, troupe_reason *reason)
{
    message_stream *stream = NULL;
    strcpy(file->dir, "/tmp/troupe-port-XXXXXX");
    cr_assert_not_null(mkdtemp(file->dir));
    snprintf(file->path, sizeof file->path, "%s/DevToolsActivePort", file->dir);
    file->rest = rest;
    if (begin != NULL) {
        put(file, begin, "w");
    }
    endpoint_options options = {.profile = file->dir,
                                .pid_fd = -1,
                                .timeout_ms = 20000,
                                .abort = write_rest,
                                .abort_context = file};
    troupe_error error = endpoint_connect(&options, url, size, &stream, reason);
    message_stream_destroy(stream);
    unlink(file->path);
    rmdir(file->dir);
    return error;
}

#define UUID "01234567-89ab-cdef-0123-456789abcdef"

Test(endpoint, port_file_in_parts_is_read_when_it_is_whole)
{
    static const char *const parts[][2] = {{NULL, "1\n/devtools/browser/" UUID},
                                           {"", "1\n/devtools/browser/" UUID},
                                           {"1", "\n/devtools/browser/" UUID},
                                           {"1\n/devtools/bro", "wser/" UUID},
                                           {"1\n/devtools/browser/0123", UUID}};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        port_file file = {.asked = 0};
        char url[256] = "";
        troupe_reason reason = {{0}};
        /* Nobody listens on port 1: what matters is where it went. */
        cr_assert_neq(wait_for(&file, parts[i][0], parts[i][1], url, sizeof url, &reason),
                      TROUPE_OK);
        cr_assert_eq(strncmp(url, "ws://127.0.0.1:1/devtools/browser/0123", 38), 0, "%zu: %s (%s)",
                     i, url, reason.text);
    }
}

Test(endpoint, wait_for_a_port_file_can_be_aborted)
{
    port_file file = {.asked = 0};
    char url[256] = "";
    troupe_reason reason = {{0}};
    cr_assert_eq(wait_for(&file, "1\n", NULL, url, sizeof url, &reason), TROUPE_ECANCELLED);
    cr_assert_str_eq(reason.text, "closed");
}

Test(endpoint, wait_for_a_port_file_ends_with_the_process)
{
    char profile[] = "/tmp/troupe-port-XXXXXX";
    cr_assert_not_null(mkdtemp(profile));
    int ends[2];
    cr_assert_eq(pipe(ends), 0);
    close(ends[1]); /* readable, as the descriptor of a process that ended */
    char url[256];
    message_stream *stream;
    troupe_reason reason = {{0}};
    endpoint_options options = {.profile = profile, .pid_fd = ends[0], .timeout_ms = 20000};
    cr_assert_eq(endpoint_connect(&options, url, sizeof url, &stream, &reason), TROUPE_ECLOSED);
    close(ends[0]);
    rmdir(profile);
}
