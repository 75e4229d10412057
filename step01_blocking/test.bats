#!/usr/bin/env bats
# What step 01 promises is the contract (tests/contract.bats). Here stands its wall.
#
# bats file_tags=step01

load ../tests/lib.bash

HERE=step01_blocking/README.md

# bats test_tags=wall,promise:one-at-a-time
@test "wall: one silent client holds up everyone" {
    about "let client a be served, then sent a message as client b" \
        "step 01 serves one client after the other" \
        "$HERE, \"The read loop\""
    start_server
    probe 'open a' 'echo a "I am here\n"' 'open b' 'send b "and I wait\n"' \
        'silent b 300' 'echo a "still here\n"' 'silent b 100' \
        'close a' 'expect b "and I wait\n"' || past_the_wall both_are_served
    stop_server
}

both_are_served() {
    start_server && probe 'open a' 'echo a "I am here\n"' 'open b' 'echo b "and I\n"' \
        'echo a "still here\n"' 'echo b "and I\n"'
}
