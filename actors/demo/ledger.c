/* SPDX-License-Identifier: MIT */
/* The ledger of the demo site. One lock guards the whole book; nothing is called under it that
 * could block. */
#include "actors/demo/ledger.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

typedef struct ledger_row {
    ledger_kind kind;
    char method[8];
    char *path; /* owned */
    int status; /* 0 until it ended; a WebSocket has 101 while it is open */
    bool ended;
    uint64_t bytes;
    uint64_t messages;
} ledger_row;

struct ledger {
    pthread_mutex_t lock; /* guards all that follows */
    ledger_row *rows;
    size_t count;
    size_t capacity;
    size_t rows_max;
    uint64_t base; /* numbers up to this one were forgotten */
    uint64_t lost;
};

ledger *ledger_create(size_t rows_max)
{
    ledger *book = calloc(1, sizeof *book);
    if (!book)
        return NULL;
    if (pthread_mutex_init(&book->lock, NULL) != 0) {
        free(book);
        return NULL;
    }
    book->rows_max = rows_max;
    return book;
}

static void forget_locked(ledger *book)
{
    for (size_t i = 0; i < book->count; i++)
        free(book->rows[i].path);
    book->base += book->count;
    book->count = 0;
    book->lost = 0;
}

void ledger_destroy(ledger *book)
{
    if (!book)
        return;
    forget_locked(book);
    free(book->rows);
    pthread_mutex_destroy(&book->lock);
    free(book);
}

static bool grow_locked(ledger *book)
{
    if (book->count < book->capacity)
        return true;
    if (book->count >= book->rows_max)
        return false;
    size_t capacity = book->capacity ? book->capacity * 2 : 64;
    ledger_row *rows = realloc(book->rows, capacity * sizeof *rows);
    if (!rows)
        return false;
    book->rows = rows;
    book->capacity = capacity;
    return true;
}

static ledger_row *row_locked(ledger *book, uint64_t row)
{
    if (row <= book->base || row - book->base > book->count)
        return NULL;
    return &book->rows[row - book->base - 1];
}

uint64_t ledger_enter(ledger *book, ledger_kind kind, const char *method, const char *path)
{
    char *copy = strdup(path);
    uint64_t number = 0;
    pthread_mutex_lock(&book->lock);
    if (copy && grow_locked(book)) {
        ledger_row *row = &book->rows[book->count++];
        *row = (ledger_row){.kind = kind, .path = copy};
        strncpy(row->method, method, sizeof row->method - 1);
        number = book->base + book->count;
        copy = NULL;
    } else {
        book->lost++;
    }
    pthread_mutex_unlock(&book->lock);
    free(copy);
    return number;
}

void ledger_finish(ledger *book, uint64_t number, int status, uint64_t body_bytes)
{
    pthread_mutex_lock(&book->lock);
    ledger_row *row = row_locked(book, number);
    if (row) {
        row->status = status;
        row->bytes = body_bytes;
        row->ended = true;
    }
    pthread_mutex_unlock(&book->lock);
}

void ledger_message(ledger *book, uint64_t number)
{
    pthread_mutex_lock(&book->lock);
    ledger_row *row = row_locked(book, number);
    if (row)
        row->messages++;
    pthread_mutex_unlock(&book->lock);
}

void ledger_reset(ledger *book)
{
    pthread_mutex_lock(&book->lock);
    forget_locked(book);
    pthread_mutex_unlock(&book->lock);
}

/* Whether the query of the path has a member run=RUN. */
static bool has_run(const char *path, const char *run)
{
    size_t len = strlen(run);
    const char *at = strchr(path, '?');
    while (at) {
        at++;
        if (strncmp(at, "run=", 4) == 0 && strncmp(at + 4, run, len) == 0 &&
            (at[4 + len] == '&' || at[4 + len] == '\0'))
            return true;
        at = strchr(at, '&');
    }
    return false;
}

static json_t *row_json(const ledger_row *row, uint64_t number)
{
    if (row->kind == LEDGER_WEBSOCKET)
        return json_pack("{s:I, s:s, s:i, s:I, s:b}", "n", (json_int_t)number, "path", row->path,
                         "status", row->status, "messages", (json_int_t)row->messages, "open",
                         !row->ended);
    return json_pack("{s:I, s:s, s:s, s:i, s:I}", "n", (json_int_t)number, "method", row->method,
                     "path", row->path, "status", row->status, "bytes", (json_int_t)row->bytes);
}

json_t *ledger_rows(ledger *book, const char *run)
{
    json_t *requests = json_array();
    json_t *websockets = json_array();
    uint64_t messages = 0;
    pthread_mutex_lock(&book->lock);
    for (size_t i = 0; i < book->count; i++) {
        const ledger_row *row = &book->rows[i];
        if (run && !has_run(row->path, run))
            continue;
        messages += row->messages;
        json_array_append_new(row->kind == LEDGER_WEBSOCKET ? websockets : requests,
                              row_json(row, book->base + i + 1));
    }
    uint64_t lost = book->lost;
    pthread_mutex_unlock(&book->lock);
    return json_pack("{s:o, s:o, s:I, s:I}", "requests", requests, "websockets", websockets,
                     "messages", (json_int_t)messages, "lost", (json_int_t)lost);
}
