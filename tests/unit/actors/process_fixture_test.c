/* SPDX-License-Identifier: MIT */
/* Browser processes in tests. The test binary is its own keeper. */
#include "process_fixture.h"

#include "actors/browser/proc.h"
#include "actors/browser/tree.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define WAIT_MS 20000 /* never reached, unless something hangs */

char fixture_dir[64];
troupe_host_options fixture_host;

__attribute__((constructor)) static void be_keeper(int argc, char **argv)
{
    troupe_host_keeper_main(argc, argv);
}

const char *fixture_path(const char *name)
{
    static char paths[3][200];
    static unsigned next;
    char *path = paths[next++ % 3];
    snprintf(path, sizeof paths[0], "%s/%s", fixture_dir, name);
    return path;
}

void fixture_enter(void)
{
    strcpy(fixture_dir, "/tmp/troupe-proc-XXXXXX");
    cr_assert_not_null(mkdtemp(fixture_dir));
    troupe_host_options_default(&fixture_host);
    static char runtime[128];
    static char state[128];
    snprintf(runtime, sizeof runtime, "%s/run", fixture_dir);
    snprintf(state, sizeof state, "%s/state", fixture_dir);
    cr_assert_eq(mkdir(runtime, 0700), 0);
    cr_assert_eq(mkdir(state, 0700), 0);
    fixture_host.name = "unit";
    fixture_host.runtime_dir = runtime;
    fixture_host.state_dir = state;
}

void fixture_leave(void)
{
    cr_expect(tree_remove(fixture_dir));
}

const char *fixture_script(const char *name, const char *body)
{
    const char *path = fixture_path(name);
    FILE *file = fopen(path, "w");
    cr_assert_not_null(file);
    fprintf(file, "#!/bin/sh\n%s\n", body);
    fclose(file);
    cr_assert_eq(chmod(path, 0755), 0);
    return path;
}

recipe *fixture_recipe(const char *executable, const char *params)
{
    json_t *value = json_loads(params, 0, NULL);
    cr_assert_not_null(value, "%s", params);
    json_object_set_new(value, "executable", json_string(executable));
    recipe *made = NULL;
    troupe_reason reason = {{0}};
    cr_assert_eq(recipe_read(&fixture_host, value, &made, &reason), TROUPE_OK, "%s", reason.text);
    json_decref(value);
    return made;
}

process *fixture_start(const char *executable, const char *params)
{
    recipe *made = fixture_recipe(executable, params);
    process_options options = {.host = &fixture_host, .recipe = made, .browser = "p1"};
    process *run = NULL;
    troupe_reason reason = {{0}};
    cr_assert_eq(process_start(&options, &run, &reason), TROUPE_OK, "%s", reason.text);
    recipe_unref(made);
    return run;
}

char *fixture_output(const process *run)
{
    char *text = output_text(&run->output);
    cr_assert_not_null(text);
    return text;
}

static bool printed(const process *run, const char *text)
{
    char *all = fixture_output(run);
    bool found = strstr(all, text) != NULL;
    free(all);
    return found;
}

void fixture_await(process *run, const char *text)
{
    while (!printed(run, text)) {
        struct pollfd fd = {.fd = run->output_fd, .events = POLLIN};
        cr_assert_eq(poll(&fd, 1, WAIT_MS), 1, "never printed: %s", text);
        bool more = process_read_output(run);
        cr_assert(more || printed(run, text), "ended without printing: %s", text);
    }
}

int fixture_end(process *run)
{
    struct pollfd fd = {.fd = run->pid_fd, .events = POLLIN};
    cr_assert_eq(poll(&fd, 1, WAIT_MS), 1, "the keeper does not end");
    (void)process_read_output(run);
    int status = process_reap(run);
    cr_expect_eq(run->left_processes, 0);
    cr_expect_eq(run->left_directories, 0);
    cr_expect_eq(proc_kill_marked(run->scratch, 1, NULL), 0, "a process is left");
    cr_expect_neq(access(run->scratch, F_OK), 0, "%s is left", run->scratch);
    process_destroy(run);
    return status;
}

long fixture_number(const process *run, const char *key)
{
    char *all = fixture_output(run);
    const char *at = strstr(all, key);
    cr_assert_not_null(at, "%s: %s", key, all);
    long number = strtol(at + strlen(key), NULL, 10);
    free(all);
    return number;
}

bool fixture_alive(long pid)
{
    char path[64];
    char state = 'Z';
    snprintf(path, sizeof path, "/proc/%ld/stat", pid);
    FILE *file = fopen(path, "r");
    if (file != NULL) {
        cr_assert_eq(fscanf(file, "%*d (%*[^)]) %c", &state), 1);
        fclose(file);
    }
    return state != 'Z';
}

unsigned fixture_descriptors(void)
{
    unsigned count = 0;
    DIR *dir = opendir("/proc/self/fd");
    cr_assert_not_null(dir);
    while (readdir(dir) != NULL) {
        count++;
    }
    closedir(dir);
    return count;
}
