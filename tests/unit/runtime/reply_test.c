/* SPDX-License-Identifier: MIT */
/* Answers of every size, in pieces: they are what they would be in one. */
#include "stage.h"

TestSuite(reply, .init = stage_open, .fini = stage_close);

static const size_t sizes[] = {0,  1,  2,   3,   4,     5,     8,      16,      17,
                               31, 32, 255, 256, 65535, 65536, 200000, 5000000, 6291456};

#define SIZES (sizeof sizes / sizeof *sizes)

static char *text_of(size_t len)
{
    char *text = malloc(len + 1);
    for (size_t i = 0; i < len; i++)
        text[i] = (char)('a' + i % 23);
    return text;
}

/* The size comes with the call; the answer is cut into three. */
static troupe_error play_cutter(troupe_actor *self, part *p, const troupe_envelope *e)
{
    uint64_t len;
    (void)p;
    cr_assert(troupe_unpack(e->payload, "U", &len) == TROUPE_OK);
    char *text = text_of(len);
    const uint8_t *at = (const uint8_t *)text;
    size_t third = len / 3;
    troupe_bytes pieces[] = {
        {at, third}, {NULL, 0}, {at + third, third}, {at + 2 * third, len - 2 * third}};
    troupe_reply_json_pieces(self, troupe_caller_of(e), pieces, 4);
    free(text);
    return TROUPE_OK;
}

static bool is_whole(troupe_bytes payload, size_t len)
{
    troupe_buffer wanted = {0};
    char *text = text_of(len);
    cr_assert(troupe_pack(&wanted, "j#", text, len) == TROUPE_OK);
    bool same = payload.len == wanted.len && memcmp(payload.data, wanted.data, wanted.len) == 0;
    troupe_buffer_fini(&wanted);
    free(text);
    return same;
}

static troupe_buffer size_payload(size_t len)
{
    troupe_buffer b = {0};
    cr_assert(troupe_pack(&b, "U", (uint64_t)len) == TROUPE_OK);
    return b;
}

Test(reply, pieces_to_a_guest_are_put_together)
{
    part cutter = PART_INIT(.receive = play_cutter);
    troupe_address address = enter(&cutter);
    for (size_t i = 0; i < SIZES; i++) {
        troupe_answer answer = {0};
        troupe_buffer b = size_payload(sizes[i]);
        cr_assert(troupe_guest_call(guest, address, "cut", NULL, troupe_buffer_bytes(&b), LONG_MS,
                                    &answer) == TROUPE_OK);
        cr_assert(is_whole(answer.payload, sizes[i]), "%zu", sizes[i]);
        troupe_answer_fini(&answer);
        troupe_buffer_fini(&b);
    }
    leave(address);
}

static void on_answer(troupe_actor *self, void *context, troupe_error error,
                      const troupe_envelope *answer)
{
    part *p = context;
    (void)self;
    if (error != TROUPE_OK || !is_whole(answer->payload, sizes[p->count]))
        p->error = TROUPE_EINTERNAL;
    p->count++;
    gate_raise(&p->arrived);
}

/* Asks for one size after the other, all in one turn. */
static troupe_error play_asker(troupe_actor *self, part *p, const troupe_envelope *e)
{
    (void)e;
    for (size_t i = 0; i < SIZES; i++) {
        troupe_buffer b = size_payload(sizes[i]);
        cr_assert(troupe_call(self, p->peer, "cut", NULL, troupe_buffer_bytes(&b), LONG_MS,
                              on_answer, p, NULL) == TROUPE_OK);
        troupe_buffer_fini(&b);
    }
    return TROUPE_OK;
}

Test(reply, pieces_to_an_actor_are_put_together)
{
    part cutter = PART_INIT(.receive = play_cutter);
    part asker = PART_INIT(.receive = play_asker);
    asker.peer = enter(&cutter);
    troupe_address address = enter(&asker);
    cast(address, "ask");
    gate_await(&asker.arrived, SIZES);
    cr_assert(asker.error == TROUPE_OK);
    leave(address);
    leave(asker.peer);
}
