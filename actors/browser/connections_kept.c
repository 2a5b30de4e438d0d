/* SPDX-License-Identifier: MIT */
/*
 * What users told connections, kept over a restart of the actor: the epoch, what is tracked and
 * watched, browser contexts. Browsers and their targets are not: they report again. As JSON:
 * {epoch, started_us, next_context, urls, members: {id: {tracked, watched, followed}},
 * contexts: [{id, browser, uid, chrome_id, proxy}]}.
 */
#include "connections.h"

#include "actors/board.h"

#include <stdlib.h>
#include <string.h>

#include <utlist.h>

static bool matters(const member *item)
{
    return item->tracked || item->watched || item->followed;
}

static json_t *members_kept(const connections *state)
{
    json_t *kept = json_object();
    for (const member *item = state->members; item != NULL; item = item->hh.next) {
        if (matters(item)) {
            json_object_set_new(kept, item->id,
                                json_pack("{s:b, s:b, s:b}", "tracked", (int)item->tracked,
                                          "watched", (int)item->watched, "followed",
                                          (int)item->followed));
        }
    }
    json_object_update_missing(kept, json_object_get(state->kept, "members"));
    return kept;
}

static json_t *contexts_kept(const connections *state)
{
    json_t *kept = json_array();
    const browser_context *item;
    DL_FOREACH(state->contexts, item)
    {
        if (item->maker == NULL && !item->disposing) {
            json_array_append_new(kept,
                                  json_pack("{s:s, s:s, s:s, s:s, s:s*}", "id", item->id, "browser",
                                            item->browser, "uid", item->uid, "chrome_id",
                                            item->chrome_id, "proxy", item->proxy));
        }
    }
    return kept;
}

void connections_keep(const connections *state)
{
    host_board *board = state->host->board;
    json_t *kept = json_pack("{s:I, s:I, s:I, s:O, s:o, s:o}", "epoch", (json_int_t)state->epoch,
                             "started_us", (json_int_t)state->started_us, "next_context",
                             (json_int_t)state->next_context, "urls", state->patterns, "members",
                             members_kept(state), "contexts", contexts_kept(state));
    if (board != NULL) {
        json_decref(atomic_exchange(&board->connections, kept));
    } else {
        json_decref(kept);
    }
}

static void restore_context(connections *state, const json_t *kept)
{
    browser_context *item = calloc(1, sizeof *item);
    if (item == NULL) {
        return;
    }
    const struct {
        const char *name;
        char *to;
        size_t size;
    } texts[] = {{"id", item->id, sizeof item->id},
                 {"browser", item->browser, sizeof item->browser},
                 {"uid", item->uid, sizeof item->uid},
                 {"chrome_id", item->chrome_id, sizeof item->chrome_id}};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        const char *text = json_string_value(json_object_get(kept, texts[i].name));
        connections_copy(texts[i].to, texts[i].size, text, strlen(text));
    }
    member_set_text(&item->proxy, json_string_value(json_object_get(kept, "proxy")));
    DL_APPEND(state->contexts, item);
}

bool connections_restore(connections *state)
{
    host_board *board = state->host->board;
    json_t *kept = board != NULL ? atomic_exchange(&board->connections, NULL) : NULL;
    json_t *urls = json_object_get(kept, "urls");
    size_t i;
    json_t *item;
    state->patterns = urls != NULL ? json_incref(urls) : json_array();
    if (kept == NULL) {
        return state->patterns != NULL;
    }
    state->epoch = (uint64_t)json_integer_value(json_object_get(kept, "epoch")) + 1;
    state->started_us = json_integer_value(json_object_get(kept, "started_us"));
    state->next_context = (unsigned)json_integer_value(json_object_get(kept, "next_context"));
    json_array_foreach(json_object_get(kept, "contexts"), i, item)
    {
        restore_context(state, item);
    }
    state->kept = kept;
    return true;
}

void connections_recall(connections *state, member *item)
{
    json_t *members = json_object_get(state->kept, "members");
    const json_t *kept = json_object_get(members, item->id);
    if (kept != NULL) {
        item->tracked = json_is_true(json_object_get(kept, "tracked"));
        item->watched = json_is_true(json_object_get(kept, "watched"));
        item->followed = json_is_true(json_object_get(kept, "followed"));
        json_object_del(members, item->id);
    }
}

void connections_forget_kept(connections *state, const char *browser)
{
    json_t *members = json_object_get(state->kept, "members");
    const char *id;
    json_t *value;
    void *next;
    json_object_foreach_safe(members, next, id, value)
    {
        if (member_id_is_of(id, browser)) {
            json_object_del(members, id);
        }
    }
}
