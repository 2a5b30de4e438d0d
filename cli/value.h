/* SPDX-License-Identifier: MIT */
/** Values that people write and read: numbers, sizes, durations, switches. */
#ifndef TROUPE_CLI_VALUE_H
#define TROUPE_CLI_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Decimal digits only. False if it is anything else or does not fit 64 bits. */
bool value_uint(const char *text, uint64_t *out);

/** A size in bytes: "1048576", "512K", "512M", "2G", "1.5GiB" (powers of 1024; case is ignored). */
bool value_bytes(const char *text, uint64_t *out);

/** A duration in milliseconds: "250ms", "30s", "5m", "2h", "7d", "1w", "1.5h"; a number without a
 * unit only if it is 0. */
bool value_duration(const char *text, uint64_t *out_ms);

/** true, yes, on, 1 · false, no, off, 0. */
bool value_bool(const char *text, bool *out);

/** As it would be written in a configuration, exactly: "2G", "1000". */
void value_bytes_text(uint64_t bytes, char *out, size_t size);
void value_duration_text(uint64_t ms, char *out, size_t size);

/** As people like to read it: "12.3 kB", "34 ms", "1.2 s", "3 h 20 m". */
void human_bytes(double bytes, char *out, size_t size);
void human_ms(double ms, char *out, size_t size);

#endif
