/* SPDX-License-Identifier: MIT */
#include "transport/deflate.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static const deflate_offer plain = {0};
static const deflate_offer asking = {
    .server_no_context = true, .client_no_context = true, .server_bits = 10};

static troupe_error judge(const deflate_offer *offer, const char *value, deflate_params *params,
                          troupe_reason *reason)
{
    return deflate_accept(offer, value, strlen(value), params, reason);
}

Test(deflate, offer_names_what_is_asked_for)
{
    char text[DEFLATE_OFFER_SIZE];
    deflate_offer_text(&plain, text);
    cr_expect_str_eq(text, "permessage-deflate; client_max_window_bits");
    deflate_offer_text(&asking, text);
    cr_expect_str_eq(text, "permessage-deflate; client_max_window_bits; server_max_window_bits=10; "
                           "server_no_context_takeover; client_no_context_takeover");
}

Test(deflate, accept_good_answers_give_the_parameters)
{
    static const struct {
        const char *value;
        deflate_params params;
    } good[] = {
        {"permessage-deflate", {false, false, 15, 15}},
        {" Permessage-Deflate ", {false, false, 15, 15}},
        {"permessage-deflate; server_no_context_takeover", {true, false, 15, 15}},
        {"permessage-deflate;client_no_context_takeover", {false, true, 15, 15}},
        {"permessage-deflate ; client_max_window_bits=8", {false, false, 15, 8}},
        {"permessage-deflate; server_max_window_bits = 9", {false, false, 9, 15}},
        {"permessage-deflate; client_max_window_bits=\"12\"; server_no_context_takeover; "
         "client_no_context_takeover; server_max_window_bits=8",
         {true, true, 8, 12}},
    };
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        deflate_params params = {0};
        troupe_reason reason = {{0}};
        cr_assert_eq(judge(&plain, good[i].value, &params, &reason), TROUPE_OK, "%s: %s",
                     good[i].value, reason.text);
        cr_expect_eq(memcmp(&params, &good[i].params, sizeof(params)), 0, "%s", good[i].value);
    }
}

Test(deflate, accept_anything_else_is_refused)
{
    static const char *const bad[] = {
        "",
        ";",
        "x-webkit-deflate-frame",
        "permessage-bzip2",
        "permessage-deflate=1",
        "permessage-deflate;",
        "permessage-deflate; ;",
        "permessage-deflate; unknown",
        "permessage-deflate; server_no_context_takeover=1",
        "permessage-deflate; client_no_context_takeover; client_no_context_takeover",
        "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
        "permessage-deflate; client_max_window_bits",
        "permessage-deflate; client_max_window_bits=",
        "permessage-deflate; client_max_window_bits=7",
        "permessage-deflate; client_max_window_bits=16",
        "permessage-deflate; client_max_window_bits=08",
        "permessage-deflate; client_max_window_bits=1x",
        "permessage-deflate; client_max_window_bits=-9",
        "permessage-deflate; client_max_window_bits=4294967304",
        "permessage-deflate; client_max_window_bits=\"9",
        "permessage-deflate; client_max_window_bits=9; client_max_window_bits=9",
        "permessage-deflate; server_max_window_bits",
        "permessage-deflate; server_max_window_bits=0",
        "permessage-deflate, permessage-deflate",
        "permessage-deflate, other",
        "permessage-deflate x",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        deflate_params params = {0};
        troupe_reason reason = {{0}};
        cr_expect_eq(judge(&plain, bad[i], &params, &reason), TROUPE_EPROTOCOL, "%s", bad[i]);
        cr_expect_gt(strlen(reason.text), 0);
    }
}

Test(deflate, accept_holds_the_server_to_what_was_asked)
{
    deflate_params params = {0};
    cr_expect_eq(judge(&asking,
                       "permessage-deflate; server_no_context_takeover; server_max_window_bits=10",
                       &params, NULL),
                 TROUPE_OK);
    cr_expect(params.server_no_context && params.server_bits == 10 && !params.client_no_context);
    cr_expect_eq(judge(&asking, "permessage-deflate; server_no_context_takeover", &params, NULL),
                 TROUPE_EPROTOCOL);
    cr_expect_eq(judge(&asking, "permessage-deflate; server_max_window_bits=10", &params, NULL),
                 TROUPE_EPROTOCOL);
    cr_expect_eq(judge(&asking,
                       "permessage-deflate; server_no_context_takeover; server_max_window_bits=11",
                       &params, NULL),
                 TROUPE_EPROTOCOL);
}

/** One message there and back through two ends with these parameters. */
static void round_trip(deflate_streams *us, deflate_streams *peer, const char *text, size_t len)
{
    byte_queue packed = {0};
    byte_queue back = {0};
    cr_assert_eq(deflate_deflate(us, text, len, &packed), TROUPE_OK);
    cr_assert_gt(byte_queue_len(&packed), 0);
    size_t packed_len = byte_queue_len(&packed);
    for (size_t at = 0; at < packed_len; at += 1000) {
        size_t n = packed_len - at < 1000 ? packed_len - at : 1000;
        cr_assert_eq(deflate_inflate(peer, byte_queue_head(&packed) + at, n, &back, len),
                     TROUPE_OK);
    }
    cr_assert_eq(deflate_inflate_end(peer, &back, len), TROUPE_OK);
    cr_assert_eq(byte_queue_len(&back), len);
    cr_assert_eq(memcmp(byte_queue_head(&back), text, len), 0);
    byte_queue_fini(&packed);
    byte_queue_fini(&back);
}

Test(deflate, messages_of_all_sizes_return_with_and_without_context)
{
    static char text[3000000];
    static const size_t sizes[] = {64, 1000, 16384, 16385, 100000, sizeof(text)};
    for (size_t i = 0; i < sizeof(text); i++) {
        text[i] = (char)('a' + i * i / 1000 % 26);
    }
    for (int context = 0; context < 2; context++) {
        for (uint8_t bits = 9; bits <= 15; bits += 3) {
            deflate_params params = {context == 0, context == 0, bits, bits};
            deflate_streams us;
            deflate_streams peer;
            deflate_init(&us, &params);
            deflate_init(&peer, &params);
            for (size_t i = 0; i < 2 * sizeof(sizes) / sizeof(sizes[0]); i++) {
                round_trip(&us, &peer, text, sizes[i / 2]);
                cr_expect_eq(peer.in_open, context == 1, "memory given back without a context");
            }
            deflate_fini(&us);
            deflate_fini(&peer);
        }
    }
}

Test(deflate, inflate_stops_at_the_limit)
{
    static char zeros[100000];
    deflate_params params = {false, false, 15, 15};
    byte_queue packed = {0};
    for (size_t limit = sizeof(zeros) - 1; limit <= sizeof(zeros) + 1; limit++) {
        deflate_streams s;
        byte_queue back = {0};
        deflate_init(&s, &params);
        cr_assert_eq(deflate_deflate(&s, zeros, sizeof(zeros), &packed), TROUPE_OK);
        troupe_error error =
            deflate_inflate(&s, byte_queue_head(&packed), byte_queue_len(&packed), &back, limit);
        cr_expect_eq(error, limit < sizeof(zeros) ? TROUPE_ELIMIT : TROUPE_OK, "%zu", limit);
        cr_expect_leq(byte_queue_len(&back), limit);
        byte_queue_consume(&packed, byte_queue_len(&packed));
        byte_queue_fini(&back);
        deflate_fini(&s);
    }
    byte_queue_fini(&packed);
}
