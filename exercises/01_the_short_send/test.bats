#!/usr/bin/env bats
#
# Exercise 01: a send that took only a part is continued where it stopped.

load ../../tests/lib.bash

HERE=exercises/01_the_short_send/README.md

WHY='send returns how many bytes it took: the next one begins behind them, and offers what is left'

# short_sends BYTES: a server whose sends take so many at most.
short_sends() {
    SERVER_ENV="LD_PRELOAD=$TOOLS/fault.so COUNT_FILE=$BATS_TEST_TMPDIR/counts FAULT=$1 FAULT_BYTES=${2-1}"
    start_server
}

@test "a send that takes a part is continued where it stopped" {
    about "let each send take 1,000 bytes at most, and sent 100 KiB" "$WHY" "$HERE, \"The story\""
    short_sends short-send 1000
    probe 'open a' 'echo a random:100k' 'half-close a' 'eof a'
    (($("$TOOLS/counts" "$BATS_TEST_TMPDIR/counts" injected_send) > 0))
    end_server
}

@test "also where it takes one byte at a time" {
    about "let each send take one byte, and sent 2 KiB" "$WHY" "$HERE, \"The story\""
    short_sends short-send 1
    probe 'open a' 'echo a random:2k' 'half-close a' 'eof a'
    end_server
}

@test "a send that was interrupted is tried again" {
    about "let every second call fail with EINTR, and sent 100 KiB" \
        "EINTR says that nothing was done: call again" "$HERE, \"Done when\""
    short_sends eintr
    probe 'open a' 'echo a random:100k' 'half-close a' 'eof a'
    end_server
}
