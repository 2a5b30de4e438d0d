/* SPDX-License-Identifier: MIT */
/**
 * Settings: one table of keys; troupe.conf < environment < flags; each remembers where its value
 * came from.
 */
#ifndef TROUPE_CLI_CONFIG_H
#define TROUPE_CLI_CONFIG_H

#include "args.h"
#include "troupe/host.h"

#include <jansson.h>

/** What the keys fill in. */
typedef struct settings {
    troupe_host_options host;
    const char *token_file;
    const char *log_level;
    const char *log_format;
} settings;

typedef enum config_type {
    CONFIG_STRING,
    CONFIG_NAME,   /* [A-Za-z0-9_-]{1,31} */
    CONFIG_PATH,   /* `~/` is the home directory */
    CONFIG_SECRET, /* never shown */
    CONFIG_ENUM,
    CONFIG_UINT,  /* uint32_t */
    CONFIG_BYTES, /* uint32_t or uint64_t */
    CONFIG_MS,    /* uint32_t milliseconds, written as a duration */
    CONFIG_DAYS,  /* uint32_t days, written as a duration */
    CONFIG_BOOL,
} config_type;

typedef struct config_key {
    const char *section; /* "" = above all sections */
    const char *key;
    config_type type;
    size_t offset;       /* in settings */
    size_t size;         /* of the field */
    const char *flag;    /* also the environment variable: TROUPE_ + upper case, `_` for `-` */
    const char *choices; /* of CONFIG_ENUM: "launched|all|none"; else the value's name or NULL */
    const char *unset;   /* what holds when it is not set */
    const char *doc;
} config_key;

/** The table; *count is stored. */
const config_key *config_keys(size_t *count);

/** The keys as options; flags and keys stand in the same order. */
const arg_set *config_arg_set(void);

/** Name of a key's environment variable. */
void config_env_name(const config_key *key, char *out, size_t size);

#define CONFIG_KEYS_MAX     80
#define CONFIG_SOURCE_MAX   320
#define CONFIG_WARNINGS_MAX 8

typedef struct cli_config {
    settings settings;
    char source[CONFIG_KEYS_MAX][CONFIG_SOURCE_MAX]; /* "default", "FILE:12", "TROUPE_X", "--x" */
    char *text[CONFIG_KEYS_MAX];                     /* values as written; settings borrow them */
    char file[CONFIG_SOURCE_MAX];                    /* the file that was read; "" = none */
    char *token;                                     /* read from token_file; settings borrow it */
    char *state_dir;                                 /* made up; settings borrow it */
    char *warnings[CONFIG_WARNINGS_MAX];
    size_t warning_count;
} cli_config;

/**
 * Resolve all settings: defaults, then the file (--config, $TROUPE_CONFIG,
 * $XDG_CONFIG_HOME/troupe/troupe.conf, ~/.config/troupe/troupe.conf, /etc/troupe/troupe.conf: the
 * first that is there), then the environment, then flags; reads the token file.
 *
 * @param args  NULL = no flags
 * @param out   always to be freed with config_fini
 * @return TROUPE_OK; TROUPE_EPARAMS or TROUPE_EIO with the reason: names file and line, variable or
 *         flag, and the nearest valid key
 */
troupe_error config_load(cli_config *out, const cli_args *args,
                         troupe_reason *reason) TROUPE_MUST_USE;

void config_fini(cli_config *config);

/** Read one file into the settings, as config_load does (config_file.c). */
troupe_error config_read_file(cli_config *config, const char *path,
                              troupe_reason *reason) TROUPE_MUST_USE;

/** Set one key from text. where: what the reason begins with ("FILE:12", "--listen"). */
troupe_error config_set(cli_config *config, const config_key *key, const char *text,
                        const char *where, troupe_reason *reason) TROUPE_MUST_USE;

/** The key of that section and name; NULL if there is none. */
const config_key *config_find(const char *section, const char *name);

/** Add a warning; the caller of config_load prints them. */
void config_warn(cli_config *config, const char *format, ...) TROUPE_PRINTF(2, 3);

/** The value as it would be written; "(set)" for secrets; "" when not set. */
void config_text(const cli_config *config, const config_key *key, char *out, size_t size);

/** {file, settings:[{section, key, value, text, source, flag}…]}: new reference; no secrets in it.
 */
json_t *config_json(const cli_config *config);

/** A token is read from a file: first line, blanks trimmed. *out: freed by the caller.
 * *exposed: whether others may read the file. */
troupe_error config_read_token(const char *path, char **out, bool *exposed,
                               troupe_reason *reason) TROUPE_MUST_USE;

#endif
