/* SPDX-License-Identifier: MIT */
/*
 * Included before each source of runtime/ for the fault sweep: whatever can fail for lack of memory
 * or descriptors goes through fault.c, which knows where it was called and can have it fail.
 */
#ifndef TEST_FAULT_H
#define TEST_FAULT_H

#include <nng/nng.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>

/* Let the k-th call from now on fail; 0: none. Then fault_hit says where it was, NULL if it has not
 * been reached. */
void fault_arm(unsigned long k);
const char *fault_hit(void);
/* Calls since then. */
unsigned long fault_count(void);

/* Sites: the lines that call one of these. They are numbered as they are first met, also while
 * nothing is armed. */
size_t fault_sites(void);
/* Let the n-th call at that site from now on fail: with threads, this is met again where the k-th
 * of all is not. */
void fault_arm_site(size_t site, unsigned long n);
/* Calls at that site since something was armed. */
unsigned long fault_site_count(size_t site);
/* Look through the sources in a directory: how many sites have never failed. They are printed. */
unsigned fault_never_failed(const char *directory);

/* What was allocated and is not yet freed, since the program began. */
long fault_outstanding(void);

void *fault_malloc(size_t size, const char *file, int line);
void *fault_calloc(size_t count, size_t size, const char *file, int line);
void *fault_realloc(void *old, size_t size, const char *file, int line);
void *fault_aligned_alloc(size_t alignment, size_t size, const char *file, int line);
char *fault_strdup(const char *text, const char *file, int line);
void fault_free(void *memory);
int fault_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                         void *(*entry)(void *), void *arg, const char *file, int line);
int fault_eventfd(unsigned value, int flags, const char *file, int line);
int fault_timerfd_create(int clock, int flags, const char *file, int line);
int fault_nng_aio_alloc(nng_aio **aio, void (*fn)(void *), void *arg, const char *file, int line);
void fault_nng_aio_free(nng_aio *aio);
int fault_nng_msg_alloc(nng_msg **message, size_t size, const char *file, int line);
void fault_nng_msg_free(nng_msg *message);

#ifndef FAULT_ITSELF
#define malloc(size)                   fault_malloc(size, __FILE__, __LINE__)
#define calloc(count, size)            fault_calloc(count, size, __FILE__, __LINE__)
#define realloc(old, size)             fault_realloc(old, size, __FILE__, __LINE__)
#define aligned_alloc(alignment, size) fault_aligned_alloc(alignment, size, __FILE__, __LINE__)
#define strdup(text)                   fault_strdup(text, __FILE__, __LINE__)
#define free(memory)                   fault_free(memory)
#define pthread_create(thread, attributes, entry, arg) \
    fault_pthread_create(thread, attributes, entry, arg, __FILE__, __LINE__)
#define eventfd(value, flags)        fault_eventfd(value, flags, __FILE__, __LINE__)
#define timerfd_create(clock, flags) fault_timerfd_create(clock, flags, __FILE__, __LINE__)
#define nng_aio_alloc(aio, fn, arg)  fault_nng_aio_alloc(aio, fn, arg, __FILE__, __LINE__)
#define nng_aio_free(aio)            fault_nng_aio_free(aio)
#define nng_msg_alloc(message, size) fault_nng_msg_alloc(message, size, __FILE__, __LINE__)
#define nng_msg_free(message)        fault_nng_msg_free(message)
#endif

#endif
