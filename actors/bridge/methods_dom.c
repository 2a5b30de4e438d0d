/* SPDX-License-Identifier: MIT */
/* The methods that pick elements of a page. */
#include "method_rows.h"

/* clang-format off */
const rpc_method methods_dom[] = {
    {0},
};
