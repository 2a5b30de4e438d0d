/* SPDX-License-Identifier: MIT */
/*
 * Embed the browser host: open a page in a browser of one's own, and talk to the page's actor.
 *
 * Shows: the keeper, signals before threads, a host without files, calls to the cast with JSON as
 * payload, finding an actor, a post to a page, an end that leaves nothing behind. Needs Chromium.
 */
#include <troupe/host.h>

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#define TIMEOUT_MS 60000
#define PAGE       "data:text/html,<title>An empty stage</title><h1>Stage</h1>"

/* Call a method with JSON params, and print the JSON that answers it. */
static troupe_error ask(troupe_guest *guest, troupe_address to, const char *method,
                        const char *params)
{
    troupe_buffer payload = {0};
    troupe_pack(&payload, "j#", params, strlen(params));
    troupe_answer answer;
    troupe_error error = troupe_guest_call(guest, to, method, NULL, troupe_buffer_bytes(&payload),
                                           TIMEOUT_MS, &answer);
    const char *text;
    size_t len;
    if (error == TROUPE_OK)
        error = troupe_payload_json(answer.payload, &text, &len);
    if (error == TROUPE_OK)
        printf("%s: %.*s\n", method, (int)len, text);
    else
        fprintf(stderr, "%s: %s\n", method,
                answer.message != NULL ? answer.message : troupe_error_text(error));
    troupe_answer_fini(&answer);
    troupe_buffer_fini(&payload);
    return error;
}

/* Cast a method: whatever it answers, nobody waits for it. */
static troupe_error tell(troupe_guest *guest, troupe_address to, const char *method,
                         const char *params)
{
    troupe_buffer payload = {0};
    troupe_pack(&payload, "j#", params, strlen(params));
    troupe_error error =
        troupe_guest_post(guest, to, TROUPE_CAST, method, NULL, troupe_buffer_bytes(&payload));
    troupe_buffer_fini(&payload);
    return error;
}

static void find_target(void *context, const troupe_actor_info *info)
{
    troupe_address *page = context;
    if (strcmp(info->kind, "target") == 0) {
        printf("the page's actor is %s\n", info->name);
        *page = info->address;
    }
}

/* Every method of docs/rpc.md is answered by some actor: `open` by connections, `js` by the page.
 */
static troupe_error perform(troupe_system *system, troupe_guest *guest)
{
    troupe_error error = ask(guest, troupe_whereis(system, "connections"), "open",
                             "{\"url\": \"" PAGE "\"}"); /* launches a browser: none runs */
    if (error != TROUPE_OK)
        return error;
    troupe_address page = 0;
    troupe_system_inspect(system, find_target, &page);
    error = ask(guest, page, "js", "{\"code\": \"document.title\"}");
    if (error == TROUPE_OK)
        error = tell(guest, page, "js", "{\"code\": \"document.title = 'Hello from C'\"}");
    if (error == TROUPE_OK) /* after the cast: one sender's envelopes keep their order */
        error = ask(guest, page, "js", "{\"code\": \"document.title\"}");
    return error;
}

int main(int argc, char **argv)
{
    troupe_host_keeper_main(argc, argv); /* first of all */
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, NULL); /* before the first thread */

    troupe_host_options options;
    troupe_host_options_default(&options);
    options.store = ":memory:";
    options.listen = "127.0.0.1:0"; /* a port that is free */
    options.attach = "none";        /* only pages that are opened or connected to have actors */
    troupe_host *host;
    troupe_reason reason;
    troupe_error error = troupe_host_start(&options, &host, &reason);
    if (error != TROUPE_OK) {
        fprintf(stderr, "embed_host: %s\n", reason.text);
        return 1;
    }
    printf("the host is at %s\n", troupe_host_addresses(host)->url);

    troupe_guest *guest;
    error = troupe_guest_create(troupe_host_system(host), &guest);
    if (error == TROUPE_OK) {
        error = perform(troupe_host_system(host), guest);
        troupe_guest_destroy(guest);
    }
    troupe_host_stop(host);
    return error == TROUPE_OK ? 0 : 1;
}
