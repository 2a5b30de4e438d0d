/* SPDX-License-Identifier: MIT */
/** The opening handshake of RFC 6455, client side: the request as a text, the answer fed in pieces
 * and judged; no I/O. */
#ifndef TROUPE_TRANSPORT_WEBSOCKET_HANDSHAKE_H
#define TROUPE_TRANSPORT_WEBSOCKET_HANDSHAKE_H

#include "deflate.h"
#include "uri.h"

#include <stddef.h>
#include <time.h>

#define WEBSOCKET_KEY_SIZE         25                 /* base64 of 16 bytes, and a NUL */
#define WEBSOCKET_ACCEPT_SIZE      29                 /* base64 of a SHA-1, and a NUL */
#define WEBSOCKET_ANSWER_MAX       ((size_t)16 << 10) /* header block, the empty line included */
#define WEBSOCKET_ANSWER_LINES_MAX 100
#define WEBSOCKET_BODY_MAX         ((size_t)1 << 10) /* of a refusal, to be quoted */
#define WEBSOCKET_PROTOCOL_MAX     64                /* a subprotocol's name, with a NUL */
#define WEBSOCKET_RETRY_MAX_S      86400             /* more is taken as a day */

/** What the request asks for, besides the upgrade. All of it borrowed. */
typedef struct websocket_ask {
    const char *bearer_token;   /* NULL = none */
    const char *const *headers; /* further ones, "Name: value", NULL behind the last; NULL = none */
    const char *const *protocols; /* subprotocols, the preferred one first */
    size_t protocol_count;
    const deflate_offer *deflate; /* NULL = not offered */
} websocket_ask;

/** What a server's answer comes to. */
typedef struct websocket_verdict {
    int status;             /* HTTP's; 0 = it spoke no HTTP */
    uint32_t retry_after_s; /* of a 429 or 503; 0 = it did not say */
    bool deflate;           /* agreed on, with these parameters */
    deflate_params params;
    char protocol[WEBSOCKET_PROTOCOL_MAX]; /* the subprotocol chosen; "" = none */
} websocket_verdict;

/** A fresh random Sec-WebSocket-Key. TROUPE_OK; TROUPE_EIO (no randomness). */
troupe_error websocket_handshake_key(char key[WEBSOCKET_KEY_SIZE]) TROUPE_MUST_USE;

/** The Sec-WebSocket-Accept that answers `key`. */
troupe_error websocket_handshake_accept(const char *key,
                                        char accept[WEBSOCKET_ACCEPT_SIZE]) TROUPE_MUST_USE;

/**
 * Whether the request can be sent: names and subprotocols are tokens, values and the token hold no
 * control characters (so no line can be smuggled in), no header is one that the handshake writes
 * itself.
 *
 * @return TROUPE_OK; TROUPE_EPARAMS, the reason names the header, never its value
 */
troupe_error websocket_ask_check(const websocket_ask *ask, troupe_reason *reason) TROUPE_MUST_USE;

/** The upgrade request; `ask` has been checked. NULL without memory; freed with free. */
char *websocket_handshake_request(const uri_parts *uri, const char *key, const websocket_ask *ask);

/** A server's answer in progress. Zero-initialised is the start of one. */
typedef struct websocket_answer {
    char text[WEBSOCKET_ANSWER_MAX + WEBSOCKET_BODY_MAX + 1]; /* with a NUL */
    size_t len;
    size_t head_len; /* the block with its empty line; 0 = not whole yet */
    size_t body_max; /* how much of a refusal's body is worth waiting for */
} websocket_answer;

/**
 * Take bytes of the answer: the header block, and of a refusal (not 101) the beginning of its body.
 *
 * @param used  how many were taken: what is left behind a 101 belongs to the frames
 * @param done  whether it can be judged now
 * @return TROUPE_OK; TROUPE_EPROTOCOL: no HTTP, or a block too long or with too many lines
 */
troupe_error websocket_answer_take(websocket_answer *answer, const char *data, size_t len,
                                   size_t *used, bool *done, troupe_reason *reason) TROUPE_MUST_USE;

/** Whether it has said enough to be judged though the connection ended or time ran out. */
static inline bool websocket_answer_has_head(const websocket_answer *answer)
{
    return answer->head_len > 0;
}

/**
 * Judge it.
 *
 * @param now  wall clock, for a Retry-After that is a date
 * @param out  filled in any case
 * @return TROUPE_OK: it speaks WebSocket; TROUPE_EUNAUTHORIZED (401, 403, 407); TROUPE_EBUSY (429);
 *         TROUPE_EUNAVAILABLE (503); TROUPE_EPROTOCOL (another status, a redirect included; or an
 *         upgrade that we did not ask for). The reason names the status, where a redirect leads,
 *         and the first line of the body.
 */
troupe_error websocket_answer_judge(const websocket_answer *answer, const char *key,
                                    const websocket_ask *ask, time_t now, websocket_verdict *out,
                                    troupe_reason *reason) TROUPE_MUST_USE;

#endif
