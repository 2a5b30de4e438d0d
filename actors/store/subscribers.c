/* SPDX-License-Identifier: MIT */
/* Who wants to hear of new rows. */
#include "subscribers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const topic_names[SUBSCRIBER_TOPICS] = {"network", "console", "target"};

void subscribers_fini(subscribers *all)
{
    free(all->list);
    memset(all, 0, sizeof *all);
}

int subscribers_topic(const char *name, size_t len)
{
    for (int i = 0; i < SUBSCRIBER_TOPICS; i++) {
        if (strlen(topic_names[i]) == len && memcmp(topic_names[i], name, len) == 0) {
            return i;
        }
    }
    return -1;
}

static subscriber *find(const subscribers *all, troupe_address address)
{
    for (size_t i = 0; i < all->count; i++) {
        if (all->list[i].address == address) {
            return &all->list[i];
        }
    }
    return NULL;
}

static bool make_room(subscribers *all)
{
    if (all->count < all->capacity) {
        return true;
    }
    size_t capacity = all->capacity != 0 ? all->capacity * 2 : 4;
    subscriber *list = realloc(all->list, capacity * sizeof *list);
    if (list == NULL) {
        return false;
    }
    all->list = list;
    all->capacity = capacity;
    return true;
}

troupe_error subscribers_add(subscribers *all, troupe_actor *self, troupe_address address,
                             unsigned topics)
{
    subscriber *known = find(all, address);
    if (known != NULL) {
        known->topics |= topics;
        return TROUPE_OK;
    }
    if (!make_room(all)) {
        return TROUPE_ENOMEM;
    }
    subscriber added = {.address = address, .topics = topics};
    troupe_error error = troupe_monitor(self, address, &added.monitor);
    if (error == TROUPE_OK) {
        all->list[all->count++] = added;
    }
    return error;
}

bool subscribers_want(const subscribers *all, int topic)
{
    for (size_t i = 0; i < all->count; i++) {
        if ((all->list[i].topics & (1u << topic)) != 0) {
            return true;
        }
    }
    return false;
}

static troupe_error send(troupe_actor *self, const subscriber *to, const char *verb,
                         const char *json, size_t len)
{
    troupe_buffer payload = {0};
    troupe_error error = troupe_pack(&payload, "j#", json, len);
    if (error == TROUPE_OK) {
        error =
            troupe_post(self, to->address, TROUPE_EVENT, verb, NULL, troupe_buffer_bytes(&payload));
    }
    troupe_buffer_fini(&payload);
    return error;
}

/* Shed what it could not take; ask to be told when it has room. Gone ones leave with `down`. */
static void shed(troupe_actor *self, subscriber *to, int topic)
{
    to->shed[topic]++;
    if (!to->waiting) {
        to->waiting = troupe_await_room(self, to->address) == TROUPE_OK;
    }
}

void subscribers_publish(subscribers *all, troupe_actor *self, int topic, const char *json,
                         size_t len)
{
    for (size_t i = 0; i < all->count; i++) {
        subscriber *to = &all->list[i];
        if ((to->topics & (1u << topic)) == 0) {
            continue;
        }
        if (to->waiting) {
            to->shed[topic]++;
            continue;
        }
        troupe_error error = send(self, to, topic_names[topic], json, len);
        if (error == TROUPE_EBUSY || error == TROUPE_ENOMEM || error == TROUPE_ELIMIT) {
            shed(self, to, topic);
        }
    }
}

/* Tell it what it missed. Stays waiting if there is no room even for that. */
static void tell_gaps(troupe_actor *self, subscriber *to)
{
    for (int topic = 0; topic < SUBSCRIBER_TOPICS; topic++) {
        if (to->shed[topic] == 0) {
            continue;
        }
        char json[96];
        int len = snprintf(json, sizeof json, "{\"count\":%llu,\"topic\":\"%s\"}",
                           (unsigned long long)to->shed[topic], topic_names[topic]);
        if (send(self, to, "gap", json, (size_t)len) != TROUPE_OK) {
            to->waiting = troupe_await_room(self, to->address) == TROUPE_OK;
            return;
        }
        to->shed[topic] = 0;
    }
}

void subscribers_signal(subscribers *all, troupe_actor *self, const troupe_envelope *signal)
{
    troupe_down down;
    uint64_t address;
    if (troupe_verb_is(signal, "down") && troupe_down_read(signal, &down) == TROUPE_OK) {
        subscriber *gone = find(all, down.address);
        if (gone != NULL) {
            *gone = all->list[--all->count];
        }
    } else if (troupe_verb_is(signal, "room") &&
               troupe_unpack(signal->payload, "U", &address) == TROUPE_OK) {
        subscriber *ready = find(all, address);
        if (ready != NULL) {
            ready->waiting = false;
            tell_gaps(self, ready);
        }
    }
}
