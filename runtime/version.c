/* SPDX-License-Identifier: MIT */
/* The library's version, and comparing versions as versions. */
#include "troupe/version.h"

#include <ctype.h>

const char *troupe_version(void)
{
    return TROUPE_VERSION;
}

/* The next numeric part, without leading zeros; *text moves behind it and its dot. */
static const char *next_part(const char **text, int *len)
{
    while (**text != '\0' && !isdigit((unsigned char)**text))
        (*text)++;
    while (**text == '0')
        (*text)++;
    const char *part = *text;
    while (isdigit((unsigned char)**text))
        (*text)++;
    *len = (int)(*text - part);
    return part;
}

int troupe_version_compare(const char *a, const char *b)
{
    while (*a != '\0' || *b != '\0') {
        int a_len;
        int b_len;
        const char *a_part = next_part(&a, &a_len);
        const char *b_part = next_part(&b, &b_len);
        if (a_len != b_len)
            return a_len < b_len ? -1 : 1;
        for (int i = 0; i < a_len; i++) {
            if (a_part[i] != b_part[i])
                return a_part[i] < b_part[i] ? -1 : 1;
        }
    }
    return 0;
}
