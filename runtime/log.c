/* SPDX-License-Identifier: MIT */
/*
 * Log records to the process's one sink.
 *
 * `mutex` guards the sink and is held while it runs, so that records come one at a time. A sink
 * that logs itself would wait for ever: such records are dropped.
 */
#include "troupe/log.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static const char *const level_words[] = {"error", "warn", "info", "debug", "trace"};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static troupe_log_sink_fn current_sink; /* mutex; NULL = stderr */
static void *current_context;           /* mutex */
static atomic_int current_level = TROUPE_LOG_INFO;
static _Thread_local bool inside_sink;

void troupe_log_write(FILE *out, const troupe_log_record *record)
{
    time_t seconds = (time_t)(record->time_us / 1000000);
    struct tm when;
    char stamp[32];
    gmtime_r(&seconds, &when);
    strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%S", &when);
    fprintf(out, "%s.%06dZ %-5s %s %s%s%s: %s\n", stamp, (int)(record->time_us % 1000000),
            level_words[record->level], record->component, record->event,
            record->subject != NULL ? " " : "", record->subject != NULL ? record->subject : "",
            record->text);
}

void troupe_log_set_sink(troupe_log_sink_fn sink, void *context)
{
    pthread_mutex_lock(&mutex);
    current_sink = sink;
    current_context = context;
    pthread_mutex_unlock(&mutex);
}

void troupe_log_set_level(troupe_log_level level)
{
    atomic_store(&current_level, (int)level);
}

troupe_error troupe_log_level_parse(const char *word, troupe_log_level *out)
{
    for (int i = TROUPE_LOG_ERROR; i <= TROUPE_LOG_TRACE; i++) {
        if (word != NULL && strcmp(word, level_words[i]) == 0) {
            *out = (troupe_log_level)i;
            return TROUPE_OK;
        }
    }
    return TROUPE_EPARAMS;
}

bool troupe_log_enabled(troupe_log_level level)
{
    return (int)level <= atomic_load_explicit(&current_level, memory_order_relaxed);
}

void troupe_log(troupe_log_level level, const char *component, const char *event,
                const char *subject, const char *format, ...)
{
    if (!troupe_log_enabled(level) || inside_sink)
        return;
    char text[1024];
    va_list args;
    va_start(args, format);
    if (vsnprintf(text, sizeof text, format, args) < 0)
        text[0] = '\0';
    va_end(args);

    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    troupe_log_record record = {
        (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000, level, component, event, subject, text};
    pthread_mutex_lock(&mutex);
    inside_sink = true;
    if (current_sink != NULL)
        current_sink(current_context, &record);
    else
        troupe_log_write(stderr, &record);
    inside_sink = false;
    pthread_mutex_unlock(&mutex);
}
