%% SPDX-License-Identifier: MIT
%% Erlang: green processes, unbounded mailboxes.
%%
%%   erl -noshell -pa DIR -run bench main [SCENARIO…]
-module(bench).
-export([main/0, main/1]).

-define(MESSAGES, 2000000).
-define(MANY, 16).
-define(ROUND_TRIPS, 20000).
-define(WARM_UP, 2000).
-define(RING, 1000).
-define(HOPS, 50000).

main() ->
    main(["one-way", "fan-in", "fan-out", "ping-pong", "ring", "spawn", "idle"]).

main(Scenarios) ->
    try lists:foreach(fun run/1, Scenarios) of
        _ -> halt(0)
    catch
        Class:Reason:Stack ->
            io:format(standard_error, "bench.erl: ~p ~p ~p~n", [Class, Reason, Stack]),
            halt(1)
    end.

run("one-way") -> stream("one-way", 1, 1);
run("fan-in") -> stream("fan-in", ?MANY, 1);
run("fan-out") -> stream("fan-out", 1, ?MANY);
run("ping-pong") -> ping_pong();
run("ring") -> ring();
run("spawn") -> spawn_one_by_one(), spawn_batches();
run("idle") -> idle().

now_us() -> erlang:monotonic_time(nanosecond) / 1000.

rate(Scenario, Count, Took) ->
    io:format("{\"scenario\":\"~s\",\"who\":\"Erlang\",\"per_s\":~b}~n",
              [Scenario, round(Count / Took * 1.0e6)]).

%% 62 bytes live on the process heap and are copied with each message, as in Troupe.
payload() -> list_to_binary(lists:duplicate(62, 1)).

%% ---- streams ----

sink(Expected, Waits) -> sink(Expected, 0, Waits).
sink(Expected, Expected, Waits) -> Waits ! {done, Expected};
sink(Expected, N, Waits) ->
    receive <<_:62/binary>> -> sink(Expected, N + 1, Waits) end.

source(To, Count) -> receive go -> source(To, To, Count, payload()) end.
source(_, _, 0, _) -> ok;
source([], All, Count, P) -> source(All, All, Count, P);
source([To | Rest], All, Count, P) ->
    To ! P,
    source(Rest, All, Count - 1, P).

stream(Scenario, Sources, Sinks) ->
    Self = self(),
    To = [spawn(fun() -> sink(?MESSAGES div Sinks, Self) end) || _ <- lists:seq(1, Sinks)],
    From = [spawn(fun() -> source(To, ?MESSAGES div Sources) end) || _ <- lists:seq(1, Sources)],
    Start = now_us(),
    [Pid ! go || Pid <- From],
    ?MESSAGES = lists:sum([receive {done, N} -> N end || _ <- To]),
    rate(Scenario, ?MESSAGES, now_us() - Start).

%% ---- round trips ----

ponger() ->
    receive
        {From, P} -> From ! P, ponger();
        stop -> ok
    end.

pinger(_, 0, _, Times) -> Times;
pinger(To, N, P, Times) ->
    Before = now_us(),
    To ! {self(), P},
    receive <<_/binary>> -> pinger(To, N - 1, P, [now_us() - Before | Times]) end.

ping_pong() ->
    Self = self(),
    To = spawn(fun ponger/0),
    spawn(fun() ->
                  pinger(To, ?WARM_UP, payload(), []),
                  Self ! {times, pinger(To, ?ROUND_TRIPS, payload(), [])}
          end),
    Times = receive {times, T} -> T end,
    To ! stop,
    Sorted = lists:sort(Times),
    io:format("{\"scenario\":\"ping-pong\",\"who\":\"Erlang\",\"per_s\":~b,"
              "\"p50_us\":~.2f,\"p99_us\":~.2f}~n",
              [round(?ROUND_TRIPS / lists:sum(Times) * 1.0e6),
               lists:nth(?ROUND_TRIPS div 2, Sorted), lists:nth(?ROUND_TRIPS * 99 div 100, Sorted)]).

member(Waits) -> receive {next, Next} -> member(Next, Waits) end.
member(Next, Waits) ->
    receive
        {0, _} -> Waits ! done, member(Next, Waits);
        {Left, P} -> Next ! {Left - 1, P}, member(Next, Waits);
        stop -> ok
    end.

ring() ->
    Self = self(),
    All = [First | Rest] = [spawn(fun() -> member(Self) end) || _ <- lists:seq(1, ?RING)],
    [Pid ! {next, Next} || {Pid, Next} <- lists:zip(All, Rest ++ [First])],
    Start = now_us(),
    First ! {?HOPS, payload()},
    receive done -> ok end,
    rate("ring", ?HOPS, now_us() - Start),
    [Pid ! stop || Pid <- All].

%% ---- processes ----

nothing() -> receive stop -> ok end.

spawn_and_stop(Count) ->
    All = [spawn_monitor(fun nothing/0) || _ <- lists:seq(1, Count)],
    [Pid ! stop || {Pid, _} <- All],
    [receive {'DOWN', Ref, _, _, _} -> ok end || {_, Ref} <- All].

spawn_one_by_one() ->
    Count = 50000,
    Start = now_us(),
    [spawn_and_stop(1) || _ <- lists:seq(1, Count)],
    rate("spawn", Count, now_us() - Start).

spawn_batches() ->
    Batches = 500,
    Start = now_us(),
    [spawn_and_stop(100) || _ <- lists:seq(1, Batches)],
    rate("spawn 100", Batches * 100, now_us() - Start).

resident_kib() ->
    {ok, Text} = file:read_file("/proc/self/status"),
    {match, [Kib]} = re:run(Text, "VmRSS:\\s+(\\d+)", [{capture, all_but_first, list}]),
    list_to_integer(Kib).

idle() ->
    Count = 10000,
    Before = resident_kib(),
    All = [spawn(fun ponger/0) || _ <- lists:seq(1, Count)],
    [begin Pid ! {self(), payload()}, receive <<_/binary>> -> ok end end || Pid <- All],
    io:format("{\"scenario\":\"idle\",\"who\":\"Erlang\",\"actors\":~b,\"kib\":~.1f}~n",
              [Count, (resident_kib() - Before) / Count]),
    [Pid ! stop || Pid <- All].
