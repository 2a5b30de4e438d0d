/* SPDX-License-Identifier: MIT */
/**
 * Log records on standard error, held back while a host starts: if it does not start, one line says
 * why, and what led there is of no interest.
 */
#ifndef TROUPE_CLI_LOG_GATE_H
#define TROUPE_CLI_LOG_GATE_H

#include <stdbool.h>

/** Take over the log; hold records back. json: each is a line {time, level, component, event,
 * subject, message}, time as RFC 3339 has it, in UTC. */
void log_gate_close(bool json);

/** Write what was held back (or drop it), and write records at once from now on. */
void log_gate_open(bool write_held);

/** Leave the log to its default sink. */
void log_gate_remove(void);

#endif
