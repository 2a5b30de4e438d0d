/* SPDX-License-Identifier: MIT */
/** How a browser is to be launched: what a call asked for and what the settings say, checked. */
#ifndef TROUPE_ACTORS_BROWSER_RECIPE_H
#define TROUPE_ACTORS_BROWSER_RECIPE_H

#include "browser.h"
#include "troupe/host.h"
#include "words.h"

#include <jansson.h>

/** Shared by the browsers of one call and by their restarts. */
typedef struct recipe {
    unsigned references;
    char *executable; /* as found */
    char *profile;    /* directory of a persistent profile; NULL = a temporary one */
    bool headed;
    bool full;            /* full Chromium was wanted */
    bool port;            /* a debugging port instead of the pipe */
    uint16_t port_number; /* 0 = any */
    unsigned width;       /* of the window; 0 = not given */
    unsigned height;
    char *proxy;
    char *proxy_bypass;
    char *user_agent;
    words extensions;  /* directories */
    words arguments;   /* further ones */
    words environment; /* as the keeper wants them (keeper.h) */
    int nice;
    uint64_t memory_bytes; /* 0 = no limit */
    uint32_t timeout_ms;   /* to start */
    bool no_sandbox;
    browser_limits limits; /* of its connection */
} recipe;

/**
 * Read the params of `browsers.launch`; what they leave out comes from the settings.
 *
 * @param out  stored on TROUPE_OK: one reference
 * @return TROUPE_OK; TROUPE_EPARAMS: the reason names the member and what is wrong with it;
 *         TROUPE_EUNAVAILABLE: no such browser; TROUPE_ENOMEM
 */
troupe_error recipe_read(const troupe_host_options *host, const json_t *params, recipe **out,
                         troupe_reason *reason) TROUPE_MUST_USE;

recipe *recipe_ref(recipe *made);
/** NULL is fine. */
void recipe_unref(recipe *made);

/** The browser's command line, the program first. profile: its user data directory. */
void recipe_command(const recipe *made, const char *profile, words *line);

#endif
