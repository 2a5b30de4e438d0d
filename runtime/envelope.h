/* SPDX-License-Identifier: MIT */
/* The codec behind troupe/envelope.h, for places that know their room in advance. */
#ifndef RUNTIME_ENVELOPE_H
#define RUNTIME_ENVELOPE_H

#include "troupe/envelope.h"

#define ENVELOPE_NUMBER_LIMIT (1ULL << 53) /* addresses and refs are below */
#define ENVELOPE_VERB_MAX     255
#define ENVELOPE_TEXT_MAX     65535 /* trace and session */

#define ENVELOPE_TO_AT          3   /* where `to` begins */
#define ENVELOPE_JSON_DEPTH_MAX 128 /* of JSON text from outside: actors' stacks are small */

/* Whether the header fields are within their bounds. The payload is not looked at. */
bool envelope_valid(const troupe_envelope *envelope);

/* Bytes that envelope_encode writes. */
size_t envelope_size(const troupe_envelope *envelope);

/* Write at a place with envelope_size bytes of room; returns the end. */
uint8_t *envelope_encode(uint8_t *at, const troupe_envelope *envelope);

/* Replies and faults answer a call; they take no credit at their receiver. */
static inline bool envelope_is_answer(const troupe_envelope *envelope)
{
    return envelope->kind == TROUPE_REPLY || envelope->kind == TROUPE_FAULT;
}

#endif
