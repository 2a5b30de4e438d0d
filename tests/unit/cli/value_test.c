/* SPDX-License-Identifier: MIT */
#include "cli/value.h"

#include <criterion/criterion.h>

Test(value, sizes)
{
    static const struct {
        const char *text;
        uint64_t bytes;
    } good[] = {{"0", 0},
                {"1048576", 1 << 20},
                {"512K", 512 << 10},
                {"2G", 2ull << 30},
                {"2g", 2ull << 30},
                {"1.5GiB", 3ull << 29},
                {"64MB", 64 << 20},
                {"3 M", 3 << 20},
                {"10B", 10},
                {"1T", 1ull << 40},
                {"9007199254740993", 9007199254740993ull}};
    static const char *const bad[] = {"",   "G",   "-1",           "1X",  "1GG",
                                      "x1", "1 2", "99999999999T", "1e3", "18446744073709551616",
                                      " 1"};
    uint64_t bytes;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        cr_expect(value_bytes(good[i].text, &bytes), "%s", good[i].text);
        cr_expect_eq(bytes, good[i].bytes, "%s", good[i].text);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        cr_expect_not(value_bytes(bad[i], &bytes), "%s", bad[i]);
    }
}

Test(value, durations)
{
    static const struct {
        const char *text;
        uint64_t ms;
    } good[] = {{"250ms", 250},    {"30s", 30000},    {"5m", 300000},    {"2h", 7200000},
                {"7d", 604800000}, {"1w", 604800000}, {"1.5h", 5400000}, {"0", 0}};
    static const char *const bad[] = {"",          "30",  "1.5", "s",
                                      "5 minutes", "-1s", "5M",  "99999999999999999w"};
    uint64_t ms;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        cr_expect(value_duration(good[i].text, &ms), "%s", good[i].text);
        cr_expect_eq(ms, good[i].ms, "%s", good[i].text);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        cr_expect_not(value_duration(bad[i], &ms), "%s", bad[i]);
    }
}

Test(value, numbers_and_switches)
{
    uint64_t number;
    bool on;
    cr_expect(value_uint("18446744073709551615", &number));
    cr_expect_not(value_uint("18446744073709551616", &number));
    cr_expect_not(value_uint("+1", &number));
    cr_expect_not(value_uint("", &number));
    cr_expect(value_bool("Yes", &on) && on);
    cr_expect(value_bool("off", &on) && !on);
    cr_expect_not(value_bool("maybe", &on));
}

Test(value, written_values_are_read_back)
{
    static const uint64_t values[] = {0,          1,         1023,  1024, 1536,
                                      2ull << 30, 604800000, 30000, 1500, 86400000};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        char text[32];
        uint64_t back;
        value_bytes_text(values[i], text, sizeof text);
        cr_expect(value_bytes(text, &back) && back == values[i], "%s", text);
        value_duration_text(values[i], text, sizeof text);
        cr_expect(value_duration(text, &back) && back == values[i], "%s", text);
    }
    char text[32];
    value_duration_text(604800000, text, sizeof text);
    cr_expect_str_eq(text, "7d");
    value_bytes_text(2ull << 30, text, sizeof text);
    cr_expect_str_eq(text, "2G");
}

Test(value, for_people)
{
    char text[32];
    human_bytes(0, text, sizeof text);
    cr_expect_str_eq(text, "0 B");
    human_bytes(999, text, sizeof text);
    cr_expect_str_eq(text, "999 B");
    human_bytes(12345, text, sizeof text);
    cr_expect_str_eq(text, "12.3 kB");
    human_bytes(123456789, text, sizeof text);
    cr_expect_str_eq(text, "123 MB");
    human_ms(0.4, text, sizeof text);
    cr_expect_str_eq(text, "0.4 ms");
    human_ms(34, text, sizeof text);
    cr_expect_str_eq(text, "34 ms");
    human_ms(1234, text, sizeof text);
    cr_expect_str_eq(text, "1.2 s");
    human_ms(12000 * 1000.0, text, sizeof text);
    cr_expect_str_eq(text, "3 h 20 m");
}
