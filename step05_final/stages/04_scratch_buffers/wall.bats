#!/usr/bin/env bats
# The wall that stage 04 removes: a buffer for each connection.
#
# bats file_tags=step05

load ../../../tests/lib.bash

HERE=step05_final/stages/04_scratch_buffers/README.md

# bats test_tags=wall
@test "wall: an idle connection costs a buffer" {
    about "connected 3,000 clients that sent one message and then nothing" \
        "each connection has a buffer of its own, used or not" \
        "$HERE, \"The wall\""
    start_server
    probe 'within 10000' 'open w' 'echo w "warm"' mark 'open x*3000' 'echo x "hello\n"' \
        'grew rss min=6000' 'echo x "all of us are here\n"' || past_the_wall idle_ones_cost_little
    stop_server
}

idle_ones_cost_little() {
    start_server && probe 'within 10000' 'open w' 'echo w "warm"' mark 'open x*3000' \
        'echo x "hello\n"' 'grew rss max=6000' 'echo x "all of us are here\n"'
}
