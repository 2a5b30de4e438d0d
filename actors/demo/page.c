/* SPDX-License-Identifier: MIT */
/* Files and templates of the demo site. */
#include "actors/demo/page.h"

#include "actors/assets.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct media_type {
    const char *suffix;
    const char *type;
    bool is_template;
} media_type;

static const media_type MEDIA_TYPES[] = {
    {".html", "text/html; charset=utf-8", true},
    {".css", "text/css; charset=utf-8", true},
    {".js", "text/javascript; charset=utf-8", false},
    {".json", "application/json", false},
    {".svg", "image/svg+xml", false},
    {".png", "image/png", false},
};

static const media_type *media_type_of(const char *path)
{
    const char *suffix = strrchr(path, '.');
    for (size_t i = 0; suffix && i < sizeof MEDIA_TYPES / sizeof *MEDIA_TYPES; i++) {
        if (strcmp(MEDIA_TYPES[i].suffix, suffix) == 0)
            return &MEDIA_TYPES[i];
    }
    return NULL;
}

bool page_find(const char *path, page_file *out)
{
    const char *name = strcmp(path, "/") == 0 ? "index.html" : path + 1;
    const media_type *media = path[0] == '/' ? media_type_of(name) : NULL;
    for (const asset *row = asset_table; media && row->path; row++) {
        if (strncmp(row->path, "demo/", 5) == 0 && strcmp(row->path + 5, name) == 0) {
            *out = (page_file){media->type, row->data, row->len, media->is_template};
            return true;
        }
    }
    return false;
}

/* Copy the value of `name` into out if it consists of allowed characters only and fits. */
static void read_member(const char *query, const char *name, const char *allowed, char *out,
                        size_t size)
{
    size_t name_len = strlen(name);
    for (const char *at = query; at; at = strchr(at, '&'), at = at ? at + 1 : NULL) {
        if (strncmp(at, name, name_len) != 0 || at[name_len] != '=')
            continue;
        const char *value = at + name_len + 1;
        size_t len = strspn(value, allowed);
        if (len > 0 && len < size && (value[len] == '&' || value[len] == '\0')) {
            memcpy(out, value, len);
            out[len] = '\0';
        }
        return;
    }
}

void page_query_read(const char *query, page_query *out)
{
    *out = (page_query){.n = "1"};
    read_member(query, "n", "0123456789", out->n, sizeof out->n);
    read_member(query, "run", "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.",
                out->run, sizeof out->run);
}

/* Append to an open memory stream, with the two placeholders replaced. */
static void fill_into(FILE *stream, const page_file *file, const page_query *query)
{
    char both[96];
    snprintf(both, sizeof both, query->run[0] ? "n=%s&run=%s" : "n=%s", query->n, query->run);
    const char *at = (const char *)file->data; /* embedded files end with a NUL */
    for (const char *mark = strstr(at, "{{"); mark; mark = strstr(at, "{{")) {
        const char *end = strstr(mark, "}}");
        if (!end)
            break;
        fwrite(at, 1, (size_t)(mark - at), stream);
        fputs(strncmp(mark, "{{query}}", 9) == 0 ? both : query->n, stream);
        at = end + 2;
    }
    fputs(at, stream);
}

char *page_fill(const page_file *file, const page_query *query, size_t *len)
{
    char *text = NULL;
    FILE *stream = open_memstream(&text, len);
    if (!stream)
        return NULL;
    fill_into(stream, file, query);
    if (fclose(stream) != 0) {
        free(text);
        return NULL;
    }
    return text;
}
