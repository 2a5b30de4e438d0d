/* SPDX-License-Identifier: MIT */
/** permessage-deflate (RFC 7692), client side: what is offered, what the server made of it, and the
 * two streams. No I/O; one thread at a time. */
#ifndef TROUPE_TRANSPORT_DEFLATE_H
#define TROUPE_TRANSPORT_DEFLATE_H

#include "byte_queue.h"
#include "troupe/error.h"

#include <stdint.h>
#include <zlib.h>

#define DEFLATE_OFFER_SIZE 160 /* longest offer, with a NUL */
#define DEFLATE_BITS_MIN   8
#define DEFLATE_BITS_MAX   15

/** What the handshake asks for. Zero-initialised: contexts are kept, windows as large as they go.
 */
typedef struct deflate_offer {
    bool server_no_context; /* the server compresses each message by itself: 32 KiB less here */
    bool client_no_context; /* a hint that we compress each message by itself */
    uint8_t server_bits;    /* window of the server's, 8..15; 0 = not asked for */
} deflate_offer;

/** What was agreed on. */
typedef struct deflate_params {
    bool server_no_context;
    bool client_no_context;
    uint8_t server_bits; /* 8..15 */
    uint8_t client_bits; /* 8..15 */
} deflate_params;

/** The value of Sec-WebSocket-Extensions for the request. */
void deflate_offer_text(const deflate_offer *offer, char text[DEFLATE_OFFER_SIZE]);

/**
 * Judge the server's Sec-WebSocket-Extensions: exactly one permessage-deflate, each parameter
 * known, once, with a value of its kind, and allowed by the offer.
 *
 * @param value   `len` bytes, not NUL-terminated
 * @return TROUPE_OK; TROUPE_EPROTOCOL with what is wrong in `reason`
 */
troupe_error deflate_accept(const deflate_offer *offer, const char *value, size_t len,
                            deflate_params *out, troupe_reason *reason) TROUPE_MUST_USE;

/** Both directions. Memory is taken at the first compressed message of a direction (about 40 KiB
 * in, 260 KiB out). */
typedef struct deflate_streams {
    deflate_params params;
    z_stream in;
    z_stream out;
    bool in_open;
    bool in_cut; /* what was inflated so far ends inside a block */
    bool out_open;
    bool out_used; /* since the last deflate_rest */
} deflate_streams;

void deflate_init(deflate_streams *streams, const deflate_params *params);
void deflate_fini(deflate_streams *streams);

/**
 * Inflate a piece of a message behind what `out` holds.
 *
 * @param max  `out` never holds more: what would inflate to more is refused on the way, having
 *             cost `max` bytes at most
 * @return TROUPE_OK; TROUPE_ELIMIT; TROUPE_EPROTOCOL (it is not deflate); TROUPE_ENOMEM
 */
troupe_error deflate_inflate(deflate_streams *streams, const char *data, size_t len,
                             byte_queue *out, size_t max) TROUPE_MUST_USE;

/** The message is whole: inflate what is still inside, and get ready for the next one. As
 * deflate_inflate; TROUPE_EPROTOCOL also when it ends inside a block. */
troupe_error deflate_inflate_end(deflate_streams *streams, byte_queue *out,
                                 size_t max) TROUPE_MUST_USE;

/** Whether messages can be compressed: zlib has no raw window of 256 bytes. */
static inline bool deflate_can_deflate(const deflate_streams *streams)
{
    return streams->params.client_bits > DEFLATE_BITS_MIN;
}

/**
 * Compress a whole message, at least one byte, into `out`, which is empty.
 *
 * When it did not get shorter, `out` is left empty, and the message is to be sent as it is.
 *
 * @return TROUPE_OK; TROUPE_ENOMEM (as if it did not get shorter)
 */
troupe_error deflate_deflate(deflate_streams *streams, const char *data, size_t len,
                             byte_queue *out) TROUPE_MUST_USE;

/** Called now and then: gives the memory back that was not used since the last call and that the
 * peer does not rely on. */
void deflate_rest(deflate_streams *streams);

#endif
