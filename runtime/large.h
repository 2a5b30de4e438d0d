/* SPDX-License-Identifier: MIT */
/* Large memory in large pages, where the system gives them: page by page, touching 64 MiB for the
 * first time costs more than filling it. A hint; nothing depends on it. */
#ifndef RUNTIME_LARGE_H
#define RUNTIME_LARGE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>

#define LARGE_BYTES ((size_t)4 << 20) /* from here on */
#define LARGE_PAGE  ((size_t)2 << 20)

/* To be called before it is touched. */
static inline void large_hint(void *memory, size_t size)
{
    size_t before = (LARGE_PAGE - (uintptr_t)memory % LARGE_PAGE) % LARGE_PAGE;
    if (size >= LARGE_BYTES)
        (void)madvise((char *)memory + before, (size - before) & ~(LARGE_PAGE - 1), MADV_HUGEPAGE);
}

#endif
