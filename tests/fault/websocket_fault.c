/* SPDX-License-Identifier: MIT */
/*
 * A WebSocket server that does everything wrong, cut at every byte: each script of the tables is
 * played whole, with a cut behind each of its bytes, and with all the cuts at once. The client must
 * end with the error that the table names, each time the same, having delivered the same messages;
 * the next connection to the same server works; no descriptor is left.
 *
 *   websocket_fault             all
 *   websocket_fault NAME [CUT]  the scripts whose name contains NAME, at that cut alone
 *   websocket_fault --first     all, up to the first that fails
 *   websocket_fault --others    what has no table: sizes, floods, silence
 *   websocket_fault --table     the tables, in Markdown
 */
#include "peer_client.h"
#include "websocket_extremes.h"
#include "websocket_scripts.h"
#include "websocket_stepped.h"

#include <regex.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HANG_S 120 /* of one script; never reached, unless something hangs */

static const struct group {
    const websocket_script *scripts;
    const size_t *count;
    const char *title;
    bool handshake; /* it is the answer that is cut */
    bool deflate;   /* the client offers permessage-deflate */
} groups[] = {
    {handshake_scripts, &handshake_script_count, "the server, asked to upgrade,", true, false},
    {agreement_scripts, &agreement_script_count, "the server, offered compression,", true, true},
    {frame_scripts, &frame_script_count, "the server, connected,", false, false},
    {deflate_scripts, &deflate_script_count, "the server, compressing,", false, true},
};
#define GROUPS (sizeof groups / sizeof groups[0])

static const websocket_script *present;
static size_t present_cut;
static const struct group *present_group;
static unsigned failures;
static unsigned present_failures;
static bool first_only; /* stop at a failure */
static unsigned long connections;

static void hangs(int signal)
{
    (void)signal;
    fprintf(stderr, "hangs: \"%s\", cut %zd\n", present != NULL ? present->name : "",
            (ssize_t)present_cut);
    _exit(1);
}

static void complain(const char *what, const outcome *o, const peer_seen *seen)
{
    failures++;
    present_failures++;
    fprintf(stderr, "\"%s\", cut %zd: %s\n  %s: %s; %lu messages, close code %d%s\n", present->name,
            (ssize_t)present_cut, what, troupe_error_name(o->error), o->reason.text, o->messages,
            seen->close_code, seen->malformed ? ", malformed" : "");
}

static bool matches(const char *text, const char *pattern)
{
    regex_t regex;
    if (regcomp(&regex, pattern, REG_EXTENDED | REG_ICASE | REG_NOSUB) != 0) {
        return false;
    }
    bool found = regexec(&regex, text, 0, NULL, 0) == 0;
    regfree(&regex);
    return found;
}

/* A connection on which nothing is wrong. */
static void expect_next_works(peer *p)
{
    static const peer_script script = {.bytes = "\x81\x05hello", .len = 7, .cut = PEER_WHOLE};
    char url[64];
    outcome o = {0};
    message_stream *stream = NULL;
    websocket_options options = client_options(p, url);
    peer_play(p, &script);
    o.error = websocket_connect(&options, &stream, &o.reason);
    if (o.error == TROUPE_OK) {
        o.error = message_stream_send(stream, "hello", 5);
        client_converse(stream, 1, &o);
    }
    message_stream_destroy(stream);
    peer_join(p);
    connections++;
    if (o.error != TROUPE_OK || o.messages != 1 || p->seen.texts != 1 ||
        p->seen.close_code != 1000) {
        complain("the next connection does not work", &o, &p->seen);
    }
}

static void play(peer *p, const peer_script *play, outcome *o)
{
    char url[64];
    websocket_options options = client_options(p, url);
    options.message_max = SCRIPT_MESSAGE_MAX;
    options.deflate = present_group->deflate ? WEBSOCKET_DEFLATE_ON : WEBSOCKET_DEFLATE_OFF;
    present_cut = play->cut;
    peer_play(p, play);
    bool to_the_end = present->reason != NULL && !present_group->handshake;
    client_run(&options, to_the_end ? CLIENT_UNTIL_THE_END : present->messages, o);
    peer_join(p);
    connections++;
}

static void expect_table(const outcome *o, const peer_seen *seen)
{
    if (o->error != present->error) {
        complain(troupe_error_name(present->error), o, seen);
    } else if (present->reason != NULL && !matches(o->reason.text, present->reason)) {
        complain(present->reason, o, seen);
    } else if (o->messages != present->messages) {
        complain("the count of messages", o, seen);
    } else if (seen->close_code != present->code) {
        complain("the close code", o, seen);
    } else if ((present->pong == NULL) != (seen->pongs == 0) ||
               (present->pong != NULL && strcmp(seen->last_pong, present->pong) != 0)) {
        complain("the pong", o, seen);
    } else if (seen->malformed) {
        complain("what the client sent", o, seen);
    }
}

static void expect_same(const outcome *o, const outcome *first, const peer_seen *seen)
{
    if (o->error != first->error || strcmp(o->reason.text, first->reason.text) != 0 ||
        o->digest != first->digest) {
        complain("another outcome than without a cut", o, seen);
    }
}

/* The script with each cut in [from, to), and with all of them. */
static void play_cut(peer *p, size_t from, size_t to, bool next_each)
{
    outcome first;
    outcome o;
    peer_script script = present->play;
    script.cut = PEER_WHOLE;
    play(p, &script, &first);
    expect_table(&first, &p->seen);
    expect_next_works(p);
    for (size_t cut = from; cut < to && present_failures == 0; cut++) {
        script.cut = cut;
        play(p, &script, &o);
        expect_table(&o, &p->seen);
        expect_same(&o, &first, &p->seen);
        if (next_each) {
            expect_next_works(p);
        }
    }
    if (present_failures == 0) {
        script.cut = PEER_EACH;
        play(p, &script, &o);
        expect_table(&o, &p->seen);
        expect_same(&o, &first, &p->seen);
        expect_next_works(p);
    }
}

/* A conversation that ends behind each of its bytes. */
static void play_truncated(peer *p, peer_end end)
{
    peer_script script = present->play;
    unsigned long messages = 0;
    script.end = end;
    script.cut = PEER_WHOLE;
    for (script.len = 0; script.len <= present->play.len; script.len++) {
        char url[64];
        outcome o;
        websocket_options options = client_options(p, url);
        options.deflate = present_group->deflate ? WEBSOCKET_DEFLATE_ON : WEBSOCKET_DEFLATE_OFF;
        present_cut = script.len;
        peer_play(p, &script);
        client_run(&options, CLIENT_UNTIL_THE_END, &o);
        peer_join(p);
        connections++;
        if (o.error != TROUPE_ECLOSED || o.messages < messages || o.messages > present->messages ||
            p->seen.close_code != NO_CLOSE) {
            complain("truncated", &o, &p->seen);
        }
        messages = o.messages;
    }
    if (messages != present->messages) {
        fprintf(stderr, "\"%s\": %lu messages of %u\n", present->name, messages, present->messages);
        failures++;
    }
    expect_next_works(p);
}

static void play_script(const websocket_script *script, const struct group *group)
{
    peer p;
    unsigned before = client_descriptors();
    present = script;
    present_failures = 0;
    present_group = group;
    alarm(HANG_S);
    peer_open(&p);
    size_t answer = peer_answer_len(&script->play);
    if (group->handshake) {
        play_cut(&p, 1, answer, script->reason != NULL);
    } else {
        play_cut(&p, answer, answer + script->play.len, false);
        if (script->reason == NULL && script->play.len < 200) {
            play_truncated(&p, PEER_HALF_CLOSE);
            play_truncated(&p, PEER_RESETS);
        }
    }
    failures += websocket_stepped(&p, script, group->deflate) ? 0 : 1;
    peer_close(&p);
    if (client_descriptors() != before) {
        fprintf(stderr, "\"%s\": %u descriptors, before %u\n", script->name, client_descriptors(),
                before);
        failures++;
    }
}

/* The tables -------------------------------------------------------------------------------- */

static void print_row(const websocket_script *script)
{
    char code[32] = "none";
    if (script->code > 0) {
        snprintf(code, sizeof code, "%d", script->code);
    } else if (script->code == 0) {
        snprintf(code, sizeof code, "empty");
    }
    printf("| %s | %s | %s | %s |\n", script->name,
           script->reason == NULL ? "works" : troupe_error_name(script->error),
           websocket_state_name(websocket_script_end(script)), code);
}

static void print_tables(void)
{
    for (size_t g = 0; g < GROUPS; g++) {
        printf("\n| %s | the client ends with | in state | its close frame |\n|---|---|---|---|\n",
               groups[g].title);
        for (size_t i = 0; i < *groups[g].count; i++) {
            print_row(&groups[g].scripts[i]);
        }
    }
}

static void play_one(const websocket_script *script, const struct group *group, const char *cut)
{
    peer p;
    outcome o;
    present = script;
    present_group = group;
    if (cut == NULL) {
        play_script(script, group);
        return;
    }
    peer_open(&p);
    peer_script one = script->play;
    one.cut = strtoul(cut, NULL, 10);
    play(&p, &one, &o);
    printf("%s\n%s: %s; %lu messages, close code %d\n", p.seen.request, troupe_error_name(o.error),
           o.reason.text, o.messages, p.seen.close_code);
    peer_close(&p);
}

static size_t play_named(const char *name, const char *cut)
{
    size_t played = 0;
    for (size_t g = 0; g < GROUPS; g++) {
        for (size_t i = 0; i < *groups[g].count; i++) {
            if (strstr(groups[g].scripts[i].name, name) != NULL && (failures == 0 || !first_only)) {
                play_one(&groups[g].scripts[i], &groups[g], cut);
                played++;
            }
        }
    }
    return played;
}

int main(int argc, char **argv)
{
    signal(SIGALRM, hangs);
    signal(SIGPIPE, SIG_IGN);
    if (argc > 1 && strcmp(argv[1], "--table") == 0) {
        print_tables();
        return 0;
    }
    const char *what = argc > 1 ? argv[1] : "";
    first_only = strcmp(what, "--first") == 0;
    bool others = strcmp(what, "--others") == 0;
    bool all = argc == 1 || first_only;
    if (!others) {
        size_t played = play_named(all ? "" : what, argc > 2 ? argv[2] : NULL);
        printf("%zu scripts, in %lu connections\n", played, connections);
    }
    if (others || (all && (failures == 0 || !first_only))) {
        alarm(HANG_S);
        failures += websocket_extremes();
        failures += websocket_silence();
    }
    puts(failures == 0 ? "ok" : "failed");
    return failures == 0 ? 0 : 1;
}
