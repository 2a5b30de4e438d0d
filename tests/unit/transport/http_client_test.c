/* SPDX-License-Identifier: MIT */
#include "chromium.h"
#include "proxy.h"
#include "server.h"
#include "transport/http_client.h"

#include <criterion/criterion.h>

static troupe_error fetch(const server *s, http_request *request, http_response *out,
                          troupe_reason *reason)
{
    char url[100];
    bool tls = s->tls_context != NULL;
    snprintf(url, sizeof(url), "%s://127.0.0.1:%d/a?b=c", tls ? "https" : "http", s->port);
    request->url = url;
    return http_send(request, out, reason);
}

static void script_answer(server *s)
{
    server_read_request(s);
    const char *line = strstr(s->request, "Content-Length: ");
    size_t body = line == NULL ? 0 : strtoul(line + strlen("Content-Length: "), NULL, 10);
    if (body < sizeof(s->seen)) {
        (void)server_read_all(s, s->seen, body);
    }
    (void)server_say(s, s->answer);
}

Test(http_client, send_get_returns_status_and_body)
{
    server s = {.answer = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"};
    http_request request = {.bearer_token = "t0ken"};
    http_response response;
    troupe_reason reason = {{0}};
    server_start(&s, script_answer);
    cr_assert_eq(fetch(&s, &request, &response, &reason), TROUPE_OK, "%s", reason.text);
    server_stop(&s);
    cr_expect_eq(response.status, 200);
    cr_expect_eq(response.body_len, 5);
    cr_expect_str_eq(response.body, "hello");
    cr_expect_not_null(strstr(s.request, "GET /a?b=c HTTP/1.1\r\n"));
    cr_expect_not_null(strstr(s.request, "\r\nAuthorization: Bearer t0ken\r\n"));
    http_response_fini(&response);
}

Test(http_client, send_post_carries_body_and_type)
{
    server s = {.answer = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"};
    http_request request = {
        .method = "POST", .content_type = "application/json", .body = "{\"a\":1}", .body_len = 7};
    http_response response;
    server_start(&s, script_answer);
    cr_assert_eq(fetch(&s, &request, &response, NULL), TROUPE_OK);
    server_stop(&s);
    cr_expect_eq(response.status, 404);
    cr_expect_eq(response.body_len, 0);
    cr_expect_str_eq(response.body, "");
    cr_expect_not_null(strstr(s.request, "POST /a?b=c HTTP/1.1\r\n"));
    cr_expect_not_null(strstr(s.request, "\r\nContent-Type: application/json\r\n"));
    cr_expect_null(strstr(s.request, "Expect"));
    cr_expect_str_eq(s.seen, "{\"a\":1}");
    http_response_fini(&response);
}

Test(http_client, send_put_without_body_and_redirect_is_not_followed)
{
    server s = {.answer = "HTTP/1.1 302 Found\r\nLocation: /b\r\nContent-Length: 0\r\n\r\n"};
    http_request request = {.method = "PUT"};
    http_response response;
    server_start(&s, script_answer);
    cr_assert_eq(fetch(&s, &request, &response, NULL), TROUPE_OK);
    server_stop(&s);
    cr_expect_eq(response.status, 302);
    cr_expect_not_null(strstr(s.request, "PUT /a?b=c HTTP/1.1\r\n"));
    http_response_fini(&response);
}

Test(http_client, send_over_tls_needs_a_trusted_certificate)
{
    server s = {.answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"};
    server t = {.answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"};
    http_response response;
    troupe_reason reason = {{0}};
    server_start_tls(&s, script_answer);
    http_request trusted = {.ca_file = s.ca_file};
    cr_assert_eq(fetch(&s, &trusted, &response, &reason), TROUPE_OK, "%s", reason.text);
    server_stop(&s);
    cr_expect_str_eq(response.body, "hi");
    http_response_fini(&response);
    server_start_tls(&t, script_answer);
    http_request request = {0};
    cr_expect_eq(fetch(&t, &request, &response, NULL), TROUPE_EPROTOCOL);
    server_stop(&t);
}

Test(http_client, send_longer_answer_than_allowed_is_refused)
{
    server s = {.answer = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"};
    http_request request = {.response_max = 4};
    http_response response;
    troupe_reason reason = {{0}};
    server_start(&s, script_answer);
    cr_expect_eq(fetch(&s, &request, &response, &reason), TROUPE_ELIMIT);
    cr_expect_not_null(strstr(reason.text, "4 bytes"));
    server_stop(&s);
}

/* As many bytes as the request's query says. */
static void script_large(server *s)
{
    server_read_request(s);
    size_t len = strtoul(strstr(s->request, "?") + 1, NULL, 10);
    char head[100];
    snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", len);
    char *body = malloc(len);
    memset(body, 'x', len);
    (void)(server_say(s, head) && server_write(s, body, len));
    free(body);
}

Test(http_client, send_large_answers_arrive_and_are_freed)
{
    static const size_t sizes[] = {(size_t)3 << 20, (size_t)4 << 20, (size_t)9 << 20};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
        server s = {0};
        http_response response;
        troupe_reason reason = {{0}};
        char url[100];
        server_start(&s, script_large);
        snprintf(url, sizeof(url), "http://127.0.0.1:%d/?%zu", s.port, sizes[i]);
        http_request request = {.url = url};
        cr_assert_eq(http_send(&request, &response, &reason), TROUPE_OK, "%s", reason.text);
        server_stop(&s);
        cr_assert_eq(response.body_len, sizes[i]);
        cr_expect_eq(response.body[0], 'x');
        cr_expect_eq(strlen(response.body), sizes[i]);
        http_response_fini(&response);
        cr_expect_null(response.body);
    }
}

static void script_silent(server *s)
{
    server_wait_for_end(s);
}

static bool give_up(void *context)
{
    (void)context;
    return true;
}

Test(http_client, send_silent_server_times_out_or_is_given_up)
{
    server s = {0};
    server t = {0};
    http_request limited = {.timeout_ms = 50};
    http_request watched = {.abort = give_up};
    http_response response;
    server_start(&s, script_silent);
    cr_expect_eq(fetch(&s, &limited, &response, NULL), TROUPE_ETIMEOUT);
    server_stop(&s);
    server_start(&t, script_silent);
    cr_expect_eq(fetch(&t, &watched, &response, NULL), TROUPE_ECANCELLED);
    server_stop(&t);
}

Test(http_client, send_bad_requests_and_answers_are_told_apart)
{
    server s = {.answer = "nonsense\r\n\r\n"};
    server nobody = {0};
    http_response response;
    http_request request = {0};
    http_request bad_token = {.url = "http://127.0.0.1/", .bearer_token = "a\nb"};
    http_request bad_url = {.url = "gopher://127.0.0.1/"};
    server_start(&s, script_answer);
    cr_expect_eq(fetch(&s, &request, &response, NULL), TROUPE_EPROTOCOL);
    server_stop(&s);
    int bound = server_bind(&nobody.port);
    cr_expect_eq(fetch(&nobody, &request, &response, NULL), TROUPE_EUNAVAILABLE);
    close(bound);
    cr_expect_eq(http_send(&bad_token, &response, NULL), TROUPE_EPARAMS);
    cr_expect_eq(http_send(&bad_url, &response, NULL), TROUPE_EPARAMS);
}

Test(http_client, send_further_headers_are_sent_or_refused)
{
    server s = {.answer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"};
    const char *const headers[] = {"X-Key: one two", "Host: elsewhere", NULL};
    static const char *const bad[] = {"X-Key", ": x", "X Key: 1", "X: a\r\nY: b", "X: a\nb", ""};
    http_request request = {.headers = headers};
    http_response response;
    server_start(&s, script_answer);
    cr_assert_eq(fetch(&s, &request, &response, NULL), TROUPE_OK);
    server_stop(&s);
    cr_expect_not_null(strstr(s.request, "\r\nX-Key: one two\r\n"));
    cr_expect_not_null(strstr(s.request, "\r\nHost: elsewhere\r\n"));
    cr_expect_null(strstr(s.request, "127.0.0.1"));
    http_response_fini(&response);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        const char *const lines[] = {"A: b", bad[i], NULL};
        http_request refused = {.url = "http://127.0.0.1:1/", .headers = lines};
        cr_expect_eq(http_send(&refused, &response, NULL), TROUPE_EPARAMS, "%s", bad[i]);
    }
}

Test(http_client, send_over_a_unix_socket)
{
    struct sockaddr_un address;
    server s = {.answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
                .script = script_answer,
                .listener = pair_listen_unix(&address)};
    http_request request = {.url = "http://localhost/json/version", .unix_path = address.sun_path};
    http_response response;
    troupe_reason reason = {{0}};
    cr_assert_eq(pthread_create(&s.thread, NULL, server_main, &s), 0);
    cr_assert_eq(http_send(&request, &response, &reason), TROUPE_OK, "%s", reason.text);
    server_stop(&s);
    unlink(address.sun_path);
    cr_expect_str_eq(response.body, "hi");
    cr_expect_not_null(strstr(s.request, "\r\nHost: localhost\r\n"), "%s", s.request);
    http_response_fini(&response);
    cr_expect_eq(http_send(&request, &response, &reason), TROUPE_EUNAVAILABLE, "%s", reason.text);
}

/** Ask a server that demands a client certificate. */
static void expect_with_certificate(const certificates *files, const char *cert, const char *key,
                                    troupe_error wanted, const char *words)
{
    char url[60];
    proxy p = {.answer = "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n",
               .cert_file = files->server,
               .ca_file = files->ca};
    http_response response = {0};
    troupe_reason reason = {{0}};
    proxy_start(&p);
    snprintf(url, sizeof(url), "https://127.0.0.1:%d/", p.port);
    http_request request = {
        .url = url, .ca_file = files->ca, .cert_file = cert, .key_file = key, .timeout_ms = 5000};
    cr_expect_eq(http_send(&request, &response, &reason), wanted, "%s", reason.text);
    cr_expect(words == NULL || strstr(reason.text, words) != NULL, "%s", reason.text);
    http_response_fini(&response);
    proxy_stop(&p);
}

Test(http_client, send_shows_a_client_certificate)
{
    certificates files;
    certificates_make(&files);
    expect_with_certificate(&files, files.client, NULL, TROUPE_OK, NULL);
    expect_with_certificate(&files, files.client_cert, files.client_key, TROUPE_OK, NULL);
    expect_with_certificate(&files, NULL, NULL, TROUPE_EUNAUTHORIZED, "client certificate");
    expect_with_certificate(&files, "/no/such.pem", NULL, TROUPE_EPARAMS, "/no/such.pem");
    certificates_remove(&files);
}

Test(http_client, send_through_a_proxy)
{
    char proxy_url[80];
    char url[80];
    server s = {.answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"};
    proxy p = {.answer = "HTTP/1.1 200 OK\r\n\r\n"};
    proxy refuses = {.answer = "HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n"};
    http_response response;
    troupe_reason reason = {{0}};
    server_start(&s, script_answer);
    p.target_port = s.port;
    proxy_start(&p);
    snprintf(proxy_url, sizeof(proxy_url), "http://me:s3cret@127.0.0.1:%d", p.port);
    snprintf(url, sizeof(url), "http://127.0.0.1:%d/x", s.port);
    http_request request = {.url = url, .proxy = proxy_url, .bearer_token = "t0ken"};
    cr_assert_eq(http_send(&request, &response, &reason), TROUPE_OK, "%s", reason.text);
    server_stop(&s);
    proxy_stop(&p);
    cr_expect_not_null(strstr(p.request, "Proxy-Authorization: Basic "));
    cr_expect_null(strstr(p.request, "t0ken"), "the proxy must not see it: %s", p.request);
    cr_expect_null(strstr(s.request, "Proxy-Authorization"));
    http_response_fini(&response);
    proxy_start(&refuses);
    snprintf(proxy_url, sizeof(proxy_url), "http://me:s3cret@127.0.0.1:%d", refuses.port);
    cr_expect_eq(http_send(&request, &response, &reason), TROUPE_EUNAUTHORIZED, "%s", reason.text);
    cr_expect_null(strstr(reason.text, "s3cret"));
    proxy_stop(&refuses);
}

Test(http_client, chromium_lists_its_version)
{
    chromium browser;
    http_response response;
    char url[100];
    troupe_reason reason = {{0}};
    chromium_start(&browser, false);
    snprintf(url, sizeof(url), "http://127.0.0.1:%d/json/version", browser.port);
    http_request request = {.url = url};
    cr_assert_eq(http_send(&request, &response, &reason), TROUPE_OK, "%s", reason.text);
    cr_expect_eq(response.status, 200);
    cr_expect_not_null(strstr(response.body, "webSocketDebuggerUrl"));
    http_response_fini(&response);
    chromium_stop(&browser);
    close(browser.to);
    close(browser.from);
}
