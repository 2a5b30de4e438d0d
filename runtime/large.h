/* SPDX-License-Identifier: MIT */
/**
 * Large memory, in large pages where the system gives them: page by page, touching 64 MiB for the
 * first time costs more than filling it.
 *
 * The last large block that was given back is kept for the next one who needs some, up to
 * LARGE_KEPT: fresh pages are cleared by the kernel first, which takes longer than everything else
 * that is done with a large answer. The kernel may take the pages of the kept block back at any
 * time (MADV_FREE); it is given back whole once nobody wanted it for two seconds.
 */
#ifndef RUNTIME_LARGE_H
#define RUNTIME_LARGE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>

#define LARGE_BYTES ((size_t)4 << 20) /* from here on */
#define LARGE_PAGE  ((size_t)2 << 20)
#define LARGE_KEPT  ((size_t)128 << 20)

/* To be called before it is touched. */
static inline void large_hint(void *memory, size_t size)
{
    size_t before = (LARGE_PAGE - (uintptr_t)memory % LARGE_PAGE) % LARGE_PAGE;
    if (size >= LARGE_BYTES)
        (void)madvise((char *)memory + before, (size - before) & ~(LARGE_PAGE - 1), MADV_HUGEPAGE);
}

/**
 * A block of at least `size` bytes, which is LARGE_BYTES or more; its contents are undefined.
 *
 * @param capacity  stored: what it holds; for large_give
 * @return NULL without memory
 * Thread: any.
 */
void *large_take(size_t size, size_t *capacity);

/** Give a block back. Thread: any. */
void large_give(void *memory, size_t capacity);

/** Look whether the kept block is wanted no more; costs one load when there is none. Thread: any.
 */
void large_rest(void);

#endif
