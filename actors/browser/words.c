/* SPDX-License-Identifier: MIT */
/* A list of strings that grows. */
#include "words.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* text: taken. */
static void take(words *list, char *text)
{
    if (text != NULL && list->count + 1 >= list->capacity) {
        size_t capacity = list->capacity == 0 ? 16 : 2 * list->capacity;
        char **items = realloc(list->items, capacity * sizeof *items);
        if (items == NULL) {
            free(text);
            text = NULL;
        } else {
            list->items = items;
            list->capacity = capacity;
        }
    }
    if (text == NULL) {
        list->failed = true;
        return;
    }
    list->items[list->count++] = text;
    list->items[list->count] = NULL;
}

void words_add(words *list, const char *text)
{
    take(list, strdup(text));
}

void words_addf(words *list, const char *format, ...)
{
    va_list arguments;
    char *text = NULL;
    va_start(arguments, format);
    int written = vasprintf(&text, format, arguments);
    va_end(arguments);
    take(list, written >= 0 ? text : NULL);
}

void words_fini(words *list)
{
    for (size_t i = 0; i < list->count; i++) {
        free(list->items[i]);
    }
    free(list->items);
    *list = (words){0};
}
