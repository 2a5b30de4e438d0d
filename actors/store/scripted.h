/* SPDX-License-Identifier: MIT */
/**
 * A recorded browser as a client of the DevTools protocol meets it: its events come again in their
 * order, its bodies are there to be asked for. No browser, no actor, no I/O but the store's file.
 *
 * A session's events wait until its client lets the page go, as Chrome's do:
 * Runtime.runIfWaitingForDebugger, Page.navigate or Page.reload. Only events of domains that the
 * session has enabled are sent. With Target.setAutoAttach on the browser all pages come as they
 * came then, in one order; with Target.attachToTarget one page, with its own children. Commands
 * that would need a page to run are refused: what it would do is not in the record.
 */
#ifndef TROUPE_STORE_SCRIPTED_H
#define TROUPE_STORE_SCRIPTED_H

#include "schema.h"

#include <jansson.h>

/** One client's way through the record; used by one thread at a time. */
typedef struct scripted scripted;

/** One whole message to the client: borrowed for the call. */
typedef void (*scripted_send_fn)(void *context, const char *text, size_t len);

/**
 * Open a store's file for reading; a host may write to it meanwhile.
 *
 * @param browser  name (the last of that name) or uid; NULL = the one that told last
 * @return TROUPE_OK; TROUPE_ESTORAGE: not a store of this version; TROUPE_ENOTFOUND: no such
 * browser
 */
troupe_error scripted_open(const char *path, const char *browser, scripted_send_fn send,
                           void *context, scripted **out, troupe_reason *reason) TROUPE_MUST_USE;
void scripted_close(scripted *script);

/** Attach the client to one page from the start, as /devtools/page/ID does: commands without a
 * session are about it. False: it is not in the record. */
bool scripted_attach(scripted *script, const char *chrome_id);

/** A message of the client: its answer, and what follows in the record, are sent before this
 * returns. */
void scripted_receive(scripted *script, const char *text, size_t len);

/** Whether the client has closed the browser (Browser.close). */
bool scripted_ended(const scripted *script);

/** As GET /json/version has it, but for the address. New reference. */
json_t *scripted_version(const scripted *script);
/** Its pages as Target.getTargets has them. New reference. */
json_t *scripted_targets(scripted *script);

#endif
