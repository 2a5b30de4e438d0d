/* SPDX-License-Identifier: MIT */
/* The launcher actor alone in a system, with scripts in the browsers' place. */
#include "actors/browser/breaker.h"
#include "actors/cast.h"
#include "actors/json_call.h"
#include "process_fixture.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define WAIT_MS 20000

static troupe_system *scene;
static troupe_guest *guest;
static troupe_address launcher;

static void enter_with(const troupe_system_options *system)
{
    fixture_enter();
    fixture_host.launch_parallel = 2;
    fixture_host.browsers_max = 8;
    troupe_spawn_options options = {0};
    cr_assert_eq(troupe_system_open(system, &scene), TROUPE_OK);
    cr_assert_eq(troupe_guest_create(scene, &guest), TROUPE_OK);
    cr_assert_eq(launcher_prepare(NULL, &fixture_host, &options), TROUPE_OK);
    cr_assert_eq(troupe_spawn(scene, &options, &launcher), TROUPE_OK);
}

static void enter(void)
{
    enter_with(NULL);
}

static void enter_small(void)
{
    enter_with(&(troupe_system_options){.actors_max = 8});
}

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

static void leave(void)
{
    cr_expect_eq(troupe_stop(scene, launcher, TROUPE_STOP_DRAIN), TROUPE_OK);
    cr_expect_eq(troupe_join(scene, launcher, WAIT_MS), TROUPE_OK);
    cr_expect_eq(entries(fixture_host.runtime_dir), 0, "a directory is left");
    troupe_guest_destroy(guest);
    troupe_system_close(scene, 1000);
    fixture_leave();
}

TestSuite(launcher, .init = enter, .fini = leave);
TestSuite(launcher_small, .init = enter_small, .fini = leave);

/* The result, or NULL and the fault's text. */
static json_t *ask(const char *verb, json_t *params, char *fault, size_t size)
{
    troupe_buffer payload = {0};
    troupe_answer answer = {0};
    cr_assert_eq(json_pack_payload(&payload, params), TROUPE_OK);
    json_decref(params);
    troupe_error error = troupe_guest_call(guest, launcher, verb, NULL,
                                           troupe_buffer_bytes(&payload), WAIT_MS, &answer);
    json_t *result = NULL;
    if (error == TROUPE_OK) {
        result = json_payload(answer.payload);
    } else {
        snprintf(fault, size, "%s", answer.message);
    }
    troupe_answer_fini(&answer);
    troupe_buffer_fini(&payload);
    return result;
}

static json_t *asked(const char *verb, json_t *params)
{
    char fault[600] = "";
    json_t *result = ask(verb, params, fault, sizeof fault);
    cr_assert_not_null(result, "%s: %s", verb, fault);
    return result;
}

static void fails(const char *verb, json_t *params, const char *why)
{
    char fault[600] = "";
    cr_assert_null(ask(verb, params, fault, sizeof fault));
    cr_expect_not_null(strstr(fault, why), "%s", fault);
}

static json_int_t metric(const char *name)
{
    json_t *all = asked("launcher.metrics", json_object());
    json_int_t value = json_integer_value(json_object_get(all, name));
    json_decref(all);
    return value;
}

/* Have so many launched, without waiting for them. */
static void launch(const char *executable, int count)
{
    troupe_buffer payload = {0};
    json_t *params = json_pack("{s:s, s:i}", "executable", executable, "count", count);
    cr_assert_eq(json_pack_payload(&payload, params), TROUPE_OK);
    json_decref(params);
    cr_assert_eq(troupe_guest_post(guest, launcher, TROUPE_CAST, "browsers.launch", NULL,
                                   troupe_buffer_bytes(&payload)),
                 TROUPE_OK);
    troupe_buffer_fini(&payload);
}

Test(launcher, browser_that_ends_is_a_failed_launch_with_its_last_words)
{
    const char *script = fixture_script("quits", "echo the last word; exit 3");
    fails("browsers.launch", json_pack("{s:s}", "executable", script), "did not start: ");
    fails("browsers.launch", json_pack("{s:s, s:i}", "executable", script, "count", 2),
          "exited with status 3: the last word (none of the 2 did)");
    cr_expect_eq(metric("launched"), 3);
    cr_expect_eq(metric("failed"), 3);
    cr_expect_eq(metric("running"), 0);
    json_t *logs = asked("browsers.log", json_object());
    json_t *first = json_array_get(json_object_get(logs, "logs"), 0);
    cr_expect_str_eq(json_string_value(json_object_get(first, "output")), "the last word\n");
    json_decref(logs);
}

/* Whatever is cut, and wherever: the call is answered. */
Test(launcher, long_path_of_other_letters_is_cut_between_them)
{
    char name[132];
    for (size_t shift = 0; shift < 2; shift++) {
        size_t len = shift;
        memset(name, 'x', shift);
        for (; len + 4 < sizeof name; len += 2) {
            memcpy(name + len, "\xc3\xa9", 2);
        }
        name[len] = '\0';
        char dir[200];
        snprintf(dir, sizeof dir, "%s", fixture_path(name));
        cr_assert_eq(mkdir(dir, 0700), 0);
        strcat(name, "/");
        strcat(dir, "/");
        char path[400];
        snprintf(path, sizeof path, "%s%.*s", dir, (int)len, name);
        cr_assert_gt(strlen(path), 210);
        FILE *file = fopen(path, "w");
        fputs("#!/bin/sh\nexit 3\n", file);
        fclose(file);
        cr_assert_eq(chmod(path, 0755), 0);
        fails("browsers.launch", json_pack("{s:s, s:i}", "executable", path, "count", 2),
              "status 3 (none of the 2 did)");
    }
}

Test(launcher, few_start_at_once_and_the_others_can_be_closed_while_they_wait)
{
    launch(fixture_script("mute", "exec sleep 1000"), 5);
    cr_expect_eq(metric("starting"), 2);
    cr_expect_eq(metric("queued"), 3);
    cr_expect_eq(metric("launched"), 2);
    json_decref(asked("browsers.close", json_pack("{s:s}", "browser", "p4")));
    cr_expect_eq(metric("queued"), 2);
    json_decref(asked("browsers.close", json_pack("{s:s}", "browser", "p1")));
    cr_expect_eq(metric("launched"), 3, "the next one has its turn");
    cr_expect_eq(metric("closed"), 1);
    fails("browsers.close", json_pack("{s:s}", "browser", "p1"), "no browser p1");
}

Test(launcher, stop_ends_those_that_start_and_those_that_wait)
{
    launch(fixture_script("mute", "(setsid sleep 1000 &); exec sleep 1000"), 5);
    cr_expect_eq(metric("launched"), 2);
}

Test(launcher, more_than_there_is_room_for_are_refused_whole)
{
    const char *script = fixture_script("mute", "exec sleep 1000");
    launch(script, 5);
    fails("browsers.launch", json_pack("{s:s, s:i}", "executable", script, "count", 4),
          "there are 5 browsers already, of at most 8");
    cr_expect_eq(metric("queued"), 3);
}

Test(launcher, failures_open_the_breaker_and_it_is_told)
{
    const char *script = fixture_script("broken", "exit 9");
    for (int i = 0; i < BREAKER_FAILURES; i++) {
        fails("browsers.launch", json_pack("{s:s}", "executable", script), "status 9");
    }
    fails("browsers.launch", json_pack("{s:s}", "executable", script),
          "failed 5 times, and will be tried again in ");
    cr_expect_eq(metric("launched"), BREAKER_FAILURES);
    cr_expect_eq(metric("refused"), 1);
    json_t *all = asked("launcher.metrics", json_object());
    json_t *row = json_array_get(json_object_get(all, "breakers"), 0);
    cr_expect_str_eq(json_string_value(json_object_get(row, "state")), "open");
    json_decref(all);
}

Test(launcher, closing_a_browser_that_starts_says_nothing_about_it)
{
    const char *script = fixture_script("mute", "exec sleep 1000");
    for (int i = 1; i <= BREAKER_FAILURES + 1; i++) {
        char id[16];
        snprintf(id, sizeof id, "p%d", i);
        launch(script, 1);
        json_decref(asked("browsers.close", json_pack("{s:s, s:b}", "browser", id, "force", 1)));
    }
    cr_expect_eq(metric("closed"), BREAKER_FAILURES + 1);
    json_t *all = asked("launcher.metrics", json_object());
    cr_expect_eq(json_array_size(json_object_get(all, "breakers")), 0);
    json_decref(all);
}

Test(launcher, latest_outputs_are_kept_and_failures_the_longest)
{
    fails("browsers.launch",
          json_pack("{s:s}", "executable", fixture_script("quits", "echo remember; exit 3")),
          "status 3");
    const char *mute = fixture_script("mute", "exec sleep 1000");
    for (int i = 2; i < 14; i++) {
        char id[16];
        snprintf(id, sizeof id, "p%d", i);
        launch(mute, 1);
        json_decref(asked("browsers.close", json_pack("{s:s}", "browser", id)));
    }
    json_t *logs = asked("browsers.log", json_object());
    json_t *list = json_object_get(logs, "logs");
    cr_expect_eq(json_array_size(list), 8);
    cr_expect_str_eq(json_string_value(json_object_get(json_array_get(list, 0), "output")),
                     "remember\n");
    json_decref(logs);
    fails("browsers.log", json_pack("{s:s}", "browser", "p99"), "no browser p99");
}

static troupe_error idle(troupe_actor *self, void *context, const troupe_envelope *envelope)
{
    (void)self;
    (void)context;
    (void)envelope;
    return TROUPE_OK;
}

Test(launcher_small, port_that_cannot_be_started_is_a_fault_and_is_not_on_the_list)
{
    static const troupe_behaviour nobody = {.kind = "nobody", .receive = idle};
    troupe_spawn_options options = {.behaviour = &nobody};
    troupe_address address;
    cr_assert_eq(metric("running"), 0); /* it has started */
    while (troupe_spawn(scene, &options, &address) == TROUPE_OK) {
    }
    for (int i = 0; i < 2; i++) {
        fails("ports.add", json_pack("{s:s}", "port", "http://127.0.0.1:9"),
              troupe_error_text(TROUPE_ELIMIT));
    }
    json_t *ports = asked("ports.list", json_object());
    cr_expect_eq(json_array_size(json_object_get(ports, "ports")), 0);
    json_decref(ports);
}
