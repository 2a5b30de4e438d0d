/* SPDX-License-Identifier: MIT */
/** Bytes that come as base64 text, and where they are written. */
#ifndef TROUPE_CLI_BYTES_H
#define TROUPE_CLI_BYTES_H

#include <stdbool.h>
#include <stddef.h>

/** The bytes of a text; NULL if it is damaged, or there is no memory. Freed by the caller. */
unsigned char *bytes_of(const char *text, size_t text_len, bool base64, size_t *len);

/** Write to that file, whole or not at all; NULL or "-": to standard output, which, if it is a
 * terminal, gets text only. `what` is said in errors. Returns a cli_status. */
int bytes_write(const char *path, const unsigned char *bytes, size_t len, const char *what);

#endif
