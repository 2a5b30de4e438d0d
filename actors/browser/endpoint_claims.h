/* SPDX-License-Identifier: MIT */
/** Which browsers are held: so that one under two addresses is not attached twice. Thread: any. */
#ifndef TROUPE_ACTORS_BROWSER_ENDPOINT_CLAIMS_H
#define TROUPE_ACTORS_BROWSER_ENDPOINT_CLAIMS_H

#include "troupe/error.h"

/**
 * Hold the browser whose WebSocket that is; it is told by the GUID behind /devtools/browser/, and
 * an URL without one is nobody's. Holding it again by the same id is fine.
 *
 * @return TROUPE_OK; TROUPE_ESTATE: the owner holds it by another id (reason names it);
 *         TROUPE_ENOMEM
 */
troupe_error endpoint_claim(const void *owner, const char *id, const char *url,
                            troupe_reason *reason) TROUPE_MUST_USE;

#endif
