/* SPDX-License-Identifier: MIT */
/*
 * Savina on one lane; prints JSON lines. bench/runtime.mjs runs it in turns with CAF and Erlang.
 *
 *   bench_savina nng|ring [PROGRAM…]
 */
#include "programs.h"

void savina_cast(troupe_actor *self, troupe_address to, const char *verb, troupe_bytes payload)
{
    bench_ok(troupe_post(self, to, TROUPE_CAST, verb, NULL, payload), verb);
}

void savina_cast_uint(troupe_actor *self, troupe_address to, const char *verb, uint64_t number)
{
    uint8_t bytes[9] = {0xcf}; /* uint 64 */
    for (int i = 0; i < 8; i++)
        bytes[1 + i] = (uint8_t)(number >> (56 - 8 * i));
    savina_cast(self, to, verb, (troupe_bytes){bytes, sizeof bytes});
}

uint64_t savina_uint(const troupe_envelope *e)
{
    uint64_t number = 0;
    bench_ok(troupe_unpack(e->payload, "U", &number), "payload");
    return number;
}

void savina_print(const char *program, const char *lane, double took_us, const char *note)
{
    bench_print(program, lane, "\"ms\":%.1f%s", took_us / 1e3, note);
}

int main(int argc, char **argv)
{
    static const bench_scenario programs[] = {
        {"count", savina_count},
        {"pingpong", savina_pingpong},
        {"threadring", savina_threadring},
        {"fjthrput", savina_fjthrput},
        {"fjcreate", savina_fjcreate},
        {"chameneos", savina_chameneos},
        {"big", savina_big},
        {"bndbuffer", savina_bndbuffer},
        {"banking", savina_banking},
    };
    return bench_main(argc, argv, programs, sizeof programs / sizeof programs[0]);
}
