/* SPDX-License-Identifier: MIT */
/* The command line that a recipe makes. */
#include "finder.h"
#include "recipe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

#define SHM_LEAST ((uint64_t)256 << 20)

/* Containers give 64 MiB by default: renderers crash when it is full. */
static bool shm_is_small(void)
{
    struct statvfs info;
    return statvfs("/dev/shm", &info) != 0 || (uint64_t)info.f_blocks * info.f_frsize < SHM_LEAST;
}

static void add_fixed(const recipe *made, words *line)
{
    static const char *const flags[] = {"--disable-quic",
                                        "--no-first-run",
                                        "--disable-background-networking",
                                        "--disable-component-update",
                                        "--disable-sync",
                                        "--no-default-browser-check",
                                        "--disable-breakpad",
                                        "--disable-crash-reporter",
                                        "--password-store=basic",
                                        "--disable-default-apps",
                                        "--disable-background-timer-throttling",
                                        "--disable-backgrounding-occluded-windows",
                                        "--disable-renderer-backgrounding",
                                        "--disable-search-engine-choice-screen",
                                        NULL};
    for (const char *const *flag = flags; *flag != NULL; flag++) {
        words_add(line, *flag);
    }
    if (!made->headed) {
        words_add(line, "--headless");
        words_add(line, "--disable-gpu");
    }
    if (made->no_sandbox) {
        words_add(line, "--no-sandbox");
    }
    if (shm_is_small()) {
        words_add(line, "--disable-dev-shm-usage");
    }
    if (made->port) {
        words_addf(line, "--remote-debugging-port=%u", made->port_number);
    } else {
        words_add(line, "--remote-debugging-pipe");
    }
}

static void add_extensions(const recipe *made, words *line)
{
    size_t size = 1;
    for (size_t i = 0; i < made->extensions.count; i++) {
        size += strlen(made->extensions.items[i]) + 1;
    }
    char *list = made->extensions.count > 0 ? calloc(1, size) : NULL;
    if (list == NULL) {
        line->failed = line->failed || made->extensions.count > 0;
        return;
    }
    for (size_t i = 0, used = 0; i < made->extensions.count; i++) {
        used += (size_t)snprintf(list + used, size - used, "%s%s", i > 0 ? "," : "",
                                 made->extensions.items[i]);
    }
    words_addf(line, "--disable-extensions-except=%s", list);
    words_addf(line, "--load-extension=%s", list);
    free(list);
}

void recipe_command(const recipe *made, const char *profile, words *line)
{
    words_add(line, made->executable);
    words_addf(line, "--user-data-dir=%s", profile);
    add_fixed(made, line);
    if (made->width != 0) {
        words_addf(line, "--window-size=%u,%u", made->width, made->height);
    }
    if (made->proxy != NULL) {
        words_addf(line, "--proxy-server=%s", made->proxy);
    }
    if (made->proxy_bypass != NULL) {
        words_addf(line, "--proxy-bypass-list=%s", made->proxy_bypass);
    }
    if (made->user_agent != NULL) {
        words_addf(line, "--user-agent=%s", made->user_agent);
    }
    add_extensions(made, line);
    for (size_t i = 0; i < made->arguments.count; i++) {
        words_add(line, made->arguments.items[i]);
    }
    if (!finder_is_shell(made->executable)) {
        words_add(line, "about:blank"); /* a full browser opens a window anyway: an empty one */
    }
}
