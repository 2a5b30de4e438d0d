/* SPDX-License-Identifier: MIT */
/*
 * The runtime's benchmarks on one lane; prints JSON lines. bench/runtime.mjs runs them in turns
 * with their peers.
 *
 *   bench_runtime nng|ring [SCENARIO…]
 */
#include "scenarios.h"

int main(int argc, char **argv)
{
    static const bench_scenario scenarios[] = {
        {"one-way", scenario_one_way}, {"fan-in", scenario_fan_in},
        {"fan-out", scenario_fan_out}, {"ping-pong", scenario_ping_pong},
        {"call", scenario_call},       {"ring", scenario_ring},
        {"spawn", scenario_spawn},     {"overload", scenario_overload},
        {"idle", scenario_idle},
    };
    return bench_main(argc, argv, scenarios, sizeof scenarios / sizeof scenarios[0]);
}
