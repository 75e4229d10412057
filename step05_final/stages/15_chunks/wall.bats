#!/usr/bin/env bats
# wall.bats - what the stage before 05.15 cannot do.

load ../../../tests/lib.bash
load ../../../tests/http.bash

CHUNKED='POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n'

# bats test_tags=wall,promise:length-first
@test "wall: a body whose length is not known yet is refused" {
    about "sent a body in chunks" \
        "only Content-Length says where a body ends" \
        "step05_final/stages/15_chunks/README.md, \"The wall\""
    start_http
    http_probe 'open a' "send a \"$CHUNKED\"" 'expect a "HTTP/1.1 501 "' ||
        past_the_wall chunks_are_read
    end_server
}

chunks_are_read() {
    start_http && http_probe 'open a' "send a \"$CHUNKED\"" 'find a "\r\n\r\nhello"'
}
