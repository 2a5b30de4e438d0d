/* SPDX-License-Identifier: MIT */
/*
 * What json_check and the oracle say of documents: for json_suite.mjs. Reads documents from stdin,
 * each as a line with its length in bytes and then its bytes; prints a line for each: "accepted" or
 * "refused", and what differs from jansson, if something does.
 */
#include "tests/unit/transport/json_oracle.h"

#include <stdio.h>

int main(void)
{
    size_t len;
    while (scanf("%zu", &len) == 1 && getchar() == '\n') {
        char *text = malloc(len + 1);
        if (text == NULL || fread(text, 1, len, stdin) != len)
            return 1;
        bool accepted = json_check(text, len, NULL) == TROUPE_OK;
        const char *wrong = oracle_compare(text, len);
        if (wrong == NULL)
            wrong = oracle_compare_cdp(text, len);
        printf("%s%s%s\n", accepted ? "accepted" : "refused", wrong != NULL ? " but " : "",
               wrong != NULL ? wrong : "");
        free(text);
    }
    return 0;
}
