#!/usr/bin/env bats
# The wall that stage 07 removes: the token has to be armed again for each message.
#
# bats file_tags=step05

load ../../../tests/lib.bash
load ../../../tests/counting.bash

HERE=step05_final/stages/07_edges/README.md

# bats test_tags=wall
@test "wall: one epoll_ctl for each message" {
    about "counted the calls of epoll_ctl for the messages of 10 clients" \
        "a one-shot event must be armed again for each message" \
        "$HERE, \"The wall\""
    counted_server
    count_load -c 10 -t 0.3
    (($(counts epoll_ctl) >= REPLIES)) ||
        report "$(counts epoll_ctl) calls for $REPLIES messages" "at least as many" ||
        past_the_wall registered_once
    stop_server
}

registered_once() { ((REPLIES > 0 && $(counts epoll_ctl) <= 100 + REPLIES / 10)); }
