/* SPDX-License-Identifier: MIT */
/**
 * Log records: time, level, component, stable event key, subject, text.
 *
 * Never payloads, cookies, tokens or whole URLs above trace level. The sink is process-wide.
 */
#ifndef TROUPE_LOG_H
#define TROUPE_LOG_H

#include "troupe/error.h"

#include <stdbool.h>
#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum troupe_log_level {
    TROUPE_LOG_ERROR = 0,
    TROUPE_LOG_WARN = 1,
    TROUPE_LOG_INFO = 2,
    TROUPE_LOG_DEBUG = 3,
    TROUPE_LOG_TRACE = 4,
} troupe_log_level;

typedef struct troupe_log_record {
    int64_t time_us; /* wall clock, microseconds since 1970 */
    troupe_log_level level;
    const char *component; /* "mailbox", "browser", "bridge" */
    const char *event;     /* stable key: "connection-lost" */
    const char *subject;   /* actor, target or file it is about; NULL if none */
    const char *text;      /* one line */
} troupe_log_record;

/** Receives each record that passes the level. Called by any thread, one at a time, never under a
 * lock of the caller. The record is borrowed. */
typedef void (*troupe_log_sink_fn)(void *context, const troupe_log_record *record);

/** Set the sink; NULL restores the default (text lines on stderr). Thread: any. */
TROUPE_API void troupe_log_set_sink(troupe_log_sink_fn sink, void *context);

/** Write a record as one line of text, as the default sink does. Thread: any. */
TROUPE_API void troupe_log_write(FILE *out, const troupe_log_record *record);

/** Set the most detailed level that is still reported; TROUPE_LOG_INFO at start. Thread: any. */
TROUPE_API void troupe_log_set_level(troupe_log_level level);

/** "error" … "trace" to a level. Returns TROUPE_EPARAMS for any other word. */
TROUPE_API troupe_error troupe_log_level_parse(const char *word,
                                               troupe_log_level *out) TROUPE_MUST_USE;

/** Whether a record of that level would be reported (to skip costly formatting). Thread: any. */
TROUPE_API bool troupe_log_enabled(troupe_log_level level);

/** Report a record. subject: NULL allowed. Thread: any. Blocks: as long as the sink does. */
TROUPE_API void troupe_log(troupe_log_level level, const char *component, const char *event,
                           const char *subject, const char *format, ...) TROUPE_PRINTF(5, 6);

#ifdef __cplusplus
}
#endif

#endif
