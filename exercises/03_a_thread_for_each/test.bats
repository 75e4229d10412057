#!/usr/bin/env bats
#
# Exercise 03: a silent client holds up nobody, for each client has a thread.

load ../../tests/lib.bash
load ../../tests/counting.bash

HERE=exercises/03_a_thread_for_each/README.md

thread_count() {
    local tasks=("/proc/$SERVER_PID/task/"*)
    echo ${#tasks[@]}
}

has_threads() { (($(thread_count) == $1)); }

@test "a silent client holds up nobody" {
    about "let one client be silent and one not read, and others come" "while one thread waits for a client, main must be in accept again" "$HERE, \"The story\""
    start_server
    probe 'open silent' 'open slow rcvbuf=4k' 'pour slow' 'visit 10 "hello\n"' 'echo silent "at last"' 'drink slow'
    end_server
}

@test "clients that come at the same time get their own bytes" {
    about "let 500 clients come and speak at once, each with bytes of its own" \
        "each thread needs the descriptor by value: a variable of main's loop is the next client's by the time it looks" "$HERE, \"The task\""
    start_server
    probe 'within 10000' 'open a*500' 'echo a random:600' 'echo a random:20k' 'half-close a' 'eof a'
    end_server
}

@test "threads and descriptors leave with their clients" {
    local threads
    about "counted threads and descriptors before 200 clients came and after they left" \
        "close the descriptor at the end of its thread; and a thread that nobody joins must be detached, or what is left of it stays" "$HERE, \"What you learn\""
    start_server
    threads=$(thread_count)
    probe 'within 10000' 'open a*200' 'echo a "x"' 'half-close a' 'eof a' 'open b*200' 'echo b "y"' 'reset b'
    expect_fds "$START_FDS"
    wait_until 5000 has_threads "$threads" || report "$(thread_count) threads" "$threads, as before"
    end_server
}

# bats test_tags=exact
@test "memory does not grow with the clients that have left" {
    about "let 300 clients come and go ten times" "a thread that is neither joined nor detached keeps its stack forever" "$HERE, \"What you learn\""
    start_server
    probe 'within 20000' 'visit 300 "x"' mark 'visit 3000 "x"' 'grew rss max=4000'
    (($(grep -c '^' "/proc/$SERVER_PID/maps") < 600)) ||
        report "$(grep -c '^' "/proc/$SERVER_PID/maps") pieces of memory are mapped" "those of threads that have ended are given back"
    end_server
}

@test "a client for whom there is no thread is closed" {
    about "let the third pthread_create fail, and connected six clients" \
        "pthread_create may fail: that ends this one connection" "$HERE, \"Done when\""
    SERVER_ENV="LD_PRELOAD=$TOOLS/fault.so COUNT_FILE=$BATS_TEST_TMPDIR/counts FAULT=errno:pthread_create:EAGAIN:3"
    start_server
    probe 'open a' 'echo a "x"' 'open b' 'echo b "x"' 'open c' 'closed c' 'open d*3' 'echo d "x"' 'echo a "y"' 'echo b "y"'
    expect_fds "$START_FDS"
    end_server
}
