/* SPDX-License-Identifier: MIT */
/** For the files that hold the table of commands, one a group. */
#ifndef TROUPE_CLI_COMMAND_ROWS_H
#define TROUPE_CLI_COMMAND_ROWS_H

#include "command.h"

#define NO_OPTIONS NULL, 0

#define TARGET_OPTION                                                             \
    {                                                                             \
        "target", 't', ARG_STRING, "TARGET", "id or unambiguous beginning of one" \
    }

#define EACH_TARGET_OPTION                                                                \
    {                                                                                     \
        "target", 't', ARG_STRING, "TARGET",                                              \
            "id or unambiguous beginning of one; \"a,b\" or \"*\" (all): each of several" \
    }

/* Each ends with a row whose name is NULL; commands.c lists them. */
extern const cli_command commands_host[];
extern const cli_command commands_browsers[];
extern const cli_command commands_pages[];
extern const cli_command commands_see[];
extern const cli_command commands_act[];

#endif
