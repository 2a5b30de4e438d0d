/* SPDX-License-Identifier: MIT */
/**
 * For the files that hold the table of methods, one a subject: short names, params that recur.
 *
 * A row is written with designated initialisers: what it does not name is 0, which means
 * ROUTE_ACTOR, not mutating, the usual time limit, no params.
 */
#ifndef TROUPE_BRIDGE_METHOD_ROWS_H
#define TROUPE_BRIDGE_METHOD_ROWS_H

#include "methods.h"

#define S  PARAM_STRING
#define I  PARAM_INTEGER
#define N  PARAM_NUMBER
#define B  PARAM_BOOLEAN
#define A  PARAM_ARRAY
#define O  PARAM_OBJECT
#define SA (PARAM_STRING | PARAM_ARRAY)

#define ONE_TARGET                                                      \
    {                                                                   \
        "target", S, false, NULL, NULL,                                 \
            "id or unambiguous prefix; needed if several are connected" \
    }
/* The answer for several is {results: [{target, result | error}], warnings}. */
#define EACH_TARGET                                                                             \
    {                                                                                           \
        "target", SA, false, NULL, NULL,                                                        \
            "id or unambiguous prefix; needed if several are connected. A list of them, or "    \
            "\"*\" (all connected pages): each answers, {results: [{target, result | error}], " \
            "warnings}"                                                                         \
    }
#define SOME_TARGET                                                                 \
    {                                                                               \
        "target", SA, false, NULL, NULL,                                            \
            "id, prefix, list of them, or \"*\"; default: the tracked ones, or all" \
    }

/* Each ends with a row whose name is NULL; methods.c lists them. */
extern const rpc_method methods_host[];
extern const rpc_method methods_browsers[];
extern const rpc_method methods_targets[];
extern const rpc_method methods_navigation[];
extern const rpc_method methods_script[];
extern const rpc_method methods_input[];
extern const rpc_method methods_pictures[];
extern const rpc_method methods_dom[];
extern const rpc_method methods_record[];
extern const rpc_method methods_fetch[];
extern const rpc_method methods_filters[];
extern const rpc_method methods_events[];

#endif
