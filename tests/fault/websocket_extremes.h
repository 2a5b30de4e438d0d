/* SPDX-License-Identifier: MIT */
/** The part of websocket_fault that is about size, time and number. */
#ifndef TEST_WEBSOCKET_EXTREMES_H
#define TEST_WEBSOCKET_EXTREMES_H

/** Plays them all; how many failed. */
unsigned websocket_extremes(void);

#endif
