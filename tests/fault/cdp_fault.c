/* SPDX-License-Identifier: MIT */
/*
 * A browser that answers wrongly, over a pipe and over a WebSocket, against the browser actor. Each
 * call that is pending ends exactly once, with the error that docs/connections.md names; what
 * belongs to nobody is counted; and the next connection works.
 *
 *   cdp_fault           all
 *   cdp_fault NAME      the scenarios whose name contains NAME
 */
#include "cdp_peer.h"
#include "cdp_scenarios.h"

#include "troupe/log.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HANG_S 60 /* of one scenario; never reached, unless something hangs */

static const char *present = "";
static const char *transport = "";
static unsigned failures;

static void hangs(int signal)
{
    (void)signal;
    fprintf(stderr, "hangs: \"%s\" over a %s\n", present, transport);
    _exit(1);
}

void expect_that(bool holds, const char *what, const char *file, int line)
{
    if (!holds) {
        failures++;
        fprintf(stderr, "%s:%d: \"%s\" over a %s: not so: %s\n", file, line, present, transport,
                what);
    }
}

void expect_ended(cdp_peer *p, size_t n, troupe_error error, const char *words, const char *file,
                  int line)
{
    const cdp_call *call = cdp_call_wait(p, n);
    if (call->error != error || strstr(call->text, words) == NULL) {
        failures++;
        fprintf(stderr, "%s:%d: \"%s\" over a %s: call %zu ended with %s: %.300s\n", file, line,
                present, transport, n, troupe_error_name(call->error), call->text);
    }
}

void start_calls(cdp_peer *p, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        (void)cdp_call_start(p, 0);
    }
}

void expect_own_result(cdp_peer *p, size_t n)
{
    char words[32];
    snprintf(words, sizeof words, "{\"n\":%zu}", n);
    EXPECT_ENDED(p, n, TROUPE_OK, words);
}

static void expect_next_works(cdp_peer *p)
{
    cdp_connect(p, true);
    size_t n = cdp_call_start(p, 0);
    cdp_answer(p, n);
    EXPECT_ENDED(p, n, TROUPE_OK, "\"n\":0");
    cdp_disconnect(p);
    EXPECT(cdp_replies_too_many(p) == 0);
}

static void play(cdp_peer *p, const cdp_scenario *scenarios, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (strstr(scenarios[i].name, name) != NULL) {
            present = scenarios[i].name;
            alarm(HANG_S);
            scenarios[i].play(p);
            expect_next_works(p);
        }
    }
}

static void play_all(bool websocket, const char *name)
{
    static cdp_peer p;
    transport = websocket ? "WebSocket" : "pipe";
    cdp_open(&p, websocket);
    play(&p, cdp_scenarios, cdp_scenario_count, name);
    play(&p, cdp_end_scenarios, cdp_end_scenario_count, name);
    cdp_close(&p);
}

static void log_nothing(void *context, const troupe_log_record *record)
{
    (void)context;
    (void)record;
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "";
    signal(SIGALRM, hangs);
    signal(SIGPIPE, SIG_IGN);
    if (argc < 2) {
        troupe_log_set_sink(log_nothing, NULL);
    }
    play_all(false, name);
    play_all(true, name);
    printf("%zu scenarios over a pipe and over a WebSocket\n",
           cdp_scenario_count + cdp_end_scenario_count);
    puts(failures == 0 ? "ok" : "failed");
    return failures == 0 ? 0 : 1;
}
