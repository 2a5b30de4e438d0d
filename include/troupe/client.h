/* SPDX-License-Identifier: MIT */
/**
 * Join a host as an actor, over WebSocket (docs/envelope.md, "At the edge").
 *
 * A client is a part of the actor that opens it: its socket is polled by that actor's own loop, its
 * callbacks run on that actor's thread, and every function here may be called only there. Nothing
 * blocks. At the host the connection is an actor with an address of its own; when it ends, whatever
 * it did there ends as with any actor.
 *
 * One client is one connection. When `left` was called, close the client; to join again, open
 * another, after a pause (troupe_timer_start) so that a host that is gone is not asked all the
 * time.
 */
#ifndef TROUPE_CLIENT_H
#define TROUPE_CLIENT_H

#include "troupe/actor.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct troupe_client troupe_client;

/** Whom at the host: the actor with that name, or with that address if name is NULL. {0, NULL} is
 * the host's end of the connection. name: borrowed for the call, 1 to 63 bytes. */
typedef struct troupe_remote {
    troupe_address address;
    const char *name;
} troupe_remote;

static inline troupe_remote troupe_remote_named(const char *name)
{
    troupe_remote remote = {0, name};
    return remote;
}

static inline troupe_remote troupe_remote_at(troupe_address address)
{
    troupe_remote remote = {address, NULL};
    return remote;
}

/** A cast or event that the host could not deliver. Borrowed. */
typedef struct troupe_undelivered {
    troupe_address address; /* whom it was for: 0 if it was sent by name */
    const char *name;       /* name_len bytes; NULL if it was sent by address */
    size_t name_len;
    const char *verb; /* verb_len bytes */
    size_t verb_len;
    troupe_error error; /* TROUPE_ENOTFOUND, TROUPE_EGONE, TROUPE_EBUSY, … */
} troupe_undelivered;

typedef struct troupe_client_options {
    const char *url;      /* "ws://HOST[:PORT][/PATH]" or the host's "http://HOST:PORT"; copied */
    const char *token;    /* NULL = none; copied */
    const char *name;     /* taken at the host before `joined`; NULL = none; copied */
    uint32_t timeout_ms;  /* until `joined`; 0 = 10,000 */
    size_t queue_bytes;   /* what may wait to be sent; 0 = 8 MiB */
    size_t message_bytes; /* longest message from the host; 0 = 64 MiB */
    void *context;        /* for the callbacks */

    /** The host has accepted. address: this client's, at the host. NULL allowed. */
    void (*joined)(troupe_actor *self, void *context, troupe_address address);

    /** One cast, call, event or signal (`down`, read with troupe_down_read). Addresses in it are
     * those of the host. Answer a call with troupe_client_reply or troupe_client_fault. NULL: calls
     * are answered with TROUPE_EMETHOD. */
    void (*receive)(troupe_actor *self, void *context, const troupe_envelope *envelope);

    /** A cast or event came back. NULL allowed. */
    void (*undelivered)(troupe_actor *self, void *context, const troupe_undelivered *what);

    /** The connection has ended or could not be made; called once, after all pending calls have
     * ended with TROUPE_ECLOSED, and not after troupe_client_close. The only callback that is still
     * called; the client may be closed in it.
     *
     * error: TROUPE_ECLOSED (the host or network ended it), TROUPE_ETIMEOUT, TROUPE_EIO (cannot
     * connect), TROUPE_EUNAUTHORIZED, TROUPE_EBUSY (the host has as many clients as it takes),
     * TROUPE_EPROTOCOL (it does not speak this), TROUPE_ESTATE (the name is taken; or what else the
     * host said about the name), TROUPE_ELIMIT (a message longer than message_bytes),
     * TROUPE_ENOMEM. reason: one line, borrowed. NULL allowed. */
    void (*left)(troupe_actor *self, void *context, troupe_error error, const char *reason);
} troupe_client_options;

/**
 * Begin to join. `joined` or `left` is called later, never from within.
 *
 * Numeric addresses and "localhost" are used as they are; other names are looked up by a
 * short-lived actor of the same system.
 *
 * @param out     stored on TROUPE_OK; close with troupe_client_close, at the latest in the
 * behaviour's `stop`
 * @param reason  NULL allowed
 * @return TROUPE_OK; TROUPE_EINVAL (the URL or token is malformed, or there is no URL);
 *         TROUPE_EUNAVAILABLE (wss: this library has no TLS); TROUPE_ENOMEM; TROUPE_EIO (no random
 *         numbers)
 */
TROUPE_API troupe_error troupe_client_open(troupe_actor *self, const troupe_client_options *options,
                                           troupe_client **out,
                                           troupe_reason *reason) TROUPE_MUST_USE;

/**
 * Leave, and free the client. What is queued is sent as far as the network takes it at once: wait
 * for an answer first where that matters. Calls that are pending end with TROUPE_ECLOSED before
 * this returns; no other callback is called. May be called in a callback. close(NULL) is fine.
 */
TROUPE_API void troupe_client_close(troupe_client *client);

/** This client's address at the host; 0 before `joined` and after the end. */
TROUPE_API troupe_address troupe_client_address(const troupe_client *client);

/**
 * Send a cast or event. As troupe_post, but for what is known only at the host: then
 * `undelivered` is called.
 *
 * @return TROUPE_OK: queued; TROUPE_EBUSY: more than queue_bytes wait; TROUPE_ENOTCONNECTED: not
 *         yet joined (the host's end may be asked a little earlier, while the name is taken);
 *         TROUPE_ECLOSED: left; TROUPE_ELIMIT: larger than the host takes; TROUPE_EINVAL (kind or
 *         verb outside the contract, payload not one MessagePack value); TROUPE_ENOMEM
 */
TROUPE_API troupe_error troupe_client_post(troupe_client *client, troupe_remote to,
                                           troupe_kind kind, const char *verb,
                                           const troupe_meta *meta,
                                           troupe_bytes payload) TROUPE_MUST_USE;

/**
 * Call an actor of the host: `fn` is called exactly once, never from within. As troupe_call; the
 * end of the connection is one more way to end (TROUPE_ECLOSED).
 *
 * @param timeout_ms  at least 1; the host allows 600,000
 * @param ref         stored on TROUPE_OK, for troupe_client_cancel; NULL allowed
 * @return TROUPE_OK: fn will be called; the errors of troupe_client_post (TROUPE_EINVAL also: no
 *         fn, timeout_ms is 0): it never will
 */
TROUPE_API troupe_error troupe_client_call(troupe_client *client, troupe_remote to,
                                           const char *verb, const troupe_meta *meta,
                                           troupe_bytes payload, uint32_t timeout_ms,
                                           troupe_answer_fn fn, void *context,
                                           uint64_t *ref) TROUPE_MUST_USE;

/** Give a call up: its fn is called with TROUPE_ECANCELLED before this returns, and the host is
 * told. Unknown refs are ignored. */
TROUPE_API void troupe_client_cancel(troupe_client *client, uint64_t ref);

/** Answer a call that `receive` got, now or later; only the first answer counts, at the host. Is
 * never refused for lack of room; dropped when the connection has ended. An answer larger than the
 * host takes becomes a fault TROUPE_ELIMIT. */
TROUPE_API void troupe_client_reply(troupe_client *client, troupe_caller caller,
                                    troupe_bytes payload);
/** As troupe_fault. What the host would not take is left out: `data`, or else the text as well. */
TROUPE_API void troupe_client_fault(troupe_client *client, troupe_caller caller, troupe_error code,
                                    const char *data, const char *format, ...) TROUPE_PRINTF(5, 6);

/** Take a further name at the host. The reply is nil; TROUPE_ESTATE: taken. Returns, as the three
 * below, what troupe_client_call does; fn has 30 s. */
TROUPE_API troupe_error troupe_client_name(troupe_client *client, const char *name,
                                           troupe_answer_fn fn, void *context) TROUPE_MUST_USE;

/** Release a name that this client took. The reply is nil; TROUPE_ENOTFOUND: it is not its. */
TROUPE_API troupe_error troupe_client_unname(troupe_client *client, const char *name,
                                             troupe_answer_fn fn, void *context) TROUPE_MUST_USE;

/** Ask for the address of a name: the reply's payload is "U", or nil if nobody has it. */
TROUPE_API troupe_error troupe_client_whereis(troupe_client *client, const char *name,
                                              troupe_answer_fn fn, void *context) TROUPE_MUST_USE;

/** Watch an actor of the host: the reply's payload is {s:U ref, s:U address} ("ref", "address");
 * later `receive` gets the signal `down`. Monitors end with the connection, without a signal. */
TROUPE_API troupe_error troupe_client_monitor(troupe_client *client, troupe_remote to,
                                              troupe_answer_fn fn, void *context) TROUPE_MUST_USE;
/** End a monitor; a `down` that is on its way may still come. */
TROUPE_API void troupe_client_demonitor(troupe_client *client, uint64_t ref);

#ifdef __cplusplus
}
#endif

#endif
