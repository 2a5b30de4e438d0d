/* SPDX-License-Identifier: MIT */
/* HAR files on their way into a host. */
#include "har_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PIECE_BYTES (6u << 20) /* a call may have 16 MiB */
#define ENTRY_BYTES (15u << 20)

json_t *har_file_read(const char *path)
{
    json_error_t flaw;
    bool standard = strcmp(path, "-") == 0;
    FILE *in = standard ? stdin : fopen(path, "re");
    if (in == NULL) {
        cli_error("%s: %s", path, strerror(errno));
        return NULL;
    }
    json_t *har = json_loadf(in, 0, &flaw);
    if (!standard) {
        (void)fclose(in);
    }
    if (har == NULL) {
        cli_error("%s: line %d, column %d: %s", path, flaw.line, flaw.column, flaw.text);
    } else if (!json_is_array(json_object_get(json_object_get(har, "log"), "entries"))) {
        cli_error("%s: not a HAR: no log.entries", path);
        json_decref(har);
        har = NULL;
    }
    return har;
}

/* The pages that entries of the piece belong to. */
static json_t *pages_of(const json_t *log, const json_t *entries)
{
    size_t i;
    json_t *item;
    json_t *used = json_object();
    json_t *pages = json_array();
    json_array_foreach(entries, i, item)
    {
        const char *page = json_string_value(json_object_get(item, "pageref"));
        if (page != NULL) {
            json_object_set_new(used, page, json_true());
        }
    }
    json_array_foreach(json_object_get(log, "pages"), i, item)
    {
        const char *id = json_string_value(json_object_get(item, "id"));
        if (id != NULL && json_object_get(used, id) != NULL) {
            json_array_append(pages, item);
        }
    }
    json_decref(used);
    return pages;
}

static void add_number(json_t *sum, const json_t *part, const char *name)
{
    json_int_t value = json_integer_value(json_object_get(sum, name)) +
                       json_integer_value(json_object_get(part, name));
    json_object_set_new(sum, name, json_integer(value));
}

/* Targets and warnings that are not there yet. */
static void add_list(json_t *sum, const json_t *part, const char *name)
{
    size_t i;
    size_t k;
    json_t *item;
    json_t *there;
    json_t *list = json_object_get(sum, name);
    json_array_foreach(json_object_get(part, name), i, item)
    {
        bool known = false;
        json_array_foreach(list, k, there)
        {
            known = known || json_equal(there, item);
        }
        if (!known) {
            json_array_append(list, item);
        }
    }
}

static void add_result(json_t **sum, json_t *part)
{
    if (*sum == NULL) {
        *sum = part;
        return;
    }
    add_number(*sum, part, "requests");
    add_number(*sum, part, "bodies");
    add_list(*sum, part, "targets");
    add_list(*sum, part, "warnings");
    json_decref(part);
}

static int send_piece(cli *self, const json_t *log, const json_t *entries, json_t **sum)
{
    json_t *params = json_pack("{s:{s:{s:O*,s:O*,s:O,s:o}},s:O*}", "har", "log", "browser",
                               json_object_get(log, "browser"), "creator",
                               json_object_get(log, "creator"), "entries", entries, "pages",
                               pages_of(log, entries), "into", json_object_get(*sum, "browser"));
    json_t *part = NULL;
    int status = cli_call(self, "har.import", params, &part);
    if (status == CLI_OK) {
        add_result(sum, part);
    }
    return status;
}

/* Without its body, which no call can hold. */
static json_t *without_body(const cli *self, const json_t *entry, size_t i)
{
    json_t *copy = json_deep_copy(entry);
    json_t *content = json_object_get(json_object_get(copy, "response"), "content");
    (void)json_object_del(content, "text");
    (void)json_object_del(content, "encoding");
    cli_notice(self, "entry %zu: its body is larger than %u MiB and is left out", i,
               ENTRY_BYTES >> 20);
    return copy;
}

int har_file_import(cli *self, const json_t *har, json_t **result)
{
    size_t i;
    json_t *entry;
    size_t bytes = 0;
    int status = CLI_OK;
    const json_t *log = json_object_get(har, "log");
    json_t *piece = json_array();
    *result = NULL;
    json_array_foreach(json_object_get(log, "entries"), i, entry)
    {
        size_t its = json_dumpb(entry, NULL, 0, JSON_COMPACT);
        if (bytes > 0 && bytes + its > PIECE_BYTES) {
            status = send_piece(self, log, piece, result);
            json_array_clear(piece);
            bytes = 0;
        }
        if (status != CLI_OK) {
            break;
        }
        json_array_append_new(piece, its > ENTRY_BYTES ? without_body(self, entry, i)
                                                       : json_incref(entry));
        bytes += its;
    }
    if (status == CLI_OK && (json_array_size(piece) > 0 || *result == NULL)) {
        status = send_piece(self, log, piece, result);
    }
    json_decref(piece);
    if (status != CLI_OK) {
        json_decref(*result);
        *result = NULL;
    }
    return status;
}
