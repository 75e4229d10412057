#!/usr/bin/env bats
# The wall that stage 06 removes: only the kernel keeps two workers from one connection.
#
# bats file_tags=step05

load ../../../tests/lib.bash

HERE=step05_final/stages/06_state_word/README.md

# bats test_tags=wall
@test "wall: an event that comes twice makes two owners" {
    about "let each event of epoll_wait come twice, and sent one message to a server with 4 workers whose process call takes 0.3 s" \
        "the event is the token of ownership, and nothing else says whose a connection is" \
        "$HERE, \"The wall\""
    SERVER_ENV="LD_PRELOAD=$TOOLS/twice.so"
    start_server -t 4 -w 300000
    probe 'within 5000' 'open x' 'send x "query\n"' gone || past_the_wall it_is_answered_once
}

it_is_answered_once() {
    SERVER_ENV="LD_PRELOAD=$TOOLS/twice.so"
    start_server -t 4 -w 300000 && probe 'within 5000' 'open x' 'send x "query\n"' 'expect x "query\n"'
}
