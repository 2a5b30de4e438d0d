/* SPDX-License-Identifier: MIT */
#include "cli/state.h"
#include "scratch.h"

#include <sys/wait.h>

TestSuite(state, .init = scratch_begin, .fini = scratch_end);

static host_state some_state(void)
{
    host_state state = {.url = "http://127.0.0.1:37650",
                        .port = 37650,
                        .pid = getpid(),
                        .version = "0.1.0",
                        .token_file = "/x/token",
                        .started = 1700000000,
                        .automatic = true};
    return state;
}

static unsigned mode_of(const char *path)
{
    struct stat status;
    cr_assert_eq(stat(path, &status), 0, "%s", path);
    return status.st_mode & 07777;
}

Test(state, what_is_written_is_read_back)
{
    troupe_reason reason;
    host_state written = some_state();
    host_state back;
    cr_assert_eq(state_write(scratch, "a", &written, &reason), TROUPE_OK, "%s", reason.text);
    cr_expect_eq(mode_of(scratch_path("a.json")), 0600);
    cr_assert_eq(state_read(scratch, "a", &back, &reason), TROUPE_OK);
    cr_expect_str_eq(back.url, written.url);
    cr_expect_eq(back.port, written.port);
    cr_expect_eq(back.pid, written.pid);
    cr_expect_str_eq(back.version, written.version);
    cr_expect_str_eq(back.token_file, written.token_file);
    cr_expect_eq(back.started, written.started);
    cr_expect(back.automatic);
    state_remove(scratch, "a");
    state_remove(scratch, "a");
    cr_expect_eq(state_read(scratch, "a", &back, &reason), TROUPE_ENOTFOUND);
}

Test(state, directory_is_made_and_closed_to_others)
{
    troupe_reason reason;
    char path[300];
    snprintf(path, sizeof path, "%s/one/two/three", scratch);
    cr_assert_eq(state_dir_make(path, &reason), TROUPE_OK, "%s", reason.text);
    cr_expect_eq(mode_of(path), 0700);
    cr_assert_eq(chmod(path, 0755), 0);
    cr_assert_eq(state_dir_make(path, &reason), TROUPE_OK);
    cr_expect_eq(mode_of(path), 0700);
    scratch_write("file", 0600, "", 0);
    snprintf(path, sizeof path, "%s/file", scratch);
    cr_expect_eq(state_dir_make(path, &reason), TROUPE_EIO);
    snprintf(path, sizeof path, "%s/file/below", scratch);
    cr_expect_eq(state_dir_make(path, &reason), TROUPE_EIO);
    cr_expect(strstr(reason.text, "file/below") != NULL, "%s", reason.text);
}

Test(state, lock_is_exclusive_and_can_be_asked_for)
{
    troupe_reason reason;
    int first;
    int second;
    cr_expect_not(state_locked(scratch, "a"));
    cr_assert_eq(state_lock(scratch, "a", &first, &reason), TROUPE_OK, "%s", reason.text);
    cr_expect(state_locked(scratch, "a"));
    cr_expect_eq(state_lock(scratch, "a", &second, &reason), TROUPE_ESTATE);
    cr_expect(strstr(reason.text, "'a'") != NULL, "%s", reason.text);
    cr_assert_eq(state_lock(scratch, "b", &second, &reason), TROUPE_OK, "another name");
    close(second);
    close(first);
    cr_expect_not(state_locked(scratch, "a"));
    cr_assert_eq(state_lock(scratch, "a", &first, &reason), TROUPE_OK);
    close(first);
}

Test(state, lock_ends_with_its_process)
{
    troupe_reason reason;
    int fd;
    pid_t child = fork();
    if (child == 0) {
        _exit(state_lock(scratch, "a", &fd, NULL) == TROUPE_OK ? 0 : 1);
    }
    int status;
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert_eq(status, 0);
    cr_expect_not(state_locked(scratch, "a"));
    cr_assert_eq(state_lock(scratch, "a", &fd, &reason), TROUPE_OK);
    close(fd);
}

Test(state, only_a_living_host_is_found)
{
    troupe_reason reason;
    host_state state = some_state();
    host_state back;
    int fd;
    cr_expect_eq(state_find(scratch, "a", &back, &reason), TROUPE_ENOTFOUND, "no file");
    cr_assert_eq(state_write(scratch, "a", &state, &reason), TROUPE_OK);
    cr_expect_eq(state_find(scratch, "a", &back, &reason), TROUPE_ENOTFOUND,
                 "nobody holds the lock");
    cr_assert_eq(state_lock(scratch, "a", &fd, &reason), TROUPE_OK);
    cr_expect_eq(state_find(scratch, "a", &back, &reason), TROUPE_OK);
    pid_t child = fork();
    if (child == 0) {
        _exit(0);
    }
    cr_assert_eq(waitpid(child, NULL, 0), child);
    state.pid = child;
    cr_assert_eq(state_write(scratch, "a", &state, &reason), TROUPE_OK);
    cr_expect_eq(state_find(scratch, "a", &back, &reason), TROUPE_ENOTFOUND, "its process is gone");
    cr_expect(strstr(reason.text, "no host named 'a'") != NULL, "%s", reason.text);
    close(fd);
}

Test(state, damaged_files_are_told_apart)
{
    static const char *const texts[] = {"",
                                        "{",
                                        "[]",
                                        "{}",
                                        "{\"url\":\"x\",\"port\":0,\"pid\":1}",
                                        "{\"url\":\"x\",\"port\":70000,\"pid\":1}",
                                        "{\"url\":7,\"port\":1,\"pid\":1}"};
    troupe_reason reason;
    host_state back;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        scratch_write("a.json", 0600, texts[i], strlen(texts[i]));
        cr_expect_eq(state_read(scratch, "a", &back, &reason), TROUPE_EPARSE, "%s", texts[i]);
        cr_expect_eq(state_find(scratch, "a", &back, &reason), TROUPE_ENOTFOUND, "%s", texts[i]);
    }
}

Test(state, a_write_that_fails_leaves_the_old_file)
{
    troupe_reason reason;
    host_state state = some_state();
    char path[300];
    snprintf(path, sizeof path, "%s/none", scratch);
    cr_expect_eq(state_write(path, "a", &state, &reason), TROUPE_EIO);
    cr_expect(strstr(reason.text, "none") != NULL, "%s", reason.text);
}
