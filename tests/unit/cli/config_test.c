/* SPDX-License-Identifier: MIT */
#include "cli/config.h"
#include "scratch.h"

static void begin(void)
{
    scratch_begin();
    clearenv();
    setenv("HOME", scratch, 1);
    unsetenv("XDG_CONFIG_HOME");
}

TestSuite(config, .init = begin, .fini = scratch_end);

/* Load with this text as the file. */
static troupe_error load_text(cli_config *config, const char *text, troupe_reason *reason)
{
    setenv("TROUPE_CONFIG", scratch_write("troupe.conf", 0600, text, strlen(text)), 1);
    reason->text[0] = '\0';
    return config_load(config, NULL, reason);
}

static const char *source_of(const cli_config *config, const char *section, const char *key)
{
    size_t count;
    return config->source[config_find(section, key) - config_keys(&count)];
}

static troupe_error load_flags(cli_config *config, const char **argv, int argc,
                               troupe_reason *reason)
{
    cli_args args;
    int index = 0;
    static const arg_option file = {"config", 0, ARG_STRING, "FILE", ""};
    arg_set sets[] = {*config_arg_set(), {"", &file, 1}};
    cr_assert_eq(args_init(&args, argc), TROUPE_OK);
    cr_assert_eq(args_parse(&args, sets, 2, argc, (char **)argv, &index, false, reason), TROUPE_OK);
    troupe_error error = config_load(config, &args, reason);
    args_fini(&args);
    return error;
}

Test(config, nothing_given_is_all_defaults)
{
    cli_config config;
    troupe_reason reason;
    troupe_host_options defaults;
    troupe_host_options_default(&defaults);
    cr_assert_eq(config_load(&config, NULL, &reason), TROUPE_OK);
    cr_expect_eq(config.settings.host.store_bytes_max, defaults.store_bytes_max);
    cr_expect_str_eq(config.settings.host.name, "default");
    cr_expect_str_eq(source_of(&config, "store", "keep"), "default");
    char expected[300];
    snprintf(expected, sizeof expected, "%s/.local/state/troupe", scratch);
    cr_expect_str_eq(config.settings.host.state_dir, expected);
    cr_expect_eq(config.warning_count, 0);
    config_fini(&config);
}

Test(config, file_sets_every_type)
{
    cli_config config;
    troupe_reason reason;
    cr_assert_eq(load_text(&config,
                           "# a comment\r\n"
                           "name = shop\r\n"
                           "; another\n"
                           "[ bridge ]\n"
                           "listen = 127.0.0.1:9000 # where\n"
                           "allow_hosts=a.example,b.example ; both\n"
                           "[store]\n"
                           "  file = \"~/data;1.db\"\n"
                           "  bytes_max = 512M\n"
                           "\n"
                           "\tkeep: 30d\n"
                           "[recorder]\nattach = all\nbody_bytes_max = 64K\n"
                           "[launcher]\nheaded = yes\ntimeout = 1.5s\nlaunch = 2\n"
                           "extra_args = --a=1 --b#c\n",
                           &reason),
                 TROUPE_OK, "%s", reason.text);
    const troupe_host_options *host_set = &config.settings.host;
    cr_expect_str_eq(host_set->name, "shop");
    cr_expect_str_eq(host_set->listen, "127.0.0.1:9000");
    cr_expect_str_eq(host_set->allow_hosts, "a.example,b.example");
    cr_expect_eq(host_set->store_bytes_max, 512ull << 20);
    cr_expect_eq(host_set->store_days, 30);
    cr_expect_str_eq(host_set->attach, "all");
    cr_expect_eq(host_set->body_bytes_max, 64 << 10);
    cr_expect(host_set->headed);
    cr_expect_eq(host_set->launch_timeout_ms, 1500);
    cr_expect_eq(host_set->launch, 2);
    cr_expect_str_eq(host_set->extra_args, "--a=1 --b#c");
    cr_expect(strstr(source_of(&config, "store", "keep"), "troupe.conf:11") != NULL, "%s",
              source_of(&config, "store", "keep"));
    config_fini(&config);
}

Test(config, home_in_paths_is_expanded)
{
    cli_config config;
    troupe_reason reason;
    char expected[300];
    cr_assert_eq(load_text(&config, "[store]\nfile = ~/x.db\n", &reason), TROUPE_OK);
    snprintf(expected, sizeof expected, "%s/x.db", scratch);
    cr_expect_str_eq(config.settings.host.store, expected);
    config_fini(&config);
}

static void expect_refused(const char *text, size_t len, const char *part)
{
    cli_config config;
    troupe_reason reason = {""};
    setenv("TROUPE_CONFIG", scratch_write("troupe.conf", 0600, text, len), 1);
    cr_expect_neq(config_load(&config, NULL, &reason), TROUPE_OK, "%.40s", text);
    cr_expect(strstr(reason.text, part) != NULL, "'%s' does not say '%s'", reason.text, part);
    cr_expect(strstr(reason.text, "troupe.conf:") != NULL, "%s", reason.text);
    config_fini(&config);
}

Test(config, mistakes_name_file_line_and_nearest_key)
{
    static const struct {
        const char *text;
        const char *part;
    } cases[] = {
        {"[store]\n\nbytesmax = 2G\n",
         "troupe.conf:3: unknown key 'bytesmax' in [store]; nearest: bytes_max in [store]"},
        {"[launcher]\nlisten = x\n", "nearest: listen in [bridge]"},
        {"nme = x\n", "troupe.conf:1: unknown key 'nme'; nearest: name above all sections"},
        {"[stroe]\nfile = x\n", "nearest: file in [store]"},
        {"[store]\nbytes_max = lots\n", "troupe.conf:2: 'lots' is not a value of bytes_max"},
        {"[store]\nkeep = 30s\n", "number of days"},
        {"[store]\nkeep =\n", "keep"},
        {"mailbox = pigeon\n", "expected: nng|ring"},
        {"[launcher]\nheaded = perhaps\n", "true or false"},
        {"[launcher]\ntimeout = 30\n", "duration"},
        {"[recorder]\nbody_bytes_max = 8G\n", "size"},
        {"name = ../x\n", "letters"},
        {"name\n", "troupe.conf:1: neither"},
        {"\n[store\n", "troupe.conf:2: neither"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        expect_refused(cases[i].text, strlen(cases[i].text), cases[i].part);
    }
    expect_refused("name = a\0b\n", 11, "troupe.conf:1: a NUL");
    static char line[4096];
    snprintf(line, sizeof line, "name = ok\nname = %03000d\n", 1);
    expect_refused(line, strlen(line), "troupe.conf:2: this line is too long");
}

Test(config, long_line_within_the_limit_is_one_value)
{
    cli_config config;
    troupe_reason reason;
    static char line[1200];
    snprintf(line, sizeof line, "[launcher]\nextra_args = --x=%0900d\nlaunch = 3\n", 7);
    cr_assert_eq(load_text(&config, line, &reason), TROUPE_OK, "%s", reason.text);
    cr_expect_eq(strlen(config.settings.host.extra_args), 904);
    cr_expect_eq(config.settings.host.launch, 3);
    config_fini(&config);
}

Test(config, a_file_asked_for_must_be_there)
{
    cli_config config;
    troupe_reason reason;
    setenv("TROUPE_CONFIG", "/nonexistent/troupe.conf", 1);
    cr_expect_eq(config_load(&config, NULL, &reason), TROUPE_EIO);
    cr_expect(strstr(reason.text, "/nonexistent/troupe.conf") != NULL, "%s", reason.text);
    config_fini(&config);
    setenv("TROUPE_CONFIG", scratch, 1);
    cr_expect_eq(config_load(&config, NULL, &reason), TROUPE_EIO);
    config_fini(&config);
}

Test(config, the_usual_places_are_searched_in_order)
{
    cli_config config;
    troupe_reason reason;
    char path[600];
    snprintf(path, sizeof path, "mkdir -p '%s/.config/troupe' '%s/xdg/troupe'", scratch, scratch);
    cr_assert_eq(system(path), 0);
    scratch_write(".config/troupe/troupe.conf", 0600, "name = home\n", 12);
    cr_assert_eq(config_load(&config, NULL, &reason), TROUPE_OK);
    cr_expect_str_eq(config.settings.host.name, "home");
    config_fini(&config);
    scratch_write("xdg/troupe/troupe.conf", 0600, "name = xdg\n", 11);
    setenv("XDG_CONFIG_HOME", scratch_path("xdg"), 1);
    cr_assert_eq(config_load(&config, NULL, &reason), TROUPE_OK);
    cr_expect_str_eq(config.settings.host.name, "xdg");
    config_fini(&config);
}

Test(config, flags_beat_environment_beats_file)
{
    cli_config config;
    troupe_reason reason = {""};
    const char *text = "name = file\n[launcher]\nlaunch = 1\n[store]\nkeep = 1d\n";
    setenv("TROUPE_CONFIG", scratch_write("troupe.conf", 0600, text, strlen(text)), 1);
    setenv("TROUPE_LAUNCH", "2", 1);
    setenv("TROUPE_NAME", "environment", 1);
    setenv("TROUPE_STORE_KEEP", "", 1);
    const char *argv[] = {"--name=flag", "--no-headed"};
    cr_assert_eq(load_flags(&config, argv, 2, &reason), TROUPE_OK, "%s", reason.text);
    cr_expect_str_eq(config.settings.host.name, "flag");
    cr_expect_str_eq(source_of(&config, "", "name"), "--name");
    cr_expect_eq(config.settings.host.launch, 2);
    cr_expect_str_eq(source_of(&config, "launcher", "launch"), "TROUPE_LAUNCH");
    cr_expect_eq(config.settings.host.store_days, 1, "an empty variable is none");
    cr_expect_str_eq(source_of(&config, "launcher", "headed"), "--headed");
    config_fini(&config);
}

Test(config, bad_values_name_the_variable_or_flag)
{
    cli_config config;
    troupe_reason reason = {""};
    const char *argv[] = {"--launch", "many"};
    cr_expect_eq(load_flags(&config, argv, 2, &reason), TROUPE_EPARAMS);
    cr_expect(strstr(reason.text, "--launch: 'many'") != NULL, "%s", reason.text);
    config_fini(&config);
    setenv("TROUPE_ATTACH", "some", 1);
    cr_expect_eq(config_load(&config, NULL, &reason), TROUPE_EPARAMS);
    cr_expect(strstr(reason.text, "TROUPE_ATTACH: 'some'") != NULL, "%s", reason.text);
    config_fini(&config);
}

Test(config, a_mistyped_variable_is_a_warning)
{
    cli_config config;
    troupe_reason reason;
    setenv("TROUPE_LANCH", "2", 1);
    setenv("TROUPE_SOMETHING_ELSE_ENTIRELY", "2", 1);
    cr_assert_eq(config_load(&config, NULL, &reason), TROUPE_OK);
    cr_assert_eq(config.warning_count, 1);
    cr_expect(strstr(config.warnings[0], "--launch") != NULL, "%s", config.warnings[0]);
    config_fini(&config);
}

Test(config, token_comes_from_the_higher_level)
{
    cli_config config;
    troupe_reason reason = {""};
    char path[400];
    snprintf(path, sizeof path, "%s", scratch_write("token", 0600, "  from-file \n", 13));
    const char *argv[] = {"--token-file", path};
    setenv("TROUPE_TOKEN", "from-environment", 1);
    cr_assert_eq(load_flags(&config, argv, 2, &reason), TROUPE_OK, "%s", reason.text);
    cr_expect_str_eq(config.settings.host.token, "from-file");
    cr_expect_eq(config.warning_count, 0);
    config_fini(&config);
    setenv("TROUPE_TOKEN_FILE", path, 1);
    cr_assert_eq(config_load(&config, NULL, &reason), TROUPE_OK);
    cr_expect_str_eq(config.settings.host.token, "from-environment");
    config_fini(&config);
}

Test(config, exposed_tokens_are_warned_of)
{
    cli_config config;
    troupe_reason reason = {""};
    setenv("TROUPE_TOKEN_FILE", scratch_write("token", 0644, "geheim\n", 7), 1);
    cr_assert_eq(config_load(&config, NULL, &reason), TROUPE_OK);
    cr_expect_eq(config.warning_count, 1);
    config_fini(&config);
    unsetenv("TROUPE_TOKEN_FILE");
    setenv("TROUPE_CONFIG", scratch_write("c", 0644, "[bridge]\ntoken = geheim\n", 24), 1);
    cr_assert_eq(config_load(&config, NULL, &reason), TROUPE_OK);
    cr_expect_eq(config.warning_count, 1);
    config_fini(&config);
}

Test(config, unreadable_or_empty_token_files_are_errors)
{
    cli_config config;
    troupe_reason reason = {""};
    setenv("TROUPE_TOKEN_FILE", "/nonexistent/token", 1);
    cr_expect_eq(config_load(&config, NULL, &reason), TROUPE_EIO);
    config_fini(&config);
    setenv("TROUPE_TOKEN_FILE", scratch_write("token", 0600, " \n", 2), 1);
    cr_expect_eq(config_load(&config, NULL, &reason), TROUPE_EPARAMS);
    config_fini(&config);
}

Test(config, no_secret_is_shown)
{
    cli_config config;
    troupe_reason reason;
    setenv("TROUPE_TOKEN", "geheim", 1);
    cr_assert_eq(config_load(&config, NULL, &reason), TROUPE_OK);
    json_t *shown = config_json(&config);
    char *text = json_dumps(shown, 0);
    cr_expect(strstr(text, "geheim") == NULL);
    cr_expect(strstr(text, "(set)") != NULL);
    size_t count;
    (void)config_keys(&count);
    cr_expect_eq(json_array_size(json_object_get(shown, "settings")), count);
    free(text);
    json_decref(shown);
    config_fini(&config);
}

Test(config, every_key_is_written_and_read_back)
{
    cli_config config;
    troupe_reason reason;
    cr_assert_eq(config_load(&config, NULL, &reason), TROUPE_OK);
    size_t count;
    const config_key *keys = config_keys(&count);
    for (size_t i = 0; i < count; i++) {
        char text[300];
        config_text(&config, &keys[i], text, sizeof text);
        if (text[0] != '\0') {
            cr_expect_eq(config_set(&config, &keys[i], text, "test", &reason), TROUPE_OK, "%s: %s",
                         keys[i].key, reason.text);
            char again[300];
            config_text(&config, &keys[i], again, sizeof again);
            cr_expect_str_eq(again, text);
        }
    }
    config_fini(&config);
}
