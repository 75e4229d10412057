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
    about "let 1,400 clients speak while the server was stopped" \
        "ready has room for 1,024: the rest must come with the next call" "$HERE, \"The task\""
    start_with_descriptors
    probe 'within 10000' 'open a*1400' 'echo a "x"' stop 'send a "hello\n"' cont 'expect a "hello\n"'
    end_server
}

# walks: a program in which 1,400 descriptors are ready all the time; it fails if some of them are
# not reported in twenty calls of poller_wait.
walks() {
    cat >"$BATS_TEST_TMPDIR/walks.c" <<'PROGRAM'
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

#include "poller.h"

#define MANY 1400
#define CALLS 20

int main(void)
{
    static bool seen[MANY];
    void *ready[POLLER_READY_MAX];
    struct poller *poller = poller_new();
    int ends[2], count = 0;

    if (poller == NULL || pipe(ends) != 0 || write(ends[1], "x", 1) != 1)
        return 2;
    for (int i = 0; i < MANY; i++)
        if (poller_add(poller, dup(ends[0]), &seen[i]) != 0)
            return 2;
    for (int call = 0; call < CALLS; call++)
        for (int i = poller_wait(poller, ready); i > 0; i--)
            *(bool *)ready[i - 1] = true;
    for (int i = 0; i < MANY; i++)
        count += seen[i];
    printf("%d of %d were reported in %d calls\n", count, MANY, CALLS);
    return count == MANY ? 0 : 1;
}
PROGRAM
    ${CC:-cc} -std=c11 -D_GNU_SOURCE -O1 -g -I"$EXERCISE" -o "$BATS_TEST_TMPDIR/walks" \
        "$BATS_TEST_TMPDIR/walks.c" "$EXERCISE/poller.c" >"$BATS_TEST_TMPDIR/said" 2>&1
}

@test "of 1,400 that are ready all the time, each gets its turn" {
    about "called poller_wait twenty times while 1,400 descriptors were ready" \
        "ready has room for 1,024: begin the next walk where this one ended" "$HERE, \"The task\""
    many_descriptors
    walks || report "poller.c alone does not compile: $(head -n 5 "$BATS_TEST_TMPDIR/said")" "what poller.h declares"
    as_server "$BATS_TEST_TMPDIR/walks"
    SERVER_WRAP="prlimit --nofile=3200:3200"
    try_server
    SERVER_WRAP=''
    ((TRIED_STATUS == 0)) || report "$TRIED_OUT$TRIED_ERR" "all of them"
}
