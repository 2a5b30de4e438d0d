/* SPDX-License-Identifier: MIT */
/**
 * The browser host, in a program of one's own: what `troupe serve` runs. Library: troupe-host.
 *
 * A host is a troupe_system with a cast in it: a launcher and its browsers, one actor for each
 * connected page, the store that records them, and a bridge that serves clients over HTTP and
 * WebSocket (docs/rpc.md). The embedding program's own actors and guests live in the same system,
 * and reach the cast by name: "connections", "launcher", "target/ID", "store" …
 *
 *     int main(int argc, char **argv)
 *     {
 *         troupe_host_keeper_main(argc, argv);   // returns, but in a browser's keeper
 *         sigset_t all;                          // signals: before the first thread
 *         sigfillset(&all);
 *         pthread_sigmask(SIG_BLOCK, &all, NULL);
 *         troupe_host_options options;
 *         troupe_host_options_default(&options);
 *         options.state_dir = "/var/lib/shop";
 *         options.launch = 1;
 *         troupe_host *host;
 *         troupe_reason reason;
 *         if (troupe_host_start(&options, &host, &reason) != TROUPE_OK) …
 */
#ifndef TROUPE_HOST_H
#define TROUPE_HOST_H

#include "troupe/log.h"
#include "troupe/system.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** All settings of a host; troupe.conf(5) says more about each. Strings are borrowed for the life
 * of the host. */
typedef struct troupe_host_options {
    const char *name;        /* of this host, of its database too. "default" */
    const char *state_dir;   /* holds the store; made with mode 0700 if it is not there. "." */
    const char *runtime_dir; /* browsers' temporary profiles are made here. $TMPDIR or /tmp */
    const char *mailbox;     /* lane of the system (system.h). "nng" */

    /* [bridge] */
    const char *listen;      /* "ADDR:PORT"; NULL = first free of 127.0.0.1:37650-37659 */
    const char *token;       /* NULL = none */
    const char *allow_hosts; /* comma-separated Host names accepted without a token; NULL = none */
    const char *allow_origins; /* comma-separated Origins accepted; NULL = none */
    uint32_t clients_max;      /* WebSocket clients at once */
    const char *tls_cert; /* PEM of a certificate and its chain: https at `listen`; needs a token.
                             NULL = no TLS */
    const char *tls_key;  /* PEM of its key; NULL = in tls_cert */
    bool metrics_public;  /* GET /metrics needs neither token nor anything else */

    /* [store] */
    const char *store;        /* file or ":memory:"; NULL = STATE_DIR/NAME.db */
    uint64_t store_bytes_max; /* 0 = no limit */
    uint32_t store_days;      /* 0 = for ever */
    uint32_t requests_max;    /* recorded at once; 0 = no limit */

    /* [recorder] */
    const char *attach;       /* "launched", "all", "none" */
    const char *redact;       /* what is never written, as docs/store.md says; NULL = nothing */
    const char *bodies;       /* "all", "text" or "none" are recorded as they come. NULL = "all" */
    uint32_t body_bytes_max;  /* bodies up to this size are recorded */
    uint32_t media_bytes_max; /* images, fonts, sound and films up to this size */
    uint32_t screenshot_bytes_max; /* screenshots up to this size are kept; 0 = none */

    /* [launcher] */
    const char *executable; /* NULL = found: chromium-headless-shell, chromium, … */
    const char *extra_args; /* space-separated, appended to the browser's command line; NULL */
    bool headed;            /* default for browsers.launch */
    bool no_sandbox;        /* --no-sandbox; forced for root, with a notice */
    uint32_t launch;        /* browsers to launch at start */
    uint32_t launch_timeout_ms;
    /* Defaults of browsers.launch, each as its member of that name: */
    bool full;                /* full Chromium, also without windows */
    const char *window_size;  /* "WIDTHxHEIGHT"; NULL = the browser's own */
    const char *proxy;        /* of --proxy-server; NULL = the system's */
    const char *proxy_bypass; /* of --proxy-bypass-list; NULL */
    const char *user_agent;   /* NULL = the browser's own */
    const char *extensions;   /* directories, separated by colons; NULL = none */
    uint32_t nice;            /* 0 to 19 */
    uint64_t memory_limit;    /* bytes a browser; 0 = none */
    uint32_t launch_parallel; /* browsers that are starting at once; 0 = two for each processor */

    /* [limits] */
    uint32_t browsers_max;
    uint32_t command_timeout_ms; /* of a CDP command without a deadline of its own */
    uint32_t calls_per_second;   /* RPC calls of one client address; then BUSY. 0 = no limit */
    uint32_t calls_burst;        /* of these, at once after a rest; 0 = a second's */
    uint32_t commands_in_flight; /* commands to one browser that are not answered; at most 28,000 */
    uint32_t commands_queued;    /* beyond these, commands that wait; then BUSY. At most 28,000 */
    uint32_t commands_per_second; /* to one browser; 0 = no limit */
    uint32_t commands_burst;      /* of these, at once after a rest; 0 = a second's */
    uint32_t probe_after_ms;      /* a browser that owes answers and is silent for so long is asked
                                     whether it is there; 0 = never */
    uint32_t enable_timeout_ms;   /* for the domains of a target that is being connected */
    uint32_t unresponsive_after_ms; /* a target whose call waits for longer is probed */
    uint32_t ping_interval_ms; /* a WebSocket to a browser that was not launched here is pinged each
                                  so long; 0 = never */
    uint32_t ping_timeout_ms;  /* silence after a ping that ends the connection; 0 = 10000 */

    bool demo; /* serve the demo site on a loopback port of its own */

    /** Program that is run as a browser's keeper: one whose main begins with
     * troupe_host_keeper_main, such as the `troupe` command. NULL = this program itself. */
    const char *keeper;

    /** This process has no children but the host's: those that come to it (because it is a
     * subreaper or PID 1) when a keeper was killed are reaped, so that none stays as a zombie. */
    bool reap_orphans;

    /** RPC `stop` asks the embedding program to end the host; any thread; must not block. NULL =
     * the method answers FORBIDDEN. */
    void (*stop_requested)(void *context);
    void *stop_context;
    const char *config_json; /* what RPC `config` answers: JSON text; NULL = {} */
    void *board;             /* the running host's own; NULL */
} troupe_host_options;

/** Every option set to its default. The environment ($TMPDIR) is read here. */
TROUPE_API void troupe_host_options_default(troupe_host_options *options);

typedef struct troupe_host troupe_host;

/**
 * Run as a browser's keeper and exit, if that is what this process was started for (argv[1] is
 * "--keeper"); return otherwise.
 *
 * Between the host and each browser stands a small process, the keeper: it ends the browser and
 * deletes its temporary profile, also when the host was killed. It is the embedding program itself,
 * started again. So call this first in main, before any thread is started and before anything is
 * printed; or name another program in troupe_host_options.keeper.
 */
TROUPE_API void troupe_host_keeper_main(int argc, char **argv);

/**
 * Start a host: open a system, the store and the bridge, and have `launch` browsers launched. It
 * does not wait for these: RPC `browsers.list` and the log tell how they fare.
 *
 * Block all signals in every thread before: threads are started that inherit the mask. One host a
 * process is what is tested.
 *
 * @param options  copied; its strings are borrowed until troupe_host_stop
 * @param out      stored on TROUPE_OK; end it with troupe_host_stop
 * @param reason   in one line what was wrong; NULL allowed
 * @return TROUPE_OK; TROUPE_EPARAMS (an option); TROUPE_ESTATE (no keeper: neither was
 *         troupe_host_keeper_main called nor options.keeper set); TROUPE_EUNAVAILABLE (port taken;
 *         no such lane); TROUPE_EFORBIDDEN (not loopback, and no token); TROUPE_ESTORAGE (state
 *         directory, store, runtime directory); TROUPE_ELIMIT (no more threads or descriptors);
 *         TROUPE_ENOMEM
 *
 * Thread: any that is no actor.  Blocks: until the cast is on stage.
 */
TROUPE_API troupe_error troupe_host_start(const troupe_host_options *options, troupe_host **out,
                                          troupe_reason *reason) TROUPE_MUST_USE;

/**
 * Stop everything, clients and browsers first, the store last, so that all that happened is
 * recorded. Leaves no child process and no temporary profile. NULL is fine.
 *
 * The embedding program's own actors are stopped with the system; its guests must be destroyed
 * before.
 *
 * Thread: any that is no actor.  Blocks: until all have left; those that take longer than 10 s are
 * stopped at once.
 */
TROUPE_API void troupe_host_stop(troupe_host *host);

/**
 * Take over those settings that can change while the host runs: token, allow_hosts, allow_origins,
 * config_json. Requests that come afterwards are held against them; clients that are connected
 * stay.
 *
 * @param options  as for troupe_host_start; its strings are borrowed until the next reload or
 *                 troupe_host_stop. What else it says is not looked at.
 * @return TROUPE_OK; otherwise nothing changes: TROUPE_EFORBIDDEN (not loopback and no token),
 *         TROUPE_EPARAMS (a list is too long), TROUPE_ENOMEM
 * Thread: any, one at a time.
 */
TROUPE_API troupe_error troupe_host_reload(troupe_host *host, const troupe_host_options *options,
                                           troupe_reason *reason) TROUPE_MUST_USE;

/** The system that the cast lives in, until troupe_host_stop. Thread: any. */
TROUPE_API troupe_system *troupe_host_system(troupe_host *host);

/** Where a started host is to be found. */
typedef struct troupe_host_info {
    char url[128]; /* "http://127.0.0.1:37650" */
    uint16_t port;
    char demo_url[128];  /* "" without demo site */
    char store[512];     /* path, or SQLite's URI of the database in memory */
    char local_url[128]; /* for processes of this machine: without TLS; else as url */
} troupe_host_info;

/** Its addresses; they live as long as the host. Thread: any. */
TROUPE_API const troupe_host_info *troupe_host_addresses(const troupe_host *host);

#ifdef __cplusplus
}
#endif

#endif
