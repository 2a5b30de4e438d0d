/* SPDX-License-Identifier: MIT */
/* Who may talk to the host: every rule by itself. */
#include "actors/bridge/auth.h"

#include <criterion/criterion.h>
#include <string.h>
#include <unistd.h>

typedef struct owner {
    bool known;
    uid_t uid;
    int asked;
} owner;

static bool tell_owner(void *context, uid_t *uid)
{
    owner *who = context;
    who->asked++;
    *uid = who->uid;
    return who->known;
}

static auth_rules rules_of(const char *token, const char *hosts, const char *origins)
{
    troupe_host_options options = {.token = token, .allow_hosts = hosts, .allow_origins = origins};
    auth_rules rules;
    cr_assert_eq(auth_init(&rules, &options, "127.0.0.1", NULL), TROUPE_OK);
    rules.port = 37650;
    return rules;
}

static auth_request good_request(void)
{
    auth_request request = {
        .method = "POST",
        .host = "127.0.0.1:37650",
        .host_count = 1,
        .content_type = "application/json",
        .peer_loopback = true,
    };
    return request;
}

/* 0 if it passes, else the status. */
static int verdict(const auth_rules *rules, const auth_request *request, const char **rule)
{
    owner me = {true, geteuid(), 0};
    auth_refusal refusal = {0};
    if (auth_admit(rules, request, tell_owner, &me, &refusal)) {
        return 0;
    }
    cr_assert_not_null(refusal.text);
    if (rule != NULL) {
        *rule = refusal.rule;
    }
    return refusal.status;
}

static void host_gives(const char *text, int status)
{
    auth_rules rules = rules_of(NULL, "build.lan, ci.lan:8080", NULL);
    auth_request request = good_request();
    request.host = text;
    cr_assert_eq(verdict(&rules, &request, NULL), status, "Host %s", text);
    auth_fini(&rules);
}

Test(auth, host_must_be_loopback_or_allowed)
{
    static const char *const good[] = {"127.0.0.1:37650", "127.0.0.1",  "localhost:1", "LOCALHOST",
                                       "[::1]:37650",     "[::1]",      "127.8.9.10",  "build.lan",
                                       "build.lan:99",    "ci.lan:8080"};
    static const char *const bad[] = {
        "evil.example",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "evil.example:37650",
        "10.0.0.1",
        "",
        "localhost:",
        "localhost:x",
        "localhost:123456",
        "[::1",
        "[::2]",
        "2130706433",
        "127.1",
        "ci.lan",
        "localhost:80@evil.example",
        "foo.localhost",
        ":80",
        "0.0.0.0",
    };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        host_gives(good[i], 0);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        host_gives(bad[i], 403);
    }
    host_gives(NULL, 403);
}

Test(auth, two_host_headers_are_refused)
{
    auth_rules rules = rules_of(NULL, NULL, NULL);
    auth_request request = good_request();
    request.host_count = 2;
    cr_assert_eq(verdict(&rules, &request, NULL), 400);
    auth_fini(&rules);
}

static void origin_gives(const char *token, const char *origin, int status)
{
    auth_rules rules = rules_of(token, NULL, "https://tool.example");
    auth_request request = good_request();
    request.origin = origin;
    request.authorization = token != NULL ? "Bearer secret" : NULL;
    const char *rule = "";
    cr_assert_eq(verdict(&rules, &request, &rule), status, "Origin %s", origin);
    if (status != 0) {
        cr_assert_str_eq(rule, "origin");
    }
    auth_fini(&rules);
}

Test(auth, origin_must_be_our_own_or_allowed_with_and_without_token)
{
    static const char *const good[] = {"http://127.0.0.1:37650", "http://localhost:37650",
                                       "http://[::1]:37650", "https://tool.example"};
    static const char *const bad[] = {"null",
                                      "",
                                      "http://evil.example",
                                      "http://127.0.0.1",
                                      "http://127.0.0.1:37651",
                                      "https://127.0.0.1:37650",
                                      "http://localhost:37650.evil.example",
                                      "http://localhost:37650/",
                                      "http://127.0.0.2:37650",
                                      "http://tool.example",
                                      "chrome-extension://abcdef"};
    static const char *const tokens[] = {NULL, "secret"};
    for (size_t t = 0; t < 2; t++) {
        for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
            origin_gives(tokens[t], good[i], 0);
        }
        for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
            origin_gives(tokens[t], bad[i], 403);
        }
    }
}

static void token_gives(const char *authorization, const char *query, int status)
{
    auth_rules rules = rules_of("s3cret", NULL, NULL);
    auth_request request = good_request();
    request.host = "any.example";
    request.peer_loopback = false;
    request.authorization = authorization;
    request.token = query;
    cr_assert_eq(verdict(&rules, &request, NULL), status, "%s %s", authorization, query);
    auth_fini(&rules);
}

Test(auth, token_is_wanted_where_there_is_one)
{
    token_gives("Bearer s3cret", NULL, 0);
    token_gives("bearer  s3cret", NULL, 0);
    token_gives(NULL, "s3cret", 0);
    token_gives(NULL, NULL, 401);
    token_gives("Bearer wrong", NULL, 401);
    token_gives("Bearer s3cre", NULL, 401);
    token_gives("Bearer s3cretx", NULL, 401);
    token_gives("Bearer ", NULL, 401);
    token_gives("Basic s3cret", NULL, 401);
    token_gives("s3cret", NULL, 401);
    token_gives(NULL, "", 401);
    token_gives("Bearer wrong", "s3cret", 401);
}

Test(auth, empty_token_is_no_token)
{
    auth_rules rules = rules_of("", NULL, NULL);
    cr_assert_not(rules.has_token);
    auth_fini(&rules);
}

Test(auth, without_token_the_peer_must_be_local_and_of_the_same_user)
{
    auth_rules rules = rules_of(NULL, NULL, NULL);
    auth_request request = good_request();
    auth_refusal refusal;
    owner other = {true, geteuid() + 1, 0};
    owner unknown = {false, geteuid(), 0};
    cr_assert_not(auth_admit(&rules, &request, tell_owner, &other, &refusal));
    cr_assert_eq(refusal.status, 403);
    cr_assert_str_eq(refusal.rule, "owner");
    cr_assert_not(auth_admit(&rules, &request, tell_owner, &unknown, &refusal));
    cr_assert_str_eq(refusal.rule, "owner");
    request.peer_loopback = false;
    cr_assert_not(auth_admit(&rules, &request, tell_owner, &other, &refusal));
    cr_assert_str_eq(refusal.rule, "peer");
    cr_assert_eq(other.asked, 1);
    auth_fini(&rules);
}

Test(auth, post_needs_json)
{
    static const char *const good[] = {"application/json", "Application/JSON; charset=utf-8",
                                       "application/json ;x=y"};
    static const char *const bad[] = {"text/plain",
                                      "application/jsonp",
                                      "application/json-rpc",
                                      "application/x-www-form-urlencoded",
                                      "multipart/form-data",
                                      "",
                                      "text/plain; application/json"};
    auth_rules rules = rules_of(NULL, NULL, NULL);
    auth_request request = good_request();
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        request.content_type = good[i];
        cr_assert_eq(verdict(&rules, &request, NULL), 0, "%s", good[i]);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        request.content_type = bad[i];
        cr_assert_eq(verdict(&rules, &request, NULL), 415, "%s", bad[i]);
    }
    request.content_type = NULL;
    cr_assert_eq(verdict(&rules, &request, NULL), 415);
    request.method = "GET";
    cr_assert_eq(verdict(&rules, &request, NULL), 0);
    auth_fini(&rules);
}

Test(auth, preflights_are_refused)
{
    auth_rules rules = rules_of("secret", NULL, "https://tool.example");
    auth_request request = good_request();
    request.method = "OPTIONS";
    request.origin = "https://tool.example";
    request.authorization = "Bearer secret";
    cr_assert_eq(verdict(&rules, &request, NULL), 403);
    auth_fini(&rules);
}

Test(auth, listening_beyond_loopback_needs_a_token)
{
    troupe_host_options options = {0};
    auth_rules rules;
    troupe_reason reason;
    cr_assert_eq(auth_init(&rules, &options, "0.0.0.0", &reason), TROUPE_EFORBIDDEN);
    cr_assert_not_null(strstr(reason.text, "token"));
    cr_assert_eq(auth_init(&rules, &options, "127.0.0.2", &reason), TROUPE_OK);
    auth_fini(&rules);
    options.token = "x";
    cr_assert_eq(auth_init(&rules, &options, "0.0.0.0", &reason), TROUPE_OK);
    auth_fini(&rules);
}

Test(auth, loopback_addresses_are_told_from_others)
{
    cr_assert(auth_is_loopback("127.0.0.1"));
    cr_assert(auth_is_loopback("127.255.0.1"));
    cr_assert(auth_is_loopback("::1"));
    cr_assert(auth_is_loopback("::ffff:127.0.0.1"));
    cr_assert_not(auth_is_loopback("128.0.0.1"));
    cr_assert_not(auth_is_loopback("0.0.0.0"));
    cr_assert_not(auth_is_loopback("::ffff:10.0.0.1"));
    cr_assert_not(auth_is_loopback("localhost"));
    cr_assert_not(auth_is_loopback(""));
}
