/* SPDX-License-Identifier: MIT */
/* Log records on standard error, held back while a host starts. */
#include "log_gate.h"

#include "troupe/log.h"

#include <jansson.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* The sink is called by one thread at a time; the gate is opened by another. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static FILE *held; /* guarded by lock; NULL = records are written at once */
static char *held_text;
static size_t held_len;
static bool as_json; /* fixed by log_gate_close */

static void write_json(FILE *out, const troupe_log_record *record)
{
    static const char *const levels[] = {"error", "warn", "info", "debug", "trace"};
    char time_text[40];
    time_t seconds = record->time_us / 1000000;
    struct tm utc;
    gmtime_r(&seconds, &utc);
    size_t len = strftime(time_text, sizeof time_text, "%Y-%m-%dT%H:%M:%S", &utc);
    snprintf(time_text + len, sizeof time_text - len, ".%06dZ", (int)(record->time_us % 1000000));
    json_t *line = json_pack("{s:s, s:s, s:s, s:s, s:s*, s:s}", "time", time_text, "level",
                             levels[record->level], "component", record->component, "event",
                             record->event, "subject", record->subject, "message", record->text);
    if (line == NULL) { /* it is not UTF-8 */
        troupe_log_write(out, record);
        return;
    }
    (void)json_dumpf(line, out, JSON_COMPACT);
    fputc('\n', out);
    json_decref(line);
}

static void sink(void *context, const troupe_log_record *record)
{
    (void)context;
    pthread_mutex_lock(&lock);
    FILE *out = held != NULL ? held : stderr;
    if (as_json) {
        write_json(out, record);
    } else {
        troupe_log_write(out, record);
    }
    pthread_mutex_unlock(&lock);
}

void log_gate_close(bool json)
{
    pthread_mutex_lock(&lock);
    as_json = json;
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
