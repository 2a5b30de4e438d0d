/* SPDX-License-Identifier: MIT */
/* Starting threads: a new one inherits the mask of whoever starts it. */
#include "thread.h"

#include <errno.h>
#include <signal.h>

troupe_error thread_start(pthread_t *out, size_t stack_bytes, void *(*entry)(void *), void *arg)
{
    sigset_t all;
    sigset_t before;
    pthread_attr_t attributes;
    if (pthread_attr_init(&attributes) != 0)
        return TROUPE_ENOMEM;
    if (stack_bytes != 0)
        pthread_attr_setstacksize(&attributes, stack_bytes);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(out, &attributes, entry, arg);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return error == 0 ? TROUPE_OK : error == EAGAIN ? TROUPE_ELIMIT : TROUPE_ENOMEM;
}
