/* SPDX-License-Identifier: MIT */
/* Which program is the browser. */
#include "finder.h"

#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const shell_names[] = {"chromium-headless-shell", "chrome-headless-shell",
                                          "headless_shell", NULL};
static const char *const full_names[] = {"chromium",
                                         "chromium-browser",
                                         "google-chrome-stable",
                                         "google-chrome",
                                         "microsoft-edge",
                                         "brave-browser",
                                         NULL};

/* Where packages and tools put browsers besides PATH; `~` is $HOME, `*` matches. */
static const char *const shell_places[] = {
    "/usr/bin/chromium-headless-shell",
    "/usr/lib/chromium/chromium-headless-shell",
    "~/.cache/puppeteer/chrome-headless-shell/*/*/chrome-headless-shell",
    "~/.cache/ms-playwright/chromium_headless_shell-*/*/headless_shell",
    "~/.cache/ms-playwright/chromium_headless_shell-*/*/chrome-headless-shell",
    NULL};
static const char *const full_places[] = {
    "/usr/bin/chromium",
    "/usr/lib/chromium/chromium",
    "/usr/lib/chromium-browser/chromium-browser",
    "/snap/bin/chromium",
    "/opt/google/chrome/chrome",
    "/opt/chromium.org/chromium/chromium",
    "/var/lib/flatpak/exports/bin/org.chromium.Chromium",
    "/var/lib/flatpak/exports/bin/com.google.Chrome",
    "~/.local/share/flatpak/exports/bin/org.chromium.Chromium",
    "~/.local/share/flatpak/exports/bin/com.google.Chrome",
    "~/.cache/puppeteer/chrome/*/*/chrome",
    "~/.cache/ms-playwright/chromium-*/*/chrome",
    NULL};

static bool is_program(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISREG(info.st_mode) && access(path, X_OK) == 0;
}

static bool on_path(const char *name, char *path, size_t path_size)
{
    const char *list = getenv("PATH");
    list = list != NULL && *list != '\0' ? list : "/usr/local/bin:/usr/bin:/bin";
    while (*list != '\0') {
        size_t len = strcspn(list, ":");
        int written = snprintf(path, path_size, "%.*s/%s", (int)len, list, name);
        if (len > 0 && written > 0 && (size_t)written < path_size && is_program(path)) {
            return true;
        }
        list += len + (list[len] == ':');
    }
    return false;
}

static bool first_on_path(const char *const *names, char *path, size_t path_size)
{
    for (; *names != NULL; names++) {
        if (on_path(*names, path, path_size)) {
            return true;
        }
    }
    return false;
}

/* The last that matches: names that differ differ in the version. */
static bool newest_match(const char *pattern, char *path, size_t path_size)
{
    glob_t found = {0};
    bool done = false;
    if (glob(pattern, GLOB_NOSORT, NULL, &found) == 0) {
        const char *best = NULL;
        for (size_t i = 0; i < found.gl_pathc; i++) {
            const char *each = found.gl_pathv[i];
            if (is_program(each) && (best == NULL || strverscmp(each, best) > 0)) {
                best = each;
            }
        }
        done = best != NULL && snprintf(path, path_size, "%s", best) < (int)path_size;
    }
    globfree(&found);
    return done;
}

static bool first_in_places(const char *const *places, char *path, size_t path_size)
{
    const char *home = getenv("HOME");
    for (; *places != NULL; places++) {
        char pattern[FINDER_PATH_MAX];
        const char *place = *places;
        if (*place == '~') {
            if (home == NULL || *home != '/' ||
                snprintf(pattern, sizeof pattern, "%s%s", home, place + 1) >= (int)sizeof pattern) {
                continue;
            }
            place = pattern;
        }
        if (newest_match(place, path, path_size)) {
            return true;
        }
    }
    return false;
}

bool finder_is_shell(const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash != NULL ? slash + 1 : path;
    return strstr(name, "headless") != NULL && strstr(name, "shell") != NULL;
}

/* A program by path or by name. where: who wants it, for the reason. */
static troupe_error find_named(const char *wanted, const char *where, char *path, size_t path_size,
                               troupe_reason *reason)
{
    bool a_path = strchr(wanted, '/') != NULL;
    if (a_path ? !is_program(wanted) : !on_path(wanted, path, path_size)) {
        return troupe_fail(reason, TROUPE_EUNAVAILABLE, "browser %s%s: %s", wanted, where,
                           a_path && access(wanted, F_OK) == 0 ? "not a program that may be run"
                                                               : "no such program");
    }
    if (a_path && snprintf(path, path_size, "%s", wanted) >= (int)path_size) {
        return troupe_fail(reason, TROUPE_EUNAVAILABLE, "browser %.60s…: the path is too long",
                           wanted);
    }
    return TROUPE_OK;
}

static bool is_set(const char *text)
{
    return text != NULL && *text != '\0';
}

troupe_error finder_find(const finder_wish *wish, char *path, size_t path_size,
                         troupe_reason *reason)
{
    const char *variable = getenv("CHROMIUM");
    if (is_set(wish->executable)) {
        if (wish->full && finder_is_shell(wish->executable)) {
            return troupe_fail(reason, TROUPE_EPARAMS,
                               "%s is a headless shell: it has neither windows nor extensions",
                               wish->executable);
        }
        return find_named(wish->executable, "", path, path_size, reason);
    }
    if (is_set(wish->configured) && !(wish->full && finder_is_shell(wish->configured))) {
        return find_named(wish->configured, "", path, path_size, reason);
    }
    if (is_set(variable) && !(wish->full && finder_is_shell(variable))) {
        return find_named(variable, " (of $CHROMIUM)", path, path_size, reason);
    }
    if ((!wish->full && first_on_path(shell_names, path, path_size)) ||
        (!wish->full && first_in_places(shell_places, path, path_size)) ||
        first_on_path(full_names, path, path_size) ||
        first_in_places(full_places, path, path_size)) {
        return TROUPE_OK;
    }
    return troupe_fail(reason, TROUPE_EUNAVAILABLE,
                       wish->full
                           ? "no full Chromium found on PATH or in the usual places: install the "
                             "package chromium (a headless shell has neither windows nor "
                             "extensions), or set [launcher] executable"
                           : "no Chromium found on PATH or in the usual places: install the "
                             "package chromium-headless-shell, or set [launcher] executable");
}
