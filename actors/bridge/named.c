/* SPDX-License-Identifier: MIT */
/* Calls and casts to actors by name, and their answers as JSON. */
#include "named.h"

#include "actors/json_call.h"

#include <msgpack.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VERB_BYTES_MAX 255

/* The actor of `name`: a name or an address. 0: nobody has the name. */
static troupe_address find_actor(bridge *server, const json_t *params)
{
    const json_t *name = json_object_get(params, "name");
    if (json_is_integer(name)) {
        json_int_t address = json_integer_value(name);
        return address > 0 && address < (1LL << 53) ? (troupe_address)address : 0;
    }
    return troupe_whereis(server->system, json_string_value(name));
}

/* One line of text, not too long. */
static bool verb_valid(const char *verb)
{
    size_t len = strlen(verb);
    bool valid = len >= 1 && len <= VERB_BYTES_MAX;
    for (size_t i = 0; i < len; i++) {
        valid = valid && (unsigned char)verb[i] >= 0x20 && verb[i] != 0x7f;
    }
    return valid;
}

void named_prepare(bridge *server, rpc_call *call)
{
    const char *verb = json_string_value(json_object_get(call->params, "verb"));
    const json_t *payload = json_object_get(call->params, "payload");
    if (!verb_valid(verb)) {
        rpc_call_fault(server, call, TROUPE_EPARAMS, NULL,
                       "\"verb\" must have 1 to 255 bytes and no control characters");
        return;
    }
    call->to = find_actor(server, call->params);
    if (call->to == 0) {
        rpc_call_fault(server, call, TROUPE_ENOTFOUND, NULL, "no actor has that name");
        return;
    }
    call->verb = call->own_verb = strdup(verb);
    if (call->verb == NULL ||
        (payload != NULL && json_pack_payload(&call->payload, payload) != TROUPE_OK)) {
        rpc_call_fault(server, call, TROUPE_ENOMEM, NULL, NULL);
        return;
    }
    json_decref(call->params);
    call->params = NULL;
    call->state = strcmp(call->method->name, "actor.post") == 0 ? RPC_POST : RPC_CALL;
}

/* Payloads as JSON -------------------------------------------------------------------------- */

static json_t *value_of(const msgpack_object *object);

static json_t *list_of(const msgpack_object_array *array)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < array->size; i++) {
        if (json_array_append_new(list, value_of(&array->ptr[i])) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

static json_t *object_of(const msgpack_object_map *map)
{
    json_t *object = json_object();
    for (uint32_t i = 0; i < map->size; i++) {
        const msgpack_object *key = &map->ptr[i].key;
        json_t *value = value_of(&map->ptr[i].val);
        bool text = key->type == MSGPACK_OBJECT_STR;
        char *name = text ? strndup(key->via.str.ptr, key->via.str.size) : NULL;
        bool kept = name != NULL && json_object_set_new(object, name, value) == 0;
        if (name == NULL) {
            json_decref(value);
        }
        free(name);
        if (!kept) {
            json_decref(object);
            return NULL;
        }
    }
    return object;
}

static json_t *text_of(const msgpack_object_ext *ext)
{
    bool json = ext->type == TROUPE_EXT_JSON && rpc_depth_within(ext->ptr, ext->size);
    return json ? json_loadb(ext->ptr, ext->size, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL) : NULL;
}

static json_t *value_of(const msgpack_object *object)
{
    switch (object->type) {
    case MSGPACK_OBJECT_NIL:
        return json_null();
    case MSGPACK_OBJECT_BOOLEAN:
        return json_boolean(object->via.boolean);
    case MSGPACK_OBJECT_POSITIVE_INTEGER:
        return object->via.u64 <= INT64_MAX ? json_integer((json_int_t)object->via.u64)
                                            : json_real((double)object->via.u64);
    case MSGPACK_OBJECT_NEGATIVE_INTEGER:
        return json_integer(object->via.i64);
    case MSGPACK_OBJECT_FLOAT32:
    case MSGPACK_OBJECT_FLOAT64:
        return json_real(object->via.f64);
    case MSGPACK_OBJECT_STR:
        return json_stringn(object->via.str.ptr, object->via.str.size);
    case MSGPACK_OBJECT_BIN:
        return json_base64(object->via.bin.ptr, object->via.bin.size);
    case MSGPACK_OBJECT_ARRAY:
        return list_of(&object->via.array);
    case MSGPACK_OBJECT_MAP:
        return object_of(&object->via.map);
    case MSGPACK_OBJECT_EXT:
        return text_of(&object->via.ext);
    }
    return NULL;
}

json_t *named_value(troupe_bytes payload)
{
    size_t len;
    if (payload.len == 0) {
        return json_null();
    }
    if (troupe_pack_walk(payload, &len) != TROUPE_OK) { /* msgpack-c reserves what a count says */
        return NULL;
    }
    msgpack_unpacked unpacked;
    msgpack_unpacked_init(&unpacked);
    json_t *value = NULL;
    if (msgpack_unpack_next(&unpacked, (const char *)payload.data, len, NULL) ==
        MSGPACK_UNPACK_SUCCESS) {
        value = value_of(&unpacked.data);
    }
    msgpack_unpacked_destroy(&unpacked);
    return value;
}
