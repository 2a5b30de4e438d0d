/* SPDX-License-Identifier: MIT */
/* Messages of CDP: what cdp_scan finds is what jansson finds. */
#include "fuzz.h"

#include "tests/unit/transport/json_oracle.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = oracle_exact((const char *)data, size);
    const char *wrong = oracle_compare(text, size);
    if (wrong == NULL)
        wrong = oracle_compare_cdp(text, size);
    if (wrong != NULL) {
        fprintf(stderr, "%s\n", wrong);
        abort();
    }
    free(text);
    return 0;
}
