/* SPDX-License-Identifier: MIT */
/**
 * The host: puts the cast on stage in one system, and takes it off again.
 */
#ifndef TROUPE_ACTORS_HOST_H
#define TROUPE_ACTORS_HOST_H

#include "troupe/log.h"
#include "troupe/system.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** All settings of a host. Strings are borrowed for the life of the host. */
typedef struct host_options {
    const char *name;        /* of this host; its state file is NAME.json. "default" */
    const char *state_dir;   /* 0700; store, state file */
    const char *runtime_dir; /* browsers' temporary profiles are made here (TMPDIR or /tmp) */
    const char *mailbox;     /* "nng" or "ring" */

    /* [bridge] */
    const char *listen;      /* "ADDR:PORT"; NULL = first free of 127.0.0.1:37650-37659 */
    const char *token;       /* NULL = none */
    const char *allow_hosts; /* comma-separated Host names accepted without a token; NULL = none */
    const char *allow_origins; /* comma-separated Origins accepted; NULL = none */
    uint32_t clients_max;      /* WebSocket clients at once */

    /* [store] */
    const char *store;        /* file or ":memory:"; NULL = STATE_DIR/NAME.db */
    uint64_t store_bytes_max; /* 0 = no limit */
    uint32_t store_days;      /* 0 = for ever */

    /* [recorder] */
    const char *attach;      /* "launched", "all", "none" */
    uint32_t body_bytes_max; /* bodies up to this size are recorded on demand */

    /* [launcher] */
    const char *executable; /* NULL = found: chromium-headless-shell, chromium, … */
    const char *extra_args; /* space-separated, appended to the browser's command line */
    bool headed;            /* default for browsers.launch */
    bool no_sandbox;        /* --no-sandbox; forced for root, with a notice */
    uint32_t launch;        /* browsers to launch at start */
    uint32_t launch_timeout_ms;

    /* [limits] */
    uint32_t browsers_max;
    uint32_t command_timeout_ms; /* of a CDP command without a deadline of its own */

    bool demo;          /* serve the demo site on loopback */
    const char *keeper; /* path of the binary that runs as keeper (argv "--keeper"); NULL = self */

    /** RPC `stop` asks the embedding program to end the host; any thread; must not block. NULL =
     * the method answers FORBIDDEN. */
    void (*stop_requested)(void *context);
    void *stop_context;
    const char *config_json; /* what RPC `config` answers: JSON text; NULL = {} */
} host_options;

/** Every option set to its default. */
void host_options_default(host_options *options);

typedef struct host host;

/** What a started host can tell; strings live as long as the host. */
typedef struct host_addresses {
    char url[128]; /* "http://127.0.0.1:37650" */
    uint16_t port;
    char demo_url[128]; /* "" without demo site */
    char store[512];    /* path */
} host_addresses;

/**
 * Start the host: opens the system, store, bridge; launches `launch` browsers (does not wait for
 * them); writes no state file. Block all signals in every thread before.
 *
 * @return TROUPE_OK; else the reason says in one line what was wrong: TROUPE_EPARAMS (option),
 *         TROUPE_EUNAVAILABLE (port taken), TROUPE_EFORBIDDEN (non-loopback without a token),
 *         TROUPE_ESTORAGE (state directory or file), TROUPE_ENOMEM
 */
troupe_error host_start(const host_options *options, host **out,
                        troupe_reason *reason) TROUPE_MUST_USE;

/** Stop everything, children first; leaves no child process and no temporary profile. */
void host_stop(host *made);

troupe_system *host_system(host *made);
const host_addresses *host_address(const host *made);

/** If argv[1] is "--keeper", run as a browser's keeper and exit; otherwise return. Call it first in
 * main, before any thread is started. */
void host_keeper_main(int argc, char **argv);

#endif
