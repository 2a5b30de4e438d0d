/* SPDX-License-Identifier: MIT */
/* The topics of live events. */
#include "topics.h"

#include <string.h>

const char *const topic_names[TOPIC_COUNT] = {"network", "console", "target", "browser", "cdp"};

event_topic topic_find(const char *name, size_t len)
{
    event_topic found = 0;
    while (found < TOPIC_COUNT &&
           (strlen(topic_names[found]) != len || memcmp(name, topic_names[found], len) != 0)) {
        found++;
    }
    return found;
}

bool topics_read(const json_t *value, unsigned *topics, const char **wrong)
{
    size_t count = json_is_array(value) ? json_array_size(value) : 1;
    *topics = 0;
    for (size_t i = 0; i < count; i++) {
        const json_t *item = json_is_array(value) ? json_array_get(value, i) : value;
        const char *word = json_string_value(item);
        event_topic found = word != NULL ? topic_find(word, strlen(word)) : TOPIC_COUNT;
        if (found == TOPIC_COUNT) {
            *wrong = word != NULL ? word : "?";
            return false;
        }
        *topics |= 1u << found;
    }
    return true;
}

void topics_pack(troupe_buffer *payload, unsigned topics)
{
    troupe_buffer list = {0};
    uint8_t head = 0x90; /* fixarray */
    for (event_topic i = 0; i < TOPIC_COUNT; i++) {
        head = (uint8_t)(head + ((topics >> i) & 1u));
    }
    troupe_buffer_append(&list, &head, 1);
    for (event_topic i = 0; i < TOPIC_COUNT; i++) {
        if ((topics & (1u << i)) != 0) {
            troupe_pack(&list, "s", topic_names[i]);
        }
    }
    troupe_pack(payload, "{s:r#}", "topics", list.data, list.len);
    troupe_buffer_fini(&list);
}
