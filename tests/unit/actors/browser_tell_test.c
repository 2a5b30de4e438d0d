/* SPDX-License-Identifier: MIT */
/* What the browser actor and its targets tell connections, when that has no time or no room. */
#include "fake_chrome.h"

#include "actors/browser/browser.h"
#include "actors/json_call.h"
#include "troupe/log.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <time.h>

#define PAGE    "ABCDEF0123456789"
#define SEEN    64
#define MAILBOX 8

/* In the place of connections: refuses to be entered a few times, notes what it is told, and stands
 * still when it is to. */
static struct {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    int refusals;
    int entered;
    bool held;
    bool standing;
    char seen[SEEN][100];
    int count;
} audience = {.mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static fake chrome;

static void on_enter(troupe_actor *self, const troupe_envelope *call)
{
    audience.entered++;
    if (audience.refusals > 0) {
        troupe_error error = audience.refusals-- % 2 == 0 ? TROUPE_ETIMEOUT : TROUPE_EBUSY;
        troupe_fault(self, troupe_caller_of(call), error, NULL, NULL);
        return;
    }
    json_reply(self, troupe_caller_of(call),
               json_pack("{s:[{s:s, s:s, s:i}]}", "targets", "chrome_id", PAGE, "id", "p1:abcdef",
                         "epoch", 70));
}

/* "VERB TARGET EPOCH" */
static void note(const troupe_envelope *cast)
{
    const char *target = "";
    size_t len = 0;
    uint64_t epoch = 0;
    (void)!troupe_unpack(cast->payload, "{s?:s#,s?:U}", "target", &target, &len, "epoch", &epoch);
    if (audience.count < SEEN) {
        snprintf(audience.seen[audience.count++], sizeof *audience.seen, "%.*s %.*s %u",
                 (int)cast->verb_len, cast->verb, (int)len, target, (unsigned)epoch);
    }
}

static troupe_error receive(troupe_actor *self, void *context, const troupe_envelope *envelope)
{
    (void)context;
    pthread_mutex_lock(&audience.mutex);
    if (envelope->kind == TROUPE_CALL && troupe_verb_is(envelope, VERB_BROWSER_UP)) {
        on_enter(self, envelope);
    } else if (envelope->kind == TROUPE_CAST) {
        note(envelope);
    }
    pthread_cond_broadcast(&audience.changed);
    while (audience.held) {
        audience.standing = true;
        pthread_cond_broadcast(&audience.changed);
        pthread_cond_wait(&audience.changed, &audience.mutex);
    }
    audience.standing = false;
    pthread_mutex_unlock(&audience.mutex);
    return TROUPE_OK;
}

static const troupe_behaviour behaviour = {.kind = "audience", .receive = receive};

static void open_refusing(int refusals)
{
    troupe_spawn_options options = {
        .behaviour = &behaviour, .name = NAME_CONNECTIONS, .mailbox_envelopes = MAILBOX};
    audience.refusals = refusals;
    troupe_log_set_level(TROUPE_LOG_ERROR);
    fake_open_before(&chrome, &options, PAGE);
}

static void close_all(void)
{
    fake_close(&chrome);
}

static int place_of(const char *line, int from)
{
    for (int i = from; i < audience.count; i++) {
        if (strncmp(audience.seen[i], line, strlen(line)) == 0) {
            return i;
        }
    }
    return -1;
}

/* Wait until it was told that, after what is at `from`; where. */
static int await_seen(const char *line, int from)
{
    struct timespec until;
    int error = 0;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += FAKE_WAIT_MS / 1000;
    pthread_mutex_lock(&audience.mutex);
    while (place_of(line, from) < 0 && error == 0) {
        error = pthread_cond_timedwait(&audience.changed, &audience.mutex, &until);
    }
    int place = place_of(line, from);
    cr_assert_geq(place, 0, "stuck waiting for %s after %d of %d; the last was %s", line, from,
                  audience.count, audience.count > 0 ? audience.seen[audience.count - 1] : "none");
    pthread_mutex_unlock(&audience.mutex);
    return place;
}

static void stand(bool still)
{
    pthread_mutex_lock(&audience.mutex);
    audience.held = still;
    pthread_cond_broadcast(&audience.changed);
    pthread_mutex_unlock(&audience.mutex);
}

static void create(const char *chrome_id)
{
    fake_send(&chrome,
              "{\"method\":\"Target.targetCreated\",\"params\":{\"targetInfo\":{\"targetId\":"
              "\"%s\",\"type\":\"page\",\"title\":\"t\",\"url\":\"about:blank\"}}}",
              chrome_id);
}

Test(browser_tell, refused_by_connections_enters_until_it_is_heard, .fini = close_all,
     .timeout = 30)
{
    open_refusing(4);
    await_seen("browser.settled", 0);
    cr_assert_eq(audience.entered, 5);
    fake_send(&chrome, "{\"method\":\"Target.attachedToTarget\",\"params\":{\"sessionId\":\"S1\","
                       "\"targetInfo\":{\"targetId\":\"" PAGE "\",\"type\":\"page\"}}}");
    await_seen("target.state p1:abcdef 70", 0); /* what connections knows was not missed */
    await_seen("target.state p1:abcdef 71", 0);
}

Test(browser_tell, notices_without_room_are_told_in_order_when_there_is, .fini = close_all,
     .timeout = 30)
{
    char id[24];
    open_refusing(0);
    int from = await_seen("browser.settled", 0);
    stand(true);
    for (int i = 0; i < 3 * MAILBOX; i++) {
        snprintf(id, sizeof id, "%06X00000000", i + 0x100000);
        create(id);
    }
    fake_send(&chrome, "{\"method\":\"Target.targetDestroyed\",\"params\":{\"targetId\":\"%s\"}}",
              id);
    fake_send(&chrome, "{\"method\":\"Never.heardOf\",\"params\":{}}");
    fake_await_line(&chrome, "Never.heardOf"); /* so all of it was told, or refused */
    stand(false);
    for (int i = 0; i < 3 * MAILBOX; i++) {
        snprintf(id, sizeof id, "target.info p1:%06x", i + 0x100000);
        int place = await_seen(id, from);
        cr_assert_geq(place, from);
        from = place;
    }
    await_seen("target.destroyed", from);
}

Test(browser_tell, target_without_room_tells_its_state_when_there_is, .fini = close_all,
     .timeout = 30)
{
    char id[24];
    open_refusing(0);
    int from = await_seen("browser.settled", 0);
    chrome.mute = "S1";
    fake_send(&chrome, "{\"method\":\"Target.attachedToTarget\",\"params\":{\"sessionId\":\"S1\","
                       "\"targetInfo\":{\"targetId\":\"" PAGE "\",\"type\":\"page\"}}}");
    from = await_seen("target.state p1:abcdef 70", from);
    stand(true);
    for (int i = 0; i < 3 * MAILBOX; i++) {
        snprintf(id, sizeof id, "%06X00000000", i + 0x100000);
        create(id);
    }
    /* Its actor has no room either to tell that its renderer crashed. */
    fake_send(&chrome, "{\"method\":\"Inspector.targetCrashed\",\"sessionId\":\"S1\"}");
    fake_send(&chrome, "{\"method\":\"Never.heardOf\",\"params\":{}}");
    fake_await_line(&chrome, "Never.heardOf");
    stand(false);
    await_seen("target.info p1:100017", from);
    await_seen("target.state p1:abcdef 70", from + 1);
}
