#!/usr/bin/env bats
#
# Your tests. COURSE is the course; tests/lib.bash tells what there is (start_server, probe,
# stop_server), tests/http.bash start_http and http_probe, and tests/src/probe.c, near its end, the verbs of the client.

load "$COURSE/tests/lib.bash"
load "$COURSE/tests/http.bash"

@test "the server starts" {
    start_http
    http_probe 'open a'
    stop_server
}
