/* SPDX-License-Identifier: MIT */
/**
 * What the files of the launcher share:
 *
 *   launcher.c          the list of browsers, their supervisor, the actor
 *   launcher_runs.c     their processes, until each was reaped
 *   launcher_wait.c     calls that wait for browsers to come up, or to be gone
 *   launcher_methods.c  RPC browsers.list, launch, close
 *   launcher_report.c   RPC browsers.log, launcher.metrics
 *   launcher_ports.c    RPC ports.*
 *   launcher_sweep.c    orphans of earlier hosts
 */
#ifndef TROUPE_ACTORS_BROWSER_LAUNCHER_H
#define TROUPE_ACTORS_BROWSER_LAUNCHER_H

#include "breaker.h"
#include "browser.h"
#include "process.h"
#include "recipe.h"
#include "troupe/supervisor.h"

#include <jansson.h>

#define LAUNCH_COUNT_MAX 64 /* in one call */

/** From the sweeper to the launcher: cast {directories:U, processes:U}. */
#define VERB_LAUNCHER_SWEPT "launcher.swept"

typedef struct launcher launcher;
typedef struct entry entry;

/* A keeper and its browser until it was reaped. */
typedef struct running {
    struct running *prev;
    struct running *next;
    launcher *owner;
    process *process;
    recipe *recipe; /* a reference */
    char browser[BROWSER_ID_MAX];
    bool asked;        /* its end was asked for, by a user or by the host's own */
    bool let_go;       /* it was told to end */
    bool probe;        /* of a breaker that is half open, which waits for how it goes */
    bool stable;       /* it was up for BREAKER_STABLE_MS, and the breaker was told */
    uint64_t timer;    /* until it is stable; 0 = none */
    uint64_t start_ns; /* monotonic */
    uint64_t up_ns;    /* when it came up; 0 = not yet */
    char why[300];     /* why it was let go before it came up; "" = not known */
} running;

/* A browser that has ended, as RPC browsers.log shows it. */
typedef struct ended_run {
    struct ended_run *prev;
    struct ended_run *next;
    char browser[BROWSER_ID_MAX];
    char *executable;
    char *output;
    char reason[400];
    bool failed; /* it never came up, or ended though nobody had asked */
    int64_t wall_us;
} ended_run;

typedef enum entry_state {
    ENTRY_STARTING,
    ENTRY_UP,
    ENTRY_RETRYING,
    ENTRY_CLOSING,
    ENTRY_REFUSED, /* attached, and refused us: on the list, but with no actor */
} entry_state;

/* A browser of the list. */
struct entry {
    struct entry *prev;
    struct entry *next;
    launcher *owner;
    char id[BROWSER_ID_MAX];
    bool launched;
    recipe *recipe;             /* launched: how; else NULL */
    browser_endpoint *endpoint; /* attached: where; else NULL */
    int port_number;            /* as given to ports.add; 0 = none */
    /* Of an attached one (launcher_ports.c): */
    troupe_error port_error; /* how it ended last; TROUPE_OK = it is up */
    unsigned attempts;       /* in vain since it was lost, or added */
    int64_t since_us;        /* wall clock: up, or down, since */
    uint64_t next_ns;        /* monotonic: the next attempt */
    char last_error[400];
    entry_state state;
    bool queued;       /* starting, but has to wait for its turn */
    bool unresponsive; /* up, owes answers and says nothing */
    bool seen_up;
    bool failed;   /* closing because it never came up */
    bool killed;   /* its process, by us: exit_text is only what it said */
    bool force;    /* closing, and at once */
    bool released; /* the supervisor has forgotten it: freed when its process is reaped */
    running *run;  /* its process now; NULL = none */
    char uid[40];
    char product[128];
    char url[256];
    uint64_t up_ns;       /* monotonic; 0 = not up */
    unsigned starts;      /* processes, or connections, so far */
    browser_end *end;     /* of its actor now; NULL = none was made yet */
    troupe_reason ended;  /* why its actor ended last */
    troupe_error failure; /* what to answer whoever waits for it; 0 = TROUPE_EUNAVAILABLE */
    char exit_text[400];  /* how its process ended last */
};

typedef enum waiter_kind { WAIT_LAUNCH, WAIT_PORT, WAIT_CLOSE } waiter_kind;

/* A call that waits for browsers to come up, or to be gone. */
typedef struct waiter {
    struct waiter *prev;
    struct waiter *next;
    troupe_caller caller;
    waiter_kind kind;
    size_t expected;
    size_t settled;
    json_t *browsers; /* up so far */
    json_t *failed;   /* [{browser, reason}] */
    troupe_error failure;
    char (*ids)[BROWSER_ID_MAX];
    size_t id_count;
} waiter;

/* Since the host started. launched = ended + those that run; ended = closed + failed + crashed. */
typedef struct launcher_counters {
    uint64_t launched; /* processes started */
    uint64_t ended;    /* reaped */
    uint64_t closed;   /* because it was asked for */
    uint64_t failed;   /* without coming up */
    uint64_t crashed;  /* after coming up, though nobody had asked */
    uint64_t killed;   /* of the ended: by SIGKILL, ours or another's */
    uint64_t restarted;
    uint64_t refused; /* by a breaker */
    uint64_t keepers_lost;
    uint64_t left_processes; /* not gone when they were reaped */
    uint64_t left_directories;
    uint64_t swept_directories;
    uint64_t swept_processes;
} launcher_counters;

struct launcher {
    troupe_actor *self;
    const troupe_host_options *host;
    troupe_supervisor *supervisor;
    entry *entries;
    running *running;
    ended_run *ended; /* the latest last */
    waiter *waiters;
    breakers breakers;
    launcher_counters counters;
    unsigned next_number;
    bool starting_queued; /* launcher_start_queued is at work */
    bool closing;
    bool children_gone;
};

/* In launcher.c: */

entry *entry_find(launcher *state, const char *id);
/** An entry as users see it. */
json_t *entry_json(const entry *item);
/** Put an entry on the list and start it. Taken: on an error the entry is gone, or goes when its
 * process has ended, and the reason says why. */
troupe_error entry_start(launcher *state, entry *item, troupe_reason *reason) TROUPE_MUST_USE;
/** Put a launched entry on the list, to be started when it has its turn. Taken. */
void entry_queue(launcher *state, entry *item);
/** Start those that wait for it, as long as not too many are starting. */
void launcher_start_queued(launcher *state);
/** How many may be starting at once. */
unsigned launcher_parallel(const launcher *state);
/** The last of an entry, if the supervisor has let go of it, and its process is reaped. */
void entry_maybe_finish(entry *item);
/** End the actor if everything has ended. */
void launcher_maybe_done(launcher *state);
/** Take an entry off that is queued: nothing of it has been started. */
void entry_withdraw(entry *item);

/* In launcher_runs.c: */

/** Start the process of a launched entry. probe: what breaker_ask said. */
troupe_error run_start(launcher *state, entry *item, bool probe,
                       troupe_reason *reason) TROUPE_MUST_USE;
/** Have the entry's process end: with grace (a profile that is kept), or at once. why: in case it
 * never came up; NULL allowed. */
void run_let_go(entry *item, const char *why);
/** The entry's browser came up. */
void run_up(entry *item);
void ended_runs_free(launcher *state);

/* In launcher_wait.c: */

/** A call that waits; NULL after answering the fault for lack of memory. */
waiter *waiter_new(launcher *state, troupe_caller caller, waiter_kind kind);
/** It waits for that browser too. */
void waiter_add(waiter *item, const char *id);
void waiter_free(launcher *state, waiter *item);
/** Answer `ports.add`. failure: why it is not up; NULL = it is. */
void launcher_answer_port(launcher *state, const waiter *wait, const entry *item,
                          const char *failure);
/** A browser came up, or will not (failure). */
void launcher_settle(launcher *state, const entry *item, const char *failure);
/** It is gone. */
void launcher_settle_closed(launcher *state, const char *id);

/* In launcher_methods.c: */

void launcher_method(launcher *state, const troupe_envelope *call);
/** A fresh id, or the wanted one; TROUPE_EPARAMS, TROUPE_ESTATE and the reason if that cannot be.
 */
troupe_error launcher_choose_id(launcher *state, const char *wanted, const char *prefix, char *id,
                                troupe_reason *reason) TROUPE_MUST_USE;
/** End a browser for good; the caller hears when its process is gone. */
void launcher_close(launcher *state, troupe_caller caller, entry *item);

/* In launcher_report.c: */

void launcher_log(launcher *state, troupe_caller caller, json_t *params);
void launcher_metrics(launcher *state, troupe_caller caller, json_t *params);

/* In launcher_ports.c: */

/** An attached browser is up. */
void launcher_port_up(entry *item);
/** Its actor ended. True: it refused us, and is not to be tried again. */
bool launcher_port_ended(entry *item, troupe_error ended, uint32_t restart_in_ms);
/** What ports.add calls that failure: "unreachable", "unauthorized", "duplicate". */
const char *launcher_port_failure(const entry *item);

void launcher_ports_add(launcher *state, troupe_caller caller, json_t *params);
void launcher_ports_remove(launcher *state, troupe_caller caller, json_t *params);
void launcher_ports_list(launcher *state, troupe_caller caller, json_t *params);

/* In launcher_sweep.c: */

/** Start an actor that removes what earlier hosts of this name left, and tells the launcher. */
void launcher_start_sweep(launcher *state);

#endif
