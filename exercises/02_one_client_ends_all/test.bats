#!/usr/bin/env bats
#
# Exercise 02: what one client does ends its own connection, and not the process.

load ../../tests/lib.bash

HERE=exercises/02_one_client_ends_all/README.md

ALONE='an error on one connection ends that connection: close it, and serve the next client'

@test "a client that resets its connection ends no other" {
    about "let a client send a word and reset its connection while the server waits in recv" "$ALONE" "$HERE, \"The story\""
    start_server
    probe 'open a' 'echo a "x"' 'reset a' 'visit 5 "hello\n"'
    expect_fds "$START_FDS"
    end_server
}

@test "a client that goes away while the server sends ends no other" {
    about "let a client send, half-close and reset, all while the server was stopped; then it sends to nobody" \
        "$ALONE. A send to such a client raises SIGPIPE, and that ends the process, unless the signal is ignored or the send is told not to" \
        "$HERE, \"The story\""
    start_server
    probe 'open a' 'echo a "x"' stop 'send a "hello\n"' 'half-close a' 'reset a' cont 'visit 5 "hello\n"'
    probe 'open b rcvbuf=4k' 'pour b' 'reset b' 'visit 5 "hello\n"'
    expect_fds "$START_FDS"
    end_server
}
