#!/usr/bin/env bats
#
# Exercise 22: while the queue is full, new connections are refused, and those inside go on.

load ../../tests/lib.bash
load ../../tests/builds.bash

HERE=exercises/22_a_bounded_queue/README.md

# A worker that has taken such a task has not done it when the test is over.
FOREVER=(-w 60000000)
BUSY_US=5000000 # for tests that end the server in order: it lets its worker finish

# expect_refused COUNT: what the server that has ended said of it, last.
expect_refused() {
    local line
    line=$(tail -n 1 "$SERVER_ERR")
    [[ $line == *"refused $1 connections" ]] ||
        report "the last line of stderr: ${line:-(none)}" "\"refused $1 connections\" at its end"
}

@test "wrong bounds are usage errors" {
    local value
    for value in 0 x 1000001; do usage_error -q $value; done
}

@test "new connections are refused while the queue is full" {
    about "with one worker that is at a long task and -q 2 let two more tasks wait, and connected 20 clients" \
        "the main thread knows how many tasks wait: accept the client, and close the connection at once" \
        "$HERE, \"The task\""
    start_server -t 1 -q 2 "${FOREVER[@]}"
    probe 'open a*3' asleep 'send a "query\n"' 'arrived a' asleep 'open beyond*20' 'eof beyond' 'silent a 50'
    kill_servers
}

@test "no connection is refused while there is room" {
    about "with one worker and -q 2 connected a client while the worker was busy and no task waited, and another while one did" \
        "a task that a worker is at does not wait any more; full means that 2 wait, not 1" "$HERE, \"Done when\""
    start_server -t 1 -q 2 "${FOREVER[@]}"
    probe 'open a' 'open b' asleep 'send a "query\n"' 'arrived a' asleep 'open c' asleep 'silent c 50' \
        'send b "query\n"' 'arrived b' asleep 'open d' asleep 'silent d 50'
    kill_servers
}

@test "a full queue does not hold up the main thread" {
    about "with one worker and -q 1 let six clients that are inside send while the worker was at a long task, and connected another" \
        "a push that waits for room stops the only thread that accepts and hears of events" "$HERE, \"The task\""
    start_server -t 1 -q 1 "${FOREVER[@]}"
    probe 'open a*6' asleep 'send a "query\n"' 'arrived a' asleep 'open beyond' 'eof beyond'
    kill_servers
}

@test "who is inside loses nothing" {
    about "with one worker and -q 1 let 8 clients send at once, again and again, and read every echo" \
        "a task that is thrown away takes the bytes, or the event, of a client along that was served" \
        "$HERE, \"The task\""
    start_server -t 1 -q 1 -w 20000
    probe 'within 10000' 'open a*8' asleep stop 'send a "one\n"' cont 'expect a "one\n"' stop 'send a "two\n"' cont \
        'expect a "two\n"' 'echo a random:40k'
    end_server
}

@test "when the queue is empty, new connections are served again" {
    about "with one worker and -q 1 let 4 clients send at once, waited for their echoes, and connected others" \
        "what a worker has taken does not wait any more: count down where it is taken" "$HERE, \"Done when\""
    start_server -t 1 -q 1 -w 100000
    probe 'within 10000' 'open a*4' asleep stop 'send a "query\n"' cont 'expect a "query\n"' asleep 'open b*3' asleep \
        'echo b "hello\n"' 'close b' asleep 'visit 3 "hello\n"'
    end_server
}

@test "the last line says how many were refused" {
    about "let the queue be full while 7 clients came, ended the server with SIGTERM, and read its stderr" \
        "a refusal that nobody counts is seen by nobody but the clients" "$HERE, \"Done when\""
    start_server -t 1 -q 1 -w $BUSY_US
    probe 'open a*2' asleep 'send a "query\n"' 'arrived a' asleep 'open beyond*7' 'eof beyond'
    stop_server 15000
    expect_refused 7
    start_server -q 1
    probe 'visit 3 "hello\n"'
    stop_server
    expect_refused 0
}

@test "ThreadSanitizer finds no data race while connections are refused" {
    about "built it with -fsanitize=thread, and with two workers and -q 1 let clients come and send while others were served" \
        "how many tasks wait is asked by one thread and changed by others: hold the lock of the queue, or let it be atomic. The report stands below" \
        "$HERE, \"Done when\""
    instrumented thread
    start_server -t 2 -q 1 -w 20000
    probe 'within 10000' 'open a*8' asleep 'send a "one\n"' 'open beyond*40' 'close beyond' 'expect a "one\n"' \
        'send a "two\n"' 'open more*40' 'close more' 'expect a "two\n"'
    kill -TERM "$SERVER_PID"
    expect_exit 0 || { grep -A 12 'WARNING: ThreadSanitizer' "$SERVER_ERR" | head -n 24; return 1; }
}
