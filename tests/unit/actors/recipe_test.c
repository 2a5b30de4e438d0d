/* SPDX-License-Identifier: MIT */
/* What may be asked of a launch, and what becomes of it on the command line. */
#include "process_fixture.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

TestSuite(recipe, .init = fixture_enter, .fini = fixture_leave);

static void refuses(const char *params, const char *why)
{
    json_t *value = json_loads(params, 0, NULL);
    cr_assert_not_null(value, "%s", params);
    if (json_object_get(value, "executable") == NULL) {
        json_object_set_new(value, "executable", json_string(fixture_script("chromium", "")));
    }
    recipe *made = NULL;
    troupe_reason reason = {{0}};
    cr_expect_eq(recipe_read(&fixture_host, value, &made, &reason), TROUPE_EPARAMS, "%s", params);
    cr_expect_not_null(strstr(reason.text, why), "%s: %s", params, reason.text);
    json_decref(value);
}

/* The command line, with a blank before and after each word. */
static char *line_of(const char *params)
{
    recipe *made = fixture_recipe(fixture_script("chromium", ""), params);
    words line = {0};
    recipe_command(made, "/profile", &line);
    cr_assert_not(line.failed);
    size_t size = 2;
    for (size_t i = 0; i < line.count; i++) {
        size += strlen(line.items[i]) + 1;
    }
    char *text = calloc(1, size);
    strcpy(text, " ");
    for (size_t i = 0; i < line.count; i++) {
        strcat(strcat(text, line.items[i]), " ");
    }
    words_fini(&line);
    recipe_unref(made);
    return text;
}

static void gives(const char *params, const char *part, bool there)
{
    char *line = line_of(params);
    cr_expect_eq(strstr(line, part) != NULL, there, "%s: %s in %s", params, part, line);
    free(line);
}

Test(recipe, values_that_are_wrong_are_named)
{
    static const char *const cases[][2] = {
        {"{\"headed\":1}", "`headed` must be true or false"},
        {"{\"full\":\"yes\"}", "`full` must be true or false"},
        {"{\"port\":0}", "`port` must be true"},
        {"{\"port\":65536}", "`port` must be true"},
        {"{\"port\":-1}", "`port` must be true"},
        {"{\"port\":\"9222\"}", "`port` must be true"},
        {"{\"window_size\":\"800\"}", "`window_size` must be WIDTHxHEIGHT"},
        {"{\"window_size\":\"0x600\"}", "`window_size` must be WIDTHxHEIGHT"},
        {"{\"window_size\":\"800x600x2\"}", "`window_size` must be WIDTHxHEIGHT"},
        {"{\"window_size\":\"800x-600\"}", "`window_size` must be WIDTHxHEIGHT"},
        {"{\"window_size\":\"99999x600\"}", "`window_size` must be WIDTHxHEIGHT"},
        {"{\"window_size\":7}", "`window_size` must be a string"},
        {"{\"proxy\":\"http://user:pass@proxy:3128\"}", "`proxy` must not have a user name"},
        {"{\"proxy\":\"a b\"}", "`proxy` must not have blanks"},
        {"{\"proxy_bypass\":\"*.test\"}", "`proxy_bypass` means nothing without `proxy`"},
        {"{\"user_agent\":\"a\\nb\"}", "`user_agent` must be one line"},
        {"{\"nice\":20}", "`nice` must be a number from -20 to 19"},
        {"{\"nice\":1.5}", "`nice` must be a number"},
        {"{\"memory_limit\":\"lots\"}", "`memory_limit` must be"},
        {"{\"memory_limit\":\"1M\"}", "`memory_limit` must be"},
        {"{\"memory_limit\":-1}", "`memory_limit` must be"},
        {"{\"memory_limit\":\"99999999999T\"}", "`memory_limit` must be"},
        {"{\"start_timeout_ms\":0}", "`start_timeout_ms` must be a number from 1"},
        {"{\"args\":\"--x\"}", "`args` must be a list"},
        {"{\"args\":[7]}", "`args` must be a list"},
        {"{\"args\":[\"x\"]}", "`args`: \"x\" is no switch"},
        {"{\"args\":[\"-x\"]}", "`args`: \"-x\" is no switch"},
        {"{\"args\":[\"--\"]}", "`args`: \"--\" is no switch"},
        {"{\"args\":[\"https://example.org/\"]}", "pages are opened with `open`"},
        {"{\"args\":[\"--remote-debugging-port=1\"]}", "--remote-debugging-port=1 is not to be"},
        {"{\"args\":[\"--remote-debugging-pipe\"]}", "the host controls the browser"},
        {"{\"args\":[\"--remote-debugging-address=0.0.0.0\"]}", "the host controls the browser"},
        {"{\"args\":[\"--user-data-dir=/x\"]}", "`profile` decides that"},
        {"{\"args\":[\"--headless\"]}", "`headed` decides that"},
        {"{\"args\":[\"--headless=old\"]}", "`headed` decides that"},
        {"{\"args\":[\"--x=a\\u0001b\"]}", "control characters"},
        {"{\"env\":[]}", "`env` must be an object"},
        {"{\"env\":{\"A\":1}}", "`env`: A must be a string"},
        {"{\"env\":{\"A=B\":\"\"}}", "`env`: \"A=B\" is no name"},
        {"{\"env\":{\"\":\"\"}}", "is no name"},
        {"{\"env\":{\"1A\":\"\"}}", "is no name"},
        {"{\"env\":{\"TMPDIR\":\"/x\"}}", "`env`: TMPDIR is the host's own"},
        {"{\"env\":{\"TROUPE_X\":\"/x\"}}", "`env`: TROUPE_X is the host's own"},
        {"{\"extensions\":\"/x\"}", "`extensions` must be a list"},
        {"{\"extensions\":[\"relative\"]}", "`extensions`: relative: must be an absolute path"},
        {"{\"extensions\":[\"/no,commas\"]}", "must be an absolute path without commas"},
        {"{\"extensions\":[\"/nowhere\"]}", "/nowhere/manifest.json: No such file"},
        {"{\"profile\":\"a b\"}", "`profile` a b: neither"},
        {"{\"profile\":\"/nowhere/x/y\"}", "`profile` /nowhere/x/y: No such file"},
        {"{\"profile\":7}", "`profile` must be a string"},
        {"{\"executable\":\"./relative\"}", "`executable` must be an absolute path"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        refuses(cases[i][0], cases[i][1]);
    }
}

Test(recipe, what_was_asked_for_is_on_the_command_line)
{
    gives("{}", " --remote-debugging-pipe ", true);
    gives("{}", " --headless ", true);
    gives("{}", " --user-data-dir=/profile ", true);
    gives("{\"headed\":true}", " --headless ", false);
    gives("{\"port\":true}", " --remote-debugging-port=0 ", true);
    gives("{\"port\":true}", " --remote-debugging-pipe ", false);
    gives("{\"port\":false}", " --remote-debugging-pipe ", true);
    gives("{\"port\":9222}", " --remote-debugging-port=9222 ", true);
    gives("{\"window_size\":\"800x600\"}", " --window-size=800,600 ", true);
    gives("{\"proxy\":\"socks5://127.0.0.1:1080\",\"proxy_bypass\":\"*.test;<local>\"}",
          " --proxy-server=socks5://127.0.0.1:1080 --proxy-bypass-list=*.test;<local> ", true);
    gives("{\"user_agent\":\"robot 1\"}", " --user-agent=robot 1 ", true);
    gives("{\"args\":[\"--lang=de\",\"--mute-audio\"]}", " --lang=de --mute-audio ", true);
    gives("{\"args\":[\"--headless-mode-is-another-word\"]}", "--headless-mode", true);
}

Test(recipe, settings_hold_unless_the_call_says_otherwise)
{
    fixture_host.window_size = "1x2";
    fixture_host.proxy = "p:1";
    fixture_host.user_agent = "configured";
    fixture_host.extra_args = "  --one\t--two ";
    fixture_host.nice = 5;
    fixture_host.memory_limit = 1u << 30;
    gives("{}", " --window-size=1,2 ", true);
    gives("{\"window_size\":\"3x4\"}", " --window-size=3,4 ", true);
    gives("{\"window_size\":\"\"}", "--window-size", false);
    gives("{}", " --proxy-server=p:1 ", true);
    gives("{\"proxy\":\"\"}", "--proxy-server", false);
    gives("{}", " --user-agent=configured ", true);
    gives("{\"args\":[\"--three\"]}", " --one --two --three ", true);
    recipe *made = fixture_recipe(fixture_script("chromium", ""), "{\"memory_limit\":0}");
    cr_expect_eq(made->nice, 5);
    cr_expect_eq(made->memory_bytes, 0);
    recipe_unref(made);
    fixture_host.extra_args = "--user-data-dir=/x";
    refuses("{}", "[launcher] extra_args: --user-data-dir=/x is not to be given");
}

Test(recipe, sizes_are_powers_of_1024)
{
    static const struct {
        const char *params;
        uint64_t bytes;
    } cases[] = {{"{\"memory_limit\":\"512M\"}", (uint64_t)512 << 20},
                 {"{\"memory_limit\":\"2g\"}", (uint64_t)2 << 30},
                 {"{\"memory_limit\":\"0\"}", 0},
                 {"{\"memory_limit\":67108864}", 64u << 20}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        recipe *made = fixture_recipe(fixture_script("chromium", ""), cases[i].params);
        cr_expect_eq(made->memory_bytes, cases[i].bytes, "%s", cases[i].params);
        recipe_unref(made);
    }
}

Test(recipe, extensions_want_full_chromium)
{
    char params[400];
    char manifest[300];
    cr_assert_eq(mkdir(fixture_path("extension"), 0700), 0);
    snprintf(manifest, sizeof manifest, "%s/manifest.json", fixture_path("extension"));
    FILE *file = fopen(manifest, "w");
    fputs("{}", file);
    fclose(file);
    snprintf(params, sizeof params, "{\"extensions\":[\"%s\"]}", fixture_path("extension"));
    char *line = line_of(params);
    snprintf(manifest, sizeof manifest, " --load-extension=%s ", fixture_path("extension"));
    cr_expect_not_null(strstr(line, manifest), "%s", line);
    free(line);
    snprintf(params, sizeof params, "{\"extensions\":[\"%s\"],\"executable\":\"%s\"}",
             fixture_path("extension"), fixture_script("chromium-headless-shell", ""));
    refuses(params, "neither windows nor extensions");
}
