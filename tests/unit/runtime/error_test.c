/* SPDX-License-Identifier: MIT */
/* Errors, versions and log records. */
#include "troupe/error.h"
#include "troupe/log.h"
#include "troupe/version.h"

#include <criterion/criterion.h>
#include <string.h>

Test(error, names_round_trip)
{
    for (int i = 0; i <= TROUPE_EIO; i++)
        cr_assert(troupe_error_by_name(troupe_error_name((troupe_error)i)) == (troupe_error)i);
    cr_assert_str_eq(troupe_error_name(TROUPE_EBUSY), "BUSY");
    cr_assert(troupe_error_rpc_code(TROUPE_EBUSY) == -32004);
}

Test(error, unknown_values_have_answers)
{
    cr_assert_str_eq(troupe_error_name((troupe_error)999), "UNKNOWN");
    cr_assert_str_eq(troupe_error_name((troupe_error)-1), "UNKNOWN");
    cr_assert(troupe_error_rpc_code((troupe_error)999) == -32603);
    cr_assert(troupe_error_by_name("nonsense") == TROUPE_EINTERNAL);
    cr_assert(troupe_error_by_name(NULL) == TROUPE_EINTERNAL);
}

Test(error, reason_is_cut_at_a_whole_character)
{
    troupe_reason reason;
    char text[600];
    memset(text, 'a', sizeof text);
    memcpy(text + 398, "\xc3\xa9", 2);
    text[599] = '\0';
    cr_assert(troupe_fail(&reason, TROUPE_EIO, "%s", text) == TROUPE_EIO);
    cr_assert(strlen(reason.text) == 398);
    cr_assert(troupe_fail(NULL, TROUPE_EIO, "%s", text) == TROUPE_EIO);
}

Test(version, compares_numerically)
{
    cr_assert_str_eq(troupe_version(), TROUPE_VERSION);
    cr_assert(troupe_version_compare("0.9.0", "0.10.0") < 0);
    cr_assert(troupe_version_compare("1.0", "1.0.0") == 0);
    cr_assert(troupe_version_compare("1.0.1", "1.0") > 0);
    cr_assert(troupe_version_compare("v2", "1.9.9") > 0);
    cr_assert(troupe_version_compare("1.01", "1.1") == 0);
}

typedef struct seen {
    int count;
    char text[64];
    troupe_log_level level;
} seen;

static void remember(void *context, const troupe_log_record *record)
{
    seen *s = context;
    s->count++;
    s->level = record->level;
    strncpy(s->text, record->text, sizeof s->text - 1);
    troupe_log(TROUPE_LOG_ERROR, "test", "nested", NULL, "a sink that logs does not hang");
}

Test(log, records_pass_by_level)
{
    seen s = {0};
    troupe_log_set_sink(remember, &s);
    troupe_log(TROUPE_LOG_DEBUG, "test", "hidden", NULL, "not at this level");
    cr_assert(s.count == 0);
    troupe_log(TROUPE_LOG_WARN, "test", "shown", "subject", "number %d", 5);
    cr_assert(s.count == 1 && s.level == TROUPE_LOG_WARN);
    cr_assert_str_eq(s.text, "number 5");
    troupe_log_set_level(TROUPE_LOG_TRACE);
    cr_assert(troupe_log_enabled(TROUPE_LOG_TRACE));
    troupe_log_set_sink(NULL, NULL);
}

Test(log, level_words_parse)
{
    troupe_log_level level;
    cr_assert(troupe_log_level_parse("debug", &level) == TROUPE_OK && level == TROUPE_LOG_DEBUG);
    cr_assert(troupe_log_level_parse("loud", &level) == TROUPE_EPARAMS);
}
