/* SPDX-License-Identifier: MIT */
/** RPC `har.import`: a HAR is recorded as if a browser had told of it. */
#ifndef TROUPE_SERVICE_HAR_IMPORT_H
#define TROUPE_SERVICE_HAR_IMPORT_H

#include "lookup.h"

/** Params {har, into?}; answers {browser, targets, requests, bodies, warnings}. */
void har_import(troupe_actor *self, lookup *item);

#endif
