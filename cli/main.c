/* SPDX-License-Identifier: MIT */
/* The `troupe` command. */
#include "command.h"

int main(int argc, char **argv)
{
    troupe_host_keeper_main(argc, argv);
    return cli_main(argc, argv);
}
