/* SPDX-License-Identifier: MIT */
/** Start a local host in the background, for commands that need one when none runs. */
#ifndef TROUPE_CLI_AUTOSTART_H
#define TROUPE_CLI_AUTOSTART_H

#include "config.h"

/**
 * Start `serve` of our own binary, detached, writing to STATE_DIR/NAME.log, and wait until its
 * state file is there. Blocks: up to 20 s.
 *
 * @param args  flags of settings among them are handed on
 * @return TROUPE_OK; TROUPE_ETIMEOUT; TROUPE_EUNAVAILABLE: it ended (the reason is its last line);
 *         TROUPE_EIO
 */
troupe_error autostart(const cli_config *config, const cli_args *args,
                       troupe_reason *reason) TROUPE_MUST_USE;

#endif
