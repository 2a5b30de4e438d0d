/* SPDX-License-Identifier: MIT */
/* The keeper, with shell scripts in the browser's place: how everything ends with it. */
#include "process_fixture.h"

#include "actors/browser/keeper.h"
#include "actors/cast.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

TestSuite(keeper, .init = fixture_enter, .fini = fixture_leave);

/* Prints the pids of itself, a child, a grandchild that left group and session, and its child. */
static process *start_family(const char *name, const char *end, const char *params, long pids[4])
{
    char body[900];
    snprintf(body, sizeof body,
             "sleep 1000 & echo child=$!\n"
             "mkfifo $TMPDIR/ready $TMPDIR/leave\n"
             "(setsid sh -c 'sleep 1000 & echo orphan=$!; echo far=$$; echo > $TMPDIR/ready;"
             " exec sleep 1000' &)\n"
             "read x < $TMPDIR/ready\n"
             "echo self=$$\n%s\n",
             end);
    process *run = fixture_start(fixture_script(name, body), params);
    fixture_await(run, "self=");
    static const char *const keys[] = {"self=", "child=", "far=", "orphan="};
    for (size_t i = 0; i < 4; i++) {
        pids[i] = fixture_number(run, keys[i]);
        cr_assert(fixture_alive(pids[i]), "%s", keys[i]);
    }
    return run;
}

static void check_gone(const long pids[4])
{
    for (size_t i = 0; i < 4; i++) {
        cr_expect_not(fixture_alive(pids[i]), "%zu", i);
    }
}

Test(keeper, status_of_the_browser_is_passed_on)
{
    cr_expect_eq(fixture_end(fixture_start(fixture_script("ends", "exit 3"), "{}")), 3);
    cr_expect_eq(fixture_end(fixture_start(fixture_script("segv", "kill -SEGV $$"), "{}")),
                 128 + SIGSEGV);
}

Test(keeper, browser_that_cannot_be_run_says_why)
{
    const char *path = fixture_script("garbage", "");
    FILE *file = fopen(path, "w");
    fputs("\x7f"
          "ELFgarbage",
          file);
    fclose(file);
    process *run = fixture_start(path, "{}");
    fixture_await(run, "garbage: ");
    cr_expect_eq(fixture_end(run), KEEPER_NOT_STARTED);
}

Test(keeper, let_go_ends_the_whole_family)
{
    long pids[4];
    unsigned before = fixture_descriptors();
    process *run = start_family("family", "exec sleep 1000", "{}", pids);
    process_let_go(run, false);
    cr_expect_eq(fixture_end(run), 128 + SIGKILL);
    check_gone(pids);
    cr_expect_eq(fixture_descriptors(), before);
}

Test(keeper, family_ends_with_the_browser)
{
    long pids[4];
    process *run = start_family("leaver", "read x < $TMPDIR/leave; exit 0", "{}", pids);
    char leave[400];
    snprintf(leave, sizeof leave, "%s/tmp/leave", run->scratch);
    FILE *fifo = fopen(leave, "w");
    fputs("leave\n", fifo);
    fclose(fifo);
    cr_expect_eq(fixture_end(run), 0);
    check_gone(pids);
}

Test(keeper, end_of_the_host_is_end_of_all)
{
    long pids[4];
    process *run = start_family("host", "exec sleep 1000", "{}", pids);
    close(run->host_fd); /* as the kernel does when a process is killed */
    run->host_fd = -1;
    cr_expect_eq(fixture_end(run), 128 + SIGKILL);
    check_gone(pids);
}

Test(keeper, killed_keeper_is_cleaned_up_after)
{
    long pids[4];
    process *run = start_family("orphans", "sleep 1000", "{}", pids);
    kill(run->pid, SIGKILL);
    cr_expect_eq(fixture_end(run), 128 + SIGKILL);
    check_gone(pids);
}

Test(keeper, stopped_browser_is_ended)
{
    long pids[4];
    process *run = start_family("stopped", "kill -STOP $$", "{}", pids);
    process_let_go(run, true);
    cr_expect_eq(fixture_end(run), 128 + SIGKILL);
    check_gone(pids);
}

Test(keeper, profile_that_is_kept_gets_time_to_be_written)
{
    const char *script = fixture_script(
        "writer", "trap 'echo written > \"${1#--user-data-dir=}/mark\"; exit 0' TERM\n"
                  "echo ready\nwhile :; do sleep 0.01; done");
    process *run = fixture_start(script, "{\"profile\":\"work\"}");
    fixture_await(run, "ready");
    char mark[400];
    snprintf(mark, sizeof mark, "%s/mark", run->profile);
    process_let_go(run, false);
    cr_expect_eq(fixture_end(run), 0);
    cr_expect_eq(access(mark, F_OK), 0, "%s", mark);
}

Test(keeper, force_cuts_the_grace_short)
{
    const char *script =
        fixture_script("deaf", "trap 'echo heard' TERM\necho ready\nwhile :; do sleep 0.01; done");
    process *run = fixture_start(script, "{\"profile\":\"work\"}");
    fixture_await(run, "ready");
    process_let_go(run, false);
    fixture_await(run, "heard");
    process_let_go(run, true);
    cr_expect_eq(fixture_end(run), 128 + SIGKILL);
}

Test(keeper, who_forks_while_being_killed_is_killed)
{
    const char *script = fixture_script(
        "hydra", "grow() { [ $1 -gt 0 ] || exec sleep 1000\n"
                 "  (setsid sh -c 'exec sleep 1000' &); grow $(($1 - 1)) & grow $(($1 - 1)); }\n"
                 "echo ready\ngrow 6\nexec sleep 1000");
    process *run = fixture_start(script, "{}");
    fixture_await(run, "ready");
    process_let_go(run, false); /* in the midst of it */
    cr_expect_eq(fixture_end(run), 128 + SIGKILL);
}

Test(keeper, environment_is_what_was_asked_for)
{
    setenv("TROUPE_TOKEN", "secret", 1);
    setenv("UNWANTED", "x", 1);
    process *run = fixture_start(fixture_script("env", "env; echo done"),
                                 "{\"env\":{\"WANTED\":\"a=b c\",\"UNWANTED\":null}}");
    fixture_await(run, "done");
    char *text = fixture_output(run);
    char tmp[400];
    snprintf(tmp, sizeof tmp, "TMPDIR=%s/tmp\n", run->scratch);
    cr_expect_not_null(strstr(text, "WANTED=a=b c\n"), "%s", text);
    cr_expect_not_null(strstr(text, tmp), "%s", text);
    cr_expect_null(strstr(text, "secret"));
    cr_expect_null(strstr(text, "TROUPE_"));
    cr_expect_null(strstr(text, "UNWANTED"));
    free(text);
    cr_expect_eq(fixture_end(run), 0);
}

Test(keeper, limits_hold_for_the_browser)
{
    process *run = fixture_start(
        fixture_script("limits", "echo nice=$(ps -o ni= $$) core=$(ulimit -c) data=$(ulimit -d);"
                                 "echo group=$(cat /proc/self/cgroup | tr '\\n' ' '); echo done"),
        "{\"nice\":7,\"memory_limit\":\"256M\"}");
    fixture_await(run, "done");
    char *text = fixture_output(run);
    cr_expect_eq(fixture_number(run, "nice="), 7, "%s", text);
    cr_expect_eq(fixture_number(run, "core="), 0, "%s", text);
    if (run->cgroup[0] != '\0') { /* one or the other */
        cr_expect_not_null(strstr(text, strrchr(run->cgroup, '/')), "%s", text);
    } else {
        cr_expect_eq(fixture_number(run, "data="), 256 * 1024, "%s", text);
    }
    free(text);
    char cgroup[sizeof run->cgroup];
    memcpy(cgroup, run->cgroup, sizeof cgroup);
    cr_expect_eq(fixture_end(run), 0);
    cr_expect_neq(access(cgroup, F_OK), 0, "%s is left", cgroup);
}

Test(keeper, only_the_pipe_is_inherited)
{
    process *run =
        fixture_start(fixture_script("fds", "ls /proc/self/fd | tr '\\n' ' '; echo end"), "{}");
    fixture_await(run, "end");
    char *text = fixture_output(run);
    cr_expect_str_eq(text, "0 1 2 3 4 5 end\n", "%s", text); /* 5 is ls's own */
    free(text);
    cr_expect_eq(fixture_end(run), 0);
}

Test(keeper, alone_says_that_it_is_not_for_people)
{
    char *arguments[] = {(char *)"troupe", (char *)"--keeper", NULL};
    cr_expect_eq(keeper_main(2, arguments), 2);
}

/* The keeper by hand, with a descriptor of that directory or none. */
static int keep(const char *held, const char *named)
{
    pid_t pid = fork();
    if (pid == 0) {
        int fd = held != NULL ? open(held, O_RDONLY | O_DIRECTORY) : -1;
        (void)close(KEEPER_SCRATCH_FD);
        if (fd >= 0) {
            (void)dup2(fd, KEEPER_SCRATCH_FD);
        }
        execl("/proc/self/exe", "unit", "--keeper", named, "nice=0", "--", "/bin/true", NULL);
        _exit(99);
    }
    int status = 0;
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

Test(keeper, directory_that_was_not_handed_over_is_not_touched)
{
    char data[200];
    char one[200];
    char other[200];
    snprintf(data, sizeof data, "%s", fixture_path("run/data"));
    snprintf(one, sizeof one, "%s", fixture_path("run/troupe-unit-abcdef"));
    snprintf(other, sizeof other, "%s", fixture_path("run/troupe-unit-ghijkl"));
    cr_assert(mkdir(data, 0700) == 0 && mkdir(one, 0700) == 0 && mkdir(other, 0700) == 0);
    cr_expect_eq(keep(data, data), 2, "another name");
    cr_expect_eq(keep(other, one), 2, "another descriptor");
    cr_expect_eq(keep(NULL, one), 2, "no descriptor");
    cr_expect(access(data, F_OK) == 0 && access(one, F_OK) == 0 && access(other, F_OK) == 0);
    cr_expect_neq(keep(one, one), 2); /* no host holds it, so it may end early */
    cr_expect_neq(access(one, F_OK), 0);
    (void)rmdir(data);
    (void)rmdir(other);
}

/* A browser that opened a terminal in which a host was started, which keeps a browser of its own.
 * All of it descends from the browser, and the first two have its TMPDIR. */
static process *start_nested(long pids[3])
{
    char self[300] = "";
    char body[900];
    cr_assert_gt(readlink("/proc/self/exe", self, sizeof self - 1), 0);
    snprintf(body, sizeof body,
             "mkdir -p $0.d/troupe-other-abcdef && cd $0.d && mkfifo hold\n"
             "exec 5<>hold 6<troupe-other-abcdef\n"
             "%s --keeper $PWD/troupe-other-abcdef nice=0 --"
             " sh -c 'echo theirs=$$; exec sleep 1000' &\n"
             "echo keeper=$! host=$$\nwait\n",
             self);
    const char *host = fixture_script("host", body);
    snprintf(body, sizeof body, "(setsid %s &)\nexec sleep 1000", host);
    process *run = fixture_start(fixture_script("opener", body), "{}");
    fixture_await(run, "host=");
    fixture_await(run, "theirs=");
    static const char *const keys[] = {"keeper=", "host=", "theirs="};
    for (size_t i = 0; i < 3; i++) {
        pids[i] = fixture_number(run, keys[i]);
        cr_assert(fixture_alive(pids[i]), "%s", keys[i]);
    }
    return run;
}

static void check_spared(const long pids[3])
{
    for (size_t i = 0; i < 3; i++) {
        cr_expect(fixture_alive(pids[i]), "%zu", i);
    }
    kill((pid_t)pids[0], SIGKILL); /* its browser goes with it */
    kill((pid_t)pids[1], SIGKILL);
}

Test(keeper, host_that_was_started_from_within_the_browser_is_spared)
{
    long pids[3];
    process *run = start_nested(pids);
    process_let_go(run, false);
    cr_expect_eq(fixture_end(run), 128 + SIGKILL);
    check_spared(pids);
}

Test(keeper, host_within_is_spared_too_when_the_keeper_was_killed)
{
    long pids[3];
    process *run = start_nested(pids);
    kill(run->pid, SIGKILL);
    cr_expect_eq(fixture_end(run), 128 + SIGKILL);
    check_spared(pids);
}
