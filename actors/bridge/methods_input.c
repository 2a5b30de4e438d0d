/* SPDX-License-Identifier: MIT */
/* The methods of input: mouse, keyboard, files. */
#include "method_rows.h"

/* clang-format off */
const rpc_method methods_input[] = {
    {0},
};
