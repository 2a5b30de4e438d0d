/* SPDX-License-Identifier: MIT */
/**
 * The envelope: what actors exchange. One MessagePack array of eight elements; docs/envelope.md
 * specifies it byte by byte, with vectors.
 */
#ifndef TROUPE_ENVELOPE_H
#define TROUPE_ENVELOPE_H

#include "troupe/pack.h"

#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TROUPE_ENVELOPE_VERSION 1

/** Where an actor is: slot and generation, below 2^53. 0 is nobody. Never dangles: an address whose
 * actor is gone is answered with TROUPE_EGONE for ever. */
typedef uint64_t troupe_address;

typedef enum troupe_kind {
    TROUPE_CAST = 0,
    TROUPE_CALL = 1,
    TROUPE_REPLY = 2,
    TROUPE_FAULT = 3,
    TROUPE_EVENT = 4,
    TROUPE_SIGNAL = 5,
} troupe_kind;

/** What goes with an envelope besides its payload. Zero-initialised is "nothing". */
typedef struct troupe_meta {
    uint32_t timeout_ms; /* what remained when it was sent; 0 = not given */
    bool has_epoch;
    uint64_t epoch;    /* state the sender knew; valid if has_epoch */
    const char *trace; /* trace id, NULL if none; not NUL-terminated */
    size_t trace_len;
    const char *session; /* session it belongs to, NULL if none; not NUL-terminated */
    size_t session_len;
} troupe_meta;

/** A view of one envelope; all pointers are borrowed from the message it was read from. */
typedef struct troupe_envelope {
    troupe_kind kind;
    troupe_address to;
    troupe_address from; /* 0 = not an actor */
    uint64_t ref;        /* ties reply and fault to their call; 0 elsewhere */
    const char *verb;    /* verb_len bytes, UTF-8, not NUL-terminated */
    size_t verb_len;
    troupe_meta meta;
    troupe_bytes payload; /* one MessagePack value; len 0 reads and writes as nil */
} troupe_envelope;

/**
 * Append the envelope.
 *
 * @return TROUPE_OK; TROUPE_EINVAL if an address or ref is not below 2^53, the verb is empty or
 *         longer than 255 bytes, or trace or session is longer than 65,535; TROUPE_ENOMEM
 */
TROUPE_API troupe_error troupe_envelope_write(troupe_buffer *buffer,
                                              const troupe_envelope *envelope) TROUPE_MUST_USE;

/**
 * Read the first envelope in `data`; hostile input is bounded (pack.h).
 *
 * `to` as a string (the system's edge) is not accepted here.
 *
 * @param used  stored on TROUPE_OK: bytes it took, so that the next one of a bundle can be read
 * @return TROUPE_OK; TROUPE_EPROTOCOL with nothing stored
 */
TROUPE_API troupe_error troupe_envelope_read(troupe_bytes data, troupe_envelope *out,
                                             size_t *used) TROUPE_MUST_USE;

/**
 * Read the first envelope of what came from outside the system. As troupe_envelope_read, and:
 *
 * - `to` may be a str, the name of an actor (1 to 63 bytes): then out->to is 0 and *name is set;
 * - the verb must be UTF-8 without control characters;
 * - JSON text anywhere in the payload (ext type 1) nests at most 128 deep: parsers recurse.
 *
 * @param name  stored on TROUPE_OK: name_len bytes, borrowed; NULL if `to` was a number
 * @return TROUPE_OK; TROUPE_EPROTOCOL with nothing stored
 */
TROUPE_API troupe_error troupe_envelope_read_edge(troupe_bytes data, troupe_envelope *out,
                                                  const char **name, size_t *name_len,
                                                  size_t *used) TROUPE_MUST_USE;

/**
 * Append an envelope for another system. As troupe_envelope_write, with `to` as a str if `name` is
 * not NULL (TROUPE_EINVAL unless it has 1 to 63 bytes).
 */
TROUPE_API troupe_error troupe_envelope_write_edge(troupe_buffer *buffer,
                                                   const troupe_envelope *envelope,
                                                   const char *name) TROUPE_MUST_USE;

static inline bool troupe_verb_is(const troupe_envelope *envelope, const char *verb)
{
    return strlen(verb) == envelope->verb_len &&
           memcmp(verb, envelope->verb, envelope->verb_len) == 0;
}

/** What a fault says; pointers borrowed from the envelope. */
typedef struct troupe_fault_view {
    troupe_error code;
    const char *message; /* message_len bytes, UTF-8 */
    size_t message_len;
    const char *data; /* JSON text of `data`, NULL if none */
    size_t data_len;
} troupe_fault_view;

/** Read a fault's payload {code, name, message, data}. A malformed one reads as TROUPE_EPROTOCOL.
 */
TROUPE_API void troupe_fault_read(const troupe_envelope *envelope, troupe_fault_view *out);

#ifdef __cplusplus
}
#endif

#endif
