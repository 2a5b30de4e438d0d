/* SPDX-License-Identifier: MIT */
/* The methods that take pictures of a page. */
#include "method_rows.h"

/* clang-format off */
const rpc_method methods_pictures[] = {
    {0},
};
