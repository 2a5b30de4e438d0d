/* SPDX-License-Identifier: MIT */
#include "proxy.h"

#include <fcntl.h>
#include <stdlib.h>

/** What a test connects with; the parts it does not set are as in a user's hands. */
typedef struct call {
    uri_parts uri;
    stream_connect_options options;
    stream *made;
    troupe_reason reason;
} call;

static void aim(call *c, const char *format, int port)
{
    char url[200];
    memset(c, 0, sizeof(*c));
    snprintf(url, sizeof(url), format, port);
    cr_assert_eq(uri_parse(url, &c->uri, &c->reason), TROUPE_OK, "%s", c->reason.text);
    c->options.uri = &c->uri;
}

static void expect(call *c, troupe_error wanted, const char *words)
{
    troupe_error error = stream_connect(&c->options, &c->made, &c->reason);
    cr_expect_eq(error, wanted, "%s instead of %s: %s", troupe_error_name(error),
                 troupe_error_name(wanted), c->reason.text);
    cr_expect(words == NULL || strstr(c->reason.text, words) != NULL, "no \"%s\" in \"%s\"", words,
              c->reason.text);
    cr_expect_eq(c->made == NULL, error != TROUPE_OK);
}

static void done(call *c)
{
    stream_destroy(c->made);
    uri_parts_fini(&c->uri);
}

/** Bytes go both ways. */
static void expect_talk(stream *a, stream *b)
{
    stream *const ends[] = {a, b};
    for (size_t i = 0; i < 2; i++) {
        char got[6] = "";
        size_t n = 0;
        size_t len = 0;
        cr_assert(proxy_write_all(ends[i], "hello", 5));
        while (len < 5) {
            troupe_reason reason = {{0}};
            cr_assert_eq(stream_read(ends[1 - i], got + len, 5 - len, &n, &reason), TROUPE_OK, "%s",
                         reason.text);
            cr_assert(n > 0 || proxy_wait(ends[1 - i], POLLIN), "nothing comes");
            len += n;
        }
        cr_expect_str_eq(got, "hello");
    }
}

/* --- names and ports ------------------------------------------------------------------------ */

Test(stream_connect, nobody_there_is_unavailable)
{
    call c;
    int port = 0;
    int listener = pair_listen_tcp(&port);
    close(listener);
    aim(&c, "ws://127.0.0.1:%d/", port);
    expect(&c, TROUPE_EUNAVAILABLE, "127.0.0.1:");
    cr_expect_not_null(strstr(c.reason.text, "refused"), "%s", c.reason.text);
    done(&c);
}

Test(stream_connect, unknown_name_is_unavailable)
{
    call c;
    aim(&c, "ws://no-such-host.invalid:%d/", 9222);
    expect(&c, TROUPE_EUNAVAILABLE, "no-such-host.invalid:9222: no such name");
    done(&c);
}

Test(stream_connect, name_with_a_given_address_is_reached)
{
    call c;
    int port = 0;
    char resolve[60];
    int listener = pair_listen_tcp(&port);
    aim(&c, "ws://browser.example:%d/", port);
    snprintf(resolve, sizeof(resolve), "browser.example:%d:127.0.0.1", port);
    c.options.resolve = resolve;
    c.options.proxy = "";
    expect(&c, TROUPE_OK, NULL);
    cr_expect_eq(strncmp(stream_peer(c.made), "127.0.0.1:", 10), 0, "%s", stream_peer(c.made));
    done(&c);
    close(listener);
}

Test(stream_connect, localhost_is_tried_by_both_families)
{
    call c;
    int port = 0;
    int listener = pair_listen_tcp(&port); /* on 127.0.0.1 alone */
    aim(&c, "ws://localhost:%d/", port);
    expect(&c, TROUPE_OK, NULL);
    done(&c);
    close(listener);
}

/* --- limits --------------------------------------------------------------------------------- */

/** A listener whose queue is full: further connections are not answered. */
static int listen_full(int *port, int held[64])
{
    int listener = pair_listen_tcp(port);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)*port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    cr_assert_eq(listen(listener, 0), 0);
    for (int i = 0; i < 64; i++) {
        held[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        (void)connect(held[i], (struct sockaddr *)&address, sizeof(address));
    }
    return listener;
}

Test(stream_connect, no_answer_to_the_connection_times_out)
{
    call c;
    int port = 0;
    int held[64];
    int listener = listen_full(&port, held);
    aim(&c, "ws://127.0.0.1:%d/", port);
    c.options.timeout_ms = 60;
    expect(&c, TROUPE_ETIMEOUT, "no connection within 60 ms");
    done(&c);
    for (int i = 0; i < 64; i++) {
        close(held[i]);
    }
    close(listener);
}

Test(stream_connect, silence_instead_of_tls_times_out)
{
    call c;
    int port = 0;
    int listener = pair_listen_tcp(&port);
    aim(&c, "wss://127.0.0.1:%d/", port);
    c.options.timeout_ms = 60;
    expect(&c, TROUPE_ETIMEOUT, "TLS was not agreed on within 60 ms");
    done(&c);
    close(listener);
}

static bool give_up(void *context)
{
    return ++*(int *)context > 2;
}

Test(stream_connect, abort_gives_up)
{
    call c;
    int port = 0;
    int asked = 0;
    int listener = pair_listen_tcp(&port);
    aim(&c, "wss://127.0.0.1:%d/", port);
    c.options.abort = give_up;
    c.options.abort_context = &asked;
    expect(&c, TROUPE_ECANCELLED, "given up");
    done(&c);
    close(listener);
}

Test(stream_connect, attempt_may_be_ended_at_any_time)
{
    int port = 0;
    int listener = pair_listen_tcp(&port);
    for (int steps = 0; steps < 4; steps++) {
        call c;
        stream_attempt *attempt = NULL;
        aim(&c, "wss://127.0.0.1:%d/", port);
        cr_assert_eq(stream_connect_begin(&c.options, &attempt, NULL), TROUPE_OK);
        for (int i = 0; i < steps; i++) {
            cr_assert_eq(stream_connect_step(attempt, &c.made, NULL), TROUPE_OK);
            cr_assert_null(c.made);
        }
        stream_connect_end(attempt);
        done(&c);
    }
    stream_connect_end(NULL);
    close(listener);
}

Test(stream_connect, waiting_costs_no_steps)
{
    call c;
    int port = 0;
    int steps = 0;
    int listener = pair_listen_tcp(&port);
    stream_attempt *attempt = NULL;
    troupe_error error = TROUPE_OK;
    aim(&c, "wss://127.0.0.1:%d/", port);
    c.options.timeout_ms = 300;
    cr_assert_eq(stream_connect_begin(&c.options, &attempt, NULL), TROUPE_OK);
    while (error == TROUPE_OK) {
        struct pollfd fd = {stream_connect_fd(attempt), POLLIN, 0};
        cr_assert_eq(poll(&fd, 1, PAIR_LIMIT_MS), 1);
        error = stream_connect_step(attempt, &c.made, NULL);
        steps++;
    }
    cr_expect_eq(error, TROUPE_ETIMEOUT);
    cr_expect_lt(steps, 12, "%d steps: it spins", steps);
    cr_expect_eq(stream_connect_step(attempt, &c.made, &c.reason), TROUPE_ETIMEOUT, "repeated");
    stream_connect_end(attempt);
    done(&c);
    close(listener);
}

/* --- Unix sockets --------------------------------------------------------------------------- */

Test(stream_connect, unix_path_that_is_none_is_told)
{
    call c;
    char longer[200];
    memset(longer, 'x', sizeof(longer));
    longer[0] = '/';
    longer[sizeof(longer) - 1] = '\0';
    aim(&c, "ws://localhost:%d/", 1);
    c.options.unix_path = "/tmp/troupe-no-such-socket";
    expect(&c, TROUPE_EUNAVAILABLE, "unix:/tmp/troupe-no-such-socket: No such file");
    c.options.unix_path = longer;
    expect(&c, TROUPE_EPARAMS, "this has 199");
    c.options.unix_path = "";
    expect(&c, TROUPE_EPARAMS, "this has 0");
    struct sockaddr_un address;
    close(pair_listen_unix(&address));
    c.options.unix_path = address.sun_path;
    expect(&c, TROUPE_EUNAVAILABLE, "refused");
    unlink(address.sun_path);
    done(&c);
}

Test(stream_connect, unix_queue_that_is_full_is_waited_for)
{
    call c;
    struct sockaddr_un address;
    int held[64];
    int listener = pair_listen_unix(&address);
    cr_assert_eq(listen(listener, 0), 0);
    for (int i = 0; i < 64; i++) {
        held[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
        (void)connect(held[i], (struct sockaddr *)&address, sizeof(address));
    }
    aim(&c, "ws://localhost:%d/", 1);
    c.options.unix_path = address.sun_path;
    c.options.timeout_ms = 60;
    expect(&c, TROUPE_ETIMEOUT, "within 60 ms");
    stream_attempt *attempt = NULL;
    c.options.timeout_ms = 0;
    cr_assert_eq(stream_connect_begin(&c.options, &attempt, NULL), TROUPE_OK);
    cr_assert_eq(stream_connect_step(attempt, &c.made, &c.reason), TROUPE_OK);
    cr_assert_null(c.made);
    for (int i = 0; i < 64; i++) {
        close(held[i]);
    }
    (void)fcntl(listener, F_SETFL, O_NONBLOCK);
    for (int fd = accept(listener, NULL, NULL); fd >= 0; fd = accept(listener, NULL, NULL)) {
        close(fd);
    }
    while (c.made == NULL) {
        struct pollfd fd = {stream_connect_fd(attempt), POLLIN, 0};
        cr_assert_eq(poll(&fd, 1, PAIR_LIMIT_MS), 1);
        cr_assert_eq(stream_connect_step(attempt, &c.made, &c.reason), TROUPE_OK, "%s",
                     c.reason.text);
    }
    stream_connect_end(attempt);
    done(&c);
    close(listener);
    unlink(address.sun_path);
}

/* --- TLS ------------------------------------------------------------------------------------ */

/** Meet a TLS server with these files; the client's reason is checked for the words. */
static void expect_tls(const char *url, const stream_tls_options *server_files,
                       const stream_tls_options *client_files, troupe_error wanted,
                       const char *words)
{
    call c;
    int port = 0;
    char resolve[60];
    stream *server = NULL;
    int listener = pair_listen_tcp(&port);
    aim(&c, url, port);
    const char *host = c.options.uri->host;
    snprintf(resolve, sizeof(resolve), "%s:%d:127.0.0.1",
             strstr(host, ".example") != NULL ? host : "browser.example", port);
    c.options.resolve = resolve;
    c.options.proxy = "";
    c.options.ca_file = client_files->ca_file;
    c.options.cert_file = client_files->cert_file;
    c.options.key_file = client_files->key_file;
    troupe_error error = pair_meet(listener, &c.options, server_files, &c.made, &server, &c.reason);
    if (error == TROUPE_OK) { /* TLS 1.3 tells only now that a certificate is missing */
        char byte = 0;
        size_t n = 0;
        cr_assert(stream_write(server, "x", 1, &n, NULL) != TROUPE_OK || n == 1);
        do {
            error = stream_read(c.made, &byte, 1, &n, &c.reason);
        } while (error == TROUPE_OK && n == 0 && proxy_wait(c.made, POLLIN));
    }
    cr_expect_eq(error, wanted, "%s: %s", troupe_error_name(error), c.reason.text);
    cr_expect(words == NULL || strstr(c.reason.text, words) != NULL, "no \"%s\" in \"%s\"", words,
              c.reason.text);
    if (error == TROUPE_OK) {
        expect_talk(c.made, server);
    }
    done(&c);
    stream_destroy(server);
    close(listener);
}

Test(stream_connect, tls_certificate_is_verified)
{
    certificates files;
    certificates_make(&files);
    const stream_tls_options good = {.cert_file = files.server};
    const stream_tls_options expired = {.cert_file = files.expired};
    const stream_tls_options named = {.cert_file = files.named};
    const stream_tls_options ours = {.ca_file = files.ca};
    const stream_tls_options others = {.ca_file = files.other};
    const stream_tls_options system = {0};
    const stream_tls_options pinned = {.ca_file = files.server};
    expect_tls("wss://127.0.0.1:%d/", &good, &ours, TROUPE_OK, NULL);
    expect_tls("wss://browser.example:%d/", &good, &ours, TROUPE_OK, NULL);
    expect_tls("wss://browser.example:%d/", &good, &pinned, TROUPE_OK, NULL);
    expect_tls("wss://b\u00fccher.example:%d/", &good, &ours, TROUPE_OK, NULL);
    expect_tls("wss://browser.example:%d/", &good, &others, TROUPE_EPROTOCOL,
               "TLS: the certificate of browser.example is not trusted: ");
    expect_tls("wss://127.0.0.1:%d/", &good, &system, TROUPE_EPROTOCOL,
               "TLS: the certificate of 127.0.0.1 is not trusted: ");
    expect_tls("wss://127.0.0.1:%d/", &expired, &ours, TROUPE_EPROTOCOL,
               "TLS: the certificate of 127.0.0.1 has expired");
    expect_tls("wss://127.0.0.1:%d/", &named, &ours, TROUPE_EPROTOCOL,
               "TLS: the server's certificate is not for 127.0.0.1");
    expect_tls("wss://browser.example:%d/", &named, &ours, TROUPE_EPROTOCOL,
               "TLS: the server's certificate is not for browser.example");
    certificates_remove(&files);
}

Test(stream_connect, tls_client_certificate_is_shown)
{
    certificates files;
    certificates_make(&files);
    const stream_tls_options server = {.cert_file = files.server, .ca_file = files.ca};
    const stream_tls_options none = {.ca_file = files.ca};
    const stream_tls_options given = {.ca_file = files.ca, .cert_file = files.client};
    const stream_tls_options apart = {
        .ca_file = files.ca, .cert_file = files.client_cert, .key_file = files.client_key};
    const stream_tls_options foreign = {.ca_file = files.ca, .cert_file = files.client_other};
    expect_tls("wss://127.0.0.1:%d/", &server, &none, TROUPE_EUNAUTHORIZED,
               "TLS: 127.0.0.1 demands a client certificate");
    expect_tls("wss://127.0.0.1:%d/", &server, &given, TROUPE_OK, NULL);
    expect_tls("wss://127.0.0.1:%d/", &server, &apart, TROUPE_OK, NULL);
    expect_tls("wss://127.0.0.1:%d/", &server, &foreign, TROUPE_EUNAUTHORIZED,
               "TLS: 127.0.0.1 refused our certificate: ");
    const stream_tls_options older = {
        .cert_file = files.server, .ca_file = files.ca, .tls12 = true};
    expect_tls("wss://127.0.0.1:%d/", &older, &none, TROUPE_EUNAUTHORIZED,
               "TLS: 127.0.0.1 demands a client certificate");
    expect_tls("wss://127.0.0.1:%d/", &older, &given, TROUPE_OK, NULL);
    expect_tls("wss://127.0.0.1:%d/", &older, &foreign, TROUPE_EUNAUTHORIZED,
               "TLS: 127.0.0.1 refused our certificate: ");
    certificates_remove(&files);
}

/** A bad file is named before anything is sent. */
static void expect_bad_file(const stream_connect_options *files, const char *words)
{
    call c;
    int port = 0;
    int listener = pair_listen_tcp(&port);
    aim(&c, "wss://127.0.0.1:%d/", port);
    c.options.ca_file = files->ca_file;
    c.options.cert_file = files->cert_file;
    c.options.key_file = files->key_file;
    expect(&c, TROUPE_EPARAMS, words);
    done(&c);
    close(listener);
}

Test(stream_connect, tls_files_that_are_bad_are_named)
{
    certificates files;
    certificates_make(&files);
    const stream_connect_options no_ca = {.ca_file = "/no/such/ca.pem"};
    const stream_connect_options no_pem = {.ca_file = files.client_key};
    const stream_connect_options no_key = {.cert_file = files.client_cert};
    const stream_connect_options other_key = {.cert_file = files.client, .key_file = files.server};
    const stream_connect_options lone_key = {.key_file = files.client_key};
    expect_bad_file(&no_ca, "the file of authorities /no/such/ca.pem: ");
    expect_bad_file(&no_pem, "the file of authorities ");
    expect_bad_file(&no_key, "the key of the client certificate ");
    expect_bad_file(&other_key, "the key of the client certificate ");
    expect_bad_file(&lone_key, "a key without a certificate");
    certificates_remove(&files);
}

static void *say_no_tls(void *context)
{
    int fd = accept(*(int *)context, NULL, NULL);
    char hello[2000];
    (void)!read(fd, hello, sizeof(hello));
    (void)!write(fd, "HTTP/1.1 400 Bad Request\r\n\r\n", 28);
    (void)!read(fd, hello, sizeof(hello));
    close(fd);
    return NULL;
}

Test(stream_connect, a_peer_without_tls_is_a_protocol_error)
{
    call c;
    int port = 0;
    pthread_t thread;
    int listener = pair_listen_tcp(&port);
    cr_assert_eq(pthread_create(&thread, NULL, say_no_tls, &listener), 0);
    aim(&c, "wss://127.0.0.1:%d/", port);
    expect(&c, TROUPE_EPROTOCOL, "TLS: ");
    done(&c);
    pthread_join(thread, NULL);
    close(listener);
}

/* --- proxies -------------------------------------------------------------------------------- */

/** Connect through the proxy to a target, over TLS or not, and talk. */
static void expect_through(proxy *p, bool tls, const char *url_of_proxy)
{
    call c;
    certificates files;
    int port = 0;
    stream *server = NULL;
    char proxy_url[200];
    signal(SIGPIPE, SIG_IGN);
    certificates_make(&files);
    p->cert_file = strncmp(url_of_proxy, "https", 5) == 0 ? files.server : NULL;
    int listener = pair_listen_tcp(&port);
    p->target_port = port;
    proxy_start(p);
    aim(&c, tls ? "wss://browser.example:%d/" : "ws://browser.example:%d/", port);
    snprintf(proxy_url, sizeof(proxy_url), url_of_proxy, p->port);
    c.options.proxy = proxy_url;
    c.options.ca_file = files.ca;
    stream_tls_options server_files = {.cert_file = files.server};
    troupe_error error =
        pair_meet(listener, &c.options, tls ? &server_files : NULL, &c.made, &server, &c.reason);
    cr_assert_eq(error, TROUPE_OK, "%s", c.reason.text);
    expect_talk(c.made, server);
    done(&c);
    stream_destroy(server);
    proxy_stop(p);
    close(listener);
    char line[80];
    snprintf(line, sizeof(line), "CONNECT browser.example:%d HTTP/1.1\r\n", port);
    cr_expect_eq(strncmp(p->request, line, strlen(line)), 0, "%s", p->request);
    certificates_remove(&files);
}

#define ESTABLISHED "HTTP/1.1 200 Connection established\r\n\r\n"

Test(stream_connect, proxy_is_tunnelled_through)
{
    proxy plain = {.answer = ESTABLISHED};
    proxy slow = {.answer = ESTABLISHED, .drop_by_drop = true};
    expect_through(&plain, false, "http://127.0.0.1:%d");
    expect_through(&slow, true, "http://127.0.0.1:%d");
}

Test(stream_connect, proxy_over_tls_is_tunnelled_through)
{
    proxy plain = {.answer = ESTABLISHED};
    proxy nested = {.answer = ESTABLISHED};
    expect_through(&plain, false, "https://127.0.0.1:%d");
    expect_through(&nested, true, "https://127.0.0.1:%d");
}

Test(stream_connect, proxy_is_given_credentials)
{
    proxy p = {.answer = ESTABLISHED};
    expect_through(&p, false, "http://user:pass%%40word@127.0.0.1:%d");
    cr_expect_not_null(strstr(p.request, "Proxy-Authorization: Basic dXNlcjpwYXNzQHdvcmQ=\r\n"),
                       "%s", p.request);
}

static void expect_proxy_refusal(const char *answer, troupe_error wanted, const char *words)
{
    call c;
    char url[100];
    proxy p = {.answer = answer};
    proxy_start(&p);
    aim(&c, "wss://browser.example:%d/", 443);
    snprintf(url, sizeof(url), "http://user:s3cret@127.0.0.1:%d", p.port);
    c.options.proxy = url;
    c.options.timeout_ms = answer == NULL ? 60 : 0;
    expect(&c, wanted, words);
    cr_expect_null(strstr(c.reason.text, "s3cret"), "%s", c.reason.text);
    done(&c);
    proxy_stop(&p);
}

Test(stream_connect, proxy_that_refuses_is_told)
{
    expect_proxy_refusal("HTTP/1.1 407 Proxy Authentication Required\r\n"
                         "Proxy-Authenticate: Basic realm=\"x\"\r\nContent-Length: 0\r\n\r\n",
                         TROUPE_EUNAUTHORIZED, "the proxy wants (other) credentials");
    expect_proxy_refusal("HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n",
                         TROUPE_EUNAVAILABLE, "the proxy answered CONNECT with status 502");
    expect_proxy_refusal("SSH-2.0-OpenSSH_9.2\r\n", TROUPE_EUNAVAILABLE, NULL);
    expect_proxy_refusal("", TROUPE_EUNAVAILABLE, NULL);
    expect_proxy_refusal(NULL, TROUPE_ETIMEOUT, "no connection within 60 ms");
}

Test(stream_connect, proxy_that_is_not_there_is_told)
{
    call c;
    int port = 0;
    char url[100];
    close(pair_listen_tcp(&port));
    aim(&c, "ws://browser.example:%d/", 80);
    snprintf(url, sizeof(url), "http://127.0.0.1:%d", port);
    c.options.proxy = url;
    expect(&c, TROUPE_EUNAVAILABLE, NULL);
    done(&c);
}

Test(stream_connect, proxy_of_the_environment_is_for_others_than_loopback)
{
    call c;
    char url[100];
    int port = 0;
    int listener = pair_listen_tcp(&port);
    proxy p = {.answer = "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n"};
    proxy_start(&p);
    snprintf(url, sizeof(url), "http://127.0.0.1:%d", p.port);
    setenv("http_proxy", url, 1);
    setenv("https_proxy", "http://127.0.0.1:1", 1);
    unsetenv("no_proxy");
    unsetenv("NO_PROXY");
    aim(&c, "ws://127.0.0.1:%d/", port);
    expect(&c, TROUPE_OK, NULL);
    done(&c);
    aim(&c, "wss://browser.example:%d/", 443);
    expect(&c, TROUPE_EUNAVAILABLE, NULL);
    cr_expect_not(p.taken);
    done(&c);
    aim(&c, "ws://browser.example:%d/", 80);
    expect(&c, TROUPE_EUNAVAILABLE, "the proxy answered CONNECT with status 502");
    done(&c);
    proxy_stop(&p);
    cr_expect_eq(strncmp(p.request, "CONNECT browser.example:80 ", 27), 0, "%s", p.request);
    close(listener);
}
