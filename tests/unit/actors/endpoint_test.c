/* SPDX-License-Identifier: MIT */
/* Finding a browser's WebSocket: what is wrong is told, what is not there yet is waited for. */
#include "actors/browser/endpoint.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* Answers one connection with a fixed text. */
typedef struct answerer {
    int fd;
    uint16_t port;
    const char *answer;
    char asked[1024];
    pthread_t thread;
} answerer;

static void *serve(void *context)
{
    answerer *a = context;
    int fd = accept(a->fd, NULL, NULL);
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
    close(a->fd);
}

static troupe_error version_answer(const char *answer, troupe_reason *reason)
{
    answerer a;
    char endpoint[64];
    char url[256];
    message_stream *stream = NULL;
    answerer_start(&a, answer);
    snprintf(endpoint, sizeof endpoint, "http://127.0.0.1:%u", a.port);
    endpoint_options options = {.endpoint = endpoint, .pid_fd = -1, .timeout_ms = 20000};
    troupe_error error = endpoint_connect(&options, url, sizeof url, &stream, reason);
    answerer_stop(&a);
    cr_assert_not_null(strstr(a.asked, "GET /json/version "));
    return error;
}

Test(endpoint, version_answers_of_no_browser_are_refused)
{
    static const struct {
        const char *answer;
        const char *why;
    } cases[] = {
        {"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "status 404"},
        {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", "no browser"},
        {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "no browser"},
        {"HTTP/1.1 200 OK\r\nContent-Length: 27\r\n\r\n{\"webSocketDebuggerUrl\":42} ",
         "no browser"},
        {"SSH-2.0-OpenSSH\r\n", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        troupe_reason reason = {{0}};
        cr_assert_neq(version_answer(cases[i].answer, &reason), TROUPE_OK);
        cr_assert_neq(reason.text[0], '\0');
        cr_assert_not_null(strstr(reason.text, cases[i].why), "%s", reason.text);
    }
}

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
