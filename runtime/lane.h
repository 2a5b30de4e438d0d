/* SPDX-License-Identifier: MIT */
/*
 * A lane carries bundles from any thread to one mailbox, whole and in the order of each sender.
 * What it carries it delivers with mailbox_arrived, at once and always: a lane holds no bounds of
 * its own, credit at the mailbox is the bound.
 */
#ifndef RUNTIME_LANE_H
#define RUNTIME_LANE_H

#include "troupe/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mailbox;

/* One or more envelopes, back to back. The memory belongs to the lane that created it. */
typedef struct bundle {
    struct bundle *next; /* whoever holds it */
    void *owner;         /* private to the lane */
    size_t len;          /* of data */
    size_t capacity;
    uint8_t data[];
} bundle;

typedef struct lane lane;               /* a lane's end points */
typedef struct lane_sender lane_sender; /* what a sending thread keeps; one thread at a time */

typedef struct lane_kind {
    const char *name;
    bool wakeless; /* consumers never sleep: no eventfd */

    /* NULL: out of memory. */
    bundle *(*bundle_create)(size_t len);
    void (*bundle_destroy)(bundle *b);

    troupe_error (*open)(struct mailbox *box, const char *url, lane **out);
    /* After every sender was destroyed and every bundle has arrived. */
    void (*close)(lane *l);

    troupe_error (*sender_create)(lane_sender **out);
    void (*sender_destroy)(lane_sender *sender);
    /* Takes the bundle; it always arrives. Waits no longer than the lane needs to move on. */
    void (*send)(lane *l, lane_sender *sender, bundle *b);

    /* Whether all that was sent has arrived. NULL: sending is arriving. */
    bool (*idle)(const lane *l);
} lane_kind;

/* Bundles in plain memory; for lanes that need no more. */
bundle *lane_bundle_create(size_t len);
void lane_bundle_destroy(bundle *b);

extern const lane_kind lane_nng;
extern const lane_kind lane_ring;

/* The lane of that name; NULL = the default. NULL if there is none. */
const lane_kind *lane_find(const char *name);

#endif
