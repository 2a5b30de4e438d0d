/* SPDX-License-Identifier: MIT */
/**
 * Processes as /proc shows them: who descends from whom, who belongs to a browser.
 *
 * A browser's processes are known by their ancestors, and by TMPDIR in their environment, which
 * they inherit: helpers that left the group and the session and were orphaned are found by it, also
 * by a host that never saw them start.
 *
 * An application that a browser opened may have started a host of its own (from a terminal, say).
 * That host, its keepers and its browsers descend from the browser, and are no part of it.
 */
#ifndef TROUPE_ACTORS_BROWSER_PROC_H
#define TROUPE_ACTORS_BROWSER_PROC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

typedef struct proc_entry {
    pid_t pid;
    pid_t parent;
    pid_t group;
    char state;      /* as in /proc/PID/stat: 'Z' is a zombie, 'T' is stopped */
    uint64_t start;  /* clock ticks since boot: tells a pid that was used again */
    bool descendant; /* set by proc_mark_descendants */
    bool belongs;    /* proc_kill_marked: its TMPDIR is the browser's */
    bool apart;      /* below, but of another host or browser: it is spared, and so is its family */
} proc_entry;

/** All processes at one time. Zero-initialised is empty. */
typedef struct proc_table {
    proc_entry *entries; /* by ascending pid */
    size_t count;
    size_t capacity;
} proc_table;

/** Take a new picture. False without memory or /proc: then it is empty. */
bool proc_table_read(proc_table *table);
void proc_table_fini(proc_table *table);

/** Mark those that descend from `root` (itself not included). Returns how many are no zombies. */
size_t proc_mark_descendants(proc_table *table, pid_t root);

/** Whether the process has `TMPDIR=SCRATCH/tmp` in its environment; scratch: the prefix of it when
 * `prefix`. Zombies have no environment. */
bool proc_belongs(pid_t pid, const char *scratch, bool prefix);

/** Kill a process, but not one that has got its pid meanwhile. False if it was gone. */
bool proc_kill(const proc_entry *entry);

/**
 * Kill each descendant of this process (and what re-parents to it), as often as some are found, but
 * for what is apart. Does not reap.
 *
 * @param scratch  whose keeper this is
 * @param only_apart  the last look saw descendants that are apart, and no others
 * @return how many kills
 */
size_t proc_kill_descendants(const char *scratch, bool *only_apart);

/**
 * Kill all processes that belong to a scratch directory, with their descendants, until a look finds
 * none or `attempts` looks were taken. This process, its family and what is apart are spared.
 *
 * @param killed  how many were killed; NULL allowed
 * @return how many were still there at the last look
 */
size_t proc_kill_marked(const char *scratch, unsigned attempts, size_t *killed);

/** Read /proc/PID/NAME, as far as it fits, with a NUL behind it. Bytes read, -1: it cannot be read.
 */
ssize_t proc_read(pid_t pid, const char *name, char *buffer, size_t size);

/** Memory of a process and its descendants, in bytes: anonymous and shared pages (the program's own
 * text is not counted: all browsers have the same). Marks are set anew. */
uint64_t proc_tree_memory(proc_table *table, pid_t root, size_t *processes);

#endif
