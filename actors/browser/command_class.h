/* SPDX-License-Identifier: MIT */
/** Which commands go before others when commands have to wait: the rule is docs/connections.md's.
 */
#ifndef TROUPE_ACTORS_BROWSER_COMMAND_CLASS_H
#define TROUPE_ACTORS_BROWSER_COMMAND_CLASS_H

#include <stddef.h>

typedef enum command_class {
    COMMAND_BULK,   /* everything else */
    COMMAND_URGENT, /* before bulk of other sessions; keeps its place in its own */
    COMMAND_CANCEL, /* ends or unblocks something: before all that waits, of its session too */
} command_class;

/** The class of a method, by name; O(1), but meant to be asked once a method. */
command_class command_class_of(const char *method, size_t len);

#endif
