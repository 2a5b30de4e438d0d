/* SPDX-License-Identifier: MIT */
/* Files and templates of the demo site. */
#include "actors/demo/page.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

Test(demo_page, root_is_the_index)
{
    page_file file;
    cr_assert(page_find("/", &file));
    cr_expect_str_eq(file.type, "text/html; charset=utf-8");
    cr_expect(file.is_template);
}

Test(demo_page, what_is_not_there_is_not_found)
{
    page_file file;
    cr_expect_not(page_find("/nobody", &file));
    cr_expect_not(page_find("/nobody.html", &file));
    cr_expect_not(page_find("/../demo/index.html", &file));
    cr_expect_not(page_find("", &file));
    cr_expect_not(page_find("*", &file));
}

Test(demo_page, query_members_are_read_in_any_order)
{
    page_query query;
    page_query_read("run=a-1_b.c&n=17", &query);
    cr_expect_str_eq(query.n, "17");
    cr_expect_str_eq(query.run, "a-1_b.c");
}

Test(demo_page, query_outside_its_alphabet_counts_as_not_given)
{
    const char *bad[] = {NULL,          "",
                         "n=",          "n=<script>",
                         "run=\"x\"",   "n=1x&run=a b",
                         "xn=4&arun=y", "n=1234567890123"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        page_query query;
        page_query_read(bad[i], &query);
        cr_expect_str_eq(query.n, "1", "%s", bad[i] ? bad[i] : "NULL");
        cr_expect_str_eq(query.run, "", "%s", bad[i] ? bad[i] : "NULL");
    }
}

static void expect_filled(const char *template, const page_query *query, const char *expected)
{
    page_file file = {"text/html", (const unsigned char *)template, strlen(template), true};
    size_t len = 0;
    char *text = page_fill(&file, query, &len);
    cr_assert_not_null(text);
    cr_expect_str_eq(text, expected);
    cr_expect_eq(len, strlen(expected));
    free(text);
}

Test(demo_page, placeholders_are_filled_in)
{
    page_query plain = {.n = "3"};
    page_query both = {.n = "3", .run = "x"};
    expect_filled("", &plain, "");
    expect_filled("no marks", &plain, "no marks");
    expect_filled("a?{{query}}b{{n}}", &plain, "a?n=3b3");
    expect_filled("{{n}}{{query}}", &both, "3n=3&run=x");
    expect_filled("left {{open", &both, "left {{open");
}

Test(demo_page, own_files_have_no_mark_left_over)
{
    const char *templates[] = {"/", "/demo.css"};
    page_query query = {.n = "2", .run = "r"};
    for (size_t i = 0; i < 2; i++) {
        page_file file;
        size_t len;
        cr_assert(page_find(templates[i], &file));
        char *text = page_fill(&file, &query, &len);
        cr_assert_not_null(text);
        cr_expect_null(strstr(text, "{{"));
        cr_expect_not_null(strstr(text, "?n=2&run=r\""));
        free(text);
    }
}
