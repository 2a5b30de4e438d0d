/* SPDX-License-Identifier: MIT */
/*
 * The actor `filters`: groups of what lists hide, by type and by address. Groups and which of them
 * are enabled are kept in a file of the host, written whole or not at all; a file that cannot be
 * read is set aside, not overwritten.
 */
#include "actors/cast.h"
#include "actors/json_call.h"
#include "actors/verbs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define GROUPS_MAX   200
#define PATTERNS_MAX 1000
#define NAME_LENGTH  100
#define FILE_MAX     (4 << 20)

typedef struct filters {
    char path[4096];
    json_t *groups; /* name -> {enabled, hide: {types: [], urls: []}} */
} filters;

/* The file ---------------------------------------------------------------------------------- */

static bool write_all(int fd, const char *text, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, text, len);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return false;
        }
        text += n;
        len -= (size_t)n;
    }
    return fsync(fd) == 0;
}

static troupe_error save(const filters *state, troupe_reason *reason)
{
    char beside[sizeof state->path + 8];
    snprintf(beside, sizeof beside, "%s.new", state->path);
    json_t *root = json_pack("{s:O}", "groups", state->groups);
    char *text = json_dumps(root, JSON_INDENT(2));
    json_decref(root);
    int fd = text != NULL ? open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600) : -1;
    bool ok = fd >= 0 && write_all(fd, text, strlen(text));
    ok = (fd < 0 || close(fd) == 0) && ok && rename(beside, state->path) == 0;
    int error = errno;
    free(text);
    if (!ok) {
        (void)unlink(beside);
        return troupe_fail(reason, TROUPE_ESTORAGE, "%s: %s", state->path, strerror(error));
    }
    return TROUPE_OK;
}

static bool sound(const json_t *groups)
{
    const char *name;
    json_t *group;
    if (!json_is_object(groups)) {
        return false;
    }
    json_object_foreach((json_t *)groups, name, group)
    {
        json_t *hide = json_object_get(group, "hide");
        if (!json_is_object(hide) || !json_is_array(json_object_get(hide, "types")) ||
            !json_is_array(json_object_get(hide, "urls"))) {
            return false;
        }
    }
    return true;
}

static char *read_file(const char *path, size_t *len)
{
    FILE *file = fopen(path, "re");
    char *text = file != NULL ? malloc(FILE_MAX) : NULL;
    *len = text != NULL ? fread(text, 1, FILE_MAX, file) : 0;
    if (file != NULL) {
        (void)fclose(file);
    }
    return text;
}

static void load(filters *state)
{
    size_t len;
    char *text = read_file(state->path, &len);
    if (text == NULL) {
        return; /* there is none yet */
    }
    json_t *root = json_text(text, len);
    free(text);
    json_t *groups = json_object_get(root, "groups");
    if (sound(groups)) {
        json_decref(state->groups);
        state->groups = json_incref(groups);
    } else {
        char aside[sizeof state->path + 8];
        snprintf(aside, sizeof aside, "%s.bad", state->path);
        bool moved = rename(state->path, aside) == 0;
        troupe_log(TROUPE_LOG_WARN, "filters", "file-unreadable", NULL, "%s holds no filters%s%s",
                   state->path, moved ? "; moved to " : "", moved ? aside : "");
    }
    json_decref(root);
}

/* Answers ----------------------------------------------------------------------------------- */

static json_t *enabled_list(const filters *state)
{
    json_t *list = json_array();
    const char *name;
    json_t *group;
    json_object_foreach(state->groups, name, group)
    {
        if (json_is_true(json_object_get(group, "enabled"))) {
            json_array_append_new(list, json_string(name));
        }
    }
    return list;
}

static void tell_state(troupe_actor *self, const filters *state)
{
    troupe_address to = troupe_whereis(troupe_self_system(self), NAME_STATE);
    if (to != 0) {
        (void)!json_post(self, to, TROUPE_CAST, VERB_STATE_SET,
                         json_pack("{s:s, s:{s:o, s:I}}", "key", "filters", "value", "enabled",
                                   enabled_list(state), "groups",
                                   (json_int_t)json_object_size(state->groups)));
    }
}

/* The change is kept, or undone: what is answered is what the file says. */
static void changed(troupe_actor *self, filters *state, troupe_caller caller, json_t *before,
                    json_t *value)
{
    troupe_reason reason = {{0}};
    troupe_error error = save(state, &reason);
    if (error != TROUPE_OK) {
        json_decref(state->groups);
        state->groups = before;
        json_decref(value);
        troupe_fault(self, caller, error, NULL, "%s", reason.text);
        return;
    }
    json_decref(before);
    json_reply(self, caller, value);
    tell_state(self, state);
}

/* Methods ----------------------------------------------------------------------------------- */

static void run_status(troupe_actor *self, filters *state, troupe_caller caller, json_t *params)
{
    (void)params;
    json_reply(self, caller, json_incref(state->groups));
}

/* Why `hide` is none. */
static const char *hide_flaw(json_t *hide)
{
    static const char *const members[] = {"types", "urls"};
    const char *name;
    json_t *value;
    json_object_foreach(hide, name, value)
    {
        if (strcmp(name, "types") != 0 && strcmp(name, "urls") != 0) {
            return "`hide` is {types: […], urls: […]}";
        }
    }
    for (size_t i = 0; i < 2; i++) {
        json_t *list = json_object_get(hide, members[i]);
        size_t at;
        if (list != NULL && !json_is_array(list)) {
            return "`hide`: types and urls are lists of texts";
        }
        if (json_array_size(list) > PATTERNS_MAX) {
            return "`hide`: at most 1000 types, and 1000 urls";
        }
        json_array_foreach(list, at, value)
        {
            if (!json_is_string(value)) {
                return "`hide`: types and urls are lists of texts";
            }
        }
    }
    return json_array_size(json_object_get(hide, "types")) +
                       json_array_size(json_object_get(hide, "urls")) >
                   0
               ? NULL
               : "`hide` names nothing";
}

static json_t *list_or_empty(json_t *list)
{
    return list != NULL ? json_incref(list) : json_array();
}

static void run_add(troupe_actor *self, filters *state, troupe_caller caller, json_t *params)
{
    const char *name = json_string_value(json_object_get(params, "name"));
    json_t *hide = json_object_get(params, "hide");
    const char *flaw = hide_flaw(hide);
    if (name == NULL || *name == '\0' || strlen(name) > NAME_LENGTH) {
        flaw = "`name` has 1 to 100 bytes";
    } else if (json_object_size(state->groups) >= GROUPS_MAX) {
        flaw = "there are 200 groups already";
    }
    if (flaw != NULL) {
        troupe_fault(self, caller, TROUPE_EPARAMS, NULL, "%s", flaw);
        return;
    }
    json_t *before = json_copy(state->groups);
    json_t *old = json_object_get(state->groups, name);
    bool enabled = old == NULL || json_is_true(json_object_get(old, "enabled"));
    json_object_set_new(state->groups, name,
                        json_pack("{s:b, s:{s:o, s:o}}", "enabled", enabled, "hide", "types",
                                  list_or_empty(json_object_get(hide, "types")), "urls",
                                  list_or_empty(json_object_get(hide, "urls"))));
    changed(self, state, caller, before, json_pack("{s:b, s:s}", "added", true, "name", name));
}

static void run_remove(troupe_actor *self, filters *state, troupe_caller caller, json_t *params)
{
    const char *name = json_string_value(json_object_get(params, "name"));
    json_t *before = json_copy(state->groups);
    bool removed = json_object_del(state->groups, name) == 0;
    changed(self, state, caller, before, json_pack("{s:b, s:s}", "removed", removed, "name", name));
}

static void set_enabled(json_t *groups, const char *only, bool enabled)
{
    const char *name;
    json_t *group;
    json_object_foreach(groups, name, group)
    {
        if (only == NULL || strcmp(name, only) == 0) {
            json_t *copy = json_copy(group);
            json_object_set_new(copy, "enabled", json_boolean(enabled));
            json_object_set_new(groups, name, copy);
        }
    }
}

static void enable(troupe_actor *self, filters *state, troupe_caller caller, const char *only,
                   bool enabled)
{
    if (only != NULL && json_object_get(state->groups, only) == NULL) {
        troupe_fault(self, caller, TROUPE_EPARAMS, NULL, "no filter group %.100s", only);
        return;
    }
    json_t *before = json_copy(state->groups);
    json_t *next = json_copy(state->groups);
    set_enabled(next, only, enabled);
    json_decref(state->groups);
    state->groups = next;
    changed(self, state, caller, before, json_pack("{s:o}", "enabled", enabled_list(state)));
}

static void run_enable(troupe_actor *self, filters *state, troupe_caller caller, json_t *params)
{
    enable(self, state, caller, json_string_value(json_object_get(params, "name")), true);
}

static void run_disable(troupe_actor *self, filters *state, troupe_caller caller, json_t *params)
{
    enable(self, state, caller, json_string_value(json_object_get(params, "name")), false);
}

static void run_enable_all(troupe_actor *self, filters *state, troupe_caller caller, json_t *params)
{
    (void)params;
    enable(self, state, caller, NULL, true);
}

static void run_disable_all(troupe_actor *self, filters *state, troupe_caller caller,
                            json_t *params)
{
    (void)params;
    enable(self, state, caller, NULL, false);
}

/* What the enabled groups hide together. */
static void run_active(troupe_actor *self, filters *state, troupe_caller caller, json_t *params)
{
    (void)params;
    json_t *types = json_array();
    json_t *urls = json_array();
    const char *name;
    json_t *group;
    json_object_foreach(state->groups, name, group)
    {
        if (json_is_true(json_object_get(group, "enabled"))) {
            json_t *hide = json_object_get(group, "hide");
            json_array_extend(types, json_object_get(hide, "types"));
            json_array_extend(urls, json_object_get(hide, "urls"));
        }
    }
    json_reply(self, caller, json_pack("{s:o, s:o}", "types", types, "urls", urls));
}

/* The actor --------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    void (*run)(troupe_actor *self, filters *state, troupe_caller caller, json_t *params);
} methods[] = {
    {"filters.status", run_status},          {"filters.add", run_add},
    {"filters.remove", run_remove},          {"filters.enable", run_enable},
    {"filters.disable", run_disable},        {"filters.enableAll", run_enable_all},
    {"filters.disableAll", run_disable_all}, {VERB_FILTERS_ACTIVE, run_active},
};

static troupe_error filters_receive(troupe_actor *self, void *context, const troupe_envelope *call)
{
    filters *state = context;
    troupe_reason reason = {{0}};
    if (call->kind != TROUPE_CALL) {
        return TROUPE_OK;
    }
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        if (troupe_verb_is(call, methods[i].name)) {
            json_t *params = json_params(call, &reason);
            if (params == NULL) {
                troupe_fault(self, troupe_caller_of(call), TROUPE_EPARAMS, NULL, "%s", reason.text);
            } else {
                methods[i].run(self, state, troupe_caller_of(call), params);
                json_decref(params);
            }
            return TROUPE_OK;
        }
    }
    troupe_fault(self, troupe_caller_of(call), TROUPE_EMETHOD, NULL, NULL);
    return TROUPE_OK;
}

static void filters_stop(troupe_actor *self, void *context, troupe_error reason)
{
    filters *state = context;
    (void)self;
    (void)reason;
    json_decref(state->groups);
    free(state);
}

static const troupe_behaviour filters_behaviour = {
    .kind = "filters", .receive = filters_receive, .stop = filters_stop};

troupe_error filters_prepare(troupe_actor *self, void *context, troupe_spawn_options *out)
{
    const troupe_host_options *host = context;
    (void)self;
    filters *state = calloc(1, sizeof *state);
    if (state == NULL) {
        return TROUPE_ENOMEM;
    }
    snprintf(state->path, sizeof state->path, "%s/%s.filters.json", host->state_dir, host->name);
    state->groups = json_object();
    load(state);
    *out = (troupe_spawn_options){
        .behaviour = &filters_behaviour, .state = state, .name = NAME_FILTERS};
    return TROUPE_OK;
}
