#!/usr/bin/env bats
#
# Exercise 21: two threads that use one variable, one of them without the lock.

load ../../tests/lib.bash
load ../../tests/builds.bash

HERE=exercises/21_the_race_nobody_sees/README.md

@test "ThreadSanitizer finds no data race" {
    about "built it with -fsanitize=thread, let 16 clients talk, and sent SIGTERM while workers were busy" \
        "whatever two threads use, and one of them changes, needs one lock that both hold, or must be atomic. The report stands below" \
        "$HERE, \"The task\""
    instrumented thread
    start_server -t 4 -w 300000
    probe 'open a*16' 'within 5000' 'echo a "hello\n"' 'send a "once more\n"'
    kill -TERM "$SERVER_PID"
    expect_exit 0 || { grep -A 12 'WARNING: ThreadSanitizer' "$SERVER_ERR" | head -n 24; return 1; }
}
