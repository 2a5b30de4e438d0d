/* SPDX-License-Identifier: MIT */
/* Counts what the runtime allocates, and has one of it fail. */
#define FAULT_ITSELF
#include "fault.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>

static atomic_ulong calls;
static atomic_ulong fails_at;
static atomic_long outstanding;
static atomic_bool hit;
static char where[256]; /* written once, before `hit` */

void fault_arm(unsigned long k)
{
    atomic_store(&fails_at, 0);
    atomic_store(&calls, 0);
    atomic_store(&hit, false);
    atomic_store(&fails_at, k);
}

const char *fault_hit(void)
{
    return atomic_load(&hit) ? where : NULL;
}

unsigned long fault_count(void)
{
    return atomic_load(&calls);
}

long fault_outstanding(void)
{
    return atomic_load(&outstanding);
}

static bool fails(const char *what, const char *file, int line)
{
    if (atomic_fetch_add(&calls, 1) + 1 != atomic_load(&fails_at))
        return false;
    snprintf(where, sizeof where, "%s at %s:%d", what, file, line);
    atomic_store(&hit, true);
    return true;
}

static void *allocated(void *memory)
{
    if (memory != NULL)
        atomic_fetch_add(&outstanding, 1);
    return memory;
}

void *fault_malloc(size_t size, const char *file, int line)
{
    return fails("malloc", file, line) ? NULL : allocated(malloc(size));
}

void *fault_calloc(size_t count, size_t size, const char *file, int line)
{
    return fails("calloc", file, line) ? NULL : allocated(calloc(count, size));
}

void *fault_realloc(void *old, size_t size, const char *file, int line)
{
    if (fails("realloc", file, line))
        return NULL;
    return old == NULL ? allocated(realloc(old, size)) : realloc(old, size);
}

void *fault_aligned_alloc(size_t alignment, size_t size, const char *file, int line)
{
    return fails("aligned_alloc", file, line) ? NULL : allocated(aligned_alloc(alignment, size));
}

char *fault_strdup(const char *text, const char *file, int line)
{
    return fails("strdup", file, line) ? NULL : allocated(strdup(text));
}

void fault_free(void *memory)
{
    if (memory != NULL)
        atomic_fetch_sub(&outstanding, 1);
    free(memory);
}

int fault_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                         void *(*entry)(void *), void *arg, const char *file, int line)
{
    return fails("pthread_create", file, line) ? EAGAIN
                                               : pthread_create(thread, attributes, entry, arg);
}

static int no_descriptor(void)
{
    errno = EMFILE;
    return -1;
}

int fault_eventfd(unsigned value, int flags, const char *file, int line)
{
    return fails("eventfd", file, line) ? no_descriptor() : eventfd(value, flags);
}

int fault_timerfd_create(int clock, int flags, const char *file, int line)
{
    return fails("timerfd_create", file, line) ? no_descriptor() : timerfd_create(clock, flags);
}

int fault_nng_aio_alloc(nng_aio **aio, void (*fn)(void *), void *arg, const char *file, int line)
{
    if (fails("nng_aio_alloc", file, line))
        return NNG_ENOMEM;
    int error = nng_aio_alloc(aio, fn, arg);
    if (error == 0)
        atomic_fetch_add(&outstanding, 1);
    return error;
}

void fault_nng_aio_free(nng_aio *aio)
{
    atomic_fetch_sub(&outstanding, 1);
    nng_aio_free(aio);
}

int fault_nng_msg_alloc(nng_msg **message, size_t size, const char *file, int line)
{
    if (fails("nng_msg_alloc", file, line))
        return NNG_ENOMEM;
    int error = nng_msg_alloc(message, size);
    if (error == 0)
        atomic_fetch_add(&outstanding, 1);
    return error;
}

void fault_nng_msg_free(nng_msg *message)
{
    atomic_fetch_sub(&outstanding, 1);
    nng_msg_free(message);
}
