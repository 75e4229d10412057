#!/usr/bin/env bats
#
# Exercise 12: clients are registered once, by edges, and nothing is lost.

load ../../tests/lib.bash
load ../../tests/counting.bash

HERE=exercises/12_by_edges/README.md

@test "a client is registered once, whatever it does" {
    local calls
    about "let 10 clients each write until nothing more was taken, and read it back, five times; counted epoll_ctl" \
        "with EPOLLIN | EPOLLOUT | EPOLLET at the beginning there is nothing to change later" "$HERE, \"The task\""
    counted_server
    probe 'within 20000' 'open a*10 rcvbuf=4k' 'pour a' 'drink a' 'pour a' 'drink a' 'pour a' 'drink a' 'pour a' 'drink a' \
        'pour a' 'drink a' 'close a'
    expect_fds "$START_FDS"
    calls=$(counts epoll_ctl)
    # Two for each, and some for what is not a client.
    ((calls <= 2 * 10 + 6)) || report "$calls calls of epoll_ctl for 10 clients" "one when a client comes, at most one when it goes"
    end_server
}

@test "what came before the server looked is answered whole" {
    about "sent 100 KiB in one go to a stopped server, half-closed, let it go on, and read" \
        "the edge is reported once: come back until recv says EAGAIN or the end" "$HERE, \"The task\""
    start_server
    probe 'open a' 'echo a "x"' stop 'send a random:100k' cont 'expect a random:100k' 'half-close a' 'eof a'
    probe 'open b' 'echo b "x"' stop 'send b random:40k' 'half-close b' cont 'expect b random:40k' 'eof b'
    end_server
}

@test "the server sleeps when there is nothing to do" {
    about "looked how often the server wakes, idle, and while output waits" \
        "who waits for an edge has no turn; look without waiting only while somebody has one" "$HERE, \"What you learn\""
    start_server
    probe 'open a' 'echo a "x"' 'idle 300' 'open b rcvbuf=4k' 'clog b' 'idle 300' 'drink b' 'idle 300'
    end_server
}
