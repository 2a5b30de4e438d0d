/* SPDX-License-Identifier: MIT */
/* Log records on standard error, held back while a host starts. */
#include "log_gate.h"

#include "troupe/log.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

/* The sink is called by one thread at a time; the gate is opened by another. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static FILE *held; /* guarded by lock; NULL = records are written at once */
static char *held_text;
static size_t held_len;

static void sink(void *context, const troupe_log_record *record)
{
    (void)context;
    pthread_mutex_lock(&lock);
    troupe_log_write(held != NULL ? held : stderr, record);
    pthread_mutex_unlock(&lock);
}

void log_gate_close(void)
{
    pthread_mutex_lock(&lock);
    held = open_memstream(&held_text, &held_len);
    pthread_mutex_unlock(&lock);
    troupe_log_set_sink(sink, NULL);
}

void log_gate_open(bool write_held)
{
    pthread_mutex_lock(&lock);
    if (held != NULL && fclose(held) == 0 && write_held) {
        fwrite(held_text, 1, held_len, stderr);
    }
    held = NULL;
    free(held_text);
    held_text = NULL;
    pthread_mutex_unlock(&lock);
}

void log_gate_remove(void)
{
    log_gate_open(false);
    troupe_log_set_sink(NULL, NULL);
}
