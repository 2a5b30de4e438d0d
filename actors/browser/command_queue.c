/* SPDX-License-Identifier: MIT */
/* Lanes (one a session) in three rings. A lane changes its ring when its head or what waits behind
 * it changes class. */
#include "command_queue.h"

#include <stdlib.h>
#include <string.h>

#include <utlist.h>

#define TURN_BYTES ((size_t)64 << 10)
#define SKIP_MAX   64u

static unsigned ring_of(const command_lane *lane)
{
    if (lane->first->class == COMMAND_URGENT) {
        return RING_URGENT;
    }
    return lane->urgent > 0 ? RING_PROMOTED : RING_BULK;
}

static void leave_ring(command_queue *queue, command_lane *lane)
{
    DL_DELETE(queue->rings[lane->ring], lane);
}

static void enter_ring(command_queue *queue, command_lane *lane)
{
    lane->ring = ring_of(lane);
    DL_APPEND(queue->rings[lane->ring], lane);
}

static command_lane *find_lane(const command_queue *queue, uint64_t session)
{
    command_lane *found;
    HASH_FIND(hh, queue->lanes, &session, sizeof session, found);
    return found;
}

static command_lane *add_lane(command_queue *queue, uint64_t session)
{
    command_lane *made = calloc(1, sizeof *made);
    if (made != NULL) {
        made->session = session;
        HASH_ADD(hh, queue->lanes, session, sizeof made->session, made);
    }
    return made;
}

static void append(command_queue *queue, command_lane *lane, command *item)
{
    bool fresh = lane->first == NULL;
    DL_APPEND(lane->first, item);
    item->lane = lane;
    lane->urgent += item->class == COMMAND_URGENT;
    if (!fresh && lane->ring == ring_of(lane)) {
        return;
    }
    if (!fresh) {
        leave_ring(queue, lane);
    }
    enter_ring(queue, lane);
}

troupe_error command_queue_push(command_queue *queue, uint64_t session, int64_t id,
                                command_class class, const char *text, size_t len, command **out)
{
    command *item = malloc(sizeof *item + len);
    if (item == NULL) {
        return TROUPE_ENOMEM;
    }
    *item = (command){.id = id, .class = class, .len = len};
    memcpy(item->text, text, len);
    if (class == COMMAND_CANCEL) {
        DL_APPEND(queue->cancels, item);
    } else {
        command_lane *lane = find_lane(queue, session);
        lane = lane != NULL ? lane : add_lane(queue, session);
        if (lane == NULL) {
            free(item);
            return TROUPE_ENOMEM;
        }
        append(queue, lane, item);
    }
    queue->count++;
    queue->bytes += len;
    queue->urgent += class != COMMAND_BULK;
    *out = item;
    return TROUPE_OK;
}

bool command_queue_has(const command_queue *queue, uint64_t session)
{
    return queue->lanes != NULL && find_lane(queue, session) != NULL;
}

/* The lane of that ring whose turn it is. Each turn that is let pass is one of at most SKIP_MAX. */
static command_lane *turn_of(command_queue *queue, unsigned ring)
{
    command_lane *lane = queue->rings[ring];
    while (lane != NULL && lane->skip > 0 && lane->next != NULL) {
        lane->skip--;
        leave_ring(queue, lane);
        DL_APPEND(queue->rings[ring], lane);
        lane = queue->rings[ring];
    }
    return lane;
}

command *command_queue_next(command_queue *queue, bool bulk)
{
    if (queue->cancels != NULL) {
        return queue->cancels;
    }
    command_lane *lane = turn_of(queue, RING_URGENT);
    if (lane == NULL && bulk) {
        unsigned ring = queue->bulk_turn ? RING_BULK : RING_PROMOTED;
        unsigned other = queue->bulk_turn ? RING_PROMOTED : RING_BULK;
        lane = turn_of(queue, queue->rings[ring] != NULL ? ring : other);
    }
    return lane != NULL ? lane->first : NULL;
}

static void end_turn(command_queue *queue, command_lane *lane, size_t len)
{
    size_t turns = len / TURN_BYTES;
    lane->skip = turns < SKIP_MAX ? (unsigned)turns : SKIP_MAX;
    if (lane->ring != RING_URGENT) {
        queue->bulk_turn = lane->ring == RING_PROMOTED;
    }
    leave_ring(queue, lane);
    enter_ring(queue, lane);
}

static void leave_lane(command_queue *queue, command *item, bool sent)
{
    command_lane *lane = item->lane;
    DL_DELETE(lane->first, item);
    lane->urgent -= item->class == COMMAND_URGENT;
    if (lane->first == NULL) {
        if (sent && lane->ring != RING_URGENT) {
            queue->bulk_turn = lane->ring == RING_PROMOTED;
        }
        leave_ring(queue, lane);
        HASH_DEL(queue->lanes, lane);
        free(lane);
    } else if (sent) {
        end_turn(queue, lane, item->len);
    } else if (lane->ring != ring_of(lane)) {
        leave_ring(queue, lane);
        enter_ring(queue, lane);
    }
}

void command_queue_remove(command_queue *queue, command *item, bool sent)
{
    queue->count--;
    queue->bytes -= item->len;
    queue->urgent -= item->class != COMMAND_BULK;
    if (item->lane == NULL) {
        DL_DELETE(queue->cancels, item);
    } else {
        leave_lane(queue, item, sent);
    }
    free(item);
}

void command_queue_fini(command_queue *queue)
{
    while (queue->cancels != NULL) {
        command_queue_remove(queue, queue->cancels, false);
    }
    while (queue->lanes != NULL) {
        command_queue_remove(queue, queue->lanes->first, false);
    }
}
