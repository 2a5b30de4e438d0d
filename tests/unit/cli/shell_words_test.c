/* SPDX-License-Identifier: MIT */
#include "cli/shell_words.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

/* The words of a line, each in <>; or "! reason". */
static const char *words_of(const char *line, const char *last)
{
    static char out[1000];
    shell_words words;
    troupe_reason reason = {{0}};
    json_t *value = last != NULL ? json_loads(last, JSON_DECODE_ANY, NULL) : NULL;
    out[0] = '\0';
    if (shell_split(line, value, &words, &reason) != TROUPE_OK) {
        snprintf(out, sizeof out, "! %s", reason.text);
    } else {
        for (size_t i = 0; i < words.count; i++) {
            size_t len = strlen(out);
            snprintf(out + len, sizeof out - len, "<%s>", words.word[i]);
        }
        shell_words_fini(&words);
    }
    json_decref(value);
    return out;
}

Test(shell_words, blanks_quotes_and_backslashes_are_as_in_sh)
{
    cr_expect_str_eq(words_of("  a  b\tc ", NULL), "<a><b><c>");
    cr_expect_str_eq(words_of("js 'a \"b\"' \"c 'd' \\\" \\n\"", NULL),
                     "<js><a \"b\"><c 'd' \" \\n>");
    cr_expect_str_eq(words_of("a\\ b '' x''y", NULL), "<a b><><xy>");
    cr_expect_str_eq(words_of("a # comment", NULL), "<a>");
    cr_expect_str_eq(words_of("a#b", NULL), "<a#b>");
    cr_expect_str_eq(words_of("", NULL), "");
    cr_expect_str_eq(words_of("'open", NULL), "! a quote is open");
}

Test(shell_words, parts_of_the_last_result_are_put_in)
{
    static const char last[] = "{\"rows\":[{\"id\":7,\"url\":\"http://x/\"}],\"ok\":true}";
    cr_expect_str_eq(words_of("request $_.rows[0].id", last), "<request><7>");
    cr_expect_str_eq(words_of("open $_.rows[0].url '$_.ok' x$_.ok", last),
                     "<open><http://x/><$_.ok><x$_.ok>");
    cr_expect_str_eq(words_of("a $_.rows", last), "<a><[{\"id\":7,\"url\":\"http://x/\"}]>");
    cr_expect_str_eq(words_of("a $_", "\"text\""), "<a><text>");
    cr_expect(strncmp(words_of("a $_.none", last), "! the last result has no part", 29) == 0);
    cr_expect(strncmp(words_of("a $_.rows[9].id", last), "! ", 2) == 0);
    cr_expect(strncmp(words_of("a $_", NULL), "! ", 2) == 0);
    cr_expect_str_eq(words_of("a $_x", NULL), "<a><$_x>");
}

Test(shell_words, lines_that_are_open_go_on)
{
    static const char *const open[] = {"js '",  "js \"a", "js (1 +", "x {",
                                       "x [1,", "a \\",   "js '(' ("};
    static const char *const whole[] = {"", "js 1", "js '('", "x {}", "x \"{\"", "js (1)", ")"};
    for (size_t i = 0; i < sizeof open / sizeof *open; i++) {
        cr_expect(shell_open(open[i]), "%s", open[i]);
    }
    for (size_t i = 0; i < sizeof whole / sizeof *whole; i++) {
        cr_expect_not(shell_open(whole[i]), "%s", whole[i]);
    }
}

Test(shell_words, too_many_words_are_refused)
{
    char line[3 * SHELL_WORDS_MAX + 10] = "";
    for (int i = 0; i <= SHELL_WORDS_MAX; i++) {
        memcpy(line + strlen(line), " a", 3);
    }
    cr_expect(strncmp(words_of(line, NULL), "! more than", 11) == 0);
}
