/* SPDX-License-Identifier: MIT */
/* The places of clients that hold a connection: WebSockets and event streams. */
#include "slots.h"

#include "drain.h"

#include <stdio.h>
#include <string.h>

/* A browser tells its driver more at once than anybody else tells a client. */
#define MAILBOX_ENVELOPES 16384
#define MAILBOX_BYTES     ((size_t)32 << 20)

#define STOP_JOIN_MS 2000

void client_slot_free(bridge *server, client_slot *slot)
{
    pthread_mutex_lock(&server->lock);
    slot->number = 0;
    slot->address = 0;
    pthread_mutex_unlock(&server->lock);
    drain_look(server);
}

/* A free slot with a fresh number and name, or NULL. */
client_slot *client_slot_take(bridge *server, const char *peer)
{
    client_slot *slot = NULL;
    pthread_mutex_lock(&server->lock);
    for (uint32_t i = 0; slot == NULL && i < server->clients_max; i++) {
        slot = server->slots[i].number == 0 ? &server->slots[i] : NULL;
    }
    if (slot != NULL) {
        memset(slot, 0, sizeof *slot);
        slot->number = server->client_next++;
        slot->since_ns = bridge_now_ns();
        snprintf(slot->name, sizeof slot->name, "client/%llu", (unsigned long long)slot->number);
        snprintf(slot->peer, sizeof slot->peer, "%s", peer);
    }
    pthread_mutex_unlock(&server->lock);
    return slot;
}

static void set_address(bridge *server, client_slot *slot, uint64_t number, troupe_address address)
{
    pthread_mutex_lock(&server->lock);
    if (slot->number == number) { /* else it has ended already */
        slot->address = address;
    }
    pthread_mutex_unlock(&server->lock);
}

troupe_error client_slot_start(bridge *server, client_slot *slot, const troupe_behaviour *behaviour,
                               void *state)
{
    uint64_t number = slot->number; /* the actor may end, and its slot go to another, at once */
    char name[sizeof slot->name];
    memcpy(name, slot->name, sizeof name);
    troupe_spawn_options options = {.behaviour = behaviour,
                                    .state = state,
                                    .name = name,
                                    .mailbox_envelopes = MAILBOX_ENVELOPES,
                                    .mailbox_bytes = MAILBOX_BYTES};
    troupe_address address;
    troupe_error error = troupe_spawn(server->system, &options, &address);
    if (error != TROUPE_OK) {
        client_slot_free(server, slot);
        return error;
    }
    set_address(server, slot, number, address);
    atomic_fetch_add(&server->counters.clients, 1);
    return TROUPE_OK;
}

/* The address of slot i; 0 if there is none. */
static troupe_address slot_at(bridge *server, uint32_t i)
{
    pthread_mutex_lock(&server->lock);
    troupe_address address = server->slots[i].address;
    pthread_mutex_unlock(&server->lock);
    return address;
}

void clients_stop(bridge *server)
{
    for (uint32_t i = 0; i < server->clients_max; i++) {
        troupe_address address = slot_at(server, i);
        if (address != 0) {
            (void)!troupe_stop(server->system, address, TROUPE_STOP_DRAIN);
        }
    }
    for (uint32_t i = 0; i < server->clients_max; i++) {
        troupe_address address = slot_at(server, i);
        if (address != 0 && troupe_join(server->system, address, STOP_JOIN_MS) == TROUPE_ETIMEOUT) {
            (void)!troupe_stop(server->system, address, TROUPE_STOP_NOW);
            (void)!troupe_join(server->system, address, STOP_JOIN_MS);
        }
    }
}
