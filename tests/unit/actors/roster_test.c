/* SPDX-License-Identifier: MIT */
/* Targets and sessions of one browser. */
#include "actors/browser/roster.h"

#include <criterion/criterion.h>
#include <stdio.h>

static roster_target *add(roster *list, const char *chrome_id)
{
    return roster_add(list, "p1", chrome_id, strlen(chrome_id));
}

Test(roster, short_ids_have_as_many_digits_as_make_them_unique)
{
    roster list = {0};
    cr_assert_str_eq(add(&list, "ABCDEF0123456789")->id, "p1:abcdef");
    cr_assert_str_eq(add(&list, "ABCDEF0199999999")->id, "p1:abcdef0");
    cr_assert_str_eq(add(&list, "ABCDEF0188888888")->id, "p1:abcdef01");
    cr_assert_str_eq(add(&list, "AB")->id, "p1:ab");
    cr_assert_null(add(&list, "ab"), "the same but for its case");
    roster_remove(&list, roster_find(&list, "ABCDEF0123456789", 16));
    cr_assert_str_eq(add(&list, "ABCDEF0177777777")->id, "p1:abcdef");
    roster_fini(&list);
}

Test(roster, ids_too_long_are_refused)
{
    roster list = {0};
    char id[CHROME_ID_MAX + 1];
    memset(id, 'A', sizeof id);
    cr_assert_null(roster_add(&list, "p1", id, CHROME_ID_MAX));
    cr_assert_not_null(roster_add(&list, "p1", id, CHROME_ID_MAX - 1));
    roster_fini(&list);
}

Test(roster, sessions_lead_to_their_owner_until_they_end)
{
    roster list = {0};
    roster_target *one = add(&list, "AAAAAAAA");
    roster_target *two = add(&list, "BBBBBBBB");
    cr_assert(roster_add_session(&list, "S1", 2, one, one, NULL));
    cr_assert(roster_add_session(&list, "S2", 2, one, NULL, NULL));
    cr_assert(roster_add_session(&list, "S3", 2, two, two, NULL));
    cr_assert_eq(roster_owner(&list, "S2", 2), one);
    cr_assert(roster_add_session(&list, "S2", 2, two, NULL, NULL), "moves");
    cr_assert_eq(roster_owner(&list, "S2", 2), two);
    roster_remove_session(&list, "S3", 2);
    roster_remove_session(&list, "S3", 2);
    cr_assert_null(roster_owner(&list, "S3", 2));
    roster_fini(&list);
}

static char ended[64];

static void note_end(void *context, roster_session *session)
{
    (void)context;
    strcat(ended, session->id);
}

Test(roster, end_of_a_session_ends_all_below_it_the_lowest_first)
{
    roster list = {.ended = note_end};
    roster_target *page = add(&list, "AAAAAAAA");
    roster_target *frame = add(&list, "BBBBBBBB");
    strcpy(page->session, "R");
    roster_session *root = roster_add_session(&list, "R", 1, page, page, NULL);
    roster_session *part = roster_add_session(&list, "a", 1, page, frame, root);
    roster_set_part(frame, part);
    cr_assert_not_null(roster_add_session(&list, "b", 1, page, NULL, part));
    cr_assert_not_null(roster_add_session(&list, "c", 1, page, NULL, root));
    cr_assert_null(roster_add_session(&list, "R", 1, page, page, part), "inside itself");
    roster_remove_session(&list, "a", 1);
    cr_assert_str_eq(ended, "ba");
    cr_assert_null(frame->part);
    cr_assert_null(roster_owner(&list, "b", 1));
    cr_assert_eq(roster_owner(&list, "c", 1), page);
    roster_drop_sessions(&list, page);
    cr_assert_str_eq(ended, "bacR");
    cr_assert_eq(HASH_COUNT(list.sessions), 0);
    roster_fini(&list);
}

Test(roster, target_that_is_a_part_twice_is_so_by_the_last_session)
{
    roster list = {0};
    roster_target *page = add(&list, "AAAAAAAA");
    roster_target *frame = add(&list, "BBBBBBBB");
    strcpy(page->session, "R");
    roster_session *root = roster_add_session(&list, "R", 1, page, page, NULL);
    roster_session *first = roster_add_session(&list, "a", 1, page, frame, root);
    roster_set_part(frame, first);
    roster_session *second = roster_add_session(&list, "b", 1, page, frame, root);
    roster_set_part(frame, second);
    cr_assert_eq(frame->part, second);
    cr_assert_null(first->target);
    roster_remove(&list, frame);
    cr_assert_null(second->target);
    roster_remove_session(&list, "a", 1); /* knows nothing of the frame any more */
    roster_remove_session(&list, "b", 1);
    roster_fini(&list);
}

Test(roster, target_known_from_before_keeps_its_id)
{
    roster list = {0};
    cr_assert_not_null(roster_add_known(&list, "p1:abcdef", "ABCDEF99", 8));
    cr_assert_null(roster_add_known(&list, "p1:abcdef", "ABCDEF77", 8), "the id is taken");
    cr_assert_null(roster_add_known(&list, "p1:other", "ABCDEF99", 8), "it is there");
    cr_assert_str_eq(add(&list, "ABCDEF0123456789")->id, "p1:abcdef0");
    cr_assert_str_eq(roster_find(&list, "ABCDEF99", 8)->id, "p1:abcdef");
    roster_fini(&list);
}

Test(roster, held_things_come_out_in_order_and_are_freed_with_the_target)
{
    roster list = {0};
    roster_target *target = add(&list, "AAAAAAAA");
    for (int i = 0; i < 5; i++) {
        char text[8];
        snprintf(text, sizeof text, "%d", i);
        troupe_caller caller = {0, (uint64_t)i};
        troupe_bytes payload = {(const uint8_t *)text, 1};
        cr_assert(roster_hold(target, caller, "verb", 4, payload));
    }
    for (int i = 0; i < 3; i++) {
        held *item = target->first;
        cr_assert_eq(item->caller.ref, (uint64_t)i);
        cr_assert_eq(memcmp(item->bytes, "verb", item->verb_len), 0);
        cr_assert_eq(item->bytes[item->verb_len], '0' + i);
        roster_unhold(target);
    }
    roster_unhold(target);
    roster_unhold(target);
    cr_assert_null(target->first);
    troupe_bytes nothing = {NULL, 0};
    troupe_caller nobody = {0, 0};
    cr_assert(roster_hold(target, nobody, NULL, 0, nothing));
    cr_assert_eq(target->first, target->last);
    roster_fini(&list);
}

Test(roster, actors_lead_to_their_target_until_they_are_taken_off)
{
    roster list = {0};
    roster_target *one = add(&list, "AAAAAAAA");
    roster_target *two = add(&list, "BBBBBBBB");
    cr_assert_null(roster_find_actor(&list, 0), "no actor is nobody's");
    roster_set_actor(&list, one, 7);
    roster_set_actor(&list, two, 8);
    cr_assert_eq(roster_find_actor(&list, 7), one);
    cr_assert_eq(roster_find_actor(&list, 8), two);
    roster_set_actor(&list, one, 9);
    cr_assert_null(roster_find_actor(&list, 7));
    cr_assert_eq(roster_find_actor(&list, 9), one);
    roster_set_actor(&list, one, 0);
    roster_set_actor(&list, one, 0);
    cr_assert_null(roster_find_actor(&list, 9));
    cr_assert_null(roster_find_actor(&list, 0));
    roster_remove(&list, two);
    cr_assert_null(roster_find_actor(&list, 8));
    roster_fini(&list);
}
