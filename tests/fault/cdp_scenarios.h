/* SPDX-License-Identifier: MIT */
/** What a browser can do wrong: the scenarios of cdp_fault.c. */
#ifndef TEST_CDP_SCENARIOS_H
#define TEST_CDP_SCENARIOS_H

#include "cdp_peer.h"

typedef struct cdp_scenario {
    const char *name;
    void (*play)(cdp_peer *p); /* connects and disconnects */
} cdp_scenario;

extern const cdp_scenario cdp_scenarios[];
extern const size_t cdp_scenario_count;
extern const cdp_scenario cdp_end_scenarios[];
extern const size_t cdp_end_scenario_count;

#define MANY     200 /* calls */
#define SHORT_MS 300 /* a deadline that is meant to pass */

/* Begin so many calls. */
void start_calls(cdp_peer *p, size_t count);
/* Call n ends with the result that cdp_answer gives. */
void expect_own_result(cdp_peer *p, size_t n);

void expect_that(bool holds, const char *what, const char *file, int line);
void expect_ended(cdp_peer *p, size_t n, troupe_error error, const char *words, const char *file,
                  int line);

#define EXPECT(condition) expect_that(condition, #condition, __FILE__, __LINE__)
/* Call n ends with that error, and these words in its result or message. */
#define EXPECT_ENDED(p, n, error, words) expect_ended(p, n, error, words, __FILE__, __LINE__)

#endif
