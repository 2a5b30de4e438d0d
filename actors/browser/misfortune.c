/* SPDX-License-Identifier: MIT */
/* What failed though nobody had called for it. */
#include "misfortune.h"

#include "actors/json_call.h"
#include "actors/verbs.h"
#include "runtime/text.h"

#include <stdarg.h>
#include <stdio.h>

void misfortune_tell(troupe_actor *self, const char *target, const char *format, ...)
{
    char text[400];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    text_repair(text);
    troupe_address to = troupe_whereis(troupe_self_system(self), NAME_STATE);
    if (to != 0) {
        (void)!json_post(self, to, TROUPE_CAST, VERB_ERROR_PUT, /* shown, not relied on */
                         json_pack("{s:s*, s:s}", "target", target, "message", text));
    }
}
