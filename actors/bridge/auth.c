/* SPDX-License-Identifier: MIT */
/* Who may talk to the host. */
#include "auth.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

static bool refuse(auth_refusal *refusal, int status, troupe_error code, const char *rule,
                   const char *text)
{
    *refusal = (auth_refusal){.status = status, .code = code, .rule = rule, .text = text};
    return false;
}

bool auth_is_loopback(const char *address)
{
    if (strcmp(address, "::1") == 0) {
        return true;
    }
    if (strncasecmp(address, "::ffff:", 7) == 0) {
        address += 7;
    }
    struct in_addr parsed;
    return inet_pton(AF_INET, address, &parsed) == 1 && (ntohl(parsed.s_addr) >> 24) == 127;
}

/* Cut a comma-separated list in place. */
static troupe_error list_init(const char *text, char **storage, const char **list, const char *what,
                              troupe_reason *reason)
{
    if (text == NULL) {
        return TROUPE_OK;
    }
    *storage = strdup(text);
    if (*storage == NULL) {
        return TROUPE_ENOMEM;
    }
    size_t count = 0;
    char *rest = NULL;
    for (char *word = strtok_r(*storage, ", \t", &rest); word != NULL;
         word = strtok_r(NULL, ", \t", &rest)) {
        if (count == AUTH_LIST_MAX) {
            return troupe_fail(reason, TROUPE_EPARAMS, "%s: more than %d entries", what,
                               AUTH_LIST_MAX);
        }
        list[count++] = word;
    }
    list[count] = NULL;
    return TROUPE_OK;
}

static bool list_has(const char *const *list, const char *word)
{
    for (; *list != NULL; list++) {
        if (strcasecmp(*list, word) == 0) {
            return true;
        }
    }
    return false;
}

troupe_error auth_init(auth_rules *auth, const troupe_host_options *options, const char *address,
                       troupe_reason *reason)
{
    memset(auth, 0, sizeof *auth);
    auth->uid = geteuid();
    snprintf(auth->address, sizeof auth->address, "%s", address);
    if (options->token != NULL && options->token[0] != '\0') {
        auth->has_token = true;
        SHA256((const unsigned char *)options->token, strlen(options->token), auth->token_digest);
    }
    if (!auth->has_token && !auth_is_loopback(address)) {
        return troupe_fail(reason, TROUPE_EFORBIDDEN,
                           "refusing to listen on %s without a token: whoever reaches it could run "
                           "code as you",
                           address);
    }
    troupe_error error =
        list_init(options->allow_hosts, &auth->hosts, auth->host_list, "allow_hosts", reason);
    if (error == TROUPE_OK) {
        error = list_init(options->allow_origins, &auth->origins, auth->origin_list,
                          "allow_origins", reason);
    }
    if (error != TROUPE_OK) {
        auth_fini(auth);
    }
    return error;
}

void auth_fini(auth_rules *auth)
{
    free(auth->hosts);
    free(auth->origins);
    memset(auth, 0, sizeof *auth);
}

/* Cut "NAME[:PORT]" into name and port text ("" if none). False if it is malformed or too long. */
static bool host_split(const char *text, char *name, size_t size, const char **port)
{
    const char *end;
    if (text[0] == '[') {
        end = strchr(text, ']');
        end = end != NULL ? end + 1 : NULL;
    } else {
        end = text + strcspn(text, ":");
    }
    if (end == NULL || end == text || (size_t)(end - text) >= size) {
        return false;
    }
    memcpy(name, text, (size_t)(end - text));
    name[end - text] = '\0';
    if (*end == '\0') {
        *port = end;
        return true;
    }
    *port = end + 1;
    size_t digits = strspn(*port, "0123456789");
    return *end == ':' && digits > 0 && digits <= 5 && (*port)[digits] == '\0';
}

static bool name_is_loopback(const char *name)
{
    struct in_addr parsed;
    if (strcasecmp(name, "localhost") == 0 || strcmp(name, "[::1]") == 0) {
        return true;
    }
    return inet_pton(AF_INET, name, &parsed) == 1 && (ntohl(parsed.s_addr) >> 24) == 127;
}

/* Host as sent, or without its port, in the list of allowed ones. */
static bool host_allowed(const auth_rules *auth, const char *text)
{
    char name[256];
    const char *port;
    if (!host_split(text, name, sizeof name, &port)) {
        return false;
    }
    return name_is_loopback(name) || list_has(auth->host_list, text) ||
           list_has(auth->host_list, name);
}

static bool origin_is_own(const auth_rules *auth, const char *origin)
{
    char name[256];
    const char *port;
    const char *scheme = auth->tls ? "https://" : "http://";
    size_t len = strlen(scheme);
    if (strncasecmp(origin, scheme, len) != 0 ||
        !host_split(origin + len, name, sizeof name, &port)) {
        return false;
    }
    unsigned long number = *port != '\0' ? strtoul(port, NULL, 10) : auth->tls ? 443 : 80;
    if (number != auth->port) {
        return false;
    }
    return strcasecmp(name, "localhost") == 0 || strcmp(name, "127.0.0.1") == 0 ||
           strcmp(name, "[::1]") == 0 || strcmp(name, auth->address) == 0;
}

static bool check_origin(const auth_rules *auth, const auth_request *request, auth_refusal *refusal)
{
    if (request->origin == NULL || request->paired || origin_is_own(auth, request->origin) ||
        list_has(auth->origin_list, request->origin)) {
        return true;
    }
    return refuse(refusal, 403, TROUPE_EFORBIDDEN, "origin",
                  "web pages may not talk to this host: the Origin is neither paired nor in "
                  "allow_origins");
}

static bool token_matches(const auth_rules *auth, const char *token)
{
    unsigned char digest[32];
    SHA256((const unsigned char *)token, strlen(token), digest);
    bool same = CRYPTO_memcmp(digest, auth->token_digest, sizeof digest) == 0;
    OPENSSL_cleanse(digest, sizeof digest);
    return same;
}

static bool check_token(const auth_rules *auth, const auth_request *request, auth_refusal *refusal)
{
    const char *token = request->token;
    if (request->session || request->paired) {
        return true;
    }
    if (request->authorization != NULL && strncasecmp(request->authorization, "Bearer ", 7) == 0) {
        token = request->authorization + 7;
        token += strspn(token, " ");
    }
    if (token == NULL) {
        return refuse(refusal, 401, TROUPE_EUNAUTHORIZED, "token",
                      "this host wants a token: Authorization: Bearer TOKEN");
    }
    if (!token_matches(auth, token)) {
        return refuse(refusal, 401, TROUPE_EUNAUTHORIZED, "token", "wrong token");
    }
    return true;
}

static bool check_local(const auth_rules *auth, const auth_request *request, auth_owner_fn owner,
                        void *context, auth_refusal *refusal)
{
    if (!request->peer_loopback) {
        return refuse(refusal, 403, TROUPE_EFORBIDDEN, "peer",
                      "without a token only this machine may talk to this host");
    }
    if (request->host == NULL || !host_allowed(auth, request->host)) {
        return refuse(refusal, 403, TROUPE_EFORBIDDEN, "host",
                      "the Host header is neither a loopback address nor in allow_hosts");
    }
    uid_t uid;
    if (!owner(context, &uid)) {
        return refuse(refusal, 403, TROUPE_EFORBIDDEN, "owner",
                      "cannot tell which user owns the other end of this connection");
    }
    if (uid != auth->uid) {
        return refuse(refusal, 403, TROUPE_EFORBIDDEN, "owner",
                      "without a token only processes of the same user may talk to this host");
    }
    return true;
}

static bool is_json_type(const char *content_type)
{
    static const char json[] = "application/json";
    if (content_type == NULL || strncasecmp(content_type, json, sizeof json - 1) != 0) {
        return false;
    }
    const char *rest = content_type + sizeof json - 1;
    rest += strspn(rest, " \t");
    return *rest == '\0' || *rest == ';';
}

bool auth_admit(const auth_rules *auth, const auth_request *request, auth_owner_fn owner,
                void *context, auth_refusal *refusal)
{
    if (request->host_count > 1) {
        return refuse(refusal, 400, TROUPE_EREQUEST, "host", "more than one Host header");
    }
    if (strcmp(request->method, "OPTIONS") == 0) {
        return refuse(refusal, 403, TROUPE_EFORBIDDEN, "preflight",
                      "no cross-origin requests: preflights are refused");
    }
    if (!check_origin(auth, request, refusal)) {
        return false;
    }
    bool known = auth->has_token ? check_token(auth, request, refusal)
                                 : check_local(auth, request, owner, context, refusal);
    if (!known) {
        return false;
    }
    if (strcmp(request->method, "POST") == 0 && !is_json_type(request->content_type)) {
        return refuse(refusal, 415, TROUPE_EREQUEST, "content-type",
                      "POST needs Content-Type: application/json");
    }
    return true;
}
