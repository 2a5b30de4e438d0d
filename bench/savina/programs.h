/* SPDX-License-Identifier: MIT */
/*
 * Programs of the Savina suite (Imam and Sarkar, AGERE 2014) at their published sizes, and what
 * they share. Each checks its own result and ends the program if it is wrong.
 */
#ifndef PROGRAMS_H
#define PROGRAMS_H

#include "bench.h"

void savina_count(const char *lane);
void savina_pingpong(const char *lane);
void savina_threadring(const char *lane);
void savina_fjthrput(const char *lane);
void savina_fjcreate(const char *lane);
void savina_chameneos(const char *lane);
void savina_big(const char *lane);
void savina_bndbuffer(const char *lane);
void savina_banking(const char *lane);

/** A cast that cannot meet a full mailbox: in these programs few are under way at a time. */
void savina_cast(troupe_actor *self, troupe_address to, const char *verb, troupe_bytes payload);
/** The same with a uint as its payload. */
void savina_cast_uint(troupe_actor *self, troupe_address to, const char *verb, uint64_t number);
/** The uint that is the payload. */
uint64_t savina_uint(const troupe_envelope *e);

/** How long it took, as a line; note: JSON members that follow, or "". */
void savina_print(const char *program, const char *lane, double took_us, const char *note);

/** Random numbers, the same in each run. */
static inline uint32_t savina_random(uint64_t *state)
{
    *state = *state * 6364136223846793005ULL + 1442695040888963407ULL;
    return (uint32_t)(*state >> 33);
}

#endif
