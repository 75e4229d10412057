#!/usr/bin/env bats
#
# Exercise 08: more clients than an fd_set holds.

load ../../tests/lib.bash

HERE=exercises/08_beyond_the_set/README.md

WHY='FD_SET writes bit number fd, wherever that is: compare with FD_SETSIZE before, and close what cannot be watched'

many_descriptors() { (($(ulimit -Hn) >= 1300)) || skip "this machine allows $(ulimit -Hn) descriptors (ulimit -Hn)"; }

@test "clients that select cannot watch are closed, and the others are served" {
    about "connected 1,100 clients" "$WHY" "$HERE, \"The story\""
    many_descriptors
    start_server
    # 1,024 descriptors, of which the server needs a few itself.
    probe 'within 10000' 'open a*900' 'echo a "first\n"' 'open b*120' 'open c*80' 'closed c' 'echo a "second\n"'
    expect_alive
    end_server
}

@test "when some have left, others may come" {
    about "connected 1,100 clients, let all leave, and connected 500 others" \
        "what was refused must leave nothing behind: its descriptor is closed" "$HERE, \"Done when\""
    many_descriptors
    start_server
    probe 'within 10000' mark 'open a*900' 'open b*120' 'open c*80' 'closed c' 'close c' 'close b' 'close a' \
        'grew fds max=0' 'open d*500' 'echo d "third\n"'
    end_server
}
