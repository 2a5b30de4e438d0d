/* SPDX-License-Identifier: MIT */
/* The table of methods as a part of the manual. */
#include "methods.h"

#include <string.h>

/* Cells of a table hold no bars. */
static void put(FILE *out, const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '|') {
            fputs("\\|", out);
        } else {
            fputc(*text, out);
        }
    }
}

/* "a|b|c" as code, each. */
static void put_words(FILE *out, const char *words)
{
    while (*words != '\0') {
        size_t len = strcspn(words, "|");
        fprintf(out, "`%.*s`", (int)len, words);
        words += len;
        if (*words == '|') {
            fputs(", ", out);
            words++;
        }
    }
}

static void put_param(FILE *out, const method_param *param)
{
    char types[80];
    const char *mark = param->required ? "**" : "";
    method_types_text(param->types, types, sizeof types);
    fprintf(out, "%s`%s`%s ", mark, param->name, mark);
    if (param->choices != NULL) {
        put_words(out, param->choices);
    } else {
        fputs(types, out);
    }
    if (param->fallback != NULL) {
        fputs(" = `", out);
        put(out, param->fallback);
        fputs("`", out);
    }
    fputs(": ", out);
    put(out, param->doc);
}

static void put_row(FILE *out, const rpc_method *row)
{
    fprintf(out, "| `%s`%s | ", row->name, row->mutates ? " ✎" : "");
    put(out, row->doc);
    if (row->timeout_ms != 0 && row->timeout_ms != METHOD_TIMEOUT_MS) {
        fprintf(out, " (deadline %u s)", row->timeout_ms / 1000);
    }
    fputs(" | ", out);
    if (row->params[0].name == NULL) {
        fputs("–", out);
    }
    for (const method_param *param = row->params; param->name != NULL; param++) {
        fputs(param > row->params ? "<br>" : "", out);
        put_param(out, param);
    }
    fputs(" | `", out);
    put(out, row->result);
    fputs("` | ", out);
    put_words(out, row->states != NULL ? row->states : "");
    fputs(" | ", out);
    put_words(out, row->errors != NULL ? row->errors : "");
    fputs(" |\n", out);
}

void methods_markdown(FILE *out)
{
    const char *subject = "";
    for (const rpc_method *row = method_next(NULL); row != NULL; row = method_next(row)) {
        if (strcmp(subject, method_subject(row)) != 0) {
            subject = method_subject(row);
            fprintf(out,
                    "%s### %s\n\n"
                    "| method | does | params, in by-position order | result | needs | errors |\n"
                    "|---|---|---|---|---|---|\n",
                    row == method_next(NULL) ? "" : "\n", subject);
        }
        put_row(out, row);
    }
}
