/* SPDX-License-Identifier: MIT */
/* The actor `network`: lists requests (network_list.c), shows one in detail, fetches bodies,
 * clears. */
#include "actors/cast.h"
#include "actors/headers.h"
#include "actors/verbs.h"
#include "body_tools.h"
#include "har.h"
#include "har_entry.h"
#include "har_import.h"
#include "lookup.h"
#include "network_list.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FRAMES_MAX 10000

/* Bodies ------------------------------------------------------------------------------------ */

/* A body was found, or not: text NULL, then item->error says why. Ends the lookup. */
typedef void (*body_fn)(troupe_actor *self, lookup *item, const char *text, size_t len,
                        bool base64);

static void give_request_body(troupe_actor *self, lookup *item, const char *text, size_t len,
                              bool base64);
static void give_body(troupe_actor *self, lookup *item, const char *text, size_t len, bool base64);

static bool is_of_request(const lookup *item)
{
    const char *part = json_string_value(json_object_get(item->params, "part"));
    return part != NULL && strcmp(part, "request") == 0;
}

static bool wants_body_only(const lookup *item)
{
    return json_object_get(item->entry, "row_only") != NULL;
}

static void give(troupe_actor *self, lookup *item, const char *text, size_t len, bool base64)
{
    body_fn end = wants_body_only(item) ? give_body : give_request_body;
    end(self, item, text, len, base64);
}

/* From the target actor: {body, base64Encoded}. */
static void body_came(troupe_actor *self, lookup *item, const json_t *answer)
{
    const json_t *body = json_object_get(answer, "body");
    if (answer != NULL && !json_is_string(body)) {
        snprintf(item->error.text, sizeof item->error.text, "the target sent no body");
    }
    give(self, item, json_string_value(body), json_string_length(body),
         json_is_true(json_object_get(answer, "base64Encoded")));
}

static void body_recorded(troupe_actor *self, lookup *item, const json_t *answer)
{
    const json_t *row = json_array_get(json_object_get(answer, "rows"), 0);
    const json_t *content = json_object_get(row, "content");
    if (!json_is_string(content)) {
        snprintf(item->error.text, sizeof item->error.text, "the body is not stored any more");
    }
    give(self, item, json_string_value(content), json_string_length(content),
         json_integer_value(json_object_get(row, "base64")) != 0);
}

static void ask_target(troupe_actor *self, lookup *item, const json_t *row)
{
    char name[160];
    const char *target = json_string_value(json_object_get(row, "target"));
    int len = snprintf(name, sizeof name, NAME_TARGET "%s", target != NULL ? target : "");
    troupe_address to =
        len > 0 && (size_t)len < sizeof name ? troupe_whereis(troupe_self_system(self), name) : 0;
    if (to == 0) {
        snprintf(item->error.text, sizeof item->error.text,
                 "the body was not recorded, and target %s is not connected",
                 target != NULL ? target : "?");
        give(self, item, NULL, 0, false);
        return;
    }
    item->tolerant = true;
    lookup_call(self, item, to, VERB_TARGET_BODY,
                json_pack("{s:O,s:O,s:O}", "target", json_object_get(row, "target"), "session",
                          json_object_get(row, "session"), "request_id",
                          json_object_get(row, "request_id")),
                body_came);
}

/* What the request sent. */
static void give_sent(troupe_actor *self, lookup *item, const json_t *row)
{
    const json_t *sent = json_object_get(row, "post_data");
    if (!json_is_string(sent)) {
        snprintf(item->error.text, sizeof item->error.text, "%s",
                 json_integer_value(json_object_get(row, "has_post_data")) != 0
                     ? "what the request sent was not recorded"
                     : "the request sent nothing");
    }
    give(self, item, json_string_value(sent), json_string_length(sent),
         json_integer_value(json_object_get(row, "post_data_base64")) != 0);
}

/* Find the body of item->entry.row: recorded, or from the browser. */
static void find_body(troupe_actor *self, lookup *item)
{
    const json_t *row = json_object_get(item->entry, "row");
    const char *status = json_string_value(json_object_get(row, "body_status"));
    if (is_of_request(item)) {
        give_sent(self, item, row);
        return;
    }
    if (json_integer_value(json_object_get(row, "redirected")) != 0) {
        snprintf(item->error.text, sizeof item->error.text, "a redirect has no body");
        give(self, item, NULL, 0, false);
        return;
    }
    if (status == NULL || strcmp(status, "ok") != 0) {
        ask_target(self, item, row);
        return;
    }
    lookup_sql sql = {0};
    lookup_sql_add(&sql, "SELECT base64, content FROM body_content WHERE request=?");
    lookup_sql_integer(&sql, json_integer_value(json_object_get(row, "id")));
    lookup_query(self, item, &sql, 1, body_recorded);
}

/* request, body ----------------------------------------------------------------------------------
 */

static void reply_entry(troupe_actor *self, lookup *item)
{
    json_t *entry = json_object_get(item->entry, "entry");
    json_t *selected = har_entry_select(entry, json_object_get(item->params, "fields"));
    lookup_reply(self, item,
                 json_pack("{s:o, s:o*}", "entry", selected, "resolution",
                           har_entry_resolution(json_object_get(item->entry, "row"))));
}

static void give_request_body(troupe_actor *self, lookup *item, const char *text, size_t len,
                              bool base64)
{
    har_entry_body(json_object_get(item->entry, "entry"), text, len, base64, item->error.text);
    reply_entry(self, item);
}

/* Its content type. Borrowed; NULL: not known. */
static json_t *mime_of(const lookup *item)
{
    const json_t *row = json_object_get(item->entry, "row");
    return is_of_request(item)
               ? headers_find(json_object_get(row, "request_headers"), "content-type")
               : json_object_get(row, "mime_type");
}

static bool wants_tools(const lookup *item)
{
    return json_object_get(item->params, "decode") != NULL ||
           json_object_get(item->params, "path") != NULL ||
           json_is_true(json_object_get(item->params, "pretty"));
}

/* As it is kept, as bytes; then its codings undone. */
static troupe_error decode(const lookup *item, const char *text, size_t len, bool base64,
                           troupe_buffer *out, troupe_reason *reason)
{
    json_t *asked = json_object_get(item->params, "decode");
    json_t *kept = base64 ? json_pack("[s]", "base64") : json_array();
    json_t *codings = json_is_string(asked) ? json_pack("[O]", asked) : json_incref(asked);
    troupe_buffer bytes = {0};
    troupe_error error = body_decode(kept, text, len, BODY_DECODED_MAX, &bytes, reason);
    if (error == TROUPE_OK) {
        error = body_decode(codings, bytes.data, bytes.len, BODY_DECODED_MAX, out, reason);
    }
    troupe_buffer_fini(&bytes);
    json_decref(kept);
    json_decref(codings);
    return error;
}

static void give_made(troupe_actor *self, lookup *item, const char *text, size_t len, bool base64,
                      json_t *mime)
{
    const char *path = json_string_value(json_object_get(item->params, "path"));
    bool pretty = json_is_true(json_object_get(item->params, "pretty"));
    troupe_reason reason = {{0}};
    troupe_buffer bytes = {0};
    char *json = NULL;
    troupe_error error = decode(item, text, len, base64, &bytes, &reason);
    if (error == TROUPE_OK && (path != NULL || pretty)) {
        error = body_json(bytes.data != NULL ? (const char *)bytes.data : "", bytes.len, path,
                          pretty, BODY_DECODED_MAX, &json, &reason);
    }
    if (error == TROUPE_OK) {
        bool coded;
        json_t *value = json != NULL ? body_value(json, strlen(json), &coded)
                                     : body_value(bytes.data, bytes.len, &coded);
        lookup_reply(
            self, item,
            json_pack("{s:o,s:b,s:O?}", "body", value, "base64Encoded", coded, "mime", mime));
    } else {
        lookup_fault(self, item, error, "%s", reason.text);
    }
    free(json);
    troupe_buffer_fini(&bytes);
}

static void give_body(troupe_actor *self, lookup *item, const char *text, size_t len, bool base64)
{
    if (text == NULL) {
        char why[sizeof item->error.text];
        snprintf(why, sizeof why, "%s", item->error.text);
        lookup_fault(self, item, TROUPE_ENOTFOUND, "%s", why);
        return;
    }
    json_t *mime = mime_of(item);
    if (wants_tools(item)) {
        give_made(self, item, text, len, base64, mime);
    } else {
        lookup_reply(self, item,
                     json_pack("{s:o,s:b,s:O?}", "body", json_stringn(text, len), "base64Encoded",
                               base64, "mime", mime));
    }
}

static bool asked_for_body(const lookup *item)
{
    return json_is_true(json_object_get(item->params, "body")) ||
           har_entry_wants(json_object_get(item->params, "fields"), "response.content");
}

static void body_or_reply(troupe_actor *self, lookup *item)
{
    if (asked_for_body(item)) {
        find_body(self, item);
    } else {
        reply_entry(self, item);
    }
}

static json_t *frames_of(const json_t *rows, const char *direction)
{
    size_t i;
    json_t *row;
    json_t *list = json_array();
    json_array_foreach(rows, i, row)
    {
        const char *which = json_string_value(json_object_get(row, "direction"));
        if (which != NULL && strcmp(which, direction) == 0) {
            json_object_del(row, "direction");
            json_array_append(list, row);
        }
    }
    return list;
}

static void frames_came(troupe_actor *self, lookup *item, const json_t *answer)
{
    json_t *entry = json_object_get(item->entry, "entry");
    const json_t *rows = json_object_get(answer, "rows");
    json_t *frames = json_object();
    json_object_set_new(frames, "sent", frames_of(rows, "sent"));
    json_object_set_new(frames, "received", frames_of(rows, "received"));
    json_object_set_new(json_object_get(entry, "websocket"), "frames", frames);
    body_or_reply(self, item);
}

static void detailed(troupe_actor *self, lookup *item, const json_t *answer)
{
    json_t *row = json_array_get(json_object_get(answer, "rows"), 0);
    int64_t id = json_integer_value(json_object_get(item->params, "id"));
    if (row == NULL) {
        lookup_fault(self, item, TROUPE_ENOTFOUND, "Request %lld not found", (long long)id);
        return;
    }
    bool only = wants_body_only(item);
    json_object_set(item->entry, "row", row);
    if (only) {
        find_body(self, item);
        return;
    }
    json_object_set_new(item->entry, "entry", har_entry(row));
    if (!har_entry_wants(json_object_get(item->params, "fields"), "websocket.frames") ||
        !json_is_integer(json_object_get(row, "frames_sent"))) {
        body_or_reply(self, item);
        return;
    }
    lookup_sql sql = {0};
    lookup_sql_add(&sql, "SELECT direction, opcode, payload AS payloadData, masked AS mask,"
                         " wall_us/1000000.0 AS timestamp FROM websocket_frame WHERE request=?"
                         " ORDER BY id");
    lookup_sql_integer(&sql, id);
    lookup_query(self, item, &sql, FRAMES_MAX, frames_came);
}

static void look_up_request(troupe_actor *self, lookup *item)
{
    lookup_sql sql = {0};
    lookup_sql_add(
        &sql, "SELECT *, EXISTS(SELECT 1 FROM request n WHERE"
              " n.request_id=har_entry.request_id AND n.uid=har_entry.uid AND"
              " n.target=har_entry.target AND n.hop>har_entry.hop) AS redirected," TARGET_STATE_SQL(
                  "har_entry") " FROM har_entry WHERE id=?");
    lookup_sql_integer(&sql, json_integer_value(json_object_get(item->params, "id")));
    lookup_sql_targets(&sql, item);
    lookup_query(self, item, &sql, 1, detailed);
}

static bool check_fields(troupe_actor *self, lookup *item)
{
    const json_t *fields = json_object_get(item->params, "fields");
    if (fields == NULL || json_is_null(fields) || json_is_array(fields)) {
        return true;
    }
    lookup_fault(self, item, TROUPE_EPARAMS, "fields: a list of strings is needed");
    return false;
}

/* The params of the tools. */
static bool check_tools(troupe_actor *self, lookup *item)
{
    static const char *const parts[] = {"response", "request", NULL};
    const char *text = NULL;
    bool pretty = false;
    size_t i;
    json_t *name;
    json_array_foreach(json_object_get(item->params, "decode"), i, name)
    {
        if (!json_is_string(name)) {
            lookup_fault(self, item, TROUPE_EPARAMS, "decode: a list of strings is needed");
            return false;
        }
    }
    return lookup_param_word(self, item, "part", parts, &text) &&
           lookup_param_string(self, item, "path", &text) &&
           lookup_param_boolean(self, item, "pretty", &pretty);
}

static void request(troupe_actor *self, lookup *item, bool body_only)
{
    int64_t id = 0;
    bool body = false;
    if (!lookup_param_integer(self, item, "id", 1, INT64_MAX, &id) ||
        !lookup_param_boolean(self, item, "body", &body) || !check_fields(self, item) ||
        (body_only && !check_tools(self, item))) {
        return;
    }
    if (id == 0) {
        lookup_fault(self, item, TROUPE_EPARAMS, "id: the number of a request is needed");
        return;
    }
    item->entry = json_object();
    if (body_only) {
        json_object_set_new(item->entry, "row_only", json_true());
    }
    const json_t *target = json_object_get(item->params, "target");
    if (target == NULL || json_is_null(target)) {
        look_up_request(self, item); /* the id is unique: tracked targets do not matter */
    } else {
        lookup_resolve(self, item, look_up_request);
    }
}

/* clear ------------------------------------------------------------------------------------------
 */

/* store.clear takes MessagePack, not JSON. */
static void clear_ended(troupe_actor *self, void *context, troupe_error error,
                        const troupe_envelope *answer)
{
    lookup *item = context;
    if (error != TROUPE_OK) {
        lookup_fault(self, item, error, "the store could not be cleared: %s",
                     troupe_error_text(error));
        return;
    }
    lookup_reply(self, item, json_payload(answer->payload));
}

static void clear(troupe_actor *self, lookup *item)
{
    bool purge = false;
    if (!lookup_param_boolean(self, item, "purge", &purge)) {
        return;
    }
    troupe_buffer payload = {0};
    troupe_address to = troupe_whereis(troupe_self_system(self), NAME_STORE);
    troupe_error error = troupe_pack(&payload, "{s:b}", "purge", (int)purge);
    if (error == TROUPE_OK) {
        error = to == 0
                    ? TROUPE_EUNAVAILABLE
                    : troupe_call(self, to, VERB_STORE_CLEAR, NULL, troupe_buffer_bytes(&payload),
                                  30000, clear_ended, item, NULL);
    }
    troupe_buffer_fini(&payload);
    if (error != TROUPE_OK) {
        lookup_fault(self, item, error, "the store is not there");
    }
}

/* The actor --------------------------------------------------------------------------------- */

static void run_list(troupe_actor *self, lookup *item)
{
    lookup_resolve(self, item, network_list);
}

static void run_har(troupe_actor *self, lookup *item)
{
    lookup_resolve(self, item, har_export);
}

static void run_request(troupe_actor *self, lookup *item)
{
    request(self, item, false);
}

static void run_body(troupe_actor *self, lookup *item)
{
    request(self, item, true);
}

static const lookup_method methods[] = {
    {"network", run_list}, {"request", run_request},   {"body", run_body},
    {"har", run_har},      {"har.import", har_import}, {"clear", clear},
};

static troupe_error network_receive(troupe_actor *self, void *state,
                                    const troupe_envelope *envelope)
{
    network *service = state;
    if (envelope->kind == TROUPE_EVENT) {
        network_list_event(self, service);
    } else if (envelope->kind == TROUPE_SIGNAL) {
        network_list_signal(self, service, envelope);
    } else if (envelope->kind == TROUPE_CALL &&
               !lookup_run(&service->calls, self, envelope, methods,
                           sizeof methods / sizeof *methods)) {
        troupe_fault(self, troupe_caller_of(envelope), TROUPE_EMETHOD, NULL, NULL);
    }
    return TROUPE_OK;
}

static void network_stop(troupe_actor *self, void *state, troupe_error reason)
{
    (void)self;
    (void)reason;
    network *service = state;
    lookups_fini(&service->calls);
    network_list_fini(service);
    free(service);
}

static const troupe_behaviour network_behaviour = {
    .kind = "network", .receive = network_receive, .stop = network_stop};

troupe_error network_prepare(troupe_actor *self, void *context, troupe_spawn_options *out)
{
    (void)self;
    (void)context;
    network *service = calloc(1, sizeof *service);
    if (service == NULL) {
        return TROUPE_ENOMEM;
    }
    *out = (troupe_spawn_options){
        .behaviour = &network_behaviour, .state = service, .name = NAME_NETWORK};
    return TROUPE_OK;
}
