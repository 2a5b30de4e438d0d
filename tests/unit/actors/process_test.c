/* SPDX-License-Identifier: MIT */
/* Starting browser processes: what is refused before anything is started, and leaves nothing. */
#include "process_fixture.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <dirent.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

TestSuite(process, .init = fixture_enter, .fini = fixture_leave);

static unsigned entries(const char *path)
{
    unsigned count = 0;
    DIR *dir = opendir(path);
    cr_assert_not_null(dir);
    while (readdir(dir) != NULL) {
        count++;
    }
    closedir(dir);
    return count - 2;
}

static void refused(const char *params, troupe_error error, const char *why)
{
    unsigned before = fixture_descriptors();
    recipe *made = fixture_recipe(fixture_script("any", "exec sleep 1000"), params);
    process_options options = {.host = &fixture_host, .recipe = made, .browser = "p2"};
    process *run = NULL;
    troupe_reason reason = {{0}};
    cr_expect_eq(process_start(&options, &run, &reason), error, "%s", reason.text);
    cr_expect_not_null(strstr(reason.text, why), "%s", reason.text);
    recipe_unref(made);
    cr_expect_eq(fixture_descriptors(), before);
}

Test(process, profile_in_use_is_refused_and_free_again_afterwards)
{
    const char *script = fixture_script("any", "echo up\nexec sleep 1000");
    process *run = fixture_start(script, "{\"profile\":\"work\"}");
    unsigned present = entries(fixture_host.runtime_dir);
    refused("{\"profile\":\"work\"}", TROUPE_ESTATE, "in use by browser p1 of host unit (pid ");
    cr_expect_eq(entries(fixture_host.runtime_dir), present);
    process_let_go(run, true);
    (void)fixture_end(run);
    run = fixture_start(script, "{\"profile\":\"work\"}");
    process_let_go(run, true);
    (void)fixture_end(run);
}

Test(process, port_that_is_taken_is_refused)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t len = sizeof address;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    cr_assert_eq(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    cr_assert_eq(listen(fd, 1), 0);
    cr_assert_eq(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    char params[64];
    snprintf(params, sizeof params, "{\"port\":%u}", ntohs(address.sin_port));
    refused(params, TROUPE_EUNAVAILABLE, "something listens there already");
    cr_expect_eq(entries(fixture_host.runtime_dir), 0);
    close(fd);
}

Test(process, runtime_directory_that_is_gone_is_named)
{
    cr_assert_eq(rmdir(fixture_host.runtime_dir), 0);
    refused("{}", TROUPE_EIO, fixture_host.runtime_dir);
    cr_assert_eq(mkdir(fixture_host.runtime_dir, 0700), 0);
}

Test(process, keeper_that_cannot_be_run_leaves_nothing)
{
#ifdef __SANITIZE_ADDRESS__
    cr_skip_test("posix_spawn does not tell it there");
#endif
    fixture_host.keeper = "/nowhere/keeper";
    refused("{\"profile\":\"work\"}", TROUPE_EIO, "/nowhere/keeper");
    cr_expect_eq(entries(fixture_host.runtime_dir), 0);
}

Test(process, output_beyond_the_ring_keeps_the_last)
{
    process *run = fixture_start(
        fixture_script("chatty", "i=0; while [ $i -lt 3000 ]; do echo \"line $i of many, many "
                                 "lines that are printed\"; i=$((i+1)); done; echo over"),
        "{}");
    fixture_await(run, "over");
    char *text = fixture_output(run);
    cr_expect(strlen(text) <= OUTPUT_MAX && strlen(text) > OUTPUT_MAX - 200);
    cr_expect_eq(strncmp(text, "line ", 5), 0, "begins at a line");
    cr_expect(run->output.total > OUTPUT_MAX);
    free(text);
    cr_expect_eq(fixture_end(run), 0);
}
