/* SPDX-License-Identifier: MIT */
/* HAR files: what is read has only events that name a method and a page, and bodies that are text.
 */
#include "fuzz.h"

#include "actors/json_call.h"
#include "actors/service/har_events.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t i;
    json_t *one;
    troupe_reason reason = {{0}};
    har_events events = {.browser = "har-00000000", .piece = 1};
    json_t *har = json_text((const char *)data, size);
    if (har == NULL)
        return 0;
    troupe_error error = har_events_read(har, &events, &reason);
    CHECK(error == TROUPE_OK || reason.text[0] != '\0');
    json_array_foreach(events.told, i, one)
    {
        CHECK(one != NULL);
        CHECK(json_is_string(json_object_get(one, "target")));
        CHECK(json_is_string(json_object_get(one, "method")) ||
              json_is_string(json_object_get(one, "body")));
        char *text = json_dumps(one, JSON_COMPACT);
        CHECK(text != NULL);
        free(text);
    }
    har_events_fini(&events);
    json_decref(har);
    return 0;
}
