/* SPDX-License-Identifier: MIT */
/** What the files of the launcher share: the list of browsers and their processes (launcher.c),
 * the RPC methods (launcher_methods.c, launcher_ports.c). */
#ifndef TROUPE_ACTORS_BROWSER_LAUNCHER_H
#define TROUPE_ACTORS_BROWSER_LAUNCHER_H

#include "browser.h"
#include "process.h"
#include "troupe/supervisor.h"

#include <jansson.h>

typedef struct launcher launcher;

/* A keeper and its browser until it was reaped. */
typedef struct running {
    struct running *prev;
    struct running *next;
    launcher *owner;
    process *process;
    char browser[BROWSER_ID_MAX];
    bool expected; /* its end was asked for */
} running;

typedef enum entry_state { ENTRY_STARTING, ENTRY_UP, ENTRY_RETRYING, ENTRY_CLOSING } entry_state;

/* A browser of the list. */
typedef struct entry {
    struct entry *prev;
    struct entry *next;
    launcher *owner;
    char id[BROWSER_ID_MAX];
    bool launched;
    bool headed;
    bool port;
    char *profile;  /* persistent one; NULL = temporary */
    char *endpoint; /* attached: where */
    char *executable;
    int port_number; /* as given to ports.add; 0 = none */
    entry_state state;
    bool unresponsive; /* up, owes answers and says nothing */
    bool seen_up;
    bool failed;   /* closing because it never came up */
    bool killed;   /* its process, by us: exit_text is only what it said */
    bool released; /* the supervisor has forgotten it: freed when its process is reaped */
    running *run;  /* its process now; NULL = none */
    char uid[40];
    char product[128];
    char url[256];
    browser_end *end;    /* of its actor now; NULL = none was made yet */
    troupe_reason ended; /* why its actor ended last */
    char exit_text[400]; /* how its process ended last */
} entry;

typedef enum waiter_kind { WAIT_LAUNCH, WAIT_PORT, WAIT_CLOSE } waiter_kind;

/* A call that waits for browsers to come up, or to be gone. */
typedef struct waiter {
    struct waiter *prev;
    struct waiter *next;
    troupe_caller caller;
    waiter_kind kind;
    size_t expected;
    json_t *browsers; /* done so far */
    char ids[16][BROWSER_ID_MAX];
    size_t id_count;
} waiter;

struct launcher {
    troupe_actor *self;
    const troupe_host_options *host;
    troupe_supervisor *supervisor;
    entry *entries;
    running *running;
    waiter *waiters;
    unsigned next_number;
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

/** A call that waits; NULL after answering the fault for lack of memory. */
waiter *waiter_new(launcher *state, troupe_caller caller, waiter_kind kind);
/** It waits for that browser too. */
void waiter_add(waiter *item, const char *id);
void waiter_free(launcher *state, waiter *item);
/** Answer `ports.add`. failure: why it is not up; NULL = it is. */
void launcher_answer_port(launcher *state, const waiter *wait, const entry *item,
                          const char *failure);

/* In launcher_methods.c: */

void launcher_method(launcher *state, const troupe_envelope *call);
/** A fresh id, or the wanted one; TROUPE_EPARAMS, TROUPE_ESTATE and the reason if that cannot be.
 */
troupe_error launcher_choose_id(launcher *state, const char *wanted, const char *prefix, char *id,
                                troupe_reason *reason) TROUPE_MUST_USE;
/** End a browser for good; the caller hears when its process is gone. */
void launcher_close(launcher *state, troupe_caller caller, entry *item);

/* In launcher_ports.c: */

void launcher_ports_add(launcher *state, troupe_caller caller, json_t *params);
void launcher_ports_remove(launcher *state, troupe_caller caller, json_t *params);
void launcher_ports_list(launcher *state, troupe_caller caller, json_t *params);

#endif
