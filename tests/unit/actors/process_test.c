/* SPDX-License-Identifier: MIT */
/* Finding the browser to run. */
#include "actors/browser/process.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[64];

static void enter(void)
{
    strcpy(dir, "/tmp/troupe-find-XXXXXX");
    cr_assert_not_null(mkdtemp(dir));
    setenv("PATH", dir, 1);
    unsetenv("CHROMIUM");
}

static const char *file(const char *name, mode_t mode)
{
    static char path[160];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *made = fopen(path, "w");
    cr_assert_not_null(made);
    fclose(made);
    cr_assert_eq(chmod(path, mode), 0);
    return path;
}

static void leave(void)
{
    static const char *const names[] = {"chromium", "chromium-headless-shell", "other", "plain"};
    char path[160];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(path, sizeof path, "%s/%s", dir, names[i]);
        unlink(path);
    }
    rmdir(dir);
}

TestSuite(process_find, .init = enter, .fini = leave);

static void finds(const char *wanted, bool headed, const char *name)
{
    char path[512];
    char expected[200];
    troupe_reason reason = {{0}};
    cr_assert_eq(process_find(wanted, headed, path, sizeof path, &reason), TROUPE_OK, "%s",
                 reason.text);
    snprintf(expected, sizeof expected, "%s/%s", dir, name);
    cr_assert_str_eq(path, expected);
}

static void fails(const char *wanted, const char *why)
{
    char path[512];
    troupe_reason reason = {{0}};
    cr_assert_eq(process_find(wanted, false, path, sizeof path, &reason), TROUPE_EUNAVAILABLE);
    cr_assert_not_null(strstr(reason.text, why), "%s", reason.text);
}

Test(process_find, nothing_installed_says_what_to_install)
{
    fails(NULL, "chromium-headless-shell");
}

Test(process_find, first_on_path_is_headless_unless_headed)
{
    file("chromium", 0755);
    finds(NULL, false, "chromium");
    file("chromium-headless-shell", 0755);
    finds(NULL, false, "chromium-headless-shell");
    finds(NULL, true, "chromium");
}

Test(process_find, names_are_looked_up_on_path_and_in_the_environment)
{
    file("other", 0755);
    finds("other", false, "other");
    setenv("CHROMIUM", "other", 1);
    finds(NULL, false, "other");
    fails("nobody", "nobody: no such program");
}

Test(process_find, what_cannot_be_run_is_told_from_what_is_missing)
{
    fails(file("plain", 0644), "not a program that may be run");
    fails("plain", "no such program");
    fails(dir, "not a program that may be run");
    fails("/nowhere/at/all", "no such program");
}

Test(process_find, path_too_long_is_refused)
{
    char path[8];
    troupe_reason reason = {{0}};
    cr_assert_eq(process_find(file("other", 0755), false, path, sizeof path, &reason),
                 TROUPE_EUNAVAILABLE);
}
