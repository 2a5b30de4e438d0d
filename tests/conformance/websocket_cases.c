/* SPDX-License-Identifier: MIT */
/*
 * The cases of RFC 6455 and RFC 7692 for a client, numbered as the Autobahn suite numbers them,
 * played against transport/websocket: a client that sends back whatever it gets
 * (websocket_stage.h).
 *
 *   websocket_cases               all; fails if one does
 *   websocket_cases --only 6.4    one, or those that begin so
 *   websocket_cases --table       what docs/websocket-cases.md holds
 *   websocket_cases --docs FILE   fails too if the file holds something else
 */
#include "websocket_book.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void summary(const book *b, char *out, size_t size)
{
    snprintf(out, size, "%u cases: %u pass, %u pass not strictly, %u are informational, %u fail.",
             b->count, b->strict, b->lenient, b->informational, b->failed);
}

static char *page(const book *b)
{
    char *text = NULL;
    char counts[200];
    summary(b, counts, sizeof counts);
    if (asprintf(&text,
                 "# WebSocket cases\n\n"
                 "What the WebSocket client does with what a server may send, case by case. The "
                 "numbers are "
                 "those of the Autobahn suite\n(its cases for clients); the cases are written "
                 "anew, and played by "
                 "`tests/conformance/websocket_cases.c` against a client that\nsends back each "
                 "message it gets. "
                 "This page is that program's output (`--table`), and the test run compares "
                 "it. Cases that begin with T are ours alone.\n\n%s\n\n"
                 "| case | the server sends | the client must | verdict |\n|---|---|---|---|\n%s",
                 counts, b->rows != NULL ? b->rows : "") < 0) {
        abort();
    }
    return text;
}

/* Whether the file holds the text. */
static bool holds(const char *path, const char *text)
{
    size_t len = strlen(text);
    char *have = malloc(len + 2);
    FILE *in = fopen(path, "r");
    size_t n = in != NULL ? fread(have, 1, len + 1, in) : 0;
    bool same = n == len && memcmp(have, text, len) == 0;
    if (in != NULL) {
        fclose(in);
    }
    free(have);
    return same;
}

int main(int argc, char **argv)
{
    static book b;
    char counts[200];
    int status = 0;
    const char *what = argc > 1 ? argv[1] : "";
    signal(SIGPIPE, SIG_IGN);
    book_init(&b);
    b.only = strcmp(what, "--only") == 0 && argc > 2 ? argv[2] : NULL;
    frame_cases(&b);
    text_cases(&b);
    close_cases(&b);
    size_cases(&b);
    deflate_cases(&b);
    char *text = page(&b);
    summary(&b, counts, sizeof counts);
    if (strcmp(what, "--table") == 0) {
        fputs(text, stdout);
    } else {
        puts(b.only != NULL && b.rows != NULL ? b.rows : counts);
    }
    if (strcmp(what, "--docs") == 0 && argc > 2 && !holds(argv[2], text)) {
        fprintf(stderr, "%s is not what these cases say: websocket_cases --table > %s\n", argv[2],
                argv[2]);
        status = 1;
    }
    status = b.failed > 0 || b.count == 0 ? 1 : status;
    free(text);
    book_fini(&b);
    return status;
}
