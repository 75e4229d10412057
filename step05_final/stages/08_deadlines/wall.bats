#!/usr/bin/env bats
# The wall that stage 08 removes: nobody looks at the clock.
#
# bats file_tags=step05

load ../../../tests/lib.bash

HERE=step05_final/stages/08_deadlines/README.md

# The time is no wall, but what the options say is: a server with a deadline has one to set.
# bats test_tags=wall
@test "wall: a silent client stays forever" {
    about "asked for a timeout of a second for clients that say nothing" \
        "nobody looks at the clock" \
        "$HERE, \"The wall\""
    if has_option --idle-timeout; then
        refute the_silent_are_closed || past_the_wall the_silent_are_closed
    else
        start_server
        probe 'open a' 'echo a "hello\n"' 'silent a 1500' 'echo a "still here\n"'
        stop_server
    fi
}

the_silent_are_closed() {
    start_server --idle-timeout 1000 && probe 'open a' 'echo a "hello\n"' 'within 10000' 'closed a'
}
