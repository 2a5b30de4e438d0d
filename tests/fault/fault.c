/* SPDX-License-Identifier: MIT */
/* Counts what the runtime allocates, and has one of it fail. */
#define FAULT_ITSELF
#include "fault.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>

#define SITES_MAX 256
#define NO_SITE   SITES_MAX
/* A call may be wrapped; which of its lines is the site's depends on the compiler. */
#define CALL_LINES 4

typedef struct site {
    const char *file; /* without its directory */
    int line;
    unsigned long calls; /* since something was armed */
    bool failed;         /* ever */
} site;

static atomic_ulong calls;
static atomic_long outstanding;
static atomic_bool hit;
static char where[256]; /* written once, before `hit` */

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER; /* of all below */
static site sites[SITES_MAX];
static size_t sites_count;
static size_t armed_site; /* NO_SITE: any */
static unsigned long fails_at;

static void arm(size_t at_site, unsigned long n)
{
    pthread_mutex_lock(&mutex);
    for (size_t i = 0; i < sites_count; i++)
        sites[i].calls = 0;
    atomic_store(&calls, 0);
    atomic_store(&hit, false);
    armed_site = at_site;
    fails_at = n;
    pthread_mutex_unlock(&mutex);
}

void fault_arm(unsigned long k)
{
    arm(NO_SITE, k);
}

void fault_arm_site(size_t at_site, unsigned long n)
{
    arm(at_site, n);
}

const char *fault_hit(void)
{
    return atomic_load(&hit) ? where : NULL;
}

unsigned long fault_count(void)
{
    return atomic_load(&calls);
}

size_t fault_sites(void)
{
    pthread_mutex_lock(&mutex);
    size_t count = sites_count;
    pthread_mutex_unlock(&mutex);
    return count;
}

unsigned long fault_site_count(size_t at_site)
{
    pthread_mutex_lock(&mutex);
    unsigned long count = sites[at_site].calls;
    pthread_mutex_unlock(&mutex);
    return count;
}

long fault_outstanding(void)
{
    return atomic_load(&outstanding);
}

static site *site_locked(const char *path, int line)
{
    const char *slash = strrchr(path, '/');
    const char *file = slash != NULL ? slash + 1 : path;
    size_t i = 0;
    while (i < sites_count && (sites[i].line != line || strcmp(sites[i].file, file) != 0))
        i++;
    if (i == sites_count) {
        if (i == SITES_MAX)
            abort();
        sites[sites_count++] = (site){.file = file, .line = line};
    }
    return &sites[i];
}

static bool fails(const char *what, const char *file, int line)
{
    pthread_mutex_lock(&mutex);
    site *s = site_locked(file, line);
    unsigned long all = atomic_fetch_add(&calls, 1) + 1;
    unsigned long here = ++s->calls;
    bool now =
        fails_at != 0 &&
        (armed_site == NO_SITE ? all == fails_at : s == &sites[armed_site] && here == fails_at);
    if (now) {
        s->failed = true;
        snprintf(where, sizeof where, "%s at %s:%d", what, file, line);
        atomic_store(&hit, true);
    }
    pthread_mutex_unlock(&mutex);
    return now;
}

/* ---- the sources ---- */

static const char *const wrapped[] = {
    "malloc",         "calloc",  "realloc",        "aligned_alloc", "strdup",
    "pthread_create", "eventfd", "timerfd_create", "nng_aio_alloc", "nng_msg_alloc",
};

/* Whether a line of C calls that function; comments are lines that begin as ours do. */
static bool line_calls(const char *line, const char *name)
{
    const char *text = line + strspn(line, " ");
    if (text[0] == '*' || strncmp(text, "/*", 2) == 0)
        return false;
    size_t len = strlen(name);
    for (const char *at = strstr(line, name); at != NULL; at = strstr(at + 1, name)) {
        bool whole = at == line || !(isalnum((unsigned char)at[-1]) || at[-1] == '_');
        if (whole && at[len] == '(')
            return true;
    }
    return false;
}

static const char *called(const char *line)
{
    for (size_t i = 0; i < sizeof wrapped / sizeof wrapped[0]; i++)
        if (line_calls(line, wrapped[i]))
            return wrapped[i];
    return NULL;
}

/* A site from that line on, and before the next one. */
static bool has_failed(const char *file, int line, int next)
{
    for (size_t i = 0; i < sites_count; i++)
        if (sites[i].failed && strcmp(sites[i].file, file) == 0 && sites[i].line >= line &&
            sites[i].line < line + CALL_LINES && sites[i].line < next)
            return true;
    return false;
}

static unsigned look_through(const char *directory, const char *file)
{
    char path[4096];
    char line[512];
    unsigned never = 0;
    const char *name = NULL; /* called at `at`, not looked up yet */
    int at = 0;
    snprintf(path, sizeof path, "%s/%s", directory, file);
    FILE *source = fopen(path, "r");
    if (source == NULL)
        abort();
    for (int number = 1, more = 1; more; number++) {
        more = fgets(line, sizeof line, source) != NULL;
        const char *here = more ? called(line) : NULL;
        if (more && here == NULL)
            continue;
        if (name != NULL && !has_failed(file, at, more ? number : INT_MAX)) {
            fprintf(stderr, "never failed: %s at %s:%d\n", name, path, at);
            never++;
        }
        name = here;
        at = number;
    }
    fclose(source);
    return never;
}

unsigned fault_never_failed(const char *directory)
{
    unsigned never = 0;
    DIR *all = opendir(directory);
    if (all == NULL)
        abort();
    pthread_mutex_lock(&mutex);
    for (const struct dirent *entry = readdir(all); entry != NULL; entry = readdir(all)) {
        const char *dot = strrchr(entry->d_name, '.');
        if (dot != NULL && strcmp(dot, ".c") == 0)
            never += look_through(directory, entry->d_name);
    }
    pthread_mutex_unlock(&mutex);
    closedir(all);
    return never;
}

/* ---- what is wrapped ---- */

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
