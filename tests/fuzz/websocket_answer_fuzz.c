/* SPDX-License-Identifier: MIT */
/* A server's answer to the upgrade: taken whole and byte by byte it is judged the same, never past
 * what belongs to it, and what is said of it is one printable line. */
#include "fuzz.h"

#include "transport/websocket_handshake.h"

#define KEY   "dGhlIHNhbXBsZSBub25jZQ=="
#define TOKEN "s3cret"

typedef struct judged {
    troupe_error error;
    size_t used;
    websocket_verdict verdict;
    troupe_reason reason;
} judged;

static void check_reason(const troupe_reason *reason)
{
    CHECK(reason->text[0] != '\0');
    CHECK(strstr(reason->text, TOKEN) == NULL);
    for (const char *p = reason->text; *p != '\0'; p++)
        CHECK(*p >= ' ' && *p <= '~');
}

static void judge(const uint8_t *data, size_t size, size_t step, judged *out)
{
    static websocket_answer answer;
    static const char *const protocols[] = {"one", "two"};
    static const deflate_offer offer = {0};
    static const websocket_ask ask = {
        .bearer_token = TOKEN, .protocols = protocols, .protocol_count = 2, .deflate = &offer};
    bool done = false;
    memset(&answer, 0, sizeof answer);
    memset(out, 0, sizeof *out);
    while (out->used < size && !done && out->error == TROUPE_OK) {
        size_t used = 0;
        size_t n = size - out->used < step ? size - out->used : step;
        out->error = websocket_answer_take(&answer, (const char *)data + out->used, n, &used, &done,
                                           &out->reason);
        CHECK(used <= n);
        CHECK(used == n || done || out->error != TROUPE_OK);
        out->used += used;
    }
    if (out->error == TROUPE_OK && websocket_answer_has_head(&answer))
        out->error = websocket_answer_judge(&answer, KEY, &ask, 0, &out->verdict, &out->reason);
    if (out->error != TROUPE_OK)
        check_reason(&out->reason);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static judged whole;
    static judged parts;
    judge(data, size, size + 1, &whole);
    judge(data, size, 1, &parts);
    CHECK(whole.error == parts.error);
    CHECK(memcmp(&whole.verdict, &parts.verdict, sizeof whole.verdict) == 0);
    if (whole.error == TROUPE_OK)
        CHECK(whole.used == parts.used); /* of a refusal's body more may be there at once */
    return 0;
}
