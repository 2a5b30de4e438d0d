/* SPDX-License-Identifier: MIT */
/** The text that DevTools' console shows for the arguments of a console call. */
#ifndef TROUPE_STORE_CONSOLE_TEXT_H
#define TROUPE_STORE_CONSOLE_TEXT_H

#include "troupe/pack.h"

/** Longest text made; longer ones are cut and end in "…". */
#define CONSOLE_TEXT_MAX (64 * 1024)

/**
 * Append the text of a call's arguments (JSON text: a list of RemoteObjects): format specifiers of
 * a leading string are applied, objects appear as their previews. False, nothing appended, if it is
 * no list. json: borrowed; NULL allowed when len is 0.
 */
bool console_args_append(troupe_buffer *buffer, const char *json, size_t len);

/** As above for ExceptionDetails: "Uncaught TypeError: late\n    at …". False if it is no object.
 */
bool console_exception_append(troupe_buffer *buffer, const char *json, size_t len);

#endif
