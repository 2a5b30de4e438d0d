/* SPDX-License-Identifier: MIT */
/** Telling the service manager how the process fares: systemd's protocol of sd_notify(3). */
#ifndef TROUPE_CLI_NOTIFY_H
#define TROUPE_CLI_NOTIFY_H

#include <stdint.h>

/** Send "READY=1" and the like (lines) to $NOTIFY_SOCKET. Nothing happens without one; what fails
 * is logged. */
void notify_send(const char *format, ...) __attribute__((format(printf, 1, 2)));

/** How often the manager wants to hear "WATCHDOG=1", in milliseconds: half of $WATCHDOG_USEC.
 * 0: it does not. */
uint32_t notify_watchdog_ms(void);

#endif
