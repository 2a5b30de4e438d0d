/* SPDX-License-Identifier: MIT */
/* What a process holds: descriptors, threads, memory. For the plain programs that look for leaks.
 */
#ifndef TEST_FOOTPRINT_H
#define TEST_FOOTPRINT_H

#include <dirent.h>
#include <malloc.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define FOOTPRINT_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define FOOTPRINT_SANITIZED 1
#endif
#endif

#define CHECK(condition)                                                            \
    do {                                                                            \
        if (!(condition)) {                                                         \
            fprintf(stderr, "%s:%d: failed: %s\n", __FILE__, __LINE__, #condition); \
            abort();                                                                \
        }                                                                           \
    } while (0)

static inline uint64_t random_next(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static inline uint32_t random_below(uint64_t *state, uint32_t bound)
{
    return (uint32_t)(random_next(state) % bound);
}

/* A state of its own for each salt. */
static inline uint64_t random_from(uint64_t seed, uint64_t salt)
{
    uint64_t state = (seed + salt) * 0x9e3779b97f4a7c15ULL | 1;
    random_next(&state);
    return state;
}

/* Slowness, not synchronisation: nothing depends on how long it is. */
static inline void dawdle(uint32_t us)
{
    struct timespec pause = {us / 1000000, (long)(us % 1000000) * 1000};
    nanosleep(&pause, NULL);
}

/* Descriptors, threads, memory: what must not grow. */
typedef struct footprint {
    unsigned descriptors;
    unsigned threads;
    size_t rss_kib;
    size_t heap_kib; /* in use, by malloc's own account */
} footprint;

static inline unsigned footprint_entries(const char *path)
{
    unsigned count = 0;
    DIR *dir = opendir(path);
    if (dir == NULL)
        return 0;
    while (readdir(dir) != NULL)
        count++;
    closedir(dir);
    return count;
}

/* The kernel lists a thread for a moment after it was joined: the fewest of some looks. */
static inline unsigned footprint_threads(void)
{
    unsigned fewest = footprint_entries("/proc/self/task");
    for (int looks = 0; looks < 40; looks++) {
        dawdle(5000);
        unsigned now = footprint_entries("/proc/self/task");
        fewest = now < fewest ? now : fewest;
    }
    return fewest;
}

static inline footprint footprint_take(void)
{
    footprint f = {.descriptors = footprint_entries("/proc/self/fd"),
                   .threads = footprint_threads()};
    struct mallinfo2 heap = mallinfo2();
    f.heap_kib = (heap.uordblks + heap.hblkhd) / 1024;
    size_t pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file != NULL) {
        if (fscanf(file, "%*u %zu", &pages) != 1)
            pages = 0;
        fclose(file);
    }
    f.rss_kib = pages * (size_t)sysconf(_SC_PAGESIZE) / 1024;
    return f;
}

/* Memory may be judged: a sanitizer's own is not in the way. */
static inline bool footprint_has_memory(void)
{
#ifdef FOOTPRINT_SANITIZED
    return false;
#else
    return true;
#endif
}

#endif
