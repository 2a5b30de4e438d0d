/* SPDX-License-Identifier: MIT */
/* The scenarios of bench_runtime, one function each. */
#ifndef SCENARIOS_H
#define SCENARIOS_H

#include "bench.h"

void scenario_one_way(const char *lane);
void scenario_fan_in(const char *lane);
void scenario_fan_out(const char *lane);
void scenario_ping_pong(const char *lane);
void scenario_call(const char *lane);
void scenario_ring(const char *lane);
void scenario_spawn(const char *lane);
void scenario_idle(const char *lane);
void scenario_overload(const char *lane);

#endif
