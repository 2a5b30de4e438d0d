/* SPDX-License-Identifier: MIT */
/* The ring of what a process printed; control groups in a directory of our own. */
#include "actors/browser/cgroup.h"
#include "actors/browser/output.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void becomes(const char *bytes, size_t len, const char *expected)
{
    output printed = {0};
    output_add(&printed, bytes, len);
    char *text = output_text(&printed);
    cr_expect_str_eq(text, expected);
    free(text);
    output_fini(&printed);
}

Test(output, text_is_valid_utf8_whatever_was_printed)
{
    becomes("", 0, "");
    becomes("plain\n", 6, "plain\n");
    becomes("\xc3\xbc \xe2\x82\xac \xf0\x9f\x98\x80", 11, "\xc3\xbc \xe2\x82\xac \xf0\x9f\x98\x80");
    becomes("a\xff"
            "b\xc3",
            4,
            "a\xef\xbf\xbd"
            "b\xef\xbf\xbd");
    becomes("\xed\xa0\x80", 3, "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"); /* a surrogate */
    becomes("\xc0\xaf", 2, "\xef\xbf\xbd\xef\xbf\xbd");                 /* overlong */
    becomes("a\0b", 3,
            "a\xef\xbf\xbd"
            "b");
}

Test(output, ring_keeps_the_last_whatever_the_pieces)
{
    static const size_t pieces[] = {1, 7, 1000, 4096, 70000};
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        output printed = {0};
        char *source = malloc(200001);
        for (size_t at = 0; at < 200000; at++) {
            source[at] = at % 50 == 49 ? '\n' : (char)('a' + at / 50 % 26);
        }
        source[200000] = '\0';
        for (size_t at = 0; at < 200000; at += pieces[i]) {
            output_add(&printed, source + at, at + pieces[i] > 200000 ? 200000 - at : pieces[i]);
        }
        char *text = output_text(&printed);
        size_t len = strlen(text);
        cr_expect(len > OUTPUT_MAX - 51 && len <= OUTPUT_MAX, "%zu", len);
        cr_expect_str_eq(text, source + 200000 - len);
        free(text);
        free(source);
        output_fini(&printed);
    }
}

Test(output, last_words_are_printable_and_not_about_the_desktop_bus)
{
    char line[40];
    output printed = {0};
    output_last_words(&printed, line, sizeof line);
    cr_expect_str_eq(line, "");
    static const char text[] = "first\nsecond\x01\xff\nno dbus here\n\n";
    output_add(&printed, text, sizeof text - 1);
    output_last_words(&printed, line, sizeof line);
    cr_expect_str_eq(line, "second??");
    output_fini(&printed);
}

/* Control groups ---------------------------------------------------------------------------- */

static char dir[64];

static void write_file(const char *name, const char *text)
{
    char path[200];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *file = fopen(path, "w");
    cr_assert_not_null(file, "%s", path);
    fputs(text, file);
    fclose(file);
}

static void make_dir(const char *name)
{
    char path[200];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    cr_assert_eq(mkdir(path, 0700), 0);
}

static troupe_error find(char *found, troupe_reason *reason)
{
    char own[100];
    char mounts[100];
    snprintf(own, sizeof own, "%s/own", dir);
    snprintf(mounts, sizeof mounts, "%s/mounts", dir);
    return cgroup_find(own, mounts, found, CGROUP_PATH_MAX, reason);
}

static void setup(const char *type, const char *options, const char *own)
{
    char line[300];
    strcpy(dir, "/tmp/troupe-cgroup-XXXXXX");
    cr_assert_not_null(mkdtemp(dir));
    snprintf(line, sizeof line, "proc /proc proc rw 0 0\n%s %s/fs %s rw,%s 0 0\n", type, dir, type,
             options);
    write_file("mounts", line);
    write_file("own", own);
    make_dir("fs");
    make_dir("fs/service");
    make_dir("fs/service/host");
}

static void fini(void)
{
    char command[100];
    snprintf(command, sizeof command, "rm -r %s", dir);
    cr_expect_eq(system(command), 0);
}

TestSuite(cgroup, .fini = fini);

Test(cgroup, version_2_wants_the_controller_passed_on)
{
    char found[CGROUP_PATH_MAX];
    char expected[200];
    troupe_reason reason = {{0}};
    setup("cgroup2", "nsdelegate", "0::/service/host\n");
    cr_expect_eq(find(found, &reason), TROUPE_EUNAVAILABLE);
    cr_expect_not_null(strstr(reason.text, "Delegate=memory"), "%s", reason.text);
    write_file("fs/service/cgroup.subtree_control", "cpu memory pids\n");
    cr_expect_eq(find(found, &reason), TROUPE_OK);
    snprintf(expected, sizeof expected, "%s/fs/service", dir);
    cr_expect_str_eq(found, expected);
    write_file("fs/service/host/cgroup.subtree_control", "memory\n");
    cr_expect_eq(find(found, &reason), TROUPE_OK);
    snprintf(expected, sizeof expected, "%s/fs/service/host", dir);
    cr_expect_str_eq(found, expected);
}

Test(cgroup, version_1_is_found_by_its_controller)
{
    char found[CGROUP_PATH_MAX];
    char expected[200];
    troupe_reason reason = {{0}};
    setup("cgroup", "memory", "7:cpu:/elsewhere\n4:memory:/service\n0::/\n");
    cr_expect_eq(find(found, &reason), TROUPE_OK, "%s", reason.text);
    snprintf(expected, sizeof expected, "%s/fs/service", dir);
    cr_expect_str_eq(found, expected);
}

Test(cgroup, machine_without_any_says_so)
{
    char found[CGROUP_PATH_MAX];
    troupe_reason reason = {{0}};
    setup("tmpfs", "mode=755", "0::/\n");
    cr_expect_eq(find(found, &reason), TROUPE_EUNAVAILABLE);
    cr_expect_str_eq(reason.text, "no control groups are mounted");
}

Test(cgroup, group_without_a_limit_is_removed_again)
{
    char path[CGROUP_PATH_MAX];
    char base[200];
    troupe_reason reason = {{0}};
    setup("cgroup2", "rw", "0::/service\n");
    snprintf(base, sizeof base, "%s/fs", dir);
    cr_expect_eq(cgroup_create(base, "b", 1 << 20, path, sizeof path, &reason), TROUPE_EIO);
    cr_expect_neq(access(path, F_OK), 0);
    cr_expect_eq(cgroup_create("/nowhere", "b", 1 << 20, path, sizeof path, &reason), TROUPE_EIO);
    cr_expect(cgroup_remove("/nowhere/b"), "gone is gone");
}
