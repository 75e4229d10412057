#!/usr/bin/env bats
#
# Exercise 04: questions about step 01 whose answers the sources and the kernel know.

load ../../tests/lib.bash
load ../../tests/counting.bash
load ../../tests/exercises/answers.bash

HERE=exercises/04_what_the_kernel_saw/README.md

MAIN=step01_blocking/main.c

@test "the numbers of recv" {
    local size length
    size=$(sed -n 's/^#define BUFFER_SIZE \([0-9]*\).*/\1/p' "$COURSE/$MAIN")
    salt 100000
    length=$((20000 + SALT))
    expect_answer recv_calls $(((length + size - 1) / size + 1)) \
        "how large is the buffer of serve in $MAIN? The last call is the one that says 0"
}

@test "the lines and calls of step 01" {
    expect_answer resume_line "$(the_line $MAIN '^ *data \+= ')" "look for the function that sends in $MAIN; which variable is where the next send begins?"
    expect_answer right_after_bind listen "strace -f shows the calls in their order; so does net_listen in step01_blocking/net.c"
    expect_answer setsockopt_calls "$(grep -c 'setsockopt(fd' "$COURSE/step01_blocking/net.c")" "strace -e trace=setsockopt, and count; or see set_options in step01_blocking/net.c"
    expect_answer error_of_send EPIPE "send(2), ERRORS: which of them is about a connection that is shut down, and comes with a signal?"
}
