/* SPDX-License-Identifier: MIT */
/** What failed though nobody had called for it: shown by the state until it is dismissed. */
#ifndef TROUPE_ACTORS_BROWSER_MISFORTUNE_H
#define TROUPE_ACTORS_BROWSER_MISFORTUNE_H

#include "troupe/actor.h"

/** target: id, or NULL: of the host. */
void misfortune_tell(troupe_actor *self, const char *target, const char *format, ...)
    TROUPE_PRINTF(3, 4);

#endif
