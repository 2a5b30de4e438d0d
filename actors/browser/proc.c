/* SPDX-License-Identifier: MIT */
/* Processes as /proc shows them. */
#include "proc.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define STAT_MAX    1024
#define ENVIRON_MAX (256u << 10)
#define NO_ROOT     ((pid_t)-1)
#define LOOK_MS     5 /* between two looks: what was killed needs a moment to be gone */

ssize_t proc_read(pid_t pid, const char *name, char *buffer, size_t size)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%ld/%s", (long)pid, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return -1;
    }
    size_t used = 0;
    ssize_t got = 1;
    while (used < size - 1 && (got = read(fd, buffer + used, size - 1 - used)) > 0) {
        used += (size_t)got;
    }
    close(fd);
    buffer[used] = '\0';
    return got < 0 && used == 0 ? -1 : (ssize_t)used;
}

/* "PID (COMM) STATE PPID PGRP …": COMM may hold anything, parentheses too. */
static bool read_stat(pid_t pid, proc_entry *out)
{
    char text[STAT_MAX];
    if (proc_read(pid, "stat", text, sizeof text) <= 0) {
        return false;
    }
    char *end = strrchr(text, ')');
    long parent;
    long group;
    unsigned long long start;
    if (end == NULL ||
        sscanf(end + 1,
               " %c %ld %ld %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu",
               &out->state, &parent, &group, &start) != 4) {
        return false;
    }
    out->pid = pid;
    out->parent = (pid_t)parent;
    out->group = (pid_t)group;
    out->start = start;
    out->descendant = false;
    out->belongs = false;
    out->apart = false;
    return true;
}

static bool append(proc_table *table, const proc_entry *entry)
{
    if (table->count == table->capacity) {
        size_t capacity = table->capacity == 0 ? 256 : 2 * table->capacity;
        proc_entry *entries = realloc(table->entries, capacity * sizeof *entries);
        if (entries == NULL) {
            return false;
        }
        table->entries = entries;
        table->capacity = capacity;
    }
    table->entries[table->count++] = *entry;
    return true;
}

static int by_pid(const void *left, const void *right)
{
    pid_t a = ((const proc_entry *)left)->pid;
    pid_t b = ((const proc_entry *)right)->pid;
    return (a > b) - (a < b);
}

bool proc_table_read(proc_table *table)
{
    table->count = 0;
    DIR *dir = opendir("/proc");
    if (dir == NULL) {
        return false;
    }
    bool ok = true;
    for (struct dirent *each; ok && (each = readdir(dir)) != NULL;) {
        proc_entry entry;
        if (isdigit((unsigned char)each->d_name[0]) &&
            read_stat((pid_t)atol(each->d_name), &entry)) {
            ok = append(table, &entry);
        }
    }
    closedir(dir);
    if (!ok) {
        table->count = 0;
    }
    if (table->count > 1) {
        qsort(table->entries, table->count, sizeof *table->entries, by_pid);
    }
    return ok;
}

void proc_table_fini(proc_table *table)
{
    free(table->entries);
    *table = (proc_table){0};
}

static proc_entry *find(const proc_table *table, pid_t pid)
{
    if (table->count == 0) {
        return NULL;
    }
    proc_entry key = {.pid = pid};
    return bsearch(&key, table->entries, table->count, sizeof key, by_pid);
}

size_t proc_mark_descendants(proc_table *table, pid_t root)
{
    size_t alive = 0;
    bool more = true;
    while (more) { /* a round for each generation, at most */
        more = false;
        for (size_t i = 0; i < table->count; i++) {
            proc_entry *entry = &table->entries[i];
            const proc_entry *parent = find(table, entry->parent);
            if (!entry->descendant && entry->pid != root && !entry->apart &&
                (entry->parent == root || (parent != NULL && parent->descendant))) {
                entry->descendant = true;
                more = true;
                alive += entry->state != 'Z';
            }
        }
    }
    return alive;
}

bool proc_belongs(pid_t pid, const char *scratch, bool prefix)
{
    char *text = malloc(ENVIRON_MAX);
    ssize_t len = text != NULL ? proc_read(pid, "environ", text, ENVIRON_MAX) : -1;
    size_t scratch_len = strlen(scratch);
    bool found = false;
    for (char *at = text; len > 0 && !found && at < text + len; at += strlen(at) + 1) {
        found = strncmp(at, "TMPDIR=", 7) == 0 && strncmp(at + 7, scratch, scratch_len) == 0 &&
                (prefix || strcmp(at + 7 + scratch_len, "/tmp") == 0);
    }
    free(text);
    return found;
}

/* Whether its TMPDIR is in the scratch directory of another browser. */
static bool belongs_to_another(pid_t pid, const char *scratch)
{
    char *text = malloc(ENVIRON_MAX);
    ssize_t len = text != NULL ? proc_read(pid, "environ", text, ENVIRON_MAX) : -1;
    bool found = false;
    for (char *at = text; len > 0 && !found && at < text + len; at += strlen(at) + 1) {
        size_t size = strlen(at);
        if (strncmp(at, "TMPDIR=", 7) != 0 || size < 11 || strcmp(at + size - 4, "/tmp") != 0) {
            continue;
        }
        at[size - 4] = '\0';
        const char *name = strrchr(at, '/');
        found = name != NULL && strncmp(name, "/troupe-", 8) == 0 && strcmp(at + 7, scratch) != 0;
        at[size - 4] = '/';
    }
    free(text);
    return found;
}

typedef enum role { ROLE_NONE, ROLE_HOST, ROLE_KEEPER } role;

/* "troupe serve …", or the keeper of another browser: "… --keeper SCRATCH …". */
static role role_of(pid_t pid, const char *scratch)
{
    char text[1024];
    ssize_t len = proc_read(pid, "cmdline", text, sizeof text);
    const char *words[3] = {"", "", ""};
    const char *at = text;
    for (size_t i = 0; i < 3 && len > 0 && at < text + len; i++) {
        words[i] = at;
        at += strlen(at) + 1;
    }
    const char *slash = strrchr(words[0], '/');
    if (strcmp(words[1], "--keeper") == 0) {
        return strcmp(words[2], scratch) != 0 ? ROLE_KEEPER : ROLE_NONE;
    }
    bool troupe = strcmp(slash != NULL ? slash + 1 : words[0], "troupe") == 0;
    return troupe && strcmp(words[1], "serve") == 0 ? ROLE_HOST : ROLE_NONE;
}

/* A process that may be killed for that browser: see whether it is apart. Whoever has keepers is a
 * host, whatever its program is called. */
static void look_closer(proc_table *table, proc_entry *entry, pid_t root, const char *scratch)
{
    role found = role_of(entry->pid, scratch);
    proc_entry *parent = find(table, entry->parent);
    if (found == ROLE_KEEPER && parent != NULL && parent->pid != root) {
        parent->apart = true;
    }
    entry->apart = entry->apart || found != ROLE_NONE || belongs_to_another(entry->pid, scratch);
}

bool proc_kill(const proc_entry *entry)
{
    int fd = (int)syscall(SYS_pidfd_open, entry->pid, 0);
    if (fd < 0) {
        return false;
    }
    proc_entry now; /* the pid is held by the descriptor from here on */
    bool same = read_stat(entry->pid, &now) && now.start == entry->start;
    bool done = same && syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0) == 0;
    close(fd);
    return done;
}

/* Marks those that belong to the browser, or descend from them or from root, and are not apart. */
static void mark_family(proc_table *table, pid_t root, const char *scratch)
{
    for (int round = 0; round < 2; round++) { /* the second knows who is apart */
        for (size_t i = 0; i < table->count; i++) {
            table->entries[i].descendant = table->entries[i].belongs && !table->entries[i].apart;
        }
        (void)proc_mark_descendants(table, root);
        for (size_t i = 0; round == 0 && i < table->count; i++) {
            if (table->entries[i].descendant && table->entries[i].state != 'Z') {
                look_closer(table, &table->entries[i], root, scratch);
            }
        }
    }
}

size_t proc_kill_descendants(const char *scratch, bool *only_apart)
{
    size_t kills = 0;
    size_t killed = 1;
    proc_table table = {0};
    *only_apart = false;
    /* Those that were forked while we looked are found the next time. */
    for (unsigned look = 0; killed > 0 && look < 100 && proc_table_read(&table); look++) {
        size_t there = 0;
        size_t apart = 0;
        killed = 0;
        mark_family(&table, getpid(), scratch);
        for (size_t i = 0; i < table.count; i++) {
            if (table.entries[i].descendant && table.entries[i].state != 'Z') {
                there++;
                killed += proc_kill(&table.entries[i]);
            }
            apart += table.entries[i].apart;
        }
        kills += killed;
        *only_apart = there == 0 && apart > 0;
    }
    proc_table_fini(&table);
    return kills;
}

/* Those that belong to it, and whoever descends from them. */
static size_t kill_marked_once(const char *scratch, proc_table *table, size_t *killed)
{
    if (!proc_table_read(table)) {
        return 0;
    }
    size_t there = 0;
    proc_entry *self = find(table, getpid());
    if (self != NULL) {
        self->apart = true;
    }
    for (size_t i = 0; i < table->count; i++) {
        proc_entry *entry = &table->entries[i];
        entry->belongs = entry->state != 'Z' && proc_belongs(entry->pid, scratch, false);
    }
    mark_family(table, NO_ROOT, scratch);
    for (size_t i = 0; i < table->count; i++) {
        const proc_entry *entry = &table->entries[i];
        if (entry->descendant && entry->state != 'Z') {
            there++;
            *killed += proc_kill(entry);
        }
    }
    return there;
}

size_t proc_kill_marked(const char *scratch, unsigned attempts, size_t *killed)
{
    size_t ignored = 0;
    size_t there = 0;
    proc_table table = {0};
    killed = killed != NULL ? killed : &ignored;
    *killed = 0;
    for (unsigned i = 0; i < attempts; i++) {
        there = kill_marked_once(scratch, &table, killed);
        if (there == 0) {
            break;
        }
        struct timespec moment = {.tv_nsec = LOOK_MS * 1000000L};
        nanosleep(&moment, NULL);
    }
    proc_table_fini(&table);
    return there;
}

/* Kibibytes behind that key of a file of /proc/PID; false if it cannot be read. */
static bool read_kib(pid_t pid, const char *name, const char *key, uint64_t *out)
{
    char text[4096];
    const char *at = proc_read(pid, name, text, sizeof text) > 0 ? strstr(text, key) : NULL;
    if (at == NULL) {
        return false;
    }
    *out = strtoull(at + strlen(key), NULL, 10);
    return true;
}

uint64_t proc_tree_memory(proc_table *table, pid_t root, size_t *processes)
{
    uint64_t sum = 0;
    *processes = 0;
    for (size_t i = 0; i < table->count; i++) {
        table->entries[i].descendant = false;
    }
    (void)proc_mark_descendants(table, root);
    for (size_t i = 0; i < table->count; i++) {
        const proc_entry *entry = &table->entries[i];
        uint64_t anonymous = 0;
        uint64_t shared = 0;
        if ((!entry->descendant && entry->pid != root) || entry->state == 'Z') {
            continue;
        }
        (void)read_kib(entry->pid, "status", "\nRssAnon:", &anonymous);
        (void)read_kib(entry->pid, "status", "\nRssShmem:", &shared);
        sum += (anonymous + shared) << 10;
        (*processes)++;
    }
    return sum;
}
