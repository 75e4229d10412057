#!/usr/bin/env bats
# wall.bats - what the stage before 05.14 cannot do.

load ../../../tests/lib.bash
load ../../../tests/http.bash

# bats test_tags=wall,promise:no-bodies
@test "wall: a request with a body is refused" {
    about "sent a GET with a body of 5 bytes" \
        "what the server cannot frame it must not read" \
        "step05_final/stages/14_bodies/README.md, \"The wall\""
    start_http
    http_probe 'open a' 'send a "GET /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"' \
        'expect a "HTTP/1.1 501 "' || past_the_wall bodies_are_read
    end_server
}

bodies_are_read() {
    start_http && http_probe 'open a' \
        'send a "GET /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"' \
        'expect a "HTTP/1.1 200 "'
}
