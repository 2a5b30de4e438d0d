/* SPDX-License-Identifier: MIT */
/* Starting threads, every signal blocked in them: those are for the program's own. */
#include "thread.h"

#include <errno.h>
#include <signal.h>

troupe_error thread_start(pthread_t *out, size_t stack_bytes, void *(*entry)(void *), void *arg)
{
    sigset_t all;
    pthread_attr_t attributes;
    if (pthread_attr_init(&attributes) != 0)
        return TROUPE_ENOMEM;
    if (stack_bytes != 0)
        pthread_attr_setstacksize(&attributes, stack_bytes);
    sigfillset(&all);
    int error = pthread_attr_setsigmask_np(&attributes, &all);
    if (error == 0)
        error = pthread_create(out, &attributes, entry, arg);
    pthread_attr_destroy(&attributes);
    return error == 0 ? TROUPE_OK : error == EAGAIN ? TROUPE_ELIMIT : TROUPE_ENOMEM;
}
