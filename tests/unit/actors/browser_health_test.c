/* SPDX-License-Identifier: MIT */
/* A browser actor on a WebSocket whose other end is silent. */
#include "../transport/server.h"
#include "actors/browser/browser.h"
#include "transport/websocket.h"

#include <criterion/criterion.h>

#define WAIT_MS 20000 /* never reached, unless something hangs */

/** Reads to the end, counts pings, and answers nothing. */
static void script_pings(server *s)
{
    unsigned pings = 0;
    server_upgrade(s, "", 0);
    for (;;) {
        uint8_t first = 0;
        size_t len = 0;
        char *data = server_read_frame(s, &first, &len);
        if (data == NULL) {
            break;
        }
        pings += first == 0x89;
        free(data);
    }
    snprintf(s->seen, sizeof(s->seen), "%u", pings);
}

/** Runs until the peer has seen the end; returns how many pings that were. */
static unsigned run(bool launched, const char **why, browser_end *end)
{
    server s = {0};
    char url[64];
    troupe_host_options options;
    troupe_system *stage;
    troupe_spawn_options spawn;
    troupe_address actor;
    server_start(&s, script_pings);
    snprintf(url, sizeof url, "ws://127.0.0.1:%d/", s.port);
    troupe_host_options_default(&options);
    options.ping_interval_ms = 20;
    options.ping_timeout_ms = 30;
    /* Ends it where no ping does: the peer answers no command. */
    options.launch_timeout_ms = launched ? 200 : WAIT_MS;
    websocket_options socket = {.url = url};
    browser_spec spec = {
        .host = &options, .id = "9222", .pid_fd = -1, .end = end, .launched = launched};
    cr_assert_eq(troupe_system_open(NULL, &stage), TROUPE_OK);
    cr_assert_eq(websocket_connect(&socket, &spec.stream, NULL), TROUPE_OK);
    cr_assert_eq(browser_prepare(&spec, &spawn), TROUPE_OK);
    cr_assert_eq(troupe_spawn(stage, &spawn, &actor), TROUPE_OK);
    pthread_join(s.thread, NULL); /* the actor has let go of the connection */
    close(s.listener);
    troupe_system_close(stage, WAIT_MS);
    *why = browser_end_text(end);
    return (unsigned)atoi(s.seen);
}

Test(health, silent_connection_is_ended_and_the_silence_named)
{
    browser_end *end = browser_end_create();
    const char *why = NULL;
    cr_expect_geq(run(false, &why, end), 1);
    cr_expect_not_null(strstr(why, "silent for 30 ms after a ping"), "%s", why);
    browser_end_unref(end);
}

Test(health, browser_of_our_own_is_not_pinged)
{
    browser_end *end = browser_end_create();
    const char *why = NULL;
    cr_expect_eq(run(true, &why, end), 0);
    cr_expect_not_null(strstr(why, "no answer within 200 ms"), "%s", why);
    browser_end_unref(end);
}
