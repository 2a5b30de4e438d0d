/* SPDX-License-Identifier: MIT */
#include "cli/printer.h"
#include "cli/table.h"
#include "cli/view.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

TestSuite(term, .init = term_init);
TestSuite(table, .init = term_init);
TestSuite(view, .init = term_init);
TestSuite(printer, .init = term_init);

static void expect_fit(const char *text, size_t width, term_cut cut, const char *expected)
{
    char *fitted = term_fit(text, width, cut);
    cr_expect_str_eq(fitted, expected);
    cr_expect(width == 0 || cut == TERM_KEEP || term_text_width(fitted) <= width, "%s", fitted);
    free(fitted);
}

Test(term, width_counts_columns_not_bytes)
{
    cr_expect_eq(term_text_width("abc"), 3);
    cr_expect_eq(term_text_width("\xc3\xa4\xc3\xb6"), 2, "two umlauts");
    cr_expect_eq(term_text_width("\xe6\xbc\xa2"), 2, "a wide character");
    cr_expect_eq(term_text_width("e\xcc\x81"), 1, "a combining accent");
    cr_expect_eq(term_text_width("\xff\xc3"), 2, "bytes that are not UTF-8");
}

Test(term, cutting)
{
    expect_fit("short", 10, TERM_END, "short");
    expect_fit("0123456789", 0, TERM_END, "0123456789");
    expect_fit("0123456789", 5, TERM_KEEP, "0123456789");
    expect_fit("0123456789", 5, TERM_END, "0123\xe2\x80\xa6");
    expect_fit("http://example.org/path/file.js", 16, TERM_MIDDLE,
               "http://ex\xe2\x80\xa6"
               "ile.js");
    expect_fit("\xe6\xbc\xa2\xe6\xbc\xa2\xe6\xbc\xa2", 4, TERM_END, "\xe6\xbc\xa2\xe2\x80\xa6");
    expect_fit("0123456789", 1, TERM_MIDDLE, "\xe2\x80\xa6");
}

Test(term, pages_cannot_steer_the_terminal)
{
    static const struct {
        const char *text;
        const char *clean;
    } cases[] = {
        {"a\nb\tc\r", "a b c "},
        {"\033[2Jx", "\xef\xbf\xbd[2Jx"},
        {"\x07\x7f", "\xef\xbf\xbd\xef\xbf\xbd"},
        {"\xc2\x9b", "\xef\xbf\xbd"}, /* CSI as one character */
        {"\xe2\x80\xae"
         "evil",
         "\xef\xbf\xbd"
         "evil"}, /* right-to-left override */
        {"\xff", "\xef\xbf\xbd"},
        {"\xe6\xbc", "\xef\xbf\xbd\xef\xbf\xbd"},
        {"gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *clean = term_clean(cases[i].text);
        cr_expect_str_eq(clean, cases[i].clean);
        free(clean);
    }
}

static const table_column columns[] = {{"ID", true, TERM_KEEP},
                                       {"EMPTY", false, TERM_KEEP},
                                       {"URL", false, TERM_MIDDLE},
                                       {"STATE", false, TERM_KEEP}};

static char *render_with(size_t width, bool colours, bool headings, const char *drop)
{
    static const char *const cells[] = {
        "1", "", "http://example.org/a/long/path/file.js", "ok", "12", "", "x", "failed"};
    table *made = table_create(columns, 4);
    for (size_t i = 0; i < sizeof cells / sizeof cells[0]; i++) {
        table_add(made, cells[i], i == 3 ? TERM_GREEN : TERM_PLAIN);
    }
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    table_style style = {width, colours, headings, drop};
    table_print(made, out, &style);
    fclose(out);
    table_destroy(made);
    return text;
}

static char *render(size_t width, bool colours, bool headings)
{
    return render_with(width, colours, headings, NULL);
}

Test(table, columns_are_left_out_before_others_are_cut_short)
{
    char *text = render_with(39, false, true, "STATE");
    cr_expect_null(strstr(text, "STATE"), "%s", text);
    cr_expect(strstr(text, "http://example") != NULL, "%s", text);
    free(text);
    text = render_with(45, false, true, "STATE");
    cr_expect_not_null(strstr(text, "STATE"), "there is room:\n%s", text);
    free(text);
    text = render_with(20, false, true, "STATE|NOSUCH");
    cr_expect_null(strstr(text, "STATE"), "%s", text);
    free(text);
}

Test(table, columns_are_aligned_and_empty_ones_left_out)
{
    char *text = render(0, false, true);
    cr_expect_str_eq(text, "ID  URL                                     STATE\n"
                           " 1  http://example.org/a/long/path/file.js  ok\n"
                           "12  x                                       failed\n");
    free(text);
}

Test(table, fits_the_width_by_cutting_what_may_be_cut)
{
    char *text = render(30, false, true);
    cr_expect_str_eq(text, "ID  URL                 STATE\n"
                           " 1  http://exam\xe2\x80\xa6"
                           "ile.js  ok\n"
                           "12  x                   failed\n");
    free(text);
    text = render(5, false, false);
    cr_expect(strstr(text, "failed") != NULL, "what may not be cut is kept:\n%s", text);
    free(text);
}

Test(table, colours_only_when_asked_for)
{
    char *text = render(0, false, true);
    cr_expect_null(strchr(text, '\033'));
    free(text);
    text = render(0, true, false);
    cr_expect(strstr(text, "\033[32mok\033[0m") != NULL, "%s", text);
    free(text);
}

static void expect_text(const char *json, view_kind kind, const char *expected)
{
    char text[100];
    json_t *value = json_loads(json, JSON_DECODE_ANY, NULL);
    view_text(value, kind, text, sizeof text);
    cr_expect_str_eq(text, expected);
    json_decref(value);
}

Test(view, values_by_kind)
{
    setenv("TZ", "UTC", 1);
    expect_text("null", VIEW_TEXT, "");
    expect_text("\"x\"", VIEW_TEXT, "x");
    expect_text("true", VIEW_TEXT, "yes");
    expect_text("[1,2]", VIEW_NUMBER, "2");
    expect_text("12345", VIEW_BYTES, "12.3 kB");
    expect_text("34.2", VIEW_MS, "34 ms");
    expect_text("0", VIEW_STATUS, "");
    expect_text("404", VIEW_STATUS, "404");
    expect_text("\"2026-01-31T12:34:56.789Z\"", VIEW_TIME, "12:34:56.789");
    expect_text("1700000000123", VIEW_TIME, "22:13:20.123");
    expect_text("1700000000.5", VIEW_TIME, "22:13:20.500");
    expect_text("1700000000123456", VIEW_TIME, "22:13:20.123");
    expect_text("\"no time\"", VIEW_TIME, "no time");
    expect_text("{\"a\":1}", VIEW_TEXT, "{\"a\":1}");
}

Test(view, member_takes_the_first_alternative_that_is_there)
{
    json_t *row = json_pack("{s:n, s:i, s:i}", "a", "b", 2, "c", 3);
    cr_expect_eq(json_integer_value(view_member(row, "a|b|c")), 2);
    cr_expect_eq(json_integer_value(view_member(row, "c")), 3);
    cr_expect_null(view_member(row, "a|x"));
    cr_expect_null(view_member(NULL, "a"));
    json_decref(row);
}

static void expect_line(const char *topic, const char *json, size_t width, const char *expected)
{
    json_t *event = json_loads(json, 0, NULL);
    char *line = printer_line(topic, event, "12:00:00.000", width, false);
    cr_expect_str_eq(line, expected);
    free(line);
    json_decref(event);
}

Test(printer, one_line_an_event)
{
    expect_line("network",
                "{\"target\":\"p1:abc123\",\"method\":\"GET\",\"status\":200,\"type\":\"Script\","
                "\"size\":12345,\"time_ms\":34,\"state\":\"complete\",\"url\":\"http://x/a.js\"}",
                0,
                "12:00:00.000  p1:abc123  GET     200     Script       12.3 kB    34 ms  "
                "http://x/a.js");
    expect_line("network",
                "{\"target\":\"p1:abc123\",\"method\":\"GET\",\"status\":0,\"type\":\"Image\","
                "\"state\":\"failed\",\"error_text\":\"net::ERR\",\"url\":\"http://x/b\"}",
                0,
                "12:00:00.000  p1:abc123  GET     failed  Image                          "
                "net::ERR  http://x/b");
    expect_line("console",
                "{\"target\":\"p1:abc123\",\"level\":\"error\",\"message\":\"two\\nlines\","
                "\"url\":\"http://x/a.js\",\"line\":7}",
                0, "12:00:00.000  p1:abc123  error    a.js:7  two lines");
    expect_line("gap", "{\"topic\":\"network\",\"count\":5}", 0,
                "12:00:00.000             5 network events were not shown");
}

Test(printer, lines_fit_the_terminal)
{
    json_t *event = json_pack("{s:s, s:s, s:s}", "target", "p1:abc123", "level", "log", "message",
                              "a message that is much longer than what is left of the line");
    char *line = printer_line("console", event, "12:00:00.000", 60, false);
    cr_expect_leq(term_text_width(line), 60, "%s", line);
    free(line);
    json_decref(event);
    cr_expect_null(printer_line("other", json_null(), "", 0, false));
}

Test(printer, unknown_members_do_no_harm)
{
    json_t *empty = json_object();
    static const char *const topics[] = {"network", "console", "target", "gap"};
    for (size_t i = 0; i < 4; i++) {
        char *line = printer_line(topics[i], empty, "12:00:00.000", 80, true);
        cr_expect_not_null(line);
        free(line);
    }
    json_decref(empty);
}
