/* SPDX-License-Identifier: MIT */
/**
 * The methods of the RPC interface: one table that says of each who answers it, what it takes and
 * how long it may take. Requests are checked against it, rpc.describe prints it.
 */
#ifndef TROUPE_BRIDGE_METHODS_H
#define TROUPE_BRIDGE_METHODS_H

#include "troupe/error.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/** Types a parameter may have; several are or-ed. */
enum {
    PARAM_STRING = 1,
    PARAM_INTEGER = 2,
    PARAM_NUMBER = 4, /* integers too */
    PARAM_BOOLEAN = 8,
    PARAM_ARRAY = 16,
    PARAM_OBJECT = 32,
};

#define METHOD_PARAMS_MAX 20

typedef struct method_param {
    const char *name; /* NULL ends the list */
    unsigned types;
    bool required;
    const char *fallback; /* default as JSON text; NULL = none */
    const char *choices;  /* "a|b|c"; NULL = any */
    const char *doc;
} method_param;

typedef enum method_route {
    ROUTE_ACTOR,  /* the actor registered under `owner` */
    ROUTE_TARGET, /* the target's own actor if it has one, else connections */
    ROUTE_NAMED,  /* the actor that the params name */
    ROUTE_LOCAL,  /* the bridge itself */
    ROUTE_CLIENT, /* the client actor of a WebSocket; unknown on POST /rpc */
} method_route;

/** One row of the table. */
typedef struct rpc_method {
    const char *name;
    method_route route;
    const char *owner; /* ROUTE_ACTOR: name of the actor */
    bool mutates;
    bool begins;         /* something new: refused while the host drains */
    uint32_t timeout_ms; /* when the request gives none; 0 = METHOD_TIMEOUT_MS */
    const char *doc;
    const char *result; /* its shape, in words */
    const char *states; /* of the target, one of which it needs: "connected|crashed"; NULL = any */
    const char *errors; /* names besides those that every method may give: "NOT_FOUND|CDP_ERROR" */
    method_param params[METHOD_PARAMS_MAX]; /* by-position order */
} rpc_method;

#define METHOD_TIMEOUT_MS     30000u
#define METHOD_TIMEOUT_MAX_MS 600000u

/** The row after that one, NULL = the first; NULL after the last. In the order of the docs. */
const rpc_method *method_next(const rpc_method *row);

/** What the row is about: the title of its part of the docs. */
const char *method_subject(const rpc_method *row);

/** Its types in words: "string or integer". */
void method_types_text(unsigned types, char *out, size_t size);

/** Print the table of methods as Markdown, a part a subject. */
void methods_markdown(FILE *out);

/** The method of that name (len bytes), or NULL. */
const rpc_method *method_find(const char *name, size_t len);

/**
 * Check params against a method and bring them into named form.
 *
 * @param params  NULL, an object or an array; borrowed
 * @param out     stored on TROUPE_OK: a new object without nulls and with positions named
 * @return TROUPE_OK; TROUPE_EPARAMS with the reason naming the member; TROUPE_ENOMEM
 */
troupe_error method_params(const rpc_method *method, const json_t *params, json_t **out,
                           troupe_reason *reason) TROUPE_MUST_USE;

/** The deadline a request asks for, or the method's own. params: as method_params gave them. */
uint32_t method_timeout_ms(const rpc_method *method, const json_t *params);

/** What rpc.describe answers, of one method (name) or of all (NULL); NULL if there is no such one.
 */
json_t *method_describe(const char *name);

#endif
