#!/usr/bin/env bats
#
# Exercise 10: questions about the select loop of step 02.

load ../../tests/lib.bash
load ../../tests/counting.bash
load ../../tests/exercises/answers.bash

HERE=exercises/10_the_order_of_events/README.md

POLLER=step02_select/poller.c

@test "what select is told" {
    salt 900
    expect_answer nfds $((10 + SALT + 1)) "select(2): nfds is not the number of descriptors, nor the highest of them"
    expect_answer wants_while_output_waits writes "poller_want in $POLLER: which sets does a descriptor leave, and which one does it join?"
    expect_answer copy_line "$(the_line $POLLER 'fd_set reads = poller->reads')" "poller_wait in $POLLER makes copies of two sets in one line"
}

@test "in which order clients are served" {
    expect_answer served_first 6 "how does poller_wait in $POLLER walk from what select says to its list?"
    # The first reports both; the second waits: nothing is left.
    expect_answer calls_for_two 2 "both are ready when select is called; strace it: stop the server (kill -STOP), send twice, kill -CONT"
}
