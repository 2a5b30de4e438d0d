/* SPDX-License-Identifier: MIT */
/* A recorded answer as a fetch rule gives it to a page again. */
#include "replay_answer.h"

#include <string.h>
#include <strings.h>

/* Of the way the answer came, not of what came: the body is decoded, and whole. */
static bool is_of_the_wire(const char *name)
{
    static const char *const names[] = {"content-encoding", "content-length", "transfer-encoding",
                                        "connection",       "keep-alive",     "alt-svc"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcasecmp(name, names[i]) == 0) {
            return true;
        }
    }
    return false;
}

static json_t *headers_of(const json_t *recorded)
{
    const char *name;
    json_t *value;
    json_t *headers = json_object();
    json_object_foreach((json_t *)recorded, name, value)
    {
        if (!is_of_the_wire(name)) {
            json_object_set(headers, name, value);
        }
    }
    return headers;
}

/* "net::ERR_CONNECTION_REFUSED" as Fetch.failRequest names it. */
static const char *reason_of(const char *error)
{
    static const char *const reasons[][2] = {
        {"ABORTED", "Aborted"},
        {"TIMED_OUT", "TimedOut"},
        {"ACCESS_DENIED", "AccessDenied"},
        {"CONNECTION_CLOSED", "ConnectionClosed"},
        {"EMPTY_RESPONSE", "ConnectionClosed"},
        {"CONNECTION_RESET", "ConnectionReset"},
        {"CONNECTION_REFUSED", "ConnectionRefused"},
        {"CONNECTION_ABORTED", "ConnectionAborted"},
        {"CONNECTION_FAILED", "ConnectionFailed"},
        {"NAME_NOT_RESOLVED", "NameNotResolved"},
        {"INTERNET_DISCONNECTED", "InternetDisconnected"},
        {"ADDRESS_UNREACHABLE", "AddressUnreachable"},
        {"BLOCKED_BY_CLIENT", "BlockedByClient"},
        {"BLOCKED_BY_RESPONSE", "BlockedByResponse"},
    };
    const char *name = error != NULL && strncmp(error, "net::ERR_", 9) == 0 ? error + 9 : "";
    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++) {
        if (strcmp(name, reasons[i][0]) == 0) {
            return reasons[i][1];
        }
    }
    return "Failed";
}

json_t *replay_answer(const json_t *row)
{
    json_int_t status = json_integer_value(json_object_get(row, "status"));
    json_int_t raw = json_integer_value(json_object_get(row, "raw_status"));
    const json_t *wire = json_object_get(row, "raw_headers");
    const json_t *seen = json_object_get(row, "headers");
    const json_t *text = json_object_get(row, "status_text");
    const json_t *body = json_object_get(row, "content");
    if (status == 0) {
        status = raw;
    }
    if (status < 100) {
        return json_pack("{s:s}", "fail",
                         reason_of(json_string_value(json_object_get(row, "error"))));
    }
    /* On the wire there are cookies too; but a 304 has not all that the page saw. */
    bool whole = json_is_object(wire) && raw != 304;
    return json_pack("{s:I,s:s,s:o,s:s,s:b}", "status", status, "status_text",
                     json_is_string(text) ? json_string_value(text) : "", "headers",
                     headers_of(whole ? wire : seen), "body",
                     json_is_string(body) ? json_string_value(body) : "", "base64",
                     json_integer_value(json_object_get(row, "base64")) != 0);
}
