#!/usr/bin/env bats
# wall.bats - what the stage before 05.17 cannot do.

load ../../../tests/lib.bash
load ../../../tests/http.bash

# bats test_tags=wall,promise:no-numbers
@test "wall: nobody can see what the server does" {
    about "asked the server for its numbers" "it has none: nothing is counted" \
        "step05_final/stages/17_metrics/README.md, \"The wall\""
    start_http
    http_probe 'open a' 'send a "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n"' \
        'expect a "HTTP/1.1 404 "' || past_the_wall there_are_numbers
    end_server
}

there_are_numbers() {
    start_http && http_probe 'open a' 'send a "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n"' \
        'expect a "HTTP/1.1 200 "'
}
