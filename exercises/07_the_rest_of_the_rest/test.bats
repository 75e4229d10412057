#!/usr/bin/env bats
#
# Exercise 07: output that leaves in several sends leaves whole, and once.

load ../../tests/lib.bash
load ../../tests/counting.bash

HERE=exercises/07_the_rest_of_the_rest/README.md

WHY='after each send the rest begins where that one stopped, counted from where it began'

@test "output that leaves in three sends or more leaves once" {
    about "let each send take 3,000 bytes at most, and sent messages of 16 KiB" "$WHY" "$HERE, \"The story\""
    SERVER_ENV="LD_PRELOAD=$TOOLS/fault.so COUNT_FILE=$BATS_TEST_TMPDIR/counts FAULT=short-send FAULT_BYTES=3000"
    start_server
    probe 'open a' 'echo a random:16k' 'echo a random:16k' 'half-close a' 'eof a'
    (($("$TOOLS/counts" "$BATS_TEST_TMPDIR/counts" injected_send) > 0))
    end_server
}

@test "also where a send takes one byte" {
    about "let each send take one byte, and sent 2 KiB" "$WHY" "$HERE, \"The story\""
    SERVER_ENV="LD_PRELOAD=$TOOLS/fault.so COUNT_FILE=$BATS_TEST_TMPDIR/counts FAULT=short-send FAULT_BYTES=1"
    start_server
    probe 'open a' 'echo a random:2k' 'half-close a' 'eof a'
    end_server
}

@test "a slow reader gets all of it" {
    about "sent without reading until nothing more was taken, then read slowly" "$WHY" "$HERE, \"The story\""
    start_server
    probe 'open a rcvbuf=4k' 'pour a' 'drink a' 'echo a "x"' 'half-close a' 'eof a'
    end_server
}

@test "a client that does not read costs no CPU time" {
    about "let a client send until the server leaves its input unread" \
        "while output waits, wait for room and not for input" "$HERE, \"Done when\""
    start_server
    probe 'open a rcvbuf=4k' 'clog a' 'idle 300' 'drink a'
    end_server
}
