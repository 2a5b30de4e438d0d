/* SPDX-License-Identifier: MIT */
/** The part of websocket_fault that drives the client by websocket_step: states, and what time
 * brings. */
#ifndef TEST_WEBSOCKET_STEPPED_H
#define TEST_WEBSOCKET_STEPPED_H

#include "transport/websocket.h"
#include "websocket_scripts.h"

/** Play the script, without cuts, then a good one with the same object. Says what is not as it
 * should be; true: nothing. */
bool websocket_stepped(peer *p, const websocket_script *script, bool deflate);

/** The state that a connection ends in: that the server closes normally is no error. */
websocket_state websocket_script_end(const websocket_script *script);

/** Silence, slow closing, on a clock of the test's own; how many failed. */
unsigned websocket_silence(void);

#endif
