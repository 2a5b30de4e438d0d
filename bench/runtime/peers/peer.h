/* SPDX-License-Identifier: MIT */
/* What the C peers share: clock, threads that must start, samples, JSON lines. No libtroupe. */
#ifndef PEER_H
#define PEER_H

#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PEER_BYTES       64 /* a message */
#define PEER_MESSAGES    2000000U
#define PEER_MANY        16U
#define PEER_ROUND_TRIPS 20000U
#define PEER_WARM_UP     2000U
#define PEER_RING        1000U
#define PEER_HOPS        50000U

typedef struct message {
    uint8_t bytes[PEER_BYTES];
} message;

static inline void peer_expect(int holds, const char *what)
{
    if (!holds) {
        fprintf(stderr, "peer: %s\n", what);
        exit(1);
    }
}

static inline double peer_now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static inline pthread_t peer_thread(void *(*fn)(void *), void *arg)
{
    pthread_t thread;
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 256 * 1024); /* as Troupe's */
    peer_expect(pthread_create(&thread, &attributes, fn, arg) == 0, "pthread_create");
    pthread_attr_destroy(&attributes);
    return thread;
}

static inline int peer_by_value(const void *a, const void *b)
{
    double left = *(const double *)a;
    double right = *(const double *)b;
    return (left > right) - (left < right);
}

static inline void peer_print_rate(const char *who, const char *scenario, double count,
                                   double took_us)
{
    printf("{\"scenario\":\"%s\",\"who\":\"%s\",\"per_s\":%.0f}\n", scenario, who,
           count / took_us * 1e6);
    fflush(stdout);
}

/* Sorts. */
static inline void peer_print_times(const char *who, const char *scenario, double *us, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += us[i];
    qsort(us, count, sizeof *us, peer_by_value);
    printf("{\"scenario\":\"%s\",\"who\":\"%s\",\"per_s\":%.0f,\"p50_us\":%.2f,\"p99_us\":%.2f}\n",
           scenario, who, (double)count / sum * 1e6, us[count / 2], us[count * 99 / 100]);
    fflush(stdout);
}

#endif
