/* SPDX-License-Identifier: MIT */
/* The table of commands: its groups in their order. */
#include "command_rows.h"

static const arg_option common_options[] = {
    {"help", 'h', ARG_FLAG, NULL, "explain this command"},
    {"json", 'j', ARG_FLAG, NULL, "print what the host answered, as JSON"},
    {"quiet", 'q', ARG_FLAG, NULL, "print ids only, and no notices"},
    {"name", 0, ARG_STRING, "NAME", "which local host (default: default)"},
    {"url", 0, ARG_STRING, "URL", "a host elsewhere, as TROUPE_URL: http://ADDR:PORT"},
    {"host-ca-file", 0, ARG_STRING, "FILE",
     "authorities to trust for https:// (PEM), as TROUPE_HOST_CA_FILE"},
    {"token-file", 0, ARG_STRING, "FILE", "file with the token of that host"},
    {"token", 0, ARG_STRING, "TOKEN", "the token; better in a file or TROUPE_TOKEN"},
    {"state-dir", 0, ARG_STRING, "DIR", "where hosts keep their state files"},
    {"config", 0, ARG_STRING, "FILE", "troupe.conf to read, as TROUPE_CONFIG"},
    {"timeout", 0, ARG_DURATION, "TIME", "how long the host may take: 500ms, 30s, 5m"},
    {"where", 0, ARG_STRING, "SQL",
     "of a list, the rows for which this is true: \"status >= 400\""},
    {"csv", 0, ARG_FLAG, NULL, "lists as comma-separated values (RFC 4180), as --json has them"},
    {"fields", 0, ARG_STRING, "LIST", "of a list, these members: url,status,timing.wait"},
    {"output", 0, ARG_STRING, "FILE", "write what is printed to this file, whole or not at all"},
};

/* As command_group. */
static const cli_command *const groups[GROUP_COUNT] = {
    commands_host, commands_browsers, commands_pages, commands_see, commands_act,
};

const cli_command *command_next(const cli_command *row)
{
    if (row != NULL && row[1].name != NULL) {
        return row + 1;
    }
    size_t group = row != NULL ? (size_t)row->group + 1 : 0;
    while (group < GROUP_COUNT && groups[group]->name == NULL) {
        group++;
    }
    return group < GROUP_COUNT ? groups[group] : NULL;
}

const arg_set *command_common_set(void)
{
    static const arg_set set = {"Options of all commands", common_options,
                                sizeof common_options / sizeof common_options[0]};
    return &set;
}
