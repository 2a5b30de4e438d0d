/* SPDX-License-Identifier: MIT */
/* Scratch directories and named profiles: who holds them, what is swept, what is never touched. */
#include "actors/browser/profile.h"
#include "actors/browser/tree.h"
#include "process_fixture.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

TestSuite(scratch, .init = fixture_enter, .fini = fixture_leave);

static void make_dir(const char *name)
{
    cr_assert_eq(mkdir(fixture_path(name), 0700), 0, "%s", name);
}

/* A directory as scratch_create leaves it, its holder gone. */
static void make_orphan(const char *name)
{
    make_dir(name);
    int fd = open(fixture_path(name), O_RDONLY | O_DIRECTORY);
    cr_assert(tree_mark(fd));
    close(fd);
}

static bool is_there(const char *name)
{
    struct stat info;
    return lstat(fixture_path(name), &info) == 0;
}

static size_t sweep(void)
{
    return scratch_sweep(fixture_host.runtime_dir, "unit", NULL, NULL).directories;
}

Test(scratch, orphan_is_found_and_swept_with_all_in_it)
{
    make_orphan("run/troupe-unit-abcDEF");
    make_dir("run/troupe-unit-abcDEF/profile");
    make_dir("run/troupe-unit-abcDEF/profile/locked");
    cr_assert_eq(chmod(fixture_path("run/troupe-unit-abcDEF/profile/locked"), 0), 0);
    scratch_leftovers found = scratch_look(fixture_host.runtime_dir, "unit");
    cr_expect_eq(found.directories, 1);
    cr_expect_eq(sweep(), 1);
    cr_expect_not(is_there("run/troupe-unit-abcDEF"));
    cr_expect_eq(scratch_look(fixture_host.runtime_dir, "unit").directories, 0);
}

Test(scratch, one_that_is_held_is_left_alone_until_its_holder_ends)
{
    char path[SCRATCH_PATH_MAX];
    int lock;
    troupe_reason reason;
    cr_assert_eq(scratch_create(fixture_host.runtime_dir, "unit", path, &lock, &reason), TROUPE_OK);
    cr_expect_eq(scratch_look(fixture_host.runtime_dir, "unit").directories, 0);
    cr_expect_eq(sweep(), 0);
    cr_expect_eq(access(path, F_OK), 0);
    close(lock);
    cr_expect_eq(sweep(), 1);
}

Test(scratch, what_is_not_ours_is_never_touched)
{
    static const char *const names[] = {"run/troupe-unit-abcde",      "run/troupe-unit-abcdefg",
                                        "run/troupe-unit-x-abcdef",   "run/troupe-other-abcdef",
                                        "run/troupe-unit-abc.ef",     "run/unit-abcdef",
                                        "run/troupe-test-unit-abcde", "run/profile",
                                        "run/troupe-unit-unmark"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        make_dir(names[i]);
    }
    make_dir("precious");
    make_dir("precious/inner");
    cr_assert_eq(symlink(fixture_path("precious"), fixture_path("run/troupe-unit-linked")), 0);
    FILE *file = fopen(fixture_path("run/troupe-unit-afile0"), "w");
    fclose(file);
    cr_expect_eq(sweep(), 0);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        cr_expect(is_there(names[i]), "%s", names[i]);
    }
    cr_expect(is_there("precious/inner"));
    cr_expect(is_there("run/troupe-unit-linked"));
    cr_expect(is_there("run/troupe-unit-afile0"));
}

Test(scratch, links_inside_are_removed_not_followed)
{
    make_dir("precious");
    make_dir("precious/inner");
    make_orphan("run/troupe-unit-abcdef");
    cr_assert_eq(symlink(fixture_path("precious"), fixture_path("run/troupe-unit-abcdef/link")), 0);
    cr_expect_eq(sweep(), 1);
    cr_expect(is_there("precious/inner"));
}

Test(scratch, directory_of_another_user_is_left, .disabled = false)
{
    if (geteuid() != 0) {
        cr_skip_test("needs root");
    }
    make_orphan("run/troupe-unit-abcdef");
    cr_assert_eq(chown(fixture_path("run/troupe-unit-abcdef"), 65534, 65534), 0);
    cr_expect_eq(sweep(), 0);
    cr_expect(is_there("run/troupe-unit-abcdef"));
}

Test(scratch, process_of_an_orphan_is_found_and_killed)
{
    pid_t pid;
    char variable[300];
    make_orphan("run/troupe-unit-abcdef");
    snprintf(variable, sizeof variable, "TMPDIR=%s/tmp", fixture_path("run/troupe-unit-abcdef"));
    char *argv[] = {(char *)"sleep", (char *)"1000", NULL};
    char *variables[] = {variable, NULL};
    cr_assert_eq(posix_spawn(&pid, "/bin/sleep", NULL, NULL, argv, variables), 0);
    cr_expect_eq(scratch_look(fixture_host.runtime_dir, "unit").processes, 1);
    scratch_leftovers done = scratch_sweep(fixture_host.runtime_dir, "unit", NULL, NULL);
    cr_expect_eq(done.processes, 1);
    cr_expect_eq(done.directories, 1);
    int status;
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    cr_expect(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    cr_expect_eq(scratch_look(fixture_host.runtime_dir, "unit").processes, 0);
}

Test(scratch, control_group_of_an_orphan_is_ended_before_it)
{
    char path[200];
    char group[200];
    make_orphan("run/troupe-unit-abcdef");
    make_dir("groups");
    make_dir("groups/troupe-unit-abcdef");
    snprintf(path, sizeof path, "%s", fixture_path("run/troupe-unit-abcdef"));
    snprintf(group, sizeof group, "%s", fixture_path("groups"));
    cr_assert(scratch_note_cgroup(path, group));
    pid_t pid;
    char *argv[] = {(char *)"sleep", (char *)"1000", NULL};
    cr_assert_eq(posix_spawn(&pid, "/bin/sleep", NULL, NULL, argv, environ), 0);
    FILE *file = fopen(fixture_path("groups/troupe-unit-abcdef/cgroup.procs"), "w");
    fprintf(file, "%d\n", (int)pid);
    fclose(file);
    scratch_leftovers done = scratch_sweep(fixture_host.runtime_dir, "unit", NULL, NULL);
    cr_expect_eq(done.failed, 1, "the group stays, so does what tells of it");
    cr_expect(is_there("run/troupe-unit-abcdef"));
    int status;
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    cr_expect(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);

    cr_assert_eq(unlink(fixture_path("groups/troupe-unit-abcdef/cgroup.procs")), 0);
    done = scratch_sweep(fixture_host.runtime_dir, "unit", NULL, NULL);
    cr_expect_eq(done.failed, 0);
    cr_expect_eq(done.directories, 1);
    cr_expect_not(is_there("groups/troupe-unit-abcdef"));
}

Test(scratch, tree_that_is_no_directory_or_not_there)
{
    cr_expect(tree_remove(fixture_path("nothing")));
    FILE *file = fopen(fixture_path("file"), "w");
    fclose(file);
    cr_expect_not(tree_remove(fixture_path("file")));
    cr_expect_eq(tree_bytes(fixture_path("nothing")), 0);
    cr_expect_gt(tree_bytes(fixture_dir), 0);
}

/* Profiles ---------------------------------------------------------------------------------- */

static troupe_error lock(const char *path, int *fd, const char *why)
{
    troupe_reason reason = {{0}};
    troupe_error error = profile_lock(path, "browser p9 of host unit", fd, &reason);
    if (why != NULL) {
        cr_expect_not_null(strstr(reason.text, why), "%s", reason.text);
    }
    return error;
}

static void singleton(const char *text)
{
    (void)unlink(fixture_path("profile/SingletonLock"));
    cr_assert_eq(symlink(text, fixture_path("profile/SingletonLock")), 0);
}

Test(scratch, profile_names_and_paths)
{
    static const char *const bad[] = {"",    "../x", "a/b", ".hidden", "x y",
                                      "~/x", "a\nb", "ü",   "a:b",     "."};
    char path[PROFILE_PATH_MAX];
    troupe_reason reason;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        cr_expect_eq(profile_path("/state", bad[i], path, sizeof path, &reason), TROUPE_EPARAMS,
                     "%s", bad[i]);
    }
    cr_expect_eq(profile_path("/state", "work-1.2_x", path, sizeof path, &reason), TROUPE_OK);
    cr_expect_str_eq(path, "/state/profiles/work-1.2_x");
    cr_expect_eq(profile_path("/state", "/any where", path, sizeof path, &reason), TROUPE_OK);
    cr_expect_str_eq(path, "/any where");
}

Test(scratch, profile_is_made_where_it_can_be)
{
    troupe_reason reason;
    FILE *file = fopen(fixture_path("file"), "w");
    fclose(file);
    cr_expect_eq(profile_make(fixture_dir, fixture_path("profiles/a"), &reason), TROUPE_OK);
    cr_expect(is_there("profiles/a"));
    cr_expect_eq(profile_make(fixture_dir, fixture_path("b"), &reason), TROUPE_OK);
    cr_expect_eq(profile_make(fixture_dir, fixture_path("no/such"), &reason), TROUPE_EPARAMS);
    cr_expect_eq(profile_make(fixture_dir, fixture_path("file"), &reason), TROUPE_EPARAMS);
    cr_expect_not_null(strstr(reason.text, "not a directory"), "%s", reason.text);
}

Test(scratch, second_lock_names_the_first)
{
    int first;
    int second;
    make_dir("profile");
    const char *path = fixture_path("profile");
    cr_expect_eq(lock(path, &first, NULL), TROUPE_OK);
    cr_expect_eq(lock(path, &second, "in use by browser p9 of host unit"), TROUPE_ESTATE);
    close(first);
    cr_expect_eq(lock(path, &second, NULL), TROUPE_OK);
    close(second);
}

Test(scratch, singleton_lock_is_obeyed_while_it_may_be_meant)
{
    int fd;
    char here[200];
    char text[300];
    make_dir("profile");
    char path[200];
    snprintf(path, sizeof path, "%s", fixture_path("profile"));
    gethostname(here, sizeof here);

    singleton("elsewhere-1");
    cr_expect_eq(lock(path, &fd, "in use by process 1 on elsewhere"), TROUPE_ESTATE);

    snprintf(text, sizeof text, "%s-%d", here, 999999999);
    singleton(text);
    cr_expect_eq(lock(path, &fd, NULL), TROUPE_OK, "its process is gone");
    cr_expect_not(is_there("profile/SingletonLock"));
    close(fd);

    snprintf(text, sizeof text, "%s-%d", here, (int)getpid());
    singleton(text);
    cr_expect_eq(lock(path, &fd, NULL), TROUPE_OK, "its number is another's, that is no browser");
    close(fd);

    snprintf(text, sizeof text, "--user-data-dir=%s", path);
    char *argv[] = {(char *)"sh", (char *)"-c", (char *)"kill -STOP $$", text, NULL};
    pid_t pid;
    cr_assert_eq(posix_spawn(&pid, "/bin/sh", NULL, NULL, argv, environ), 0);
    snprintf(text, sizeof text, "%s-%d", here, (int)pid);
    char expected[64];
    snprintf(expected, sizeof expected, "in use by process %d", (int)pid);
    snprintf(text, sizeof text, "%s-%d", here, (int)pid);
    singleton(text);
    while (true) { /* until it has its command line */
        char file[64];
        char line[400] = "";
        snprintf(file, sizeof file, "/proc/%d/cmdline", (int)pid);
        FILE *in = fopen(file, "r");
        size_t got = fread(line, 1, sizeof line - 1, in);
        fclose(in);
        if (got > 3 && memcmp(line, "sh", 3) == 0) {
            break;
        }
    }
    cr_expect_eq(lock(path, &fd, expected), TROUPE_ESTATE);
    cr_expect(is_there("profile/SingletonLock"));
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    cr_expect_eq(lock(path, &fd, NULL), TROUPE_OK);
    close(fd);
}

Test(scratch, singleton_lock_of_a_machine_that_was_ours_is_stale)
{
    int fd;
    make_dir("profile");
    char path[200];
    snprintf(path, sizeof path, "%s", fixture_path("profile"));
    FILE *file = fopen(fixture_path("profile/.troupe-lock"), "w");
    fputs("old-container\nbrowser p1 of host default (pid 7)\n", file);
    fclose(file);
    singleton("old-container-33");
    cr_expect_eq(lock(path, &fd, NULL), TROUPE_OK);
    close(fd);
}
