/* SPDX-License-Identifier: MIT */
/* The envelope codec, against the vectors of docs/envelope.md, msgpack-c and hostile input. */
#include "troupe/envelope.h"

#include <criterion/criterion.h>
#include <libgen.h>
#include <msgpack.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef enum vector_kind {
    VECTOR_BOTH,
    VECTOR_READ,
    VECTOR_REFUSE,
    VECTOR_EDGE, /* both, at the edge */
    VECTOR_EDGE_REFUSE,
} vector_kind;

typedef struct vector {
    vector_kind kind;
    char name[256];
    troupe_envelope fields;
    char to_name[64]; /* empty: `to` is a number */
    char verb[256];
    char trace[64];
    char session[64];
    uint8_t payload[256];
    uint8_t bytes[512];
    size_t len;
} vector;

static size_t parse_hex(const char *text, uint8_t *out)
{
    size_t len = 0;
    unsigned byte;
    int used;
    while (sscanf(text, " %2x%n", &byte, &used) == 1) {
        out[len++] = (uint8_t)byte;
        text += used;
    }
    return len;
}

static void parse_field(vector *v, const char *line)
{
    char key[32];
    char value[256] = "";
    if (line[0] == ' ') {
        v->len += parse_hex(line, v->bytes + v->len);
        return;
    }
    if (sscanf(line, "%31[^:]: %255[^\n]", key, value) < 1)
        return;
    if (strcmp(key, "name") == 0 || strcmp(key, "read") == 0 || strcmp(key, "refuse") == 0) {
        v->kind = key[2] == 'm' ? VECTOR_BOTH : key[2] == 'a' ? VECTOR_READ : VECTOR_REFUSE;
        snprintf(v->name, sizeof v->name, "%s", value);
    } else if (strcmp(key, "edge") == 0 || strcmp(key, "edge refuse") == 0) {
        v->kind = strcmp(key, "edge") == 0 ? VECTOR_EDGE : VECTOR_EDGE_REFUSE;
        snprintf(v->name, sizeof v->name, "%s", value);
    } else if (strcmp(key, "to_name") == 0) {
        snprintf(v->to_name, sizeof v->to_name, "%.63s", value);
    } else if (strcmp(key, "kind") == 0) {
        v->fields.kind = (troupe_kind)atoi(value);
    } else if (strcmp(key, "to") == 0) {
        v->fields.to = strtoull(value, NULL, 10);
    } else if (strcmp(key, "from") == 0) {
        v->fields.from = strtoull(value, NULL, 10);
    } else if (strcmp(key, "ref") == 0) {
        v->fields.ref = strtoull(value, NULL, 10);
    } else if (strcmp(key, "verb") == 0) {
        v->fields.verb = strcpy(v->verb, value);
        v->fields.verb_len = strlen(value);
    } else if (strcmp(key, "timeout_ms") == 0) {
        v->fields.meta.timeout_ms = (uint32_t)strtoul(value, NULL, 10);
    } else if (strcmp(key, "epoch") == 0) {
        v->fields.meta.has_epoch = true;
        v->fields.meta.epoch = strtoull(value, NULL, 10);
    } else if (strcmp(key, "trace") == 0) {
        v->fields.meta.trace = strcpy(v->trace, value);
        v->fields.meta.trace_len = strlen(value);
    } else if (strcmp(key, "session") == 0) {
        v->fields.meta.session = strcpy(v->session, value);
        v->fields.meta.session_len = strlen(value);
    } else if (strcmp(key, "payload") == 0) {
        v->fields.payload.len = parse_hex(value, v->payload);
        v->fields.payload.data = v->payload;
    }
}

static FILE *open_document(void)
{
    char here[1024];
    char path[1200];
    snprintf(here, sizeof here, "%s", __FILE__);
    snprintf(path, sizeof path, "%s/../../../docs/envelope.md", dirname(here));
    FILE *file = fopen(path, "r");
    cr_assert(file != NULL, "%s", path);
    return file;
}

static unsigned each_vector(void (*check)(const vector *v))
{
    FILE *file = open_document();
    static vector v;
    char line[512];
    bool inside = false;
    unsigned count = 0;
    while (fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, "```", 3) != 0) {
            if (inside)
                parse_field(&v, line);
            continue;
        }
        inside = !inside;
        if (inside) {
            memset(&v, 0, sizeof v);
        } else {
            check(&v);
            count++;
        }
    }
    fclose(file);
    return count;
}

static bool same_text(const char *a, size_t a_len, const char *b, size_t b_len)
{
    return (a == NULL) == (b == NULL) && a_len == b_len && (a == NULL || memcmp(a, b, a_len) == 0);
}

static void check_fields(const char *name, const troupe_envelope *a, const troupe_envelope *b)
{
    cr_assert(a->kind == b->kind && a->to == b->to && a->from == b->from && a->ref == b->ref, "%s",
              name);
    cr_assert(same_text(a->verb, a->verb_len, b->verb, b->verb_len), "%s", name);
    cr_assert(a->meta.timeout_ms == b->meta.timeout_ms && a->meta.has_epoch == b->meta.has_epoch &&
                  a->meta.epoch == b->meta.epoch,
              "%s", name);
    cr_assert(same_text(a->meta.trace, a->meta.trace_len, b->meta.trace, b->meta.trace_len), "%s",
              name);
    cr_assert(same_text(a->meta.session, a->meta.session_len, b->meta.session, b->meta.session_len),
              "%s", name);
    cr_assert(same_text((const char *)a->payload.data, a->payload.len,
                        (const char *)b->payload.data, b->payload.len),
              "%s", name);
}

/* A copy with nothing behind it, so that a sanitizer sees any read beyond. */
static troupe_bytes exact(const uint8_t *data, size_t len)
{
    uint8_t *copy = malloc(len > 0 ? len : 1);
    memcpy(copy, data, len);
    troupe_bytes bytes = {copy, len};
    return bytes;
}

static void release(troupe_bytes bytes)
{
    union {
        const uint8_t *constant;
        uint8_t *ours;
    } data = {.constant = bytes.data};
    free(data.ours);
}

static void check_edge_vector(const vector *v)
{
    troupe_bytes bytes = exact(v->bytes, v->len);
    troupe_envelope read;
    const char *name = NULL;
    size_t name_len = 0;
    size_t used = 0;
    troupe_error error = troupe_envelope_read_edge(bytes, &read, &name, &name_len, &used);
    if (v->kind == VECTOR_EDGE_REFUSE || v->kind == VECTOR_REFUSE) {
        bool inside_only = strstr(v->name, "only at the system's edge") != NULL;
        cr_assert(error == (inside_only ? TROUPE_OK : TROUPE_EPROTOCOL), "%s", v->name);
        release(bytes);
        return;
    }
    cr_assert(error == TROUPE_OK, "%s", v->name);
    cr_assert(used == v->len, "%s", v->name);
    check_fields(v->name, &v->fields, &read);
    cr_assert(
        same_text(name, name_len, v->to_name[0] != '\0' ? v->to_name : NULL, strlen(v->to_name)),
        "%s", v->name);
    if (v->kind == VECTOR_EDGE) {
        const char *to = v->to_name[0] != '\0' ? v->to_name : NULL;
        troupe_error inside = troupe_envelope_read(bytes, &read, &used);
        cr_assert(inside == (to != NULL ? TROUPE_EPROTOCOL : TROUPE_OK), "%s", v->name);
        troupe_buffer buffer = {0};
        cr_assert(troupe_envelope_write_edge(&buffer, &v->fields, to) == TROUPE_OK);
        cr_assert(buffer.len == v->len && memcmp(buffer.data, v->bytes, v->len) == 0, "%s",
                  v->name);
        troupe_buffer_fini(&buffer);
    }
    release(bytes);
}

static void check_vector(const vector *v)
{
    check_edge_vector(v);
    if (v->kind == VECTOR_EDGE || v->kind == VECTOR_EDGE_REFUSE)
        return;
    troupe_bytes bytes = exact(v->bytes, v->len);
    troupe_envelope read;
    size_t used = 0;
    troupe_error error = troupe_envelope_read(bytes, &read, &used);
    if (v->kind == VECTOR_REFUSE) {
        cr_assert(error == TROUPE_EPROTOCOL, "%s", v->name);
        release(bytes);
        return;
    }
    cr_assert(error == TROUPE_OK, "%s", v->name);
    cr_assert(used == v->len, "%s", v->name);
    check_fields(v->name, &v->fields, &read);
    release(bytes);
    if (v->kind != VECTOR_BOTH)
        return;
    troupe_buffer buffer = {0};
    cr_assert(troupe_envelope_write(&buffer, &v->fields) == TROUPE_OK);
    cr_assert(buffer.len == v->len && memcmp(buffer.data, v->bytes, v->len) == 0, "%s", v->name);
    troupe_buffer_fini(&buffer);
}

Test(envelope, document_vectors_hold)
{
    cr_assert(each_vector(check_vector) >= 44);
}

static void check_every_cut(const vector *v)
{
    if (v->kind == VECTOR_REFUSE || v->kind == VECTOR_EDGE_REFUSE)
        return;
    for (size_t len = 0; len < v->len; len++) {
        troupe_bytes cut = exact(v->bytes, len);
        troupe_envelope read;
        size_t used;
        cr_assert(troupe_envelope_read(cut, &read, &used) == TROUPE_EPROTOCOL, "%s at %zu", v->name,
                  len);
        const char *name;
        size_t name_len;
        cr_assert(troupe_envelope_read_edge(cut, &read, &name, &name_len, &used) ==
                      TROUPE_EPROTOCOL,
                  "%s at %zu", v->name, len);
        release(cut);
    }
}

Test(envelope, cut_anywhere_is_refused)
{
    each_vector(check_every_cut);
}

static uint64_t random_state;

static uint64_t random_next(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

/* What we accept, msgpack-c must accept too, with the same end. */
static void compare_with_oracle(troupe_bytes bytes)
{
    troupe_envelope read;
    const char *name;
    size_t name_len;
    size_t used;
    if (troupe_envelope_read_edge(bytes, &read, &name, &name_len, &used) != TROUPE_OK &&
        troupe_envelope_read(bytes, &read, &used) != TROUPE_OK)
        return;
    cr_assert(used <= bytes.len);
    msgpack_unpacked oracle;
    msgpack_unpacked_init(&oracle);
    size_t end = 0;
    int result = msgpack_unpack_next(&oracle, (const char *)bytes.data, used, &end);
    cr_assert(result == MSGPACK_UNPACK_SUCCESS);
    cr_assert(end == used);
    cr_assert(oracle.data.type == MSGPACK_OBJECT_ARRAY && oracle.data.via.array.size == 8);
    const msgpack_object *to = &oracle.data.via.array.ptr[2];
    cr_assert(to->type == MSGPACK_OBJECT_STR ? to->via.str.size == name_len && read.to == 0
                                             : to->via.u64 == read.to);
    msgpack_unpacked_destroy(&oracle);
}

static void check_mutations(const vector *v)
{
    for (int round = 0; round < 3000; round++) {
        uint8_t data[512];
        memcpy(data, v->bytes, v->len);
        if (v->len == 0)
            return;
        for (uint64_t changes = 1 + random_next() % 3; changes > 0; changes--)
            data[random_next() % v->len] = (uint8_t)random_next();
        troupe_bytes bytes = exact(data, v->len);
        compare_with_oracle(bytes);
        release(bytes);
    }
}

Test(envelope, mutated_bytes_are_refused_or_valid_messagepack)
{
    const char *given = getenv("TROUPE_TEST_SEED");
    random_state = given != NULL ? strtoull(given, NULL, 10) : 20251121;
    fprintf(stderr, "seed %llu\n", (unsigned long long)random_state);
    each_vector(check_mutations);
}

Test(envelope, bundle_is_read_one_by_one)
{
    troupe_buffer buffer = {0};
    troupe_envelope e = {.kind = TROUPE_EVENT, .to = 65537, .verb = "e", .verb_len = 1};
    for (uint64_t i = 0; i < 10; i++) {
        e.from = i + 1;
        cr_assert(troupe_envelope_write(&buffer, &e) == TROUPE_OK);
    }
    troupe_bytes rest = troupe_buffer_bytes(&buffer);
    for (uint64_t i = 0; i < 10; i++) {
        troupe_envelope read;
        size_t used;
        cr_assert(troupe_envelope_read(rest, &read, &used) == TROUPE_OK);
        cr_assert(read.from == i + 1);
        rest.data += used;
        rest.len -= used;
    }
    cr_assert(rest.len == 0);
    troupe_buffer_fini(&buffer);
}

Test(envelope, write_outside_the_bounds_is_einval)
{
    troupe_buffer buffer = {0};
    char verb[300];
    memset(verb, 'v', sizeof verb);
    troupe_envelope e = {.kind = TROUPE_CAST, .to = 1ULL << 53, .verb = verb, .verb_len = 1};
    cr_assert(troupe_envelope_write(&buffer, &e) == TROUPE_EINVAL);
    e.to = 1;
    e.verb_len = 0;
    cr_assert(troupe_envelope_write(&buffer, &e) == TROUPE_EINVAL);
    e.verb_len = 256;
    cr_assert(troupe_envelope_write(&buffer, &e) == TROUPE_EINVAL);
    e.verb_len = 255;
    cr_assert(troupe_envelope_write(&buffer, &e) == TROUPE_OK);
    cr_assert(buffer.len > 255);
    troupe_buffer_fini(&buffer);
}

Test(envelope, malformed_fault_reads_as_eprotocol)
{
    static const uint8_t payload[] = {0x81, 0xa4, 'c', 'o', 'd', 'e', 0xa1, 'x'};
    troupe_envelope e = {.kind = TROUPE_FAULT, .payload = {payload, sizeof payload}};
    troupe_fault_view fault;
    troupe_fault_read(&e, &fault);
    cr_assert(fault.code == TROUPE_EPROTOCOL);
    cr_assert(fault.message != NULL && fault.data == NULL);
}

/* Whatever may be written can be read: else what stands behind it in a bundle would be lost. */
Test(envelope, bounds_of_every_field_are_written_and_read)
{
    static const uint64_t numbers[] = {
        0, 1, 0x7f, 0x80, 0xff, 0x100, 0xffff, 0x10000, 0xffffffff, 0x100000000, (1ULL << 53) - 1};
    static const uint64_t epochs[] = {0, 1ULL << 53, UINT64_MAX - 1, UINT64_MAX};
    static const size_t lengths[] = {0, 1, 31, 32, 255, 256, 65535};
    static char text[65536];
    memset(text, 'x', sizeof text);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        for (size_t j = 0; j < sizeof lengths / sizeof *lengths; j++) {
            size_t len = lengths[j];
            troupe_envelope e = {.kind = (troupe_kind)(i % (TROUPE_SIGNAL + 1)),
                                 .to = numbers[i],
                                 .from = numbers[sizeof numbers / sizeof *numbers - 1 - i],
                                 .ref = numbers[i],
                                 .verb = text,
                                 .verb_len = len < 1     ? 1
                                             : len > 255 ? 255
                                                         : len,
                                 .meta = {.timeout_ms = j % 2 ? UINT32_MAX : (uint32_t)i,
                                          .has_epoch = true,
                                          .epoch = epochs[j % 4],
                                          .trace = text,
                                          .trace_len = len,
                                          .session = i % 2 ? text : NULL,
                                          .session_len = i % 2 ? len : 0}};
            troupe_buffer buffer = {0};
            troupe_envelope back;
            size_t used;
            cr_assert(troupe_envelope_write(&buffer, &e) == TROUPE_OK);
            cr_assert(troupe_envelope_read(troupe_buffer_bytes(&buffer), &back, &used) ==
                      TROUPE_OK);
            cr_assert(used == buffer.len);
            cr_assert(back.to == e.to && back.from == e.from && back.ref == e.ref);
            cr_assert(back.verb_len == e.verb_len && back.meta.epoch == e.meta.epoch);
            cr_assert(back.meta.timeout_ms == e.meta.timeout_ms);
            cr_assert(back.meta.trace_len == len && back.meta.session_len == e.meta.session_len);
            troupe_buffer_fini(&buffer);
        }
    }
}
