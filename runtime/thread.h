/* SPDX-License-Identifier: MIT */
/* Starting the runtime's threads. */
#ifndef RUNTIME_THREAD_H
#define RUNTIME_THREAD_H

#include "troupe/error.h"

#include <pthread.h>
#include <stddef.h>

/*
 * Start a thread with all signals blocked: they are for the program's own threads.
 *
 * stack_bytes: 0 = the process's default. TROUPE_ELIMIT: no more threads; TROUPE_ENOMEM.
 */
troupe_error thread_start(pthread_t *out, size_t stack_bytes, void *(*entry)(void *), void *arg);

#endif
