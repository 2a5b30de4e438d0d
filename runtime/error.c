/* SPDX-License-Identifier: MIT */
/* The error list: names, texts and JSON-RPC codes, all from the one X-macro. */
#include "troupe/error.h"

#include "text.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

typedef struct error_entry {
    const char *name;
    const char *text;
    int rpc_code;
} error_entry;

static const error_entry entries[] = {
#define ERROR_ENTRY(symbol, value, name, rpc, text) [value] = {name, text, rpc},
    TROUPE_ERRORS(ERROR_ENTRY)
#undef ERROR_ENTRY
};

static const size_t entry_count = sizeof entries / sizeof entries[0];

static const error_entry *find(troupe_error error)
{
    static const error_entry unknown = {"UNKNOWN", "unknown error", -32603};
    return (size_t)error < entry_count ? &entries[error] : &unknown;
}

const char *troupe_error_name(troupe_error error)
{
    return find(error)->name;
}

const char *troupe_error_text(troupe_error error)
{
    return find(error)->text;
}

int troupe_error_rpc_code(troupe_error error)
{
    return find(error)->rpc_code;
}

troupe_error troupe_error_by_name(const char *name)
{
    if (name == NULL)
        return TROUPE_EINTERNAL;
    for (size_t i = 0; i < entry_count; i++) {
        if (strcmp(entries[i].name, name) == 0)
            return (troupe_error)i;
    }
    return TROUPE_EINTERNAL;
}

troupe_error troupe_fail(troupe_reason *reason, troupe_error error, const char *format, ...)
{
    if (reason == NULL)
        return error;
    va_list args;
    va_start(args, format);
    int len = vsnprintf(reason->text, sizeof reason->text, format, args);
    va_end(args);
    if (len < 0)
        reason->text[0] = '\0';
    text_repair(reason->text);
    return error;
}
