/* SPDX-License-Identifier: MIT */
/* The methods of filters: what lists hide. */
#include "method_rows.h"

/* clang-format off */
const rpc_method methods_filters[] = {
    {0},
};
