/* SPDX-License-Identifier: MIT */
/** The topics of live events that the store tells of: a set of them is a word of bits. */
#ifndef TROUPE_ACTORS_TOPICS_H
#define TROUPE_ACTORS_TOPICS_H

#include "troupe/pack.h"

#include <jansson.h>
#include <stdbool.h>

typedef enum event_topic {
    TOPIC_NETWORK,
    TOPIC_CONSOLE,
    TOPIC_TARGET,
    TOPIC_BROWSER,
    TOPIC_CDP, /* events as Chrome sends them */
    TOPIC_COUNT,
} event_topic;

#define TOPIC_WORDS "network, console, target, browser, cdp"

extern const char *const topic_names[TOPIC_COUNT];

/** The topic of that name (len bytes); TOPIC_COUNT if there is none. */
event_topic topic_find(const char *name, size_t len);

/** Bits of a name, or of a list of names. False, and the word (or "?") that is no topic. */
bool topics_read(const json_t *value, unsigned *topics, const char **wrong);

/** Pack {topics: [names]}, as VERB_STORE_SUBSCRIBE takes it. */
void topics_pack(troupe_buffer *payload, unsigned topics);

#endif
