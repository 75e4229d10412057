#!/usr/bin/env bats
# The wall that stage 10 removes: a stop signal drops what is queued.
#
# bats file_tags=step05

load ../../../tests/lib.bash

HERE=step05_final/stages/10_drain/README.md

# bats test_tags=wall
@test "wall: SIGTERM drops replies in flight" {
    about "queued a request as each of two clients, with one worker, and sent SIGTERM" \
        "a worker finishes what it is at; what is still queued is dropped" \
        "$HERE, \"The wall\""
    refute queued_ones_are_answered || past_the_wall queued_ones_are_answered
}

# Whichever is first, the other is still queued when the signal comes.
queued_ones_are_answered() {
    start_server -t 1 -w 300000 &&
        probe 'open x*2' stop 'send x "query\n"' 'signal TERM' cont 'expect x "query\n"'
}
