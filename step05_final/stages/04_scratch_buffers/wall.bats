#!/usr/bin/env bats
# The wall that this stage removes: it stands in the stage before.
#
# bats file_tags=step05

load ../../../tests/lib.bash

HERE=step05_final/stages/04_scratch_buffers/README.md

# bats test_tags=wall
@test "wall: each idle connection owns a buffer" {
    about "connected 3,000 clients that sent one message and then nothing" \
        "the buffer is a part of the connection, and is there as long as the connection is" \
        "$HERE, \"The wall\""
    start_server
    probe 'within 10000' 'open w' 'echo w "warm"' mark 'open x*3000' 'echo x "hello\n"' \
        'grew rss min=6000' || past_the_wall idle_ones_cost_little
    stop_server
}

idle_ones_cost_little() {
    start_server && probe 'within 10000' 'open w' 'echo w "warm"' mark 'open x*3000' \
        'echo x "hello\n"' 'grew rss max=1500'
}
