/* SPDX-License-Identifier: MIT */
/**
 * JSON-RPC 2.0: reads messages, finds who answers each call, writes the answers.
 *
 * Params travel to the actor that owns the method as JSON text, and its result comes back as JSON
 * text that is put into the response unread. Errors are those of troupe/error.h: {code, message,
 * data:{name, …}}, with the fault's own data merged in. Source:
 * https://www.jsonrpc.org/specification
 */
#ifndef TROUPE_BRIDGE_RPC_H
#define TROUPE_BRIDGE_RPC_H

#include "bridge.h"
#include "methods.h"
#include "troupe/actor.h"

#define RPC_BODY_MAX  (16u << 20)
#define RPC_BATCH_MAX 1000
/* The parser recurses, and actors' stacks are small: 2,000 levels overflow them. */
#define RPC_DEPTH_MAX 128

typedef enum rpc_state {
    RPC_CALL,   /* to be sent to `to` */
    RPC_POST,   /* to be sent to `to`, without an answer: rpc_call_posted */
    RPC_CLIENT, /* to be done by the client actor */
    RPC_DONE,   /* `answer` says how */
} rpc_state;

/** One request object on its way. */
typedef struct rpc_call {
    rpc_state state;
    const rpc_method *method; /* NULL if it was not understood */
    json_t *id;               /* NULL = a notification */
    bool quiet;               /* a notification: no answer is written */
    bool stops;               /* a `stop` that was granted and does not wait for anything */
    json_t *params;           /* named; NULL once it was packed */
    troupe_buffer payload;    /* params as JSON, packed */
    troupe_meta meta;
    troupe_address to;
    const char *verb; /* what `to` is sent */
    char *own_verb;   /* NULL: it is the method's name */
    uint32_t timeout_ms;
    uint64_t started_ns;
    unsigned long long changes; /* of the board, when `status` was asked for; 0: it is not that */
    troupe_buffer answer;       /* the response object; empty if quiet */
    void *owner;                /* whoever runs it */
    struct feed *feed;          /* that has taken it */
} rpc_call;

/** What one body or frame holds. */
typedef struct rpc_message {
    bool batch;
    bool stop; /* a `stop` was among them: to be asked for once the answer is out */
    size_t count;
    rpc_call *calls;
} rpc_message;

/** Whether brackets outside strings nest no deeper than RPC_DEPTH_MAX; says nothing about validity.
 */
bool rpc_depth_within(const char *text, size_t len);

/**
 * Read a message and do what the bridge itself can answer: afterwards each call is in one of the
 * states of rpc_state.
 *
 * @param peer       its address (rate_gate.h)
 * @param text       len bytes, borrowed
 * @param websocket  whether methods of WebSocket clients are known here
 * @param fault      when the whole message is refused: the one response
 * @return TROUPE_OK: *out is to be freed with rpc_message_fini; else `fault` holds the answer
 */
troupe_error rpc_message_read(bridge *server, const char *peer, const char *text, size_t len,
                              bool websocket, rpc_message *out,
                              troupe_buffer *fault) TROUPE_MUST_USE;

/** Append the response, once all calls are RPC_DONE; nothing if there is nothing to say. */
void rpc_message_write(const rpc_message *message, troupe_buffer *out);
void rpc_message_fini(rpc_message *message);

/** End a call with a result: a payload that is JSON, or nil; of actor.call any that JSON can say.
 */
void rpc_call_reply(bridge *server, rpc_call *call, troupe_bytes payload);
/** End a call with a result. value: taken. */
void rpc_call_result(bridge *server, rpc_call *call, json_t *value);
/** End a call with an error. data: JSON text, NULL allowed; message: NULL = the code's text. */
void rpc_call_fault(bridge *server, rpc_call *call, troupe_error code, const char *data,
                    const char *message);
/** End a call whose continuation was told `error`. answer: the fault; NULL if there was none. */
void rpc_call_failed(bridge *server, rpc_call *call, troupe_error error,
                     const troupe_envelope *answer);
/** End a call that is RPC_POST: how posting it went. */
void rpc_call_posted(bridge *server, rpc_call *call, troupe_error error);
/** The target's actor ended in this very moment: connections, which knows more, is to be called
 * instead. False: it is not so. */
bool rpc_call_redirect(const bridge *server, rpc_call *call, troupe_error error);
/** End a call that could not be sent (troupe_call, troupe_guest_call_start said `error`). */
void rpc_call_unsent(bridge *server, rpc_call *call, troupe_error error);

/** Make one call as if a client at `peer` had. params: taken. New reference to {result} or {error};
 * NULL without memory. Blocks as rpc_serve. */
json_t *rpc_ask(bridge *server, troupe_guest *guest, const char *peer, const char *method,
                json_t *params);

/**
 * Serve one HTTP body: all calls at once, gathered in order.
 *
 * @param out   the response; empty: nothing to say
 * @param stop  set if `stop` was among them
 * Blocks: as long as the calls' deadlines.
 */
void rpc_serve(bridge *server, troupe_guest *guest, const char *peer, const char *text, size_t len,
               troupe_buffer *out, bool *stop);

#endif
