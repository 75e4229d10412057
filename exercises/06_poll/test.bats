#!/usr/bin/env bats
#
# Exercise 06: clients beyond FD_SETSIZE are served, by poll(2).

load ../../tests/lib.bash
load ../../tests/counting.bash

HERE=exercises/06_poll/README.md

many_descriptors() { (($(ulimit -Hn) >= 3200)) || skip "this machine allows $(ulimit -Hn) descriptors (ulimit -Hn)"; }

# The soft limit is often 1,024; what the server raises itself is its business.
start_with_descriptors() {
    many_descriptors
    SERVER_WRAP="prlimit --nofile=3200:3200"
    start_server
    SERVER_WRAP=''
}

TABLE='poll(2) takes an array of any length: let it grow, and keep it without gaps'

@test "1,500 clients are served" {
    about "connected 1,500 clients, twice, and sent a message as each of them" "$TABLE" "$HERE, \"The task\""
    start_with_descriptors
    probe 'within 10000' mark 'open a*1500' 'echo a "first\n"' 'close a' 'grew fds max=0' 'open b*1500' 'echo b "second\n"'
    end_server
}

@test "clients that leave in the middle leave the others alone" {
    about "let the second of three groups of clients leave, then the first, and others come" \
        "when an entry is removed another one may move into its place: whose place is it then?" "$HERE, \"The task\""
    start_with_descriptors
    probe 'within 10000' 'open a*400' 'open b*400' 'open c*400' 'echo a "x"' 'reset b' 'echo c "y"' 'close a' \
        'echo c "z"' 'open d*600' 'echo d "d"' 'echo c "c"' 'idle 300'
    end_server
}

@test "1,400 clients that speak at once are all served" {
    about "let 1,400 clients speak while the server was stopped, and one more go on and on" \
        "ready has room for 1,024: begin the next walk where this one ended" "$HERE, \"The task\""
    start_with_descriptors
    probe 'within 10000' 'open a*1400' 'echo a "x"' stop 'send a "hello\n"' cont 'expect a "hello\n"'
    end_server
}
