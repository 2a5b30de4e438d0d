/* SPDX-License-Identifier: MIT */
/**
 * The target actor: owns the CDP sessions of one page (or worker), its iframes' and dedicated
 * workers' too: commands, answers and events in one order; tags what happens for the store.
 *
 * From the browser: every event of its sessions (kind EVENT, the verb is the method, payload
 *   [s session, I wall_us, I mono_us, j params]); see browser.h for the rest.
 */
#ifndef TROUPE_ACTORS_BROWSER_TARGET_H
#define TROUPE_ACTORS_BROWSER_TARGET_H

#include "browser.h"

typedef struct target_spec {
    const troupe_host_options *host;
    const char *id;
    const char *chrome_id;
    const char *uid; /* of the browser's run */
    const char *type;
    const char *session;
    troupe_address browser;
    uint64_t epoch;
} target_spec;

/** Fill in what to spawn. The state is freed by the behaviour's stop, or by free() if not spawned.
 */
troupe_error target_prepare(const target_spec *spec, troupe_spawn_options *out) TROUPE_MUST_USE;

#endif
