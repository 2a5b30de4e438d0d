/* SPDX-License-Identifier: MIT */
/** HAR files on their way into a host. */
#ifndef TROUPE_CLI_HAR_FILE_H
#define TROUPE_CLI_HAR_FILE_H

#include "command.h"

/** Read a HAR file ("-": standard input). New reference; NULL after saying what is wrong. */
json_t *har_file_read(const char *path);

/**
 * Hand it to the host piece by piece (RPC `har.import`).
 *
 * @param har     borrowed
 * @param result  stored on CLI_OK: as the RPC's, of all pieces together. New reference
 * @return CLI_OK, or the status after printing one line
 */
int har_file_import(cli *self, const json_t *har, json_t **result);

#endif
