/* SPDX-License-Identifier: MIT */
/* Secrets that are not to be written. */
#include "redact.h"

#include "actors/glob.h"
#include "json_text.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define RULES_MAX    256
#define NAME_MAX_LEN 255

typedef enum secret {
    SECRET_HEADER = 1,
    SECRET_COOKIE = 2,
    SECRET_FIELD = 4,
    SECRET_PARAM = 8,
    SECRET_ANY = 15,
} secret;

typedef struct rule {
    unsigned kinds;
    char *name; /* in lower case */
} rule;

struct redaction {
    rule rules[RULES_MAX];
    size_t count;
};

static const char usual[] =
    "header:authorization header:proxy-authorization header:cookie header:set-cookie "
    "header:x-api-key header:x-auth-token header:x-csrf-token header:x-xsrf-token cookie:* "
    "*password* passwd pwd passphrase pin *secret* *token apikey api_key api-key access_key "
    "private_key credential* sessionid session_id sid signature sig auth otp";

/* Rules ------------------------------------------------------------------------------------- */

static char lower(char letter)
{
    return (char)(letter >= 'A' && letter <= 'Z' ? letter + 32 : letter);
}

static bool is_secret(const redaction *rules, secret kind, const char *name, size_t len)
{
    char text[NAME_MAX_LEN + 1];
    if (len > NAME_MAX_LEN) {
        return true; /* no name that anybody gave */
    }
    for (size_t i = 0; i < len; i++) {
        text[i] = lower(name[i]);
    }
    text[len] = '\0';
    for (size_t i = 0; i < rules->count; i++) {
        if ((rules->rules[i].kinds & kind) != 0 && glob_matches(rules->rules[i].name, text)) {
            return true;
        }
    }
    return false;
}

static troupe_error add_rule(redaction *rules, const char *word, size_t len, troupe_reason *reason)
{
    static const struct {
        const char *prefix;
        unsigned kind;
    } kinds[] = {{"header:", SECRET_HEADER},
                 {"cookie:", SECRET_COOKIE},
                 {"field:", SECRET_FIELD},
                 {"param:", SECRET_PARAM}};
    unsigned kind = SECRET_ANY;
    const char *name = word;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        size_t prefix = strlen(kinds[i].prefix);
        if (len >= prefix && strncasecmp(word, kinds[i].prefix, prefix) == 0) {
            kind = kinds[i].kind;
            name = word + prefix;
        }
    }
    size_t name_len = len - (size_t)(name - word);
    if (name_len == 0 || memchr(name, ':', name_len) != NULL) {
        return troupe_fail(reason, TROUPE_EPARAMS,
                           "redact: '%.*s': NAME, header:NAME, cookie:NAME, field:NAME, "
                           "param:NAME or default is needed",
                           (int)len, word);
    }
    if (rules->count == RULES_MAX) {
        return troupe_fail(reason, TROUPE_EPARAMS, "redact: more than %d rules", RULES_MAX);
    }
    char *copy = strndup(name, name_len);
    if (copy == NULL) {
        return TROUPE_ENOMEM;
    }
    for (char *at = copy; *at != '\0'; at++) {
        *at = lower(*at);
    }
    rules->rules[rules->count++] = (rule){kind, copy};
    return TROUPE_OK;
}

static troupe_error add_rules(redaction *rules, const char *text, bool nested,
                              troupe_reason *reason)
{
    troupe_error error = TROUPE_OK;
    while (error == TROUPE_OK && *(text += strspn(text, ", \t")) != '\0') {
        size_t len = strcspn(text, ", \t");
        bool all = !nested && len == 7 && strncasecmp(text, "default", 7) == 0;
        error = all ? add_rules(rules, usual, true, reason) : add_rule(rules, text, len, reason);
        text += len;
    }
    return error;
}

troupe_error redaction_create(const char *rules, redaction **out, troupe_reason *reason)
{
    *out = NULL;
    if (rules == NULL || rules[strspn(rules, ", \t")] == '\0') {
        return TROUPE_OK;
    }
    redaction *made = calloc(1, sizeof *made);
    if (made == NULL) {
        return TROUPE_ENOMEM;
    }
    troupe_error error = add_rules(made, rules, false, reason);
    if (error != TROUPE_OK) {
        redaction_destroy(made);
        return error;
    }
    *out = made;
    return TROUPE_OK;
}

void redaction_destroy(redaction *rules)
{
    if (rules != NULL) {
        for (size_t i = 0; i < rules->count; i++) {
            free(rules->rules[i].name);
        }
        free(rules);
    }
}

/* Text of pairs ----------------------------------------------------------------------------- */

static void append(troupe_buffer *out, const char *text, size_t len)
{
    (void)troupe_buffer_append(out, text, len);
}

/* "a=1&b=2", or cookies: "a=1; b=2". */
static void append_pairs(const redaction *rules, secret kind, const char *between, const char *text,
                         size_t len, troupe_buffer *out)
{
    const char *end = text + len;
    while (text < end) {
        const char *stop = text;
        while (stop < end && strchr(between, *stop) == NULL) {
            stop++;
        }
        const char *name = text;
        while (name < stop && *name == ' ') {
            name++;
        }
        const char *equals = memchr(name, '=', (size_t)(stop - name));
        if (equals != NULL && is_secret(rules, kind, name, (size_t)(equals - name))) {
            append(out, text, (size_t)(equals + 1 - text));
            append(out, REDACTED, sizeof REDACTED - 1);
        } else {
            append(out, text, (size_t)(stop - text));
        }
        append(out, stop, stop < end ? 1 : 0);
        text = stop + 1;
    }
}

void redaction_url(const redaction *rules, const char *url, size_t len, troupe_buffer *out)
{
    const char *mark = memchr(url, '?', len);
    const char *hash = memchr(url, '#', len);
    size_t plain = mark != NULL ? (size_t)(mark - url) : hash != NULL ? (size_t)(hash - url) : len;
    if (len >= 5 && strncasecmp(url, "data:", 5) == 0) {
        plain = len;
    }
    append(out, url, plain);
    append_pairs(rules, SECRET_PARAM, "&?#", url + plain, len - plain, out);
}

/* A header's value: as a whole, or the cookies in it. */
static void append_header(const redaction *rules, const char *name, size_t name_len,
                          const char *value, size_t len, troupe_buffer *out)
{
    bool sent = name_len == 6 && strncasecmp(name, "cookie", 6) == 0;
    bool set = name_len == 10 && strncasecmp(name, "set-cookie", 10) == 0;
    bool address = (name_len == 7 && strncasecmp(name, "referer", 7) == 0) ||
                   (name_len == 8 && strncasecmp(name, "location", 8) == 0);
    if (is_secret(rules, SECRET_HEADER, name, name_len)) {
        append(out, REDACTED, sizeof REDACTED - 1);
    } else if (sent || set) {
        append_pairs(rules, SECRET_COOKIE, ";\n", value, len, out);
    } else if (address) {
        redaction_url(rules, value, len, out);
    } else {
        append(out, value, len);
    }
}

/* The header as it came: lines "Name: value". */
static void append_lines(const redaction *rules, const char *text, size_t len, troupe_buffer *out)
{
    const char *end = text + len;
    while (text < end) {
        const char *stop = memchr(text, '\n', (size_t)(end - text));
        stop = stop != NULL ? stop + 1 : end;
        const char *last = stop;
        while (last > text && (last[-1] == '\n' || last[-1] == '\r')) {
            last--;
        }
        const char *colon = memchr(text, ':', (size_t)(last - text));
        if (colon != NULL) {
            const char *value = colon + 1;
            while (value < last && *value == ' ') {
                value++;
            }
            append(out, text, (size_t)(value - text));
            append_header(rules, text, (size_t)(colon - text), value, (size_t)(last - value), out);
        } else { /* "GET /path?token=1 HTTP/1.1" */
            redaction_url(rules, text, (size_t)(last - text), out);
        }
        append(out, last, (size_t)(stop - last));
        text = stop;
    }
}

/* What was sent ----------------------------------------------------------------------------- */

/* Members of a JSON body, at any depth. True: one was replaced. */
static bool redact_fields(const redaction *rules, json_t *value)
{
    bool any = false;
    const char *key;
    void *next;
    json_t *member;
    size_t i;
    json_object_foreach_safe(value, next, key, member)
    {
        if (!json_is_object(member) && !json_is_array(member) &&
            is_secret(rules, SECRET_FIELD, key, strlen(key))) {
            any |= json_object_set_new(value, key, json_string(REDACTED)) == 0;
        } else {
            any |= redact_fields(rules, member);
        }
    }
    json_array_foreach(value, i, member)
    {
        any |= redact_fields(rules, member);
    }
    return any;
}

static bool append_json(const redaction *rules, const char *data, size_t len, troupe_buffer *out)
{
    json_t *value = len > 0 && (data[0] == '{' || data[0] == '[')
                        ? json_loadb(data, len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL)
                        : NULL;
    char *dumped = NULL;
    if (value != NULL && redact_fields(rules, value)) {
        dumped = json_dumps(value, JSON_COMPACT);
        append(out, dumped != NULL ? dumped : REDACTED,
               dumped != NULL ? strlen(dumped) : sizeof REDACTED - 1);
    } else if (value != NULL) {
        append(out, data, len);
    }
    bool read = value != NULL;
    free(dumped);
    json_decref(value);
    return read;
}

/* Each part of which the name is secret is replaced; a part ends where the next boundary begins. */
static void append_multipart(const redaction *rules, const char *data, size_t len,
                             troupe_buffer *out)
{
    static const char mark[] = "name=\"";
    const char *end = data + len;
    const char *line = memchr(data, '\r', len);
    size_t boundary = line != NULL ? (size_t)(line - data) : len;
    const char *at = data;
    while (at < end) {
        const char *name = memmem(at, (size_t)(end - at), mark, sizeof mark - 1);
        const char *start = name != NULL ? name + sizeof mark - 1 : end;
        const char *quote = start < end ? memchr(start, '"', (size_t)(end - start)) : NULL;
        const char *body =
            quote != NULL ? memmem(quote, (size_t)(end - quote), "\r\n\r\n", 4) : NULL;
        if (body == NULL) {
            break;
        }
        body += 4;
        const char *stop = memmem(body, (size_t)(end - body), data, boundary);
        stop = stop != NULL && stop - body >= 2 ? stop - 2 : end;
        append(out, at, (size_t)(body - at));
        if (is_secret(rules, SECRET_FIELD, start, (size_t)(quote - start))) {
            append(out, REDACTED, sizeof REDACTED - 1);
        } else {
            append(out, body, (size_t)(stop - body));
        }
        at = stop;
    }
    append(out, at, (size_t)(end - at));
}

void redaction_sent(const redaction *rules, const char *data, size_t len, troupe_buffer *out)
{
    if (len > 2 && memcmp(data, "--", 2) == 0 && memmem(data, len, "form-data", 9) != NULL) {
        append_multipart(rules, data, len, out);
    } else if (!append_json(rules, data, len, out)) {
        append_pairs(rules, SECRET_FIELD, "&", data, len, out);
    }
}

/* Events ------------------------------------------------------------------------------------ */

typedef void (*append_fn)(const redaction *rules, const char *text, size_t len, troupe_buffer *out);

static void replace(const redaction *rules, json_t *object, const char *key, const json_t *value,
                    append_fn fn)
{
    troupe_buffer out = {0};
    fn(rules, json_string_value(value), json_string_length(value), &out);
    json_t *made = out.failed ? NULL : json_stringn(out.len > 0 ? (char *)out.data : "", out.len);
    json_object_set_new(object, key, made != NULL ? made : json_string(REDACTED));
    troupe_buffer_fini(&out);
}

/* {"Name": "value"} */
static void redact_headers(const redaction *rules, json_t *headers)
{
    const char *name;
    void *next;
    json_t *value;
    json_object_foreach_safe(headers, next, name, value)
    {
        troupe_buffer out = {0};
        if (json_is_string(value)) {
            append_header(rules, name, strlen(name), json_string_value(value),
                          json_string_length(value), &out);
            json_t *made =
                out.failed ? NULL : json_stringn(out.len > 0 ? (char *)out.data : "", out.len);
            json_object_set_new(headers, name, made != NULL ? made : json_string(REDACTED));
        }
        troupe_buffer_fini(&out);
    }
}

/* {name, value, domain, …} as the events of extra information have it. */
static void redact_cookie(const redaction *rules, json_t *cookie)
{
    const json_t *name = json_object_get(cookie, "name");
    const char *text = json_string_value(name);
    if (text != NULL && json_is_string(json_object_get(cookie, "value")) &&
        (is_secret(rules, SECRET_COOKIE, text, json_string_length(name)) ||
         is_secret(rules, SECRET_HEADER, "cookie", 6))) {
        json_object_set_new(cookie, "value", json_string(REDACTED));
    }
}

static void append_secret(const redaction *rules, const char *text, size_t len, troupe_buffer *out)
{
    (void)rules;
    (void)text;
    append(out, REDACTED, len > 0 ? sizeof REDACTED - 1 : 0);
}

static append_fn how_of(const redaction *rules, const char *key)
{
    static const struct {
        const char *key;
        append_fn fn;
    } table[] = {{"url", redaction_url},
                 {"documentURL", redaction_url},
                 {"urlFragment", redaction_url},
                 {"baseURL", redaction_url},
                 {"redirectURL", redaction_url},
                 {"title", redaction_url},
                 {"sourceURL", redaction_url},
                 {"headersText", append_lines},
                 {"requestHeadersText", append_lines},
                 {"postData", redaction_sent}};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        if (strcmp(key, table[i].key) == 0) {
            return table[i].fn;
        }
    }
    bool line =
        strcmp(key, "cookieLine") == 0 && (is_secret(rules, SECRET_COOKIE, "", 0) ||
                                           is_secret(rules, SECRET_HEADER, "set-cookie", 10));
    return line ? append_secret : NULL;
}

static bool is_headers(const char *key)
{
    return strcmp(key, "headers") == 0 || strcmp(key, "requestHeaders") == 0 ||
           strcmp(key, "responseHeaders") == 0;
}

static void redact(const redaction *rules, json_t *value)
{
    const char *key;
    void *next;
    json_t *member;
    size_t i;
    json_object_foreach_safe(value, next, key, member)
    {
        append_fn how = json_is_string(member) ? how_of(rules, key) : NULL;
        if (how != NULL) {
            replace(rules, value, key, member, how);
        } else if (json_is_object(member) && is_headers(key)) {
            redact_headers(rules, member);
        } else if (strcmp(key, "postDataEntries") == 0) {
            json_object_del(value, key); /* postData again, as bytes */
        } else if (json_is_object(member) && strcmp(key, "cookie") == 0) {
            redact_cookie(rules, member);
        } else {
            redact(rules, member);
        }
    }
    json_array_foreach(value, i, member)
    {
        redact(rules, member);
    }
}

void redaction_params(const redaction *rules, json_span params, troupe_buffer *out)
{
    troupe_buffer clean = {0};
    json_clean_append(&clean, params.data, params.len);
    json_t *value = clean.failed ? NULL
                                 : json_loadb((const char *)clean.data, clean.len,
                                              JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    redact(rules, value);
    char *dumped = value != NULL ? json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
    append(out, dumped != NULL ? dumped : "{}", dumped != NULL ? strlen(dumped) : 2);
    free(dumped);
    json_decref(value);
    troupe_buffer_fini(&clean);
}
