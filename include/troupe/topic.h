/* SPDX-License-Identifier: MIT */
/**
 * Topics: one actor's events for many. An object that the publishing actor owns; each subscriber
 * gets every event it wants, in order, until it leaves or ends.
 *
 * A subscriber whose mailbox is full delays nobody: what it cannot take is shed, held or the end of
 * its subscription, as its policy says, and it is told by the event `gap` how many events are
 * missing, at the place where they are missing. Nothing is lost uncounted: published and wanted =
 * delivered + shed + held, of each subscriber; what is shed also counts in
 * troupe_system_counters.shed.
 *
 * All functions belong to the owner's thread, and none blocks.
 */
#ifndef TROUPE_TOPIC_H
#define TROUPE_TOPIC_H

#include "troupe/actor.h"

#ifdef __cplusplus
extern "C" {
#endif

/** What happens to events that a subscriber has no room for. */
typedef enum troupe_slow {
    TROUPE_SLOW_SHED, /* shed until it has room; then a `gap`, then events again */
    TROUPE_SLOW_HOLD, /* held, and sent in order when it has room; shed beyond hold_bytes */
    TROUPE_SLOW_END,  /* the first one ends the subscription; a last `gap` says so */
} troupe_slow;

/** Zero-initialised: everything, shed when slow. */
typedef struct troupe_subscription {
    troupe_slow slow;
    size_t hold_bytes;  /* of encoded events; 0, or more than the topic allows: what it allows */
    const char *prefix; /* only verbs that begin with this; copied, at most 255 bytes; NULL = all */
} troupe_subscription;

/** Zero-initialised is valid. */
typedef struct troupe_topic_options {
    const char *name;      /* for calls that name a topic; borrowed as long as the topic; or NULL */
    size_t hold_bytes_max; /* for each subscriber; 0 = 1 MiB */
    /** Pack the payload of `gap`: so many events are missing; ended: there will be no more. NULL:
     * {count: U, ended: b}; so is the payload, from then on and logged, after an error other than
     * TROUPE_ENOMEM or what is not one MessagePack value. */
    troupe_error (*pack_gap)(void *context, uint64_t count, bool ended, troupe_buffer *out);
    /** A subscriber is gone: it ended (its reason), or was too slow (TROUPE_EBUSY). Not called for
     * troupe_topic_unsubscribe. Must not destroy the topic. NULL allowed. */
    void (*left)(troupe_actor *self, void *context, troupe_address address, troupe_error reason);
    void *context; /* handed to both */
} troupe_topic_options;

typedef struct troupe_topic troupe_topic;

/**
 * @param options  NULL = defaults; copied but for what it points to
 * @return TROUPE_OK; TROUPE_ENOMEM
 */
TROUPE_API troupe_error troupe_topic_create(troupe_actor *self, const troupe_topic_options *options,
                                            troupe_topic **out) TROUPE_MUST_USE;
/** Subscribers hear no more; held events count as shed. destroy(NULL) is fine. */
TROUPE_API void troupe_topic_destroy(troupe_topic *topic);

/**
 * Subscribe an actor, or change how it is subscribed. It is monitored, and leaves by itself when it
 * ends.
 *
 * @param how  NULL = defaults; borrowed
 * @return TROUPE_OK (also if that actor is gone: it leaves soon); TROUPE_EINVAL (address 0, prefix
 *         too long, no such policy); TROUPE_ENOMEM
 */
TROUPE_API troupe_error troupe_topic_subscribe(troupe_topic *topic, troupe_address address,
                                               const troupe_subscription *how) TROUPE_MUST_USE;
/** What was held for it counts as shed. TROUPE_ENOTFOUND. */
TROUPE_API troupe_error troupe_topic_unsubscribe(troupe_topic *topic, troupe_address address);

/**
 * Send an event to every subscriber that wants its verb.
 *
 * @param verb     1 to 255 bytes
 * @param meta     NULL = none
 * @param payload  borrowed; one MessagePack value; len 0 = nil
 * @return TROUPE_OK: each subscriber got it, or it is held or counted as shed. TROUPE_EINVAL,
 *         TROUPE_ELIMIT as troupe_post: nobody got it, and it does not count
 */
TROUPE_API troupe_error troupe_topic_publish(troupe_topic *topic, const char *verb,
                                             const troupe_meta *meta,
                                             troupe_bytes payload) TROUPE_MUST_USE;

/** Whether anybody would get an event with that verb: so that it need not be made for nobody. */
TROUPE_API bool troupe_topic_wanted(const troupe_topic *topic, const char *verb);

/**
 * Hand every signal to each topic: `down` and `room` of subscribers are for it. The same `room` may
 * be for several.
 *
 * @return true: it was a subscriber's
 */
TROUPE_API bool troupe_topic_signal(troupe_topic *topic, const troupe_envelope *signal);

/**
 * Hand calls to this to let other actors subscribe themselves: `subscribe` {topic?: s, slow?: s
 * ("shed", "hold", "end"), hold_bytes?: U, prefix?: s} or nil, and `unsubscribe` {topic?: s} or
 * nil, both answered with nil, or with a fault: TROUPE_EPARAMS (also: the caller is a guest, who
 * cannot be sent events), TROUPE_ENOTFOUND, TROUPE_ENOMEM.
 *
 * @return true: it was one of these, and is answered. A call that names another topic is not.
 */
TROUPE_API bool troupe_topic_call(troupe_topic *topic, const troupe_envelope *call);

/** Since the topic was created; those of gone subscribers included. */
typedef struct troupe_topic_counters {
    uint32_t subscribers;
    uint64_t published;
    uint64_t delivered; /* accepted by mailboxes */
    uint64_t shed;
    uint64_t gaps; /* `gap` events that were delivered */
    uint64_t held; /* at present */
    uint64_t held_bytes;
} troupe_topic_counters;

TROUPE_API void troupe_topic_count(const troupe_topic *topic, troupe_topic_counters *out);

typedef struct troupe_subscriber_counters {
    uint64_t delivered;
    uint64_t shed;
    uint64_t missed; /* of these, not told by a `gap` yet */
    uint64_t held;
    uint64_t held_bytes;
} troupe_subscriber_counters;

/** TROUPE_ENOTFOUND: no subscriber. */
TROUPE_API troupe_error troupe_topic_subscriber(const troupe_topic *topic, troupe_address address,
                                                troupe_subscriber_counters *out);

#ifdef __cplusplus
}
#endif

#endif
