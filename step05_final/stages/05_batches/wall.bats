#!/usr/bin/env bats
# The wall that stage 05 removes: a lock and a wake-up for each message.
#
# bats file_tags=step05

load ../../../tests/lib.bash
load ../../../tests/counting.bash

HERE=step05_final/stages/05_batches/README.md

# bats test_tags=wall
@test "wall: a wake-up for each message" {
    about "sent 64 messages at once to a server with one worker, and counted how often a thread is told that there is work" \
        "each task is pushed alone, and each push signals the condition" \
        "$HERE, \"The wall\""
    refute few_wake_ups || past_the_wall few_wake_ups
}

few_wake_ups() {
    counted_server -t 1 &&
        probe 'within 10000' 'open x*64' asleep stop 'send x "hello\n"' 'arrived x' cont 'expect x "hello\n"' &&
        (($(counts wakes) <= 16))
}
