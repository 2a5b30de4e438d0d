/* SPDX-License-Identifier: MIT */
/* Drivers of a browser, their sessions and commands. */
#include "drivers.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <utlist.h>

driver *drivers_find(const drivers *table, troupe_address address)
{
    driver *found;
    HASH_FIND(hh, table->all, &address, sizeof address, found);
    return found;
}

driver *drivers_add(drivers *table, troupe_address address)
{
    driver *item = calloc(1, sizeof *item);
    if (item != NULL) {
        item->address = address;
        HASH_ADD(hh, table->all, address, sizeof item->address, item);
    }
    return item;
}

void drivers_remove(drivers *table, driver *item)
{
    if (item->root != NULL) {
        drivers_remove_session(table, item->root);
    }
    while (item->held != NULL) {
        driver_unhold(item);
    }
    while (item->calls != NULL) {
        driver_call_free(item->calls);
    }
    HASH_DEL(table->all, item);
    free(item);
}

/* Sessions ---------------------------------------------------------------------------------- */

driver_session *drivers_session(const drivers *table, const char *id, size_t len)
{
    driver_session *found = NULL;
    if (table->sessions != NULL && id != NULL) {
        HASH_FIND(hh, table->sessions, id, (unsigned)len, found);
    }
    return found;
}

driver_session *drivers_add_session(drivers *table, driver *owner, driver_session *parent,
                                    const char *id, size_t id_len, const char *target,
                                    size_t target_len)
{
    driver_session *item = NULL;
    if (id_len < sizeof item->id && target_len < sizeof item->target &&
        drivers_session(table, id, id_len) == NULL) {
        item = calloc(1, sizeof *item);
    }
    if (item == NULL) {
        return NULL;
    }
    memcpy(item->id, id, id_len);
    memcpy(item->target, target, target_len);
    item->owner = owner;
    item->parent = parent;
    if (parent != NULL) {
        DL_APPEND(parent->children, item);
    }
    HASH_ADD(hh, table->sessions, id, (unsigned)id_len, item);
    return item;
}

void drivers_remove_session(drivers *table, driver_session *session)
{
    driver *owner = session->owner;
    while (session->children != NULL) {
        drivers_remove_session(table, session->children);
    }
    if (session->parent != NULL) {
        DL_DELETE(session->parent->children, session);
    }
    owner->root = owner->root == session ? NULL : owner->root;
    owner->face = owner->face == session ? NULL : owner->face;
    assert(table->sessions != NULL); /* it is one of them */
    HASH_DEL(table->sessions, session);
    free(session);
}

static bool has_browser(const driver_session *session, const char *target, size_t len)
{
    if (session->is_browser && strlen(session->target) == len &&
        memcmp(session->target, target, len) == 0) {
        return true;
    }
    for (const driver_session *each = session->children; each != NULL; each = each->next) {
        if (has_browser(each, target, len)) {
            return true;
        }
    }
    return false;
}

bool driver_owns_browser(const driver *owner, const char *target, size_t len)
{
    return owner->root != NULL && has_browser(owner->root, target, len);
}

/* Commands and messages --------------------------------------------------------------------- */

driver_call *driver_call_new(driver *owner, int64_t id, const char *session, size_t session_len)
{
    driver_call *call = calloc(1, sizeof *call + session_len + 1);
    if (call != NULL) {
        call->owner = owner;
        call->id = id;
        call->session_len = session_len;
        memcpy(call->session, session_len > 0 ? session : "", session_len);
        DL_APPEND(owner->calls, call);
    }
    return call;
}

void driver_call_free(driver_call *call)
{
    DL_DELETE(call->owner->calls, call);
    free(call);
}

bool driver_hold(driver *item, const char *text, size_t len)
{
    driver_held *held = malloc(sizeof *held + len);
    if (held == NULL) {
        return false;
    }
    held->len = len;
    memcpy(held->text, text, len);
    DL_APPEND(item->held, held);
    item->held_bytes += len;
    return true;
}

void driver_unhold(driver *item)
{
    driver_held *first = item->held;
    DL_DELETE(item->held, first);
    item->held_bytes -= first->len;
    free(first);
}
