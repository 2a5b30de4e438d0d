/* SPDX-License-Identifier: MIT */
#include "bytes.h"

#include "command.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

unsigned char *bytes_of(const char *text, size_t text_len, bool base64, size_t *len)
{
    if (text == NULL || text_len > INT32_MAX) {
        return NULL;
    }
    unsigned char *bytes = malloc(text_len + 1);
    *len = text_len;
    if (bytes == NULL || !base64) {
        return bytes != NULL ? memcpy(bytes, text, text_len + 1) : NULL;
    }
    int decoded = EVP_DecodeBlock(bytes, (const unsigned char *)text, (int)text_len);
    if (decoded < 0) {
        free(bytes);
        return NULL;
    }
    *len = (size_t)decoded;
    for (size_t i = text_len; i > 0 && text[i - 1] == '=' && *len > 0; i--) {
        (*len)--; /* what the padding stood for */
    }
    return bytes;
}

/* What is no regular file (a device, a pipe) cannot be replaced: it is written to. */
static bool replaceable(const char *path)
{
    struct stat info;
    return lstat(path, &info) != 0 || S_ISREG(info.st_mode);
}

static bool write_to(const char *path, const unsigned char *bytes, size_t len)
{
    FILE *file = fopen(path, "we");
    bool ok = file != NULL && fwrite(bytes, 1, len, file) == len;
    return file != NULL && fclose(file) == 0 && ok;
}

static int write_file(const char *path, const unsigned char *bytes, size_t len)
{
    char *beside = NULL;
    bool replace = replaceable(path);
    if (replace && asprintf(&beside, "%s.%ld.part", path, (long)getpid()) < 0) {
        beside = NULL;
    }
    const char *at = beside != NULL ? beside : path;
    bool ok = write_to(at, bytes, len) && (beside == NULL || rename(beside, path) == 0);
    if (!ok) {
        cli_error("%s: %s", path, strerror(errno));
        if (beside != NULL) {
            (void)unlink(beside);
        }
    }
    free(beside);
    return ok ? CLI_OK : CLI_FAILED;
}

int bytes_write(const char *path, const unsigned char *bytes, size_t len, const char *what)
{
    if (path != NULL && strcmp(path, "-") != 0) {
        return write_file(path, bytes, len);
    }
    if (!isatty(STDOUT_FILENO)) {
        return fwrite(bytes, 1, len, stdout) == len ? CLI_OK : CLI_FAILED;
    }
    if (memchr(bytes, 0, len) != NULL) {
        cli_error("the %s is binary: --output FILE writes it to a file", what);
        return CLI_FAILED;
    }
    cli_print_text((const char *)bytes, len);
    if (len > 0 && bytes[len - 1] != '\n') {
        fputc('\n', stdout);
    }
    return CLI_OK;
}
