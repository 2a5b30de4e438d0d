/* SPDX-License-Identifier: MIT */
/** Commands that stay: calls over a WebSocket, one after the other, and events in between. */
#ifndef TROUPE_CLI_LIVE_H
#define TROUPE_CLI_LIVE_H

#include "command.h"

typedef struct live live;

/** An event: its topic and data (borrowed). */
typedef void (*live_event_fn)(live *self, const char *topic, const json_t *data);
/** A call was answered: result, or NULL and the error object (borrowed). Nothing open and no
 * further call made: it goes on for events alone. */
typedef void (*live_answer_fn)(live *self, const json_t *result, const json_t *error);

struct live {
    cli *cli;
    live_event_fn on_event;
    void *context;
    /** Ctrl-C, or for_ms is over: once; it leads to live_end. NULL: the process ends, or live_run.
     */
    void (*on_end)(live *self);
    /* live.c's own: */
    struct websocket *socket;
    live_answer_fn on_answer;
    int64_t until_ns; /* 0 = no limit */
    int id;
    int status;
    bool ended;
    bool ending; /* on_end was called */
};

/** Call; the answer goes to `then`. One at a time. params: taken. */
void live_call(live *self, const char *method, json_t *params, live_answer_fn then);
/** It is over: live_run returns that status. */
void live_end(live *self, int status);
/** Print why a call failed. Returns CLI_FAILED. */
int live_fault(const char *method, const json_t *error);

/**
 * Connect, begin, and go on until live_end, for_ms (0 = no limit), or the host's end.
 *
 * @return a cli_status
 */
int live_run(live *self, void (*begin)(live *self), uint32_t for_ms);

#endif
