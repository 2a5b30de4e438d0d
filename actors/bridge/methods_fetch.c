/* SPDX-License-Identifier: MIT */
/* The methods that pause, change, block and mock requests. */
#include "method_rows.h"

/* clang-format off */
const rpc_method methods_fetch[] = {
    {0},
};
