%% SPDX-License-Identifier: MIT
%% Programs of the Savina suite in Erlang, at their published sizes. Each checks its own result.
%%
%%   erl -noshell -pa DIR -run savina main [PROGRAM…]
-module(savina).
-export([main/0, main/1]).

-define(ALL, ["count", "pingpong", "threadring", "fjthrput", "fjcreate", "chameneos", "big",
              "bndbuffer", "banking"]).

main() -> main(?ALL).

main(Programs) ->
    try lists:foreach(fun measure/1, Programs) of
        _ -> halt(0)
    catch
        Class:Reason:Stack ->
            io:format(standard_error, "savina.erl: ~p ~p ~p~n", [Class, Reason, Stack]),
            halt(1)
    end.

%% In a process of its own, whose mailbox and heap are clean.
measure(Program) ->
    {Pid, Ref} = spawn_monitor(fun() -> timed(Program) end),
    receive {'DOWN', Ref, process, Pid, Reason} -> normal = Reason end.

timed(Program) ->
    Start = erlang:monotonic_time(nanosecond),
    run(Program),
    Took = erlang:monotonic_time(nanosecond) - Start,
    io:format("{\"scenario\":\"~s\",\"who\":\"Erlang\",\"ms\":~.1f}~n", [Program, Took / 1.0e6]).

times(0, _) -> ok;
times(N, Fun) -> Fun(), times(N - 1, Fun).

%% ---- count ----

run("count") ->
    Counter = spawn_link(fun() -> counter(0) end),
    Self = self(),
    spawn_link(fun() -> times(1000000, fun() -> Counter ! increment end), Counter ! {get, Self} end),
    1000000 = receive {count, N} -> N end;

%% ---- pingpong ----

run("pingpong") ->
    Self = self(),
    Pong = spawn_link(fun ponger/0),
    spawn_link(fun() -> Self ! {pongs, pinger(Pong, 40000, 0)} end),
    40000 = receive {pongs, N} -> N end,
    Pong ! stop;

%% ---- threadring ----

run("threadring") ->
    Self = self(),
    [First | Rest] = All = [spawn_link(fun() -> member_start(Self) end) || _ <- lists:seq(1, 100)],
    [Pid ! {next, Next} || {Pid, Next} <- lists:zip(All, Rest ++ [First])],
    First ! 100000,
    receive finished -> ok end,
    [Pid ! {stop, Self} || Pid <- All],
    100001 = lists:sum([receive {passes, N} -> N end || _ <- All]);

%% ---- fjthrput, fjcreate ----

run("fjthrput") ->
    Self = self(),
    All = [spawn_link(fun() -> worker(10000, 0.0, Self) end) || _ <- lists:seq(1, 60)],
    times(10000, fun() -> [Pid ! work || Pid <- All] end),
    600000 = lists:sum([receive {worked, N} -> N end || _ <- All]);

run("fjcreate") ->
    Self = self(),
    times(40000, fun() -> spawn(fun() -> worker(1, 0.0, Self) end) ! work end),
    40000 = lists:sum([receive {worked, N} -> N end || _ <- lists:seq(1, 40000)]);

%% ---- chameneos ----

run("chameneos") ->
    Self = self(),
    Mall = spawn_link(fun() -> mall(200000, none, 100, 0, Self) end),
    [spawn_link(fun() -> creature_start(Mall, I rem 3) end) || I <- lists:seq(1, 100)],
    400000 = receive {meetings, N} -> N end;

%% ---- big ----

run("big") ->
    Self = self(),
    All = [spawn_link(fun() -> peer_start(Self) end) || _ <- lists:seq(1, 120)],
    Tuple = list_to_tuple(All),
    [Pid ! {all, Tuple} || Pid <- All],
    2400000 = lists:sum([receive {pongs, N} -> N end || _ <- All]),
    [Pid ! stop || Pid <- All];

%% ---- bndbuffer ----

run("bndbuffer") ->
    Self = self(),
    Manager = spawn_link(fun() -> manager_start(Self) end),
    Consumers = [spawn_link(fun() -> consumer(Manager, 0, {0.0, 1}) end) || _ <- lists:seq(1, 40)],
    Producers = [spawn_link(fun() -> producer(Manager, 1000, {0.0, 1}) end) || _ <- lists:seq(1, 40)],
    Manager ! {start, Producers, Consumers},
    receive finished -> ok end,
    [Pid ! {stop, Self} || Pid <- Consumers],
    40000 = lists:sum([receive {consumed, N} -> N end || _ <- Consumers]);

%% ---- banking ----

run("banking") ->
    Self = self(),
    All = [spawn_link(fun() -> account(1000000) end) || _ <- lists:seq(1, 1000)],
    Accounts = list_to_tuple(All),
    times(50000, fun() -> transfer(Accounts, Self) end),
    times(50000, fun() -> receive transferred -> ok end end),
    [Pid ! {stop, Self} || Pid <- All],
    1000000000 = lists:sum([receive {balance, N} -> N end || _ <- All]).

counter(N) ->
    receive
        increment -> counter(N + 1);
        {get, Who} -> Who ! {count, N}
    end.

ponger() ->
    receive
        {ping, From} -> From ! pong, ponger();
        stop -> ok
    end.

pinger(_, 0, Pongs) -> Pongs;
pinger(To, Left, Pongs) ->
    To ! {ping, self()},
    receive pong -> pinger(To, Left - 1, Pongs + 1) end.

member_start(Reporter) -> receive {next, Next} -> member(Next, Reporter, 0) end.

member(Next, Reporter, Passes) ->
    receive
        0 -> Reporter ! finished, member(Next, Reporter, Passes + 1);
        {stop, Who} -> Who ! {passes, Passes};
        Left -> Next ! Left - 1, member(Next, Reporter, Passes + 1)
    end.

worker(Count, Result, Waits) -> worker(Count, 0, Result, Waits).
worker(Count, Count, _, Waits) -> Waits ! {worked, Count};
worker(Count, Done, Result, Waits) ->
    receive work ->
        Sine = math:sin(37.2),
        worker(Count, Done + 1, Result + Sine * Sine, Waits)
    end.

complement(A, A) -> A;
complement(A, B) -> 3 - A - B.

creature_start(Mall, Colour) -> Mall ! {meet, self(), Colour}, creature(Mall, Colour, 0).

creature(Mall, Colour, Meetings) ->
    receive
        {meet, Other, Theirs} ->
            New = complement(Colour, Theirs),
            Other ! {change, New},
            Mall ! {meet, self(), New},
            creature(Mall, New, Meetings + 1);
        {change, New} ->
            Mall ! {meet, self(), New},
            creature(Mall, New, Meetings + 1);
        leave -> Mall ! {met, Meetings}
    end.

mall(_, _, 0, Meetings, Waits) -> Waits ! {meetings, Meetings};
mall(Left, Waiting, Creatures, Meetings, Waits) ->
    receive
        {met, N} -> mall(Left, Waiting, Creatures - 1, Meetings + N, Waits);
        {meet, Pid, _} when Left =:= 0 ->
            Pid ! leave,
            mall(Left, Waiting, Creatures, Meetings, Waits);
        {meet, Pid, _} when Waiting =:= none -> mall(Left, Pid, Creatures, Meetings, Waits);
        {meet, Pid, Colour} ->
            Waiting ! {meet, Pid, Colour},
            mall(Left - 1, none, Creatures, Meetings, Waits)
    end.

peer_start(Sink) -> receive {all, All} -> peer_ping(All), peer(All, 0, Sink) end.

peer_ping(All) -> element(rand:uniform(120), All) ! {ping, self()}.

peer(All, Pongs, Sink) ->
    receive
        {ping, From} -> From ! pong, peer(All, Pongs, Sink);
        pong when Pongs + 1 =:= 20000 -> Sink ! {pongs, Pongs + 1}, peer(All, Pongs + 1, Sink);
        pong -> peer_ping(All), peer(All, Pongs + 1, Sink);
        stop -> ok
    end.

%% 100 logarithms of random numbers: a 25th of Savina's, so that messages count and not these.
process({Term, Seed}) -> process(Term, Seed, 100).
process(Term, Seed, 0) -> {Term, Seed};
process(Term, Seed, N) ->
    Next = Seed * 16807 rem 2147483647,
    process(Term + math:log(Next / 2147483647 + 0.01), Next, N - 1).

producer(Manager, 0, _) -> receive produce -> Manager ! produced_all end;
producer(Manager, Left, Work) ->
    receive produce ->
        New = process(Work),
        Manager ! {item, self(), Left},
        producer(Manager, Left - 1, New)
    end.

consumer(Manager, Consumed, Work) ->
    receive
        {item, _} ->
            New = process(Work),
            Manager ! {available, self()},
            consumer(Manager, Consumed + 1, New);
        {stop, Who} -> Who ! {consumed, Consumed}
    end.

manager_start(Waits) ->
    receive {start, Producers, Consumers} ->
        [Pid ! produce || Pid <- Producers],
        manager(queue:new(), 0, queue:new(), queue:from_list(Consumers), 0, 0, Waits)
    end.

%% Of the 50 places 40 are set apart for the items that producers have in hand.
manager(_, 0, _, _, 40, 0, Waits) -> Waits ! finished;
manager(Items, Count, IdleProducers, IdleConsumers, Finished, Out, Waits) ->
    receive
        {item, From, Item} ->
            {NewItems, NewCount, NewConsumers, NewOut} =
                case queue:out(IdleConsumers) of
                    {{value, Consumer}, Others} ->
                        Consumer ! {item, Item},
                        {Items, Count, Others, Out + 1};
                    {empty, _} -> {queue:in(Item, Items), Count + 1, IdleConsumers, Out}
                end,
            true = NewCount =< 50,
            if NewCount >= 10 ->
                    manager(NewItems, NewCount, queue:in(From, IdleProducers), NewConsumers,
                            Finished, NewOut, Waits);
               true ->
                    From ! produce,
                    manager(NewItems, NewCount, IdleProducers, NewConsumers, Finished, NewOut,
                            Waits)
            end;
        {available, Consumer} when Count =:= 0 ->
            manager(Items, 0, IdleProducers, queue:in(Consumer, IdleConsumers), Finished, Out - 1,
                    Waits);
        {available, Consumer} ->
            {{value, Item}, Others} = queue:out(Items),
            Consumer ! {item, Item},
            NewIdle = case queue:out(IdleProducers) of
                          {{value, Producer}, More} -> Producer ! produce, More;
                          {empty, Same} -> Same
                      end,
            manager(Others, Count - 1, NewIdle, IdleConsumers, Finished, Out, Waits);
        produced_all ->
            manager(Items, Count, IdleProducers, IdleConsumers, Finished + 1, Out, Waits)
    end.

transfer(Accounts, Teller) ->
    From = rand:uniform(800),
    To = From + rand:uniform(1000 - From),
    element(From, Accounts) ! {give, Teller, element(To, Accounts), rand:uniform(1000)}.

%% Who gives waits for the other, and looks at nothing else meanwhile.
account(Balance) ->
    receive
        {give, Teller, To, Amount} ->
            Ref = make_ref(),
            To ! {take, self(), Ref, Amount},
            receive {taken, Ref} -> ok end,
            Teller ! transferred,
            account(Balance - Amount);
        {take, From, Ref, Amount} ->
            From ! {taken, Ref},
            account(Balance + Amount);
        {stop, Who} -> Who ! {balance, Balance}
    end.
