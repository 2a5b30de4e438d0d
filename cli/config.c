/* SPDX-License-Identifier: MIT */
/* Settings: the table of keys, and how file, environment and flags fill it. */
#include "config.h"

#include "suggest.h"
#include "value.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MS_A_DAY     86400000u
#define COUNT(array) (sizeof(array) / sizeof(array)[0])

#define FIELD(member) offsetof(settings, member), sizeof(((settings *)0)->member)

/* section, key, type, field, flag, choices, unset, doc */
static const config_key keys[] = {
    {"", "name", CONFIG_NAME, FIELD(host.name), "name", NULL, NULL,
     "name of the host; commands find it by this name"},
    {"", "state_dir", CONFIG_PATH, FIELD(host.state_dir), "state-dir", NULL, NULL,
     "directory of state files and stores, mode 0700"},
    {"", "runtime_dir", CONFIG_PATH, FIELD(host.runtime_dir), "runtime-dir", NULL,
     "$TMPDIR or /tmp", "directory of the browsers' temporary profiles"},
    {"", "mailbox", CONFIG_ENUM, FIELD(host.mailbox), "mailbox", "nng|ring", NULL,
     "what carries mailboxes: nng sockets, or the quicker lock-free ring"},
    {"", "demo", CONFIG_BOOL, FIELD(host.demo), "demo", NULL, NULL,
     "serve the demo site on a loopback port, and open it"},
    {"", "log_level", CONFIG_ENUM, FIELD(log_level), "log-level", "error|warn|info|debug|trace",
     NULL, "most detailed log records to write to standard error"},
    {"", "log_format", CONFIG_ENUM, FIELD(log_format), "log-format", "text|json", NULL,
     "log records as lines of text, or as a JSON object each"},

    {"bridge", "listen", CONFIG_STRING, FIELD(host.listen), "listen", "ADDR:PORT",
     "first free of 127.0.0.1:37650-37659",
     "ADDR:PORT to listen on; beyond loopback needs a token"},
    {"bridge", "token", CONFIG_SECRET, FIELD(host.token), "token", NULL, "none",
     "token that clients must present; better kept in a token_file"},
    {"bridge", "token_file", CONFIG_PATH, FIELD(token_file), "token-file", NULL, "none",
     "file that holds the token, mode 0600"},
    {"bridge", "allow_hosts", CONFIG_STRING, FIELD(host.allow_hosts), "allow-hosts", NULL, "none",
     "comma-separated Host names accepted without a token"},
    {"bridge", "allow_origins", CONFIG_STRING, FIELD(host.allow_origins), "allow-origins", NULL,
     "none", "comma-separated Origins whose pages may call"},
    {"bridge", "tls_cert", CONFIG_PATH, FIELD(host.tls_cert), "tls-cert", NULL, "none",
     "certificate and chain (PEM): https; needs a token"},
    {"bridge", "tls_key", CONFIG_PATH, FIELD(host.tls_key), "tls-key", NULL, "in tls_cert",
     "its key (PEM)"},
    {"bridge", "clients_max", CONFIG_UINT, FIELD(host.clients_max), "clients-max", NULL, NULL,
     "WebSocket clients at once"},
    {"bridge", "metrics_public", CONFIG_BOOL, FIELD(host.metrics_public), "metrics-public", NULL,
     NULL, "GET /metrics needs no token"},

    {"store", "file", CONFIG_PATH, FIELD(host.store), "store", NULL, "STATE_DIR/NAME.db",
     "database file of what is recorded, or :memory:"},
    {"store", "bytes_max", CONFIG_BYTES, FIELD(host.store_bytes_max), "store-bytes-max", NULL, NULL,
     "size beyond which the oldest requests are removed; 0 = no limit"},
    {"store", "keep", CONFIG_DAYS, FIELD(host.store_days), "store-keep", NULL, NULL,
     "age beyond which requests are removed; 0 = for ever"},
    {"store", "requests_max", CONFIG_UINT, FIELD(host.requests_max), "store-requests-max", NULL,
     NULL, "number beyond which the oldest requests are removed; 0 = no limit"},

    {"recorder", "attach", CONFIG_ENUM, FIELD(host.attach), "attach", "launched|all|none", NULL,
     "whose pages are connected at birth"},
    {"recorder", "redact", CONFIG_STRING, FIELD(host.redact), "redact", NULL, "nothing",
     "names of headers, cookies, fields and parameters whose values are never written; default: a "
     "list"},
    {"recorder", "bodies", CONFIG_ENUM, FIELD(host.bodies), "bodies", "all|text|none", NULL,
     "which bodies are recorded as they come; the others only when asked for"},
    {"recorder", "body_bytes_max", CONFIG_BYTES, FIELD(host.body_bytes_max), "body-bytes-max", NULL,
     NULL, "bodies up to this size are recorded"},
    {"recorder", "media_bytes_max", CONFIG_BYTES, FIELD(host.media_bytes_max), "media-bytes-max",
     NULL, NULL, "images, fonts, sound and films up to this size are recorded"},
    {"recorder", "screenshot_bytes_max", CONFIG_BYTES, FIELD(host.screenshot_bytes_max),
     "screenshot-bytes-max", NULL, NULL,
     "screenshots up to this size are kept in the record; 0: none are"},

    {"launcher", "executable", CONFIG_PATH, FIELD(host.executable), "executable", NULL,
     "chromium-headless-shell, else chromium", "browser to launch"},
    {"launcher", "extra_args", CONFIG_STRING, FIELD(host.extra_args), "extra-args", NULL, "none",
     "further arguments of the browser, separated by spaces"},
    {"launcher", "headed", CONFIG_BOOL, FIELD(host.headed), "headed", NULL, NULL,
     "launch browsers with windows unless asked otherwise"},
    {"launcher", "no_sandbox", CONFIG_BOOL, FIELD(host.no_sandbox), "no-sandbox", NULL, NULL,
     "launch browsers without their sandbox; always so for root"},
    {"launcher", "launch", CONFIG_UINT, FIELD(host.launch), "launch", NULL, NULL,
     "browsers to launch at the start"},
    {"launcher", "timeout", CONFIG_MS, FIELD(host.launch_timeout_ms), "launch-timeout", NULL, NULL,
     "how long a browser may take to start"},
    {"launcher", "full", CONFIG_BOOL, FIELD(host.full), "full", NULL, NULL,
     "launch full Chromium instead of the headless shell, also without windows"},
    {"launcher", "window_size", CONFIG_STRING, FIELD(host.window_size), "window-size",
     "WIDTHxHEIGHT", "the browser's own", "size of windows and of pages without a window"},
    {"launcher", "proxy", CONFIG_STRING, FIELD(host.proxy), "proxy", "PROXY", "the system's",
     "proxy of launched browsers: [SCHEME://]HOST:PORT, as for Chromium"},
    {"launcher", "proxy_bypass", CONFIG_STRING, FIELD(host.proxy_bypass), "proxy-bypass", "HOSTS",
     "none", "hosts reached without the proxy, as for Chromium"},
    {"launcher", "user_agent", CONFIG_STRING, FIELD(host.user_agent), "user-agent", NULL,
     "the browser's own", "user agent of launched browsers"},
    {"launcher", "extensions", CONFIG_STRING, FIELD(host.extensions), "extensions", "DIRS", "none",
     "directories of unpacked extensions, separated by colons; wants full Chromium"},
    {"launcher", "nice", CONFIG_UINT, FIELD(host.nice), "nice", NULL, NULL,
     "niceness of launched browsers, 0 to 19"},
    {"launcher", "memory_limit", CONFIG_BYTES, FIELD(host.memory_limit), "memory-limit", NULL, NULL,
     "memory that a browser may use; 0 = no limit"},
    {"launcher", "parallel", CONFIG_UINT, FIELD(host.launch_parallel), "launch-parallel", NULL,
     "two for each processor", "browsers that may be starting at once"},

    {"limits", "browsers_max", CONFIG_UINT, FIELD(host.browsers_max), "browsers-max", NULL, NULL,
     "browsers at once"},
    {"limits", "command_timeout", CONFIG_MS, FIELD(host.command_timeout_ms), "command-timeout",
     NULL, NULL, "for commands to a browser that bring no deadline of their own"},
    {"limits", "calls_per_second", CONFIG_UINT, FIELD(host.calls_per_second), "calls-per-second",
     NULL, NULL, "RPC calls of one client address in a second, then BUSY; 0 = no limit"},
    {"limits", "calls_burst", CONFIG_UINT, FIELD(host.calls_burst), "calls-burst", NULL, NULL,
     "of these, how many at once after a rest; 0 = a second's"},
    {"limits", "commands_in_flight", CONFIG_UINT, FIELD(host.commands_in_flight),
     "commands-in-flight", NULL, NULL, "commands to one browser that are not answered yet"},
    {"limits", "commands_queued", CONFIG_UINT, FIELD(host.commands_queued), "commands-queued", NULL,
     NULL, "commands to one browser that wait beyond these; then BUSY"},
    {"limits", "commands_per_second", CONFIG_UINT, FIELD(host.commands_per_second),
     "commands-per-second", NULL, NULL, "commands to one browser in a second; 0 = no limit"},
    {"limits", "commands_burst", CONFIG_UINT, FIELD(host.commands_burst), "commands-burst", NULL,
     NULL, "of these, how many at once after a rest; 0 = a second's"},
    {"limits", "probe_after", CONFIG_MS, FIELD(host.probe_after_ms), "probe-after", NULL, NULL,
     "silence after which a browser that owes answers is asked; 0 = never"},
    {"limits", "enable_timeout", CONFIG_MS, FIELD(host.enable_timeout_ms), "enable-timeout", NULL,
     NULL, "for a target to enable what is recorded, when it is being connected"},
    {"limits", "unresponsive_after", CONFIG_MS, FIELD(host.unresponsive_after_ms),
     "unresponsive-after", NULL, NULL,
     "a target is probed when a command to it waits for longer than this"},
    {"limits", "ping_interval", CONFIG_MS, FIELD(host.ping_interval_ms), "ping-interval", NULL,
     NULL, "between pings on a WebSocket to a browser that was not launched here; 0 = never"},
    {"limits", "ping_timeout", CONFIG_MS, FIELD(host.ping_timeout_ms), "ping-timeout", NULL, NULL,
     "silence after a ping that ends such a connection"},
};

_Static_assert(COUNT(keys) <= CONFIG_KEYS_MAX, "more keys than a config has places for");

const config_key *config_keys(size_t *count)
{
    *count = COUNT(keys);
    return keys;
}

static const char *value_name(config_type type)
{
    static const char *const names[] = {
        [CONFIG_STRING] = "TEXT",  [CONFIG_NAME] = "NAME", [CONFIG_PATH] = "PATH",
        [CONFIG_SECRET] = "TOKEN", [CONFIG_ENUM] = "WORD", [CONFIG_UINT] = "N",
        [CONFIG_BYTES] = "SIZE",   [CONFIG_MS] = "TIME",   [CONFIG_DAYS] = "TIME",
        [CONFIG_BOOL] = NULL,
    };
    return names[type];
}

const arg_set *config_arg_set(void)
{
    static arg_option options[COUNT(keys)];
    static arg_set set = {"Settings (also in troupe.conf and as TROUPE_…)", options, COUNT(keys)};
    if (options[0].name == NULL) {
        for (size_t i = 0; i < COUNT(keys); i++) {
            options[i].kind = keys[i].type == CONFIG_BOOL ? ARG_SWITCH : ARG_STRING;
            options[i].value = keys[i].choices != NULL ? keys[i].choices : value_name(keys[i].type);
            options[i].doc = keys[i].doc;
            options[i].name = keys[i].flag;
        }
    }
    return &set;
}

void config_env_name(const config_key *key, char *out, size_t size)
{
    snprintf(out, size, "TROUPE_%s", key->flag);
    for (char *c = out; *c != '\0'; c++) {
        *c = *c == '-' ? '_' : (char)toupper((unsigned char)*c);
    }
}

const config_key *config_find(const char *section, const char *name)
{
    for (size_t i = 0; i < COUNT(keys); i++) {
        if (strcmp(keys[i].section, section) == 0 && strcmp(keys[i].key, name) == 0) {
            return &keys[i];
        }
    }
    return NULL;
}

void config_warn(cli_config *config, const char *format, ...)
{
    if (config->warning_count == CONFIG_WARNINGS_MAX) {
        return;
    }
    va_list list;
    va_start(list, format);
    char *text;
    if (vasprintf(&text, format, list) >= 0) {
        config->warnings[config->warning_count++] = text;
    }
    va_end(list);
}

/* Setting a key ----------------------------------------------------------------------------------
 */

static void *field_of(cli_config *config, const config_key *key)
{
    return (char *)&config->settings + key->offset;
}

/* *text: owned; replaced by its path when it begins with the home directory's mark. */
static bool expand_home(char **text)
{
    const char *home = getenv("HOME");
    if (strncmp(*text, "~/", 2) != 0 || home == NULL) {
        return true;
    }
    char *path;
    if (asprintf(&path, "%s/%s", home, *text + 2) < 0) {
        return false;
    }
    free(*text);
    *text = path;
    return true;
}

static bool valid_name(const char *text)
{
    size_t len = strlen(text);
    return len >= 1 && len <= 31 &&
           strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-") == len;
}

static bool valid_choice(const char *choices, const char *text)
{
    size_t len = strlen(text);
    for (const char *choice = choices; choice != NULL;) {
        const char *bar = strchr(choice, '|');
        size_t choice_len = bar != NULL ? (size_t)(bar - choice) : strlen(choice);
        if (len == choice_len && memcmp(choice, text, len) == 0) {
            return true;
        }
        choice = bar != NULL ? bar + 1 : NULL;
    }
    return false;
}

static bool read_number(const config_key *key, const char *text, uint64_t *out)
{
    switch (key->type) {
    case CONFIG_UINT:
        return value_uint(text, out);
    case CONFIG_BYTES:
        return value_bytes(text, out);
    case CONFIG_MS:
        return value_duration(text, out);
    case CONFIG_DAYS:
        if (!value_duration(text, out) || *out % MS_A_DAY != 0) {
            return false;
        }
        *out /= MS_A_DAY;
        return true;
    default:
        return false;
    }
}

static bool set_number(void *field, const config_key *key, const char *text)
{
    uint64_t number;
    if (!read_number(key, text, &number)) {
        return false;
    }
    if (key->size == sizeof(uint64_t)) {
        *(uint64_t *)field = number;
        return true;
    }
    *(uint32_t *)field = (uint32_t)number;
    return number <= UINT32_MAX;
}

/* *text: owned, borrowed by the settings from now on. */
static bool set_value(cli_config *config, const config_key *key, char **text)
{
    void *field = field_of(config, key);
    switch (key->type) {
    case CONFIG_UINT:
    case CONFIG_BYTES:
    case CONFIG_MS:
    case CONFIG_DAYS:
        return set_number(field, key, *text);
    case CONFIG_BOOL:
        return value_bool(*text, (bool *)field);
    case CONFIG_NAME:
        if (!valid_name(*text)) {
            return false;
        }
        break;
    case CONFIG_ENUM:
        if (!valid_choice(key->choices, *text)) {
            return false;
        }
        break;
    case CONFIG_PATH:
        if (!expand_home(text)) {
            return false;
        }
        break;
    default:
        break;
    }
    *(const char **)field = **text != '\0' ? *text : NULL;
    return true;
}

static troupe_error bad_value(const config_key *key, const char *text, const char *where,
                              troupe_reason *reason)
{
    static const char *const expected[] = {
        [CONFIG_STRING] = "text",
        [CONFIG_NAME] = "1 to 31 letters, digits, - or _",
        [CONFIG_PATH] = "a path",
        [CONFIG_SECRET] = "a token",
        [CONFIG_ENUM] = NULL,
        [CONFIG_UINT] = "a number",
        [CONFIG_BYTES] = "a size such as 512K, 64M or 2G",
        [CONFIG_MS] = "a duration such as 500ms, 30s or 5m",
        [CONFIG_DAYS] = "a number of days such as 7d, or 0",
        [CONFIG_BOOL] = "true or false",
    };
    const char *wants = key->type == CONFIG_ENUM ? key->choices : expected[key->type];
    return troupe_fail(reason, TROUPE_EPARAMS, "%s: '%s' is not a value of %s (expected: %s)",
                       where, key->type == CONFIG_SECRET ? "…" : text, key->key, wants);
}

troupe_error config_set(cli_config *config, const config_key *key, const char *text,
                        const char *where, troupe_reason *reason)
{
    size_t index = (size_t)(key - keys);
    char *copy = strdup(text);
    if (copy == NULL) {
        return TROUPE_ENOMEM;
    }
    if (!set_value(config, key, &copy)) {
        free(copy);
        return bad_value(key, text, where, reason);
    }
    free(config->text[index]);
    config->text[index] = copy;
    snprintf(config->source[index], CONFIG_SOURCE_MAX, "%s", where);
    return TROUPE_OK;
}

/* Where values come from -------------------------------------------------------------------------
 */

static void load_defaults(cli_config *config)
{
    memset(config, 0, sizeof *config);
    troupe_host_options_default(&config->settings.host);
    config->settings.log_level = "info";
    config->settings.log_format = "text";
    for (size_t i = 0; i < COUNT(keys); i++) {
        snprintf(config->source[i], CONFIG_SOURCE_MAX, "default");
    }
}

/* A path asked for must be there; the usual places may be empty. */
static troupe_error load_file(cli_config *config, const cli_args *args, troupe_reason *reason)
{
    const char *asked = args != NULL ? args_setting(args, "config") : NULL;
    if (asked == NULL || *asked == '\0') {
        asked = getenv("TROUPE_CONFIG");
    }
    if (asked != NULL && *asked != '\0') {
        return config_read_file(config, asked, reason);
    }
    const char *xdg = getenv("XDG_CONFIG_HOME");
    const char *home = getenv("HOME");
    char paths[3][CONFIG_SOURCE_MAX] = {"", "", "/etc/troupe/troupe.conf"};
    if (xdg != NULL && *xdg == '/') {
        snprintf(paths[0], sizeof paths[0], "%s/troupe/troupe.conf", xdg);
    }
    if (home != NULL && *home == '/') {
        snprintf(paths[1], sizeof paths[1], "%s/.config/troupe/troupe.conf", home);
    }
    for (size_t i = 0; i < COUNT(paths); i++) {
        struct stat status;
        if (paths[i][0] != '\0' && (stat(paths[i], &status) == 0 || errno == EACCES)) {
            return config_read_file(config, paths[i], reason);
        }
    }
    return TROUPE_OK;
}

static troupe_error load_environment(cli_config *config, troupe_reason *reason)
{
    for (size_t i = 0; i < COUNT(keys); i++) {
        char name[64];
        config_env_name(&keys[i], name, sizeof name);
        const char *value = getenv(name);
        if (value == NULL || *value == '\0') {
            continue;
        }
        troupe_error error = config_set(config, &keys[i], value, name, reason);
        if (error != TROUPE_OK) {
            return error;
        }
    }
    return TROUPE_OK;
}

static bool known_variable(const char *name, suggest *state)
{
    static const char *const others[] = {"TROUPE_CONFIG", "TROUPE_URL"};
    for (size_t i = 0; i < COUNT(others); i++) {
        if (strcmp(name, others[i]) == 0) {
            return true;
        }
    }
    for (size_t i = 0; i < COUNT(keys); i++) {
        char known[64];
        config_env_name(&keys[i], known, sizeof known);
        if (strcmp(name, known) == 0) {
            return true;
        }
        suggest_offer(state, keys[i].flag);
    }
    return false;
}

/* Variables may belong to other programs: a mistyped one is a warning, not an error. */
static void check_environment(cli_config *config)
{
    for (char **entry = environ; *entry != NULL; entry++) {
        if (strncmp(*entry, "TROUPE_", 7) != 0) {
            continue;
        }
        char name[64];
        snprintf(name, sizeof name, "%.*s", (int)strcspn(*entry, "="), *entry);
        suggest state;
        suggest_start(&state, name + 7);
        if (!known_variable(name, &state) && suggest_result(&state) != NULL) {
            config_warn(config, "%s is not a setting; did you mean the variable of --%s?", name,
                        suggest_result(&state));
        }
    }
}

static troupe_error load_flags(cli_config *config, const cli_args *args, troupe_reason *reason)
{
    for (size_t i = 0; args != NULL && i < COUNT(keys); i++) {
        const char *value = args_setting(args, keys[i].flag);
        if (value == NULL) {
            continue;
        }
        char where[64];
        snprintf(where, sizeof where, "--%s", keys[i].flag);
        troupe_error error = config_set(config, &keys[i], value, where, reason);
        if (error != TROUPE_OK) {
            return error;
        }
    }
    return TROUPE_OK;
}

/* 0 default, 1 file, 2 environment, 3 flag. */
static int rank_of(const cli_config *config, const config_key *key)
{
    const char *source = config->source[key - keys];
    if (strncmp(source, "--", 2) == 0) {
        return 3;
    }
    if (strncmp(source, "TROUPE_", 7) == 0) {
        return 2;
    }
    return strcmp(source, "default") == 0 ? 0 : 1;
}

/* The token itself and the file of a token: what was said on the higher level holds. */
static troupe_error load_token(cli_config *config, troupe_reason *reason)
{
    const config_key *token = config_find("bridge", "token");
    const config_key *file = config_find("bridge", "token_file");
    if (config->settings.token_file == NULL ||
        (config->settings.host.token != NULL && rank_of(config, token) >= rank_of(config, file))) {
        return TROUPE_OK;
    }
    bool exposed = false;
    troupe_error error =
        config_read_token(config->settings.token_file, &config->token, &exposed, reason);
    if (error != TROUPE_OK) {
        return error;
    }
    if (exposed) {
        config_warn(config, "%s holds a token and can be read by others: chmod 600 it",
                    config->settings.token_file);
    }
    config->settings.host.token = config->token;
    snprintf(config->source[token - keys], CONFIG_SOURCE_MAX, "%s", config->settings.token_file);
    return TROUPE_OK;
}

static troupe_error default_state_dir(cli_config *config, troupe_reason *reason)
{
    const char *given = config->settings.host.state_dir;
    if (rank_of(config, config_find("", "state_dir")) > 0 && given != NULL) {
        return TROUPE_OK;
    }
    const char *xdg = getenv("XDG_STATE_HOME");
    const char *home = getenv("HOME");
    int len;
    if (xdg != NULL && *xdg == '/') {
        len = asprintf(&config->state_dir, "%s/troupe", xdg);
    } else if (home != NULL && *home == '/') {
        len = asprintf(&config->state_dir, "%s/.local/state/troupe", home);
    } else {
        return troupe_fail(reason, TROUPE_EPARAMS,
                           "neither HOME nor XDG_STATE_HOME is set: give --state-dir");
    }
    if (len < 0) {
        config->state_dir = NULL;
        return TROUPE_ENOMEM;
    }
    config->settings.host.state_dir = config->state_dir;
    return TROUPE_OK;
}

troupe_error config_load(cli_config *out, const cli_args *args, troupe_reason *reason)
{
    load_defaults(out);
    troupe_error error = load_file(out, args, reason);
    if (error == TROUPE_OK) {
        check_environment(out);
        error = load_environment(out, reason);
    }
    if (error == TROUPE_OK) {
        error = load_flags(out, args, reason);
    }
    if (error == TROUPE_OK) {
        error = load_token(out, reason);
    }
    return error == TROUPE_OK ? default_state_dir(out, reason) : error;
}

void config_fini(cli_config *config)
{
    for (size_t i = 0; i < CONFIG_KEYS_MAX; i++) {
        free(config->text[i]);
    }
    for (size_t i = 0; i < config->warning_count; i++) {
        free(config->warnings[i]);
    }
    free(config->token);
    free(config->state_dir);
    memset(config, 0, sizeof *config);
}

troupe_error config_read_token(const char *path, char **out, bool *exposed, troupe_reason *reason)
{
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return troupe_fail(reason, TROUPE_EIO, "token file %s: %s", path, strerror(errno));
    }
    char line[1024] = "";
    struct stat status = {0};
    bool ok = fgets(line, sizeof line, file) != NULL && fstat(fileno(file), &status) == 0;
    fclose(file);
    char *start = line + strspn(line, " \t\r\n");
    size_t len = strcspn(start, " \t\r\n");
    if (!ok || len == 0 || len == sizeof line - 1) {
        return troupe_fail(reason, TROUPE_EPARAMS, "token file %s: holds no token", path);
    }
    *out = strndup(start, len);
    *exposed = (status.st_mode & 077) != 0;
    return *out != NULL ? TROUPE_OK : TROUPE_ENOMEM;
}

/* Showing ----------------------------------------------------------------------------------------
 */

static uint64_t number_of(const cli_config *config, const config_key *key)
{
    const void *field = (const char *)&config->settings + key->offset;
    return key->size == sizeof(uint64_t) ? *(const uint64_t *)field : *(const uint32_t *)field;
}

static const char *string_of(const cli_config *config, const config_key *key)
{
    const void *field = (const char *)&config->settings + key->offset;
    return *(const char *const *)field;
}

static bool bool_of(const cli_config *config, const config_key *key)
{
    const void *field = (const char *)&config->settings + key->offset;
    return *(const bool *)field;
}

void config_text(const cli_config *config, const config_key *key, char *out, size_t size)
{
    switch (key->type) {
    case CONFIG_UINT:
        snprintf(out, size, "%llu", (unsigned long long)number_of(config, key));
        break;
    case CONFIG_BYTES:
        value_bytes_text(number_of(config, key), out, size);
        break;
    case CONFIG_MS:
        value_duration_text(number_of(config, key), out, size);
        break;
    case CONFIG_DAYS:
        value_duration_text(number_of(config, key) * MS_A_DAY, out, size);
        break;
    case CONFIG_BOOL:
        snprintf(out, size, "%s", bool_of(config, key) ? "true" : "false");
        break;
    case CONFIG_SECRET:
        snprintf(out, size, "%s", string_of(config, key) != NULL ? "(set)" : "");
        break;
    default:
        snprintf(out, size, "%s", string_of(config, key) != NULL ? string_of(config, key) : "");
        break;
    }
}

static json_t *value_json(const cli_config *config, const config_key *key)
{
    switch (key->type) {
    case CONFIG_UINT:
    case CONFIG_BYTES:
    case CONFIG_MS:
    case CONFIG_DAYS:
        return json_integer((json_int_t)number_of(config, key));
    case CONFIG_BOOL:
        return json_boolean(bool_of(config, key));
    case CONFIG_SECRET:
        return string_of(config, key) != NULL ? json_string("(set)") : json_null();
    default:
        return string_of(config, key) != NULL ? json_string(string_of(config, key)) : json_null();
    }
}

json_t *config_json(const cli_config *config)
{
    json_t *list = json_array();
    for (size_t i = 0; i < COUNT(keys); i++) {
        char text[512];
        config_text(config, &keys[i], text, sizeof text);
        json_array_append_new(list, json_pack("{s:s, s:s, s:o, s:s, s:s, s:s?}", "section",
                                              keys[i].section, "key", keys[i].key, "value",
                                              value_json(config, &keys[i]), "text", text, "source",
                                              config->source[i], "unset", keys[i].unset));
    }
    return json_pack("{s:s?, s:o}", "file", config->file[0] != '\0' ? config->file : NULL,
                     "settings", list);
}
