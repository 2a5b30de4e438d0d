/* SPDX-License-Identifier: MIT */
/* `troupe doctor`: what a host needs on this machine, and how one that runs fares. */
#include "command.h"
#include "doctor.h"
#include "view.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

void doctor_add(json_t *list, const char *check, const char *level, const char *todo,
                const char *format, ...)
{
    char text[1200];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    json_t *row = json_pack("{s:s, s:s, s:s}", "check", check, "level", level, "text", text);
    if (row == NULL) { /* cut within a character, perhaps */
        row = json_pack("{s:s, s:s, s:s}", "check", check, "level", level, "text", "?");
    }
    if (todo != NULL) {
        json_object_set_new(row, "todo", json_string(todo));
    }
    json_array_append_new(list, row);
}

/* What to do stands behind what was found, where something is to be done. */
static void add_text(table *made, const json_t *row, bool advise)
{
    const char *todo = json_string_value(json_object_get(row, "todo"));
    const char *text = json_string_value(json_object_get(row, "text"));
    char *both = NULL;
    if (advise && todo != NULL && asprintf(&both, "%s → %s", text, todo) >= 0) {
        table_add(made, both, TERM_PLAIN);
        free(both);
    } else {
        table_add(made, text, TERM_PLAIN);
    }
}

static void print_findings(const cli *self, const json_t *list)
{
    static const table_column columns[] = {
        {"CHECK", false, TERM_KEEP}, {"RESULT", false, TERM_KEEP}, {"", false, TERM_KEEP}};
    table *made = table_create(columns, 3);
    size_t index;
    json_t *row;
    json_array_foreach(list, index, row)
    {
        const char *level = json_string_value(json_object_get(row, "level"));
        term_colour colour = strcmp(level, "ok") == 0        ? TERM_GREEN
                             : strcmp(level, "warning") == 0 ? TERM_YELLOW
                                                             : TERM_RED;
        if (made != NULL && (!self->quiet || colour == TERM_RED)) {
            table_add(made, json_string_value(json_object_get(row, "check")), TERM_PLAIN);
            table_add(made, level, colour);
            add_text(made, row, strcmp(level, "ok") != 0);
        }
    }
    table_style style = {0, term_colours(stdout), false, NULL};
    if (made != NULL) {
        table_print(made, stdout, &style);
    }
    table_destroy(made);
}

static bool any_error(const json_t *list)
{
    size_t index;
    json_t *row;
    json_array_foreach(list, index, row)
    {
        if (strcmp(json_string_value(json_object_get(row, "level")), "error") == 0) {
            return true;
        }
    }
    return false;
}

static int print_checks(cli *self, json_t *result)
{
    print_findings(self, json_object_get(result, "checks"));
    return CLI_OK;
}

static int check_ok(const json_t *result)
{
    return json_is_true(json_object_get(result, "ok")) ? CLI_OK : CLI_FAILED;
}

int run_doctor(cli *self)
{
    json_t *list = json_array();
    doctor_browser(self, list);
    doctor_machine(self, list);
    doctor_host(self, list);
    bool ok = !any_error(list);
    return cli_present(self, json_pack("{s:o, s:b}", "checks", list, "ok", (int)ok), print_checks,
                       check_ok);
}
