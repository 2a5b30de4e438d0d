/* SPDX-License-Identifier: MIT */
/**
 * Who wants to hear of new rows: one troupe_topic for each topic. Events and gaps are JSON
 * text, as the bridge hands them on.
 */
#ifndef TROUPE_STORE_SUBSCRIBERS_H
#define TROUPE_STORE_SUBSCRIBERS_H

#include "recorder.h"

#include "troupe/topic.h"

/** Zero-initialised is "not open". */
typedef struct subscribers {
    troupe_topic *topics[TOPIC_COUNT];
} subscribers;

troupe_error subscribers_init(subscribers *subscribers, troupe_actor *self) TROUPE_MUST_USE;
void subscribers_fini(subscribers *subscribers);

/** Add topics (bit n: topic n) to an actor's; it leaves by itself when it ends. */
troupe_error subscribers_add(subscribers *subscribers, troupe_address address,
                             unsigned topics) TROUPE_MUST_USE;

/** Take topics away from an actor's; those it does not have are ignored. */
void subscribers_remove(subscribers *subscribers, troupe_address address, unsigned topics);

/** Whether anybody wants that topic: so that rows need not be read for nobody. */
bool subscribers_want(const subscribers *subscribers, event_topic topic);

/** Send JSON text to those who want the topic. */
void subscribers_publish(subscribers *subscribers, event_topic topic, const char *json, size_t len);

/** Deal with the signals `down` and `room`. */
void subscribers_signal(subscribers *subscribers, const troupe_envelope *signal);

#endif
