/* SPDX-License-Identifier: MIT */
/* Addresses of browsers as users write them. */
#include "endpoint.h"

#include "transport/curl_session.h"
#include "transport/http_client.h"
#include "transport/uri.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define TOKEN_MAX   8192
#define HEADERS_MAX 32
#define VERSION     "/json/version"

static bool begins(const char *text, const char *prefix)
{
    return strncasecmp(text, prefix, strlen(prefix)) == 0;
}

/* Files ------------------------------------------------------------------------------------- */

static troupe_error check_token_file(int fd, const char *path, troupe_reason *reason)
{
    struct stat info;
    if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
        return troupe_fail(reason, TROUPE_EPARAMS, "the token file %s is no file", path);
    }
    if ((info.st_mode & 077) != 0) {
        return troupe_fail(reason, TROUPE_EPARAMS,
                           "the token file %s can be read or changed by others (mode %04o): "
                           "chmod 600 it",
                           path, (unsigned)info.st_mode & 07777);
    }
    if (info.st_uid != geteuid() && info.st_uid != 0) {
        return troupe_fail(reason, TROUPE_EPARAMS, "the token file %s belongs to another user",
                           path);
    }
    return TROUPE_OK;
}

/* The bytes of a token file, without white space around; `text` has TOKEN_MAX + 2 bytes. */
static troupe_error take_token(int fd, const char *path, char *text, char **out,
                               troupe_reason *reason)
{
    size_t len = 0;
    ssize_t got;
    while (len <= TOKEN_MAX && (got = read(fd, text + len, TOKEN_MAX + 1 - len)) > 0) {
        len += (size_t)got;
    }
    text[len] = '\0';
    if (len > TOKEN_MAX) {
        return troupe_fail(reason, TROUPE_EPARAMS, "the token file %s is longer than %d bytes",
                           path, TOKEN_MAX);
    }
    while (len > 0 && strchr(" \t\r\n", text[len - 1]) != NULL) {
        text[--len] = '\0';
    }
    const char *token = text + strspn(text, " \t\r\n");
    if (*token == '\0') {
        return troupe_fail(reason, TROUPE_EPARAMS, "the token file %s is empty", path);
    }
    if (!curl_session_token_ok(token)) {
        return troupe_fail(reason, TROUPE_EPARAMS,
                           "the token in %s contains other than printable ASCII", path);
    }
    *out = strdup(token);
    return *out != NULL ? TROUPE_OK : TROUPE_ENOMEM;
}

troupe_error endpoint_read_token(const char *path, char **out, troupe_reason *reason)
{
    char text[TOKEN_MAX + 2];
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        return troupe_fail(reason, TROUPE_EPARAMS, "the token file %s: %s", path, strerror(errno));
    }
    troupe_error error = check_token_file(fd, path, reason);
    if (error == TROUPE_OK) {
        error = take_token(fd, path, text, out, reason);
    }
    close(fd);
    explicit_bzero(text, sizeof text);
    return error;
}

/* The address ------------------------------------------------------------------------------- */

/* 1 to 65535, and nothing else; 0 = it is no port. */
static int port_of(const char *text)
{
    size_t len = strspn(text, "0123456789");
    long value = len > 0 && len <= 5 && text[len] == '\0' ? strtol(text, NULL, 10) : 0;
    return value >= 1 && value <= 65535 ? (int)value : 0;
}

static troupe_error set_unix(browser_endpoint *at, const char *text, troupe_reason *reason)
{
    const char *path = text + strlen("unix:");
    struct sockaddr_un address;
    if (strncmp(path, "//", 2) == 0) { /* unix:///path */
        path += 2;
    }
    if (path[0] != '/' || path[1] == '\0') {
        return troupe_fail(reason, TROUPE_EPARAMS,
                           "`port`: unix: must be followed by an absolute path");
    }
    if (strlen(path) >= sizeof address.sun_path) {
        return troupe_fail(reason, TROUPE_EPARAMS,
                           "`port`: the path of a Unix socket has at most %zu bytes",
                           sizeof address.sun_path - 1);
    }
    at->unix_path = strdup(path);
    at->url = strdup("http://localhost");
    return at->unix_path != NULL && at->url != NULL && asprintf(&at->text, "unix:%s", path) > 0
               ? TROUPE_OK
               : TROUPE_ENOMEM;
}

/* A URL that is asked for the browser's WebSocket: "/" and "/json/version" at its end say no more
 * than nothing does. */
static size_t prefix_len(const char *target)
{
    size_t len = strcspn(target, "?");
    while (len > 0 && target[len - 1] == '/') {
        len--;
    }
    size_t tail = strlen(VERSION);
    if (len >= tail && strncmp(target + len - tail, VERSION, tail) == 0) {
        len -= tail;
    }
    return len;
}

static troupe_error set_parts(browser_endpoint *at, const char *text, const uri_parts *parts)
{
    const char *target = parts->target;
    size_t path = strcspn(target, "?");
    bool socket = begins(text, "ws");
    at->direct = socket && strcmp(target, "/") != 0;
    size_t keep = at->direct ? path : prefix_len(target);
    const char *scheme = at->direct ? (parts->tls ? "wss" : "ws") : (parts->tls ? "https" : "http");
    at->port = parts->loopback ? parts->port : 0;
    bool ok = asprintf(&at->url, "%s://%s%.*s%s", scheme, parts->authority, (int)keep, target,
                       target + path) > 0 &&
              asprintf(&at->text, "%s://%s%.*s", scheme, parts->authority, (int)keep, target) > 0;
    return ok ? TROUPE_OK : TROUPE_ENOMEM;
}

static troupe_error set_url(browser_endpoint *at, const char *text, troupe_reason *reason)
{
    uri_parts parts;
    troupe_reason why = {{0}};
    if (strstr(text, "/devtools/page/") != NULL) {
        return troupe_fail(reason, TROUPE_EPARAMS,
                           "`port`: this is the WebSocket of a page (/devtools/page/…), not of a "
                           "browser: give the browser's port, or ws://…/devtools/browser/…");
    }
    troupe_error error = uri_parse(text, &parts, &why);
    if (error != TROUPE_OK) {
        return troupe_fail(reason, error, "`port`: %s", why.text);
    }
    error = set_parts(at, text, &parts);
    uri_parts_fini(&parts);
    return error;
}

/* HOST:PORT, as a URL. */
static troupe_error set_host(browser_endpoint *at, const char *text, troupe_reason *reason)
{
    char url[512];
    const char *colon = strrchr(text, ':');
    const char *bracket = strrchr(text, ']');
    if (strpbrk(text, "/?#@ ") != NULL) {
        return troupe_fail(reason, TROUPE_EPARAMS,
                           "`port` must be a port, \"HOST:PORT\", a URL that begins with http://, "
                           "https://, ws:// or wss://, or \"unix:/path\"");
    }
    if (colon == NULL || (bracket != NULL && colon < bracket) || port_of(colon + 1) == 0) {
        return troupe_fail(reason, TROUPE_EPARAMS,
                           "`port`: a port (1 to 65535) is missing behind the host");
    }
    if (text[0] != '[' && memchr(text, ':', (size_t)(colon - text)) != NULL) {
        return troupe_fail(reason, TROUPE_EPARAMS,
                           "`port`: an IPv6 address stands in brackets: [::1]:9222");
    }
    int len = snprintf(url, sizeof url, "http://%s%s", colon == text ? "127.0.0.1" : "", text);
    return len < (int)sizeof url
               ? set_url(at, url, reason)
               : troupe_fail(reason, TROUPE_EPARAMS, "`port`: the host's name is too long");
}

static troupe_error set_address(browser_endpoint *at, const json_t *port, troupe_reason *reason)
{
    char number[24];
    const char *text = json_string_value(port);
    if (json_is_integer(port)) {
        snprintf(number, sizeof number, "%" JSON_INTEGER_FORMAT, json_integer_value(port));
        text = number;
    }
    if (text == NULL || text[0] == '\0') {
        return troupe_fail(reason, TROUPE_EPARAMS,
                           "`port` must be a port (1 to 65535), \"HOST:PORT\", a URL or "
                           "\"unix:/path\"");
    }
    if (strspn(text, "-0123456789") == strlen(text)) {
        char local[24];
        if (port_of(text) == 0) {
            return troupe_fail(reason, TROUPE_EPARAMS, "`port` is not a port (1 to 65535)");
        }
        snprintf(local, sizeof local, "127.0.0.1:%d", port_of(text));
        return set_host(at, local, reason);
    }
    if (begins(text, "unix:")) {
        return set_unix(at, text, reason);
    }
    return strstr(text, "://") != NULL ? set_url(at, text, reason) : set_host(at, text, reason);
}

/* The rest of the params -------------------------------------------------------------------- */

static troupe_error set_file(const json_t *params, const char *member, char **out,
                             troupe_reason *reason)
{
    const json_t *given = json_object_get(params, member);
    const char *path = json_string_value(given);
    if (given == NULL || json_is_null(given)) {
        return TROUPE_OK;
    }
    if (path == NULL || path[0] != '/') {
        return troupe_fail(reason, TROUPE_EPARAMS, "`%s` must be an absolute path", member);
    }
    if (access(path, R_OK) != 0) {
        return troupe_fail(reason, TROUPE_EPARAMS, "`%s` %s: %s", member, path, strerror(errno));
    }
    *out = strdup(path);
    return *out != NULL ? TROUPE_OK : TROUPE_ENOMEM;
}

static troupe_error set_token_file(browser_endpoint *at, const json_t *params,
                                   troupe_reason *reason)
{
    char *token = NULL;
    troupe_error error = set_file(params, "token_file", &at->token_file, reason);
    if (error == TROUPE_OK && at->token_file != NULL) {
        error = endpoint_read_token(at->token_file, &token, reason);
        free(token);
    }
    return error;
}

static troupe_error set_proxy(browser_endpoint *at, const json_t *params, troupe_reason *reason)
{
    static const char *const schemes[] = {"http://",    "https://",  "socks4://",
                                          "socks4a://", "socks5://", "socks5h://"};
    const json_t *given = json_object_get(params, "proxy");
    const char *text = json_string_value(given);
    if (given == NULL || json_is_null(given)) {
        return TROUPE_OK;
    }
    bool known = text != NULL && (text[0] == '\0' || strcmp(text, "none") == 0);
    for (size_t i = 0; text != NULL && i < sizeof schemes / sizeof *schemes; i++) {
        known = known || (begins(text, schemes[i]) && text[strlen(schemes[i])] != '\0');
    }
    if (!known) {
        return troupe_fail(reason, TROUPE_EPARAMS,
                           "`proxy` must be a URL that begins with http://, https://, socks4://, "
                           "socks4a://, socks5:// or socks5h://, or \"none\"");
    }
    at->proxy = strdup(strcmp(text, "none") == 0 ? "" : text);
    return at->proxy != NULL ? TROUPE_OK : TROUPE_ENOMEM;
}

static troupe_error set_headers(browser_endpoint *at, json_t *params, troupe_reason *reason)
{
    json_t *given = json_object_get(params, "headers");
    const char *name;
    json_t *value;
    size_t count = 0;
    if (given == NULL || json_is_null(given)) {
        return TROUPE_OK;
    }
    if (!json_is_object(given) || json_object_size(given) > HEADERS_MAX) {
        return troupe_fail(reason, TROUPE_EPARAMS,
                           "`headers` must be an object of at most %d texts", HEADERS_MAX);
    }
    at->headers = calloc(json_object_size(given) + 1, sizeof *at->headers);
    if (at->headers == NULL) {
        return TROUPE_ENOMEM;
    }
    json_object_foreach(given, name, value)
    {
        const char *text = json_string_value(value);
        if (asprintf(&at->headers[count], "%s: %s", name, text != NULL ? text : "") < 0) {
            at->headers[count] = NULL;
            return TROUPE_ENOMEM;
        }
        if (text == NULL || !http_header_ok(at->headers[count])) {
            return troupe_fail(reason, TROUPE_EPARAMS,
                               "`headers`: a header is not of the shape \"Name\": \"value\"");
        }
        count++;
    }
    return TROUPE_OK;
}

static troupe_error fill(browser_endpoint *at, json_t *params, troupe_reason *reason)
{
    troupe_error error = set_address(at, json_object_get(params, "port"), reason);
    if (error == TROUPE_OK) {
        error = set_token_file(at, params, reason);
    }
    if (error == TROUPE_OK) {
        error = set_file(params, "ca_file", &at->ca_file, reason);
    }
    if (error == TROUPE_OK) {
        error = set_file(params, "cert_file", &at->cert_file, reason);
    }
    if (error == TROUPE_OK) {
        error = set_file(params, "key_file", &at->key_file, reason);
    }
    if (error == TROUPE_OK && at->key_file != NULL && at->cert_file == NULL) {
        error = troupe_fail(reason, TROUPE_EPARAMS, "`key_file` without `cert_file`");
    }
    if (error == TROUPE_OK) {
        error = set_proxy(at, params, reason);
    }
    return error == TROUPE_OK ? set_headers(at, params, reason) : error;
}

troupe_error endpoint_create(const json_t *params, browser_endpoint **out, troupe_reason *reason)
{
    browser_endpoint *at = calloc(1, sizeof *at);
    if (at == NULL) {
        return troupe_fail(reason, TROUPE_ENOMEM, "no memory for the address");
    }
    atomic_init(&at->references, 1);
    troupe_error error = fill(at, (json_t *)params, reason);
    if (error != TROUPE_OK) {
        endpoint_unref(at);
        return error == TROUPE_ENOMEM
                   ? troupe_fail(reason, TROUPE_ENOMEM, "no memory for the address")
                   : error;
    }
    *out = at;
    return TROUPE_OK;
}

browser_endpoint *endpoint_ref(browser_endpoint *at)
{
    if (at != NULL) {
        atomic_fetch_add(&at->references, 1);
    }
    return at;
}

void endpoint_unref(browser_endpoint *at)
{
    if (at == NULL || atomic_fetch_sub(&at->references, 1) != 1) {
        return;
    }
    for (char **header = at->headers; header != NULL && *header != NULL; header++) {
        explicit_bzero(*header, strlen(*header));
        free(*header);
    }
    free(at->headers);
    free(at->url);
    free(at->text);
    free(at->unix_path);
    free(at->token_file);
    free(at->ca_file);
    free(at->cert_file);
    free(at->key_file);
    free(at->proxy);
    free(at);
}

const char *endpoint_text(const browser_endpoint *at)
{
    return at != NULL ? at->text : "";
}

bool endpoint_same(const browser_endpoint *a, const browser_endpoint *b)
{
    bool local = a->unix_path != NULL && b->unix_path != NULL;
    return local ? strcmp(a->unix_path, b->unix_path) == 0
                 : a->unix_path == NULL && b->unix_path == NULL && strcasecmp(a->url, b->url) == 0;
}
