/* SPDX-License-Identifier: MIT */
/* Draining: what is under way goes on, nothing new begins. */
#include "drain.h"

#include "http.h"

#include <stdlib.h>

#define STOP_WAIT_MS 2000

void drain_set(bridge *server, bool on, bool stop)
{
    atomic_store(&server->draining, on);
    atomic_store(&server->drain_stop, on && stop);
    troupe_log(TROUPE_LOG_INFO, "bridge", on ? "draining" : "drain-ended", NULL, "%s",
               on && stop ? "the host ends when nothing is under way"
               : on       ? "nothing new begins"
                          : "");
}

static void count(bridge *server, unsigned *calls, unsigned *clients)
{
    *clients = 0;
    pthread_mutex_lock(&server->lock);
    *calls = server->calling;
    for (uint32_t i = 0; i < server->clients_max; i++) {
        *clients += server->slots[i].number != 0;
    }
    pthread_mutex_unlock(&server->lock);
}

json_t *drain_json(bridge *server, unsigned own)
{
    unsigned calls;
    unsigned clients;
    count(server, &calls, &clients);
    return json_pack("{s:b, s:b, s:i, s:i}", "draining", (int)atomic_load(&server->draining),
                     "stopping", (int)atomic_load(&server->drain_stop), "calls",
                     (int)(calls > own ? calls - own : 0), "clients", (int)clients);
}

void drain_stop_now(bridge *server)
{
    if (atomic_exchange(&server->drain_stop, false) && server->options->stop_requested != NULL) {
        server->options->stop_requested(server->options->stop_context);
    }
}

/* The deadline: an actor that does nothing but wait for it ------------------------------------- */

typedef struct deadline {
    bridge *server;
    uint32_t ms;
} deadline;

static void on_deadline(troupe_actor *self, void *context)
{
    const deadline *state = context;
    drain_stop_now(state->server);
    troupe_exit(self, TROUPE_OK);
}

static troupe_error deadline_start(troupe_actor *self, void *context)
{
    const deadline *state = context;
    return troupe_timer_start(self, state->ms, 0, on_deadline, context, NULL);
}

static void deadline_stop(troupe_actor *self, void *context, troupe_error reason)
{
    (void)self;
    (void)reason;
    free(context);
}

static const troupe_behaviour behaviour = {
    .kind = "deadline", .start = deadline_start, .stop = deadline_stop};

void drain_deadline(bridge *server, uint32_t ms)
{
    deadline *state = calloc(1, sizeof *state);
    troupe_address address;
    if (state != NULL) {
        *state = (deadline){server, ms};
    }
    troupe_spawn_options options = {.behaviour = &behaviour, .state = state};
    if (state == NULL || troupe_spawn(server->system, &options, &address) != TROUPE_OK) {
        free(state);
        troupe_log(TROUPE_LOG_WARN, "bridge", "no-deadline", NULL, "out of memory");
        return;
    }
    address = atomic_exchange(&server->drain_deadline, address);
    if (address != 0) { /* an earlier one: this one counts */
        (void)!troupe_stop(server->system, address, TROUPE_STOP_NOW);
    }
}

void drain_fini(bridge *server)
{
    troupe_address address = atomic_exchange(&server->drain_deadline, 0);
    if (address != 0 && troupe_stop(server->system, address, TROUPE_STOP_NOW) == TROUPE_OK) {
        (void)troupe_join(server->system, address, STOP_WAIT_MS);
    }
}

int drain_refuse(struct mg_connection *conn)
{
    return http_send_error(conn, 503, TROUPE_EUNAVAILABLE, NULL,
                           "the host is draining: no new clients");
}

void drain_look(bridge *server)
{
    unsigned calls;
    unsigned clients;
    if (!atomic_load(&server->drain_stop)) {
        return;
    }
    count(server, &calls, &clients);
    if (calls == 0 && clients == 0) {
        drain_stop_now(server);
    }
}
