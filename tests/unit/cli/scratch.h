/* SPDX-License-Identifier: MIT */
/** A directory for one test; gone with scratch_end. */
#ifndef TROUPE_TESTS_CLI_SCRATCH_H
#define TROUPE_TESTS_CLI_SCRATCH_H

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char scratch[200];

static inline void scratch_begin(void)
{
    const char *tmp = getenv("TMPDIR");
    snprintf(scratch, sizeof scratch, "%s/troupe-cli-XXXXXX", tmp != NULL ? tmp : "/tmp");
    cr_assert_not_null(mkdtemp(scratch));
}

static inline void scratch_end(void)
{
    char command[300];
    snprintf(command, sizeof command, "rm -rf '%s'", scratch);
    cr_assert_eq(system(command), 0);
}

/* Path of a file in the directory; overwritten by each call. */
static inline const char *scratch_path(const char *name)
{
    static char path[400];
    snprintf(path, sizeof path, "%s/%s", scratch, name);
    return path;
}

static inline const char *scratch_write(const char *name, mode_t mode, const char *text, size_t len)
{
    const char *path = scratch_path(name);
    FILE *file = fopen(path, "w");
    cr_assert_not_null(file);
    cr_assert_eq(fwrite(text, 1, len, file), len);
    cr_assert_eq(fclose(file), 0);
    cr_assert_eq(chmod(path, mode), 0);
    return path;
}

#endif
