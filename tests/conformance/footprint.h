/* SPDX-License-Identifier: MIT */
/* What a process holds: descriptors, threads, memory. For the plain programs that look for leaks.
 */
#ifndef TEST_FOOTPRINT_H
#define TEST_FOOTPRINT_H

#include <dirent.h>
#include <malloc.h>
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define FOOTPRINT_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define FOOTPRINT_SANITIZED 1
#endif
#endif

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

static inline footprint footprint_take(void)
{
    footprint f = {.descriptors = footprint_entries("/proc/self/fd"),
                   .threads = footprint_entries("/proc/self/task")};
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
