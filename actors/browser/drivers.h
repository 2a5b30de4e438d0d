/* SPDX-License-Identifier: MIT */
/**
 * Who drives a browser over the CDP endpoint, with which sessions and which commands. One owner, no
 * locks, no I/O.
 *
 * Each driver has a browser session of its own (Target.attachToBrowserTarget): its root. What is
 * attached below it is its own, and nobody else's.
 */
#ifndef TROUPE_BROWSER_DRIVERS_H
#define TROUPE_BROWSER_DRIVERS_H

#include "browser.h"

#include <uthash.h>

typedef struct driver driver;

/** A session of a driver; they form a tree. */
typedef struct driver_session {
    char id[CHROME_ID_MAX];
    char target[CHROME_ID_MAX]; /* Chrome's id of what it is a session of */
    bool is_browser;            /* of the browser itself: its root is, and others that it makes */
    driver *owner;
    struct driver_session *parent; /* NULL: its root */
    struct driver_session *children;
    struct driver_session *prev; /* among the parent's children */
    struct driver_session *next;
    UT_hash_handle hh;
} driver_session;

/** A command of a driver that Chrome has not answered. */
typedef struct driver_call {
    struct driver_call *prev;
    struct driver_call *next;
    driver *owner;
    int64_t row; /* its id upstream: in the table of pending commands */
    int64_t id;  /* as the driver gave it */
    size_t session_len;
    char session[]; /* as the driver gave it; "" = none */
} driver_call;

/** Something that the driver's actor had no room for. */
typedef struct driver_held {
    struct driver_held *prev;
    struct driver_held *next;
    size_t len;
    char text[];
} driver_held;

struct driver {
    troupe_address address; /* its actor */
    troupe_caller opening;  /* who waits for it to be open */
    bool open;
    bool leaving;             /* it is gone; its browser session is still being made */
    char page[CHROME_ID_MAX]; /* it drives this target only; "" = the browser */
    driver_session *root;     /* NULL while it is made */
    driver_session *face;     /* the session that messages without one mean */
    driver_call *calls;
    driver_held *held; /* in order */
    size_t held_bytes;
    UT_hash_handle hh;
};

typedef struct drivers {
    driver *all; /* by address */
    driver_session *sessions;
} drivers;

driver *drivers_find(const drivers *table, troupe_address address);
/** NULL: out of memory. */
driver *drivers_add(drivers *table, troupe_address address);
/** Forget it with its sessions and what is held; its calls must have been ended. */
void drivers_remove(drivers *table, driver *item);

driver_session *drivers_session(const drivers *table, const char *id, size_t len);
/** NULL: out of memory, the id is too long, or taken. parent NULL: its root. */
driver_session *drivers_add_session(drivers *table, driver *owner, driver_session *parent,
                                    const char *id, size_t id_len, const char *target,
                                    size_t target_len);
/** Forget it and all below it. */
void drivers_remove_session(drivers *table, driver_session *session);
/** Whether it is the target of a browser session of that driver. */
bool driver_owns_browser(const driver *owner, const char *target, size_t len);

/** NULL: out of memory. */
driver_call *driver_call_new(driver *owner, int64_t id, const char *session, size_t session_len);
void driver_call_free(driver_call *call);

/** Keep a message for later. False: out of memory. */
bool driver_hold(driver *item, const char *text, size_t len);
/** Forget the first that is held. */
void driver_unhold(driver *item);

#endif
