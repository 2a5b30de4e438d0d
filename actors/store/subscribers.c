/* SPDX-License-Identifier: MIT */
/* Who wants to hear of new rows. */
#include "subscribers.h"

#include "troupe/log.h"

#include <stdio.h>
#include <string.h>

/* context: the topic's name */
static troupe_error pack_gap(void *context, uint64_t count, bool ended, troupe_buffer *out)
{
    char json[96];
    (void)ended; /* no subscription here ends for being slow */
    int len = snprintf(json, sizeof json, "{\"count\":%llu,\"topic\":\"%s\"}",
                       (unsigned long long)count, (const char *)context);
    return troupe_pack(out, "j#", json, (size_t)len);
}

troupe_error subscribers_init(subscribers *all, troupe_actor *self)
{
    troupe_error error = TROUPE_OK;
    for (int i = 0; i < TOPIC_COUNT && error == TROUPE_OK; i++) {
        troupe_topic_options options = {.pack_gap = pack_gap,
                                        .context = (void *)(uintptr_t)topic_names[i]};
        error = troupe_topic_create(self, &options, &all->topics[i]);
    }
    return error;
}

void subscribers_fini(subscribers *all)
{
    for (int i = 0; i < TOPIC_COUNT; i++) {
        troupe_topic_destroy(all->topics[i]);
        all->topics[i] = NULL;
    }
}

troupe_error subscribers_add(subscribers *all, troupe_address address, unsigned topics)
{
    troupe_error error = TROUPE_OK;
    for (int i = 0; i < TOPIC_COUNT && error == TROUPE_OK; i++) {
        if ((topics & (1u << i)) != 0) {
            error = troupe_topic_subscribe(all->topics[i], address, NULL);
        }
    }
    return error;
}

void subscribers_remove(subscribers *all, troupe_address address, unsigned topics)
{
    for (int i = 0; i < TOPIC_COUNT; i++) {
        if ((topics & (1u << i)) != 0) {
            (void)!troupe_topic_unsubscribe(all->topics[i], address); /* it was none */
        }
    }
}

bool subscribers_want(const subscribers *all, event_topic topic)
{
    return troupe_topic_wanted(all->topics[topic], topic_names[topic]);
}

void subscribers_publish(subscribers *all, event_topic topic, const char *json, size_t len)
{
    troupe_buffer payload = {0};
    troupe_error error = troupe_pack(&payload, "j#", json, len);
    if (error == TROUPE_OK) {
        error = troupe_topic_publish(all->topics[topic], topic_names[topic], NULL,
                                     troupe_buffer_bytes(&payload));
    }
    if (error != TROUPE_OK) {
        troupe_log(TROUPE_LOG_WARN, "store", "event-not-sent", topic_names[topic], "%s",
                   troupe_error_text(error));
    }
    troupe_buffer_fini(&payload);
}

void subscribers_signal(subscribers *all, const troupe_envelope *signal)
{
    for (int i = 0; i < TOPIC_COUNT; i++) {
        (void)troupe_topic_signal(all->topics[i], signal);
    }
}
