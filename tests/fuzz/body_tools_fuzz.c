/* SPDX-License-Identifier: MIT */
/* Bodies: whatever they hold, every coding ends within its bound; any path of any document ends.
 * The first byte chooses the coding, the first line is the path. */
#include "fuzz.h"

#include "actors/service/body_tools.h"

#define MAX 4096

static void decode(const uint8_t *data, size_t size)
{
    troupe_buffer out = {0};
    troupe_reason reason = {{0}};
    json_t *codings = json_pack("[s,s]", body_codings[data[0] & 3], body_codings[data[0] >> 2 & 3]);
    troupe_error error = body_decode(codings, data + 1, size - 1, MAX, &out, &reason);
    CHECK(out.len <= MAX);
    CHECK(error == TROUPE_OK || reason.text[0] != '\0');
    troupe_buffer_fini(&out);
    json_decref(codings);
}

static void follow(const uint8_t *data, size_t size)
{
    const uint8_t *line = memchr(data, '\n', size);
    char path[256];
    char *out = NULL;
    troupe_reason reason = {{0}};
    size_t len = line != NULL ? (size_t)(line - data) : 0;
    if (line == NULL || len >= sizeof path)
        return;
    memcpy(path, data, len);
    path[len] = '\0';
    troupe_error error = body_json((const char *)line + 1, size - len - 1, path, false,
                                   (size_t)1 << 20, &out, &reason);
    CHECK((error == TROUPE_OK) == (out != NULL));
    CHECK(error == TROUPE_OK || reason.text[0] != '\0');
    free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 0) {
        decode(data, size);
        follow(data, size);
    }
    return 0;
}
