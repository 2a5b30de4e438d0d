/* SPDX-License-Identifier: MIT */
/**
 * How actors/host.c starts each family: every entry point fills in what to spawn. All are called on
 * the root actor's thread, again for each restart; the state made is freed by the behaviour's
 * `stop`.
 */
#ifndef TROUPE_ACTORS_CAST_H
#define TROUPE_ACTORS_CAST_H

#include "troupe/host.h"
#include "troupe/supervisor.h"

/* Each: context is the host's `const troupe_host_options *`. */
troupe_error launcher_prepare(troupe_actor *self, void *context, troupe_spawn_options *out);
troupe_error connections_prepare(troupe_actor *self, void *context, troupe_spawn_options *out);
troupe_error store_prepare(troupe_actor *self, void *context, troupe_spawn_options *out);
troupe_error query_prepare(troupe_actor *self, void *context, troupe_spawn_options *out);
troupe_error sql_prepare(troupe_actor *self, void *context, troupe_spawn_options *out);
troupe_error network_prepare(troupe_actor *self, void *context, troupe_spawn_options *out);
troupe_error console_prepare(troupe_actor *self, void *context, troupe_spawn_options *out);
troupe_error filters_prepare(troupe_actor *self, void *context, troupe_spawn_options *out);
troupe_error events_prepare(troupe_actor *self, void *context, troupe_spawn_options *out);
troupe_error state_prepare(troupe_actor *self, void *context, troupe_spawn_options *out);
troupe_error inspect_prepare(troupe_actor *self, void *context, troupe_spawn_options *out);
troupe_error replay_prepare(troupe_actor *self, void *context, troupe_spawn_options *out);
troupe_error fetch_prepare(troupe_actor *self, void *context, troupe_spawn_options *out);

/** Open the store's file once, before anything is started, to report what is wrong with it: creates
 * the directory (0700) and the file (0600), checks schema version and writability. */
troupe_error store_check(const troupe_host_options *options, char *path, size_t path_size,
                         troupe_reason *reason);

/** The HTTP server: its threads are guests of the system. Started after the cast is on stage,
 * stopped before it leaves. */
typedef struct bridge bridge;
troupe_error bridge_start(const troupe_host_options *options, troupe_system *system, bridge **out,
                          troupe_host_info *addresses, troupe_reason *reason);
/** As troupe_host_reload. */
troupe_error bridge_reload(bridge *bridge, const troupe_host_options *options,
                           troupe_reason *reason);
/** Refuse new requests, end WebSocket clients, join all threads. NULL is fine. */
void bridge_stop(bridge *bridge);

/** The demo site on a loopback port of its own. */
typedef struct demo_site demo_site;
troupe_error demo_site_start(demo_site **out, char *url, size_t url_size, troupe_reason *reason);
void demo_site_stop(demo_site *site);

/** Runs as a browser's keeper (actors/browser/keeper.c); returns the exit status. */
int keeper_main(int argc, char **argv);

#endif
