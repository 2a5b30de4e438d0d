/* SPDX-License-Identifier: MIT */
#include "cli/command.h"
#include "scratch.h"

#include <criterion/redirect.h>

static void begin(void)
{
    scratch_begin();
    clearenv();
    setenv("HOME", scratch, 1);
    cr_redirect_stdout();
    cr_redirect_stderr();
}

TestSuite(commands, .init = begin, .fini = scratch_end);

#define RUN(...)                                                                      \
    cli_main((int)(sizeof((const char *[]){"troupe", __VA_ARGS__}) / sizeof(char *)), \
             (char **)(const char *[]){"troupe", __VA_ARGS__, NULL})

Test(commands, each_is_complete)
{
    const cli_command *last = NULL;
    for (const cli_command *row = command_next(NULL); row != NULL; row = command_next(row)) {
        cr_expect_not_null(row->run, "%s", row->name);
        cr_expect(strstr(row->help, "Example") != NULL, "%s", row->name);
        cr_expect(strstr(row->help, "  troupe ") != NULL, "%s", row->name);
        cr_expect_leq(row->words_min, row->words_max);
        cr_expect(last == NULL || row->group >= last->group, "%s", row->name);
        last = row;
        for (const cli_command *next = row; (next = command_next(next)) != NULL;) {
            cr_expect_str_neq(row->name, next->name);
        }
    }
}

Test(commands, letters_are_not_used_twice)
{
    const arg_set *common = command_common_set();
    for (const cli_command *row = command_next(NULL); row != NULL; row = command_next(row)) {
        char used[128] = {0};
        for (size_t j = 0; j < common->count + row->option_count; j++) {
            const arg_option *option =
                j < common->count ? &common->options[j] : &row->options[j - common->count];
            cr_expect(option->letter == 0 || used[(int)option->letter]++ == 0, "%s: -%c", row->name,
                      option->letter);
        }
    }
}

Test(commands, help_explains_each)
{
    cr_assert_not_null(freopen("/dev/null", "w", stdout)); /* more than a pipe holds */
    for (const cli_command *row = command_next(NULL); row != NULL; row = command_next(row)) {
        char name[32];
        snprintf(name, sizeof name, "%s", row->name);
        char *second = strchr(name, ' ');
        if (second != NULL) {
            *second++ = '\0';
            cr_expect_eq(RUN(name, second, "--help"), CLI_OK);
            cr_expect_eq(RUN("help", name, second), CLI_OK);
        } else {
            cr_expect_eq(RUN(name, "-h"), CLI_OK);
        }
    }
    cr_expect_eq(RUN("help"), CLI_OK);
    cr_expect_eq(RUN("--help"), CLI_OK);
    cr_expect_eq(RUN("--version"), CLI_OK);
    cr_expect_eq(RUN("version"), CLI_OK);
}

Test(commands, mistakes_are_usage_errors)
{
    cr_expect_eq(RUN("nosuch"), CLI_USAGE);
    cr_expect_eq(RUN("--nosuch"), CLI_USAGE);
    cr_expect_eq(RUN("--json"), CLI_USAGE);
    cr_expect_eq(RUN("ports", "ad", "1"), CLI_USAGE);
    cr_expect_eq(RUN("ports", "add"), CLI_USAGE);
    cr_expect_eq(RUN("ports", "add", "99999"), CLI_USAGE);
    cr_expect_eq(RUN("pages", "superfluous"), CLI_USAGE);
    cr_expect_eq(RUN("navigate"), CLI_USAGE);
    cr_expect_eq(RUN("js"), CLI_USAGE);
    cr_expect_eq(RUN("cdp", "Page.enable", "not json"), CLI_USAGE);
    cr_expect_eq(RUN("call", "adder"), CLI_USAGE);
    cr_expect_eq(RUN("call", "adder", "add", "[1"), CLI_USAGE);
    cr_expect_eq(RUN("post", "adder", "add", "1", "2"), CLI_USAGE);
    cr_expect_eq(RUN("launch", "--pipe", "--port"), CLI_USAGE);
    cr_expect_eq(RUN("serve", "--launch", "many"), CLI_USAGE);
    cr_expect_eq(RUN("status", "--config", "/nonexistent"), CLI_USAGE);
    cr_expect_eq(RUN("status", "--url", "ftp://x"), CLI_USAGE);
}

Test(commands, without_a_host_they_say_so)
{
    cr_expect_eq(RUN("status"), CLI_NO_HOST);
    cr_expect_eq(RUN("ports"), CLI_NO_HOST);
    cr_expect_eq(RUN("js", "1"), CLI_NO_HOST);
    cr_expect_eq(RUN("status", "--url", "http://127.0.0.1:1"), CLI_NO_HOST);
}

Test(commands, config_is_resolved_without_a_host)
{
    cr_expect_eq(RUN("config"), CLI_OK);
    cr_expect_eq(RUN("config", "--json"), CLI_OK);
}
