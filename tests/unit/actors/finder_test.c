/* SPDX-License-Identifier: MIT */
/* Finding the browser to run. */
#include "actors/browser/finder.h"

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
    setenv("HOME", dir, 1);
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

TestSuite(finder, .init = enter, .fini = leave);

static troupe_error find(const char *executable, const char *configured, bool full, char *path,
                         troupe_reason *reason)
{
    finder_wish wish = {.executable = executable, .configured = configured, .full = full};
    return finder_find(&wish, path, FINDER_PATH_MAX, reason);
}

static void finds(const char *executable, const char *configured, bool full, const char *name)
{
    char path[FINDER_PATH_MAX];
    char expected[200];
    troupe_reason reason = {{0}};
    cr_assert_eq(find(executable, configured, full, path, &reason), TROUPE_OK, "%s", reason.text);
    snprintf(expected, sizeof expected, "%s/%s", dir, name);
    cr_assert_str_eq(path, expected);
}

static void fails(const char *wanted, troupe_error error, const char *why)
{
    char path[FINDER_PATH_MAX];
    troupe_reason reason = {{0}};
    cr_assert_eq(find(wanted, NULL, false, path, &reason), error);
    cr_assert_not_null(strstr(reason.text, why), "%s", reason.text);
}

Test(finder, first_on_path_is_headless_unless_full)
{
    file("chromium", 0755);
    finds(NULL, NULL, true, "chromium");
    file("chromium-headless-shell", 0755);
    finds(NULL, NULL, false, "chromium-headless-shell");
    finds(NULL, NULL, true, "chromium");
}

Test(finder, names_are_looked_up_on_path_and_in_the_environment)
{
    file("other", 0755);
    finds("other", NULL, false, "other");
    finds(NULL, "other", false, "other");
    setenv("CHROMIUM", "other", 1);
    finds(NULL, NULL, false, "other");
    fails("nobody", TROUPE_EUNAVAILABLE, "nobody: no such program");
    setenv("CHROMIUM", "nowhere", 1);
    fails(NULL, TROUPE_EUNAVAILABLE, "nowhere (of $CHROMIUM): no such program");
}

Test(finder, asked_for_beats_configured_beats_environment)
{
    file("chromium", 0755);
    file("other", 0755);
    file("chromium-headless-shell", 0755);
    setenv("CHROMIUM", "chromium-headless-shell", 1);
    finds("other", "chromium", false, "other");
    finds(NULL, "chromium", false, "chromium");
    finds(NULL, NULL, false, "chromium-headless-shell");
}

Test(finder, shell_that_is_configured_is_passed_over_for_full_one_asked_for_is_an_error)
{
    file("chromium", 0755);
    file("chromium-headless-shell", 0755);
    char path[FINDER_PATH_MAX];
    troupe_reason reason = {{0}};
    setenv("CHROMIUM", "chromium-headless-shell", 1);
    finds(NULL, "chromium-headless-shell", true, "chromium");
    cr_assert_eq(find("chromium-headless-shell", NULL, true, path, &reason), TROUPE_EPARAMS);
    cr_assert_not_null(strstr(reason.text, "neither windows nor extensions"), "%s", reason.text);
}

Test(finder, caches_of_tools_are_searched_for_the_newest)
{
    char path[128];
    char below[400];
    static const char *const versions[] = {"linux-99.0", "linux-140.0", "linux-139.0"};
    for (size_t i = 0; i < 3; i++) {
        snprintf(path, sizeof path, ".cache/puppeteer/chrome/%s/chrome-linux64", versions[i]);
        snprintf(below, sizeof below, "/bin/mkdir -p %s/%s", dir, path);
        cr_assert_eq(system(below), 0);
        snprintf(below, sizeof below, "%s/chrome", path);
        file(below, 0755);
    }
    /* Chromium may be installed on this machine, which comes first. */
    if (access("/usr/bin/chromium", F_OK) != 0 && access("/usr/lib/chromium", F_OK) != 0) {
        finds(NULL, NULL, true, ".cache/puppeteer/chrome/linux-140.0/chrome-linux64/chrome");
    }
    snprintf(below, sizeof below, "/bin/rm -r %s/.cache", dir);
    cr_assert_eq(system(below), 0);
}

Test(finder, what_cannot_be_run_is_told_from_what_is_missing)
{
    fails(file("plain", 0644), TROUPE_EUNAVAILABLE, "not a program that may be run");
    fails("plain", TROUPE_EUNAVAILABLE, "no such program");
    fails(dir, TROUPE_EUNAVAILABLE, "not a program that may be run");
    fails("/nowhere/at/all", TROUPE_EUNAVAILABLE, "no such program");
}

Test(finder, path_too_long_is_refused)
{
    char path[8];
    troupe_reason reason = {{0}};
    finder_wish wish = {.executable = file("other", 0755)};
    cr_assert_eq(finder_find(&wish, path, sizeof path, &reason), TROUPE_EUNAVAILABLE);
}
