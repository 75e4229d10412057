#!/usr/bin/env bats
#
# Your tests. COURSE is the course; tests/lib.bash tells what there is (start_server, probe,
# stop_server), and tests/src/probe.c, near its end, the verbs of the client.

load "$COURSE/tests/lib.bash"

@test "the server starts" {
    start_server
    probe 'open a'
    stop_server
}
