/* SPDX-License-Identifier: MIT */
#include "cli/args.h"
#include "cli/suggest.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static const arg_option options[] = {
    {"limit", 'n', ARG_UINT, "N", "at most this many"},
    {"launch", 0, ARG_UINT, "N", "browsers"},
    {"target", 't', ARG_STRING, "TARGET", "which"},
    {"json", 'j', ARG_FLAG, NULL, "as JSON"},
    {"quiet", 'q', ARG_FLAG, NULL, "less"},
    {"headed", 0, ARG_SWITCH, NULL, "with windows"},
    {"timeout", 0, ARG_DURATION, "TIME", "how long"},
    {"secret", 0, ARG_FLAG, NULL, NULL},
};
static const arg_set set = {"Options", options, sizeof options / sizeof options[0]};

#define LINE(...) ((const char *[]){"troupe", __VA_ARGS__, NULL})

static troupe_error parse(cli_args *args, const char **argv, troupe_reason *reason)
{
    int argc = 0;
    int index = 1;
    while (argv[argc] != NULL) {
        argc++;
    }
    cr_assert_eq(args_init(args, argc), TROUPE_OK);
    return args_parse(args, &set, 1, argc, (char **)argv, &index, false, reason);
}

Test(args, options_in_every_form_are_taken)
{
    cli_args args;
    troupe_reason reason;
    const char **argv = LINE("--limit", "5", "one", "--target=a:b", "-jq", "two", "-n7",
                             "--timeout", "1.5s", "--", "--json");
    cr_assert_eq(parse(&args, argv, &reason), TROUPE_OK);
    cr_expect_eq(args_uint(&args, "limit", 0), 7, "the last one holds");
    cr_expect_eq(args_uint(&args, "timeout", 0), 1500);
    cr_expect_eq(args_uint(&args, "launch", 42), 42);
    cr_expect_str_eq(args_string(&args, "target"), "a:b");
    cr_expect(args_flag(&args, "json"));
    cr_expect(args_flag(&args, "quiet"));
    cr_expect_eq(args.word_count, 3);
    cr_expect_str_eq(args_word(&args, 1), "two");
    cr_expect_str_eq(args_word(&args, 2), "--json");
    cr_expect_null(args_word(&args, 3));
    args_fini(&args);
}

Test(args, switch_can_be_denied)
{
    cli_args args;
    troupe_reason reason;
    cr_assert_eq(parse(&args, LINE("--headed", "--no-headed"), &reason), TROUPE_OK);
    cr_expect_str_eq(args_string(&args, "headed"), "false");
    cr_expect_not(args_flag(&args, "headed"));
    args_fini(&args);
    cr_assert_eq(parse(&args, LINE("--headed=false", "--headed=yes"), &reason), TROUPE_OK);
    cr_expect(args_flag(&args, "headed"));
    args_fini(&args);
}

Test(args, lone_dash_and_empty_value_are_words_and_values)
{
    cli_args args;
    troupe_reason reason;
    cr_assert_eq(parse(&args, LINE("-", "--target="), &reason), TROUPE_OK);
    cr_expect_str_eq(args_word(&args, 0), "-");
    cr_expect_str_eq(args_string(&args, "target"), "");
    args_fini(&args);
}

Test(args, until_word_stops_before_the_command)
{
    cli_args args;
    troupe_reason reason;
    int index = 1;
    const char **argv = LINE("-j", "--target", "x", "pages", "-q");
    cr_assert_eq(args_init(&args, 6), TROUPE_OK);
    cr_assert_eq(args_parse(&args, &set, 1, 6, (char **)argv, &index, true, &reason), TROUPE_OK);
    cr_expect_eq(index, 4);
    cr_expect_eq(args.word_count, 0);
    cr_expect_not(args_flag(&args, "quiet"));
    args_fini(&args);
}

static void expect_refused(const char **argv, const char *part)
{
    cli_args args;
    troupe_reason reason = {""};
    cr_assert_eq(parse(&args, argv, &reason), TROUPE_EPARAMS, "%s", argv[1]);
    cr_expect(strstr(reason.text, part) != NULL, "'%s' does not say '%s'", reason.text, part);
    args_fini(&args);
}

Test(args, mistakes_are_named)
{
    expect_refused(LINE("--lanch", "1"), "--lanch; did you mean --launch?");
    expect_refused(LINE("--zzzzzzzz"), "--zzzzzzzz");
    expect_refused(LINE("-x"), "-x");
    expect_refused(LINE("--limit", "some"), "'some' is not a number");
    expect_refused(LINE("--limit", "-1"), "'-1'");
    expect_refused(LINE("--limit", "4294967296"), "not a number");
    expect_refused(LINE("--limit"), "needs a value");
    expect_refused(LINE("-n"), "needs a value");
    expect_refused(LINE("--timeout", "30"), "500ms");
    expect_refused(LINE("--json=perhaps"), "neither true nor false");
    expect_refused(LINE("--no-json"), "--no-json");
    expect_refused(LINE("-qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq"), "too many");
}

Test(args, help_lists_what_is_not_hidden)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    args_print_set(out, &set, 60);
    fclose(out);
    cr_expect(strstr(text, "-n, --limit N") != NULL, "%s", text);
    cr_expect(strstr(text, "--[no-]headed") != NULL, "%s", text);
    cr_expect(strstr(text, "secret") == NULL, "%s", text);
    free(text);
}

static const char *nearest(const char *word)
{
    static const char *const words[] = {"network", "navigate", "status", "ports add", "pages"};
    suggest state;
    suggest_start(&state, word);
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        suggest_offer(&state, words[i]);
    }
    return suggest_result(&state);
}

Test(suggest, near_words_are_found_and_far_ones_are_not)
{
    cr_expect_str_eq(nearest("netwrok"), "network");
    cr_expect_str_eq(nearest("STATUS"), "status");
    cr_expect_str_eq(nearest("nav"), "navigate", "a beginning");
    cr_expect_str_eq(nearest("page"), "pages");
    cr_expect_str_eq(nearest("ports ad"), "ports add");
    cr_expect_null(nearest("elephant"));
}

Test(suggest, distance_counts_edits)
{
    cr_expect_eq(suggest_distance("", "abc"), 3);
    cr_expect_eq(suggest_distance("abc", "abc"), 0);
    cr_expect_eq(suggest_distance("abc", "acb"), 1, "a swap");
    cr_expect_eq(suggest_distance("kitten", "sitting"), 3);
    cr_expect_eq(suggest_distance("bytes_max", "bytes-max"), 0);
    char word[300];
    memset(word, 'x', sizeof word - 1);
    word[sizeof word - 1] = '\0';
    cr_expect_eq(suggest_distance(word, word), 0);
}
