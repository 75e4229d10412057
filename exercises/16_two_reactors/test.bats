#!/usr/bin/env bats
#
# Exercise 16: several reactors, each with a listener and connections of its own, on one port.

load ../../tests/lib.bash
load ../../tests/counting.bash

HERE=exercises/16_two_reactors/README.md
REACTORS=4
# The kernel deals clients out by a hash of their address and port. That all of so many come to
# the same one of four does not happen: 1 in 4 to the power of 63.
CLIENTS=64

thread_count() {
    local tasks=("/proc/$SERVER_PID/task/"*)
    echo ${#tasks[@]}
}

@test "wrong numbers of reactors are usage errors" {
    local value
    for value in 0 x 65; do usage_error -r $value; done
}

@test "without -r there is one thread" {
    about "started the server without -r, and counted its threads" \
        "whoever does not ask for more gets the server of step 03" "$HERE, \"Done when\""
    start_server
    probe 'open a' 'echo a "hello\n"'
    (($(thread_count) == 1)) || report "$(thread_count) threads" "1 thread"
    end_server
}

@test "several reactors compute at the same time" {
    local client
    about "let $CLIENTS clients compute for 0.1 s each with -r $REACTORS, and looked which threads wanted a core" \
        "each reactor is a thread with an epoll, a listener and connections of its own; their listeners need SO_REUSEPORT, each before its bind, and the same port, also when -p 0 let the kernel pick it" \
        "$HERE, \"The task\""
    start_server -r $REACTORS -c 100000
    probe "open x*$CLIENTS" 'send x "query\n"' 'within 30000' 'expect x "query\n"' &
    client=$!
    wait_until 20000 computed_together || report "never two at the same time" "at least two threads compute"
    wait $client
    end_server
}

@test "a thousand clients are served by several reactors" {
    about "connected 1,000 clients with -r $REACTORS and sent a message as each of them, twice" \
        "a client belongs to the reactor that accepted it: its descriptor must be known to that epoll alone" \
        "$HERE, \"The task\""
    start_server -r $REACTORS
    probe 'within 20000' 'open x*1000' 'echo x "first\n"' 'echo x "second\n"'
    (($(wc -l <"$SERVER_OUT") == 1)) ||
        report "$(wc -l <"$SERVER_OUT") lines on stdout" "one line, however many reactors listen"
    end_server
}

@test "SIGTERM ends all reactors" {
    about "connected $CLIENTS clients with -r $REACTORS, and sent SIGTERM" \
        "every reactor must notice: a signal that one of them takes is gone for the others" "$HERE, \"The task\""
    start_server -r $REACTORS
    probe "open x*$CLIENTS" 'echo x "hello\n"'
    stop_server
}
