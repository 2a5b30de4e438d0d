/* SPDX-License-Identifier: MIT */
/*
 * Guests: threads that are no actors. A guest owns its calls, deadlines and outbox; `mutex` guards
 * only the list on which others put answers. An answer that was claimed for a guest is put there
 * before the guest can be destroyed: destroy waits for those.
 */
#ifndef RUNTIME_GUEST_H
#define RUNTIME_GUEST_H

#include "call.h"
#include "turn.h"

struct troupe_guest {
    struct troupe_system *system;
    struct tally tally;
    turn turn;
    timers deadlines;
    call_cache cache;
    call_list calls; /* started and not handed out */
    call *ended;     /* ended here, to be handed out */
    call *ended_tail;
    guest_answer *answers; /* taken from the list, to be handed out */

    pthread_mutex_t mutex;
    pthread_cond_t arrived;
    guest_answer *list; /* mutex */
    guest_answer *list_tail;
    bool waiting; /* mutex */

    struct troupe_guest *next; /* system's mutex */
    struct troupe_guest *prev;
};

/* Put a chain of answers on the guest's list. Any thread. */
void guest_deliver(struct troupe_guest *guest, guest_answer *head, guest_answer *tail);

#endif
