/* SPDX-License-Identifier: MIT */
/**
 * Error codes: one list for the C API, for faults between actors and for JSON-RPC.
 *
 * Whatever can fail returns troupe_error; results leave through out parameters. TROUPE_OK is 0.
 */
#ifndef TROUPE_ERROR_H
#define TROUPE_ERROR_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define TROUPE_MUST_USE          __attribute__((warn_unused_result))
#define TROUPE_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#else
#define TROUPE_MUST_USE
#define TROUPE_PRINTF(fmt, args)
#endif

#if defined(TROUPE_BUILD) && defined(__GNUC__)
#define TROUPE_API __attribute__((visibility("default")))
#else
#define TROUPE_API
#endif

/** X(symbol, value, name on the wire, JSON-RPC code, text) */
#define TROUPE_ERRORS(X)                                                                         \
    X(TROUPE_OK, 0, "OK", 0, "no error")                                                         \
    X(TROUPE_EPARSE, 1, "PARSE_ERROR", -32700, "the text could not be parsed")                   \
    X(TROUPE_EREQUEST, 2, "INVALID_REQUEST", -32600, "not a valid request")                      \
    X(TROUPE_EMETHOD, 3, "METHOD_NOT_FOUND", -32601, "no such method")                           \
    X(TROUPE_EPARAMS, 4, "INVALID_PARAMS", -32602, "a parameter is missing or wrong")            \
    X(TROUPE_EINTERNAL, 5, "INTERNAL_ERROR", -32603, "internal error")                           \
    X(TROUPE_ENOTCONNECTED, 6, "NOT_CONNECTED", -32001, "the target is not connected")           \
    X(TROUPE_ESTATE, 7, "INVALID_STATE", -32002, "not possible in the present state")            \
    X(TROUPE_EEPOCH, 8, "STALE_EPOCH", -32003, "the state has changed since the epoch given")    \
    X(TROUPE_EBUSY, 9, "BUSY", -32004, "no room at present; try again later")                    \
    X(TROUPE_ETIMEOUT, 10, "TIMEOUT", -32005, "the deadline passed")                             \
    X(TROUPE_ECLOSED, 11, "CLOSED", -32006, "the connection or actor closed before it answered") \
    X(TROUPE_EUNAUTHORIZED, 12, "UNAUTHORIZED", -32007, "missing or wrong credentials")          \
    X(TROUPE_ELIMIT, 13, "LIMIT", -32008, "larger than the limit allows")                        \
    X(TROUPE_ECDP, 14, "CDP_ERROR", -32009, "the browser answered with an error")                \
    X(TROUPE_EJS, 15, "JS_EXCEPTION", -32010, "the page's code threw an exception")              \
    X(TROUPE_ENOTFOUND, 16, "NOT_FOUND", -32011, "no such thing")                                \
    X(TROUPE_EGONE, 17, "GONE", -32012, "the actor or target is gone")                           \
    X(TROUPE_ECANCELLED, 18, "CANCELLED", -32013, "cancelled by the caller")                     \
    X(TROUPE_EFORBIDDEN, 19, "FORBIDDEN", -32014, "not allowed")                                 \
    X(TROUPE_EUNAVAILABLE, 20, "UNAVAILABLE", -32015, "nothing there to do it at present")       \
    X(TROUPE_ESTORAGE, 21, "STORAGE", -32016, "the store failed")                                \
    X(TROUPE_ENOMEM, 22, "OUT_OF_MEMORY", -32603, "out of memory")                               \
    X(TROUPE_EINVAL, 23, "INVALID_ARGUMENT", -32603, "an argument is outside its contract")      \
    X(TROUPE_EPROTOCOL, 24, "PROTOCOL", -32603, "the peer broke the protocol")                   \
    X(TROUPE_EIO, 25, "IO", -32603, "an operating system call failed")

typedef enum troupe_error {
#define TROUPE_ERROR_ENUM(symbol, value, name, rpc, text) symbol = (value),
    TROUPE_ERRORS(TROUPE_ERROR_ENUM)
#undef TROUPE_ERROR_ENUM
} troupe_error;

/** The name on the wire ("BUSY"); "UNKNOWN" for a value outside the list. Never NULL. Thread: any.
 */
TROUPE_API const char *troupe_error_name(troupe_error error);

/** One line of English; never NULL. Thread: any. */
TROUPE_API const char *troupe_error_text(troupe_error error);

/** The JSON-RPC 2.0 code (-32004 for TROUPE_EBUSY); -32603 for a value outside the list. */
TROUPE_API int troupe_error_rpc_code(troupe_error error);

/** The error with that wire name; TROUPE_EINTERNAL if there is none. name: NULL allowed. */
TROUPE_API troupe_error troupe_error_by_name(const char *name);

/**
 * Why something failed, in words: filled by functions that take a `troupe_reason *`, only when they
 * fail. Caller's storage; NULL is allowed everywhere. One line, no trailing newline, no secrets.
 */
typedef struct troupe_reason {
    char text[400]; /* UTF-8, NUL-terminated, cut when longer */
} troupe_reason;

/**
 * Write the reason (printf format) if there is a place for it, and return `error`.
 *
 * Made for `return troupe_fail(reason, TROUPE_EIO, "%s: %s", path, strerror(errno));`
 */
TROUPE_API troupe_error troupe_fail(troupe_reason *reason, troupe_error error, const char *format,
                                    ...) TROUPE_PRINTF(3, 4);

#ifdef __cplusplus
}
#endif

#endif
