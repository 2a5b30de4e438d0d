/* SPDX-License-Identifier: MIT */
/* Names of a system's actors. `mutex` guards all; it is held for a lookup only. */
#ifndef RUNTIME_NAMES_H
#define RUNTIME_NAMES_H

#include "troupe/envelope.h"

#include <pthread.h>

#define NAME_MAX_LEN 63

typedef struct name_entry {
    struct name_entry *next; /* in its chain */
    struct name_entry *mine; /* the owner's other names; owner's thread */
    troupe_address address;
    char text[NAME_MAX_LEN + 1];
} name_entry;

typedef struct names {
    pthread_mutex_t mutex;
    name_entry **chains;
    size_t chain_count; /* a power of two */
    size_t count;
} names;

troupe_error names_init(names *n);
void names_fini(names *n);

/* Register; *mine gets the entry in front. TROUPE_ESTATE, TROUPE_EINVAL, TROUPE_ENOMEM. */
troupe_error names_add(names *n, const char *name, troupe_address address, name_entry **mine);

/* Release one of a list made by names_add; false: it is not among them. */
bool names_remove(names *n, const char *name, name_entry **mine);

/* Release all of a list made by names_add. */
void names_release(names *n, name_entry **mine);

/* 0: nobody. */
troupe_address names_find(names *n, const char *name);

#endif
