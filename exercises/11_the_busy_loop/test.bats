#!/usr/bin/env bats
#
# Exercise 11: a server with nothing to do sleeps, in each state that a connection can be in.

load ../../tests/lib.bash

HERE=exercises/11_the_busy_loop/README.md

@test "after a slow reader has caught up the server sleeps" {
    about "let a client send until the server took no more, read all of it, and looked how often the server wakes" \
        "an empty socket is writable all the time: ask for EPOLLOUT while output waits, and no longer" "$HERE, \"The story\""
    start_server
    probe 'open a rcvbuf=4k' 'pour a' 'drink a' 'echo a "x"' 'idle 300'
    end_server
}

@test "while output waits and input lies there the server sleeps" {
    about "let a client send until the server left its input unread, and looked how often the server wakes" \
        "while output waits nothing is read: so do not ask whether something could be" "$HERE, \"The task\""
    start_server
    probe 'open a rcvbuf=4k' 'clog a' 'idle 300' 'drink a' 'idle 300'
    end_server
}

@test "a reader that begins again gets all of it" {
    about "let three clients send until nothing more was taken, then read" \
        "ask for EPOLLOUT as long as output waits" "$HERE, \"Done when\""
    start_server
    probe 'open a*3 rcvbuf=4k' 'pour a' 'drink a' 'half-close a' 'eof a'
    # The server has read all that came, and only the rest of its output is left to be waited for.
    probe 'open b rcvbuf=4k' 'brim b' 'drink b' 'half-close b' 'eof b'
    end_server
}
