/* SPDX-License-Identifier: MIT */
/** RPC `har`: recorded requests as HAR 1.2, a piece at a time. */
#ifndef TROUPE_SERVICE_HAR_H
#define TROUPE_SERVICE_HAR_H

#include "lookup.h"

/** The targets of the call are known. Ends the lookup. */
void har_export(troupe_actor *self, lookup *item);

#endif
